"""Many ask the same at once, and one looks for it."""

import asyncio

import pytest

from jikko.concurrency.ttl_cache import TtlCache

pytestmark = pytest.mark.anyio


class Looks:
    """Counts how often it is looked for, and takes a turn of the loop each time."""

    def __init__(self) -> None:
        self.count = 0
        self.now = 0.0
        self.wrong = False

    async def __call__(self) -> int:
        self.count += 1
        found = self.count
        await asyncio.sleep(0)
        if self.wrong:
            raise LookupError("gone")
        return found


@pytest.fixture
def looks() -> Looks:
    return Looks()


@pytest.fixture
def briefly(looks: Looks) -> TtlCache:
    return TtlCache(1.0, timer=lambda: looks.now)


async def test_who_asks_meanwhile_or_soon_gets_the_same(briefly: TtlCache, looks: Looks) -> None:
    assert await asyncio.gather(*(briefly.get("a", looks) for _ in range(100))) == [1] * 100
    looks.now = 0.9
    assert await briefly.get("a", looks) == 1
    assert await briefly.get("b", looks) == 2
    looks.now = 1.0
    assert await briefly.get("a", looks) == 3


async def test_an_error_is_told_to_all_who_wait_and_not_kept(briefly: TtlCache, looks: Looks) -> None:
    looks.wrong = True
    found = await asyncio.gather(*(briefly.get("a", looks) for _ in range(3)), return_exceptions=True)
    assert [type(error) for error in found] == [LookupError] * 3
    looks.wrong = False
    assert await briefly.get("a", looks) == 2


async def test_who_leaves_takes_it_from_nobody(briefly: TtlCache, looks: Looks) -> None:
    first, second = (asyncio.create_task(briefly.get("a", looks)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == 1
    assert first.cancelled()


async def test_not_all_that_was_ever_asked_is_kept(briefly: TtlCache, looks: Looks) -> None:
    for number in range(3_000):
        await briefly.get(number, looks)
    assert await briefly.get(0, looks) == 3_001
