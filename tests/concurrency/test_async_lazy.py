"""Lazy values, created once for all callers, and again after a failure."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from jikko.ports.models import ModelFailure
from jikko.providers.config import ProviderConfig
from jikko.providers.sdk_errors import AsyncLazy, SdkClient
from tests.effort import PATIENCE

pytestmark = pytest.mark.anyio


class Maker:
    """Fails N times, then makes."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.calls = 0
        self.may_go_on = threading.Event()

    def __call__(self, *_: object) -> "Maker":
        self.calls += 1
        assert self.may_go_on.wait(PATIENCE)
        if self.calls <= self.failures:
            raise OSError("Too many open files")
        return self

    async def close(self) -> None:
        """As a client of an SDK has it."""


@pytest.fixture
def maker() -> Iterator[Maker]:
    maker = Maker(failures=1)
    yield maker
    maker.may_go_on.set()


async def test_all_who_ask_meanwhile_get_the_one_that_is_made(maker: Maker) -> None:
    maker.failures = 0
    once = AsyncLazy(maker)
    asking = [asyncio.ensure_future(once.get()) for _ in range(3)]
    await asyncio.sleep(0)  # they have asked
    maker.may_go_on.set()

    assert await asyncio.gather(*asking, once.get()) == [maker] * 4
    assert maker.calls == 1


async def test_what_could_not_be_made_is_tried_again_by_who_asks_next(maker: Maker) -> None:
    once = AsyncLazy(maker)
    asking = [asyncio.ensure_future(once.get()) for _ in range(3)]
    await asyncio.sleep(0)  # they have asked
    maker.may_go_on.set()
    results = await asyncio.gather(*asking, return_exceptions=True)

    assert [str(failure) for failure in results] == ["Too many open files"] * 3
    assert await once.get() is maker
    assert maker.calls == 2


async def test_so_it_is_with_the_client_of_a_provider(maker: Maker) -> None:
    maker.may_go_on.set()
    client = SdkClient(maker, ProviderConfig(id="p", type="openai"))

    with pytest.raises(ModelFailure, match="cannot be made: Too many open files"):
        await client.get()
    assert await client.get() is maker
    await client.close()
