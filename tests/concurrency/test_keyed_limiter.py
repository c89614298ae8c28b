"""Work for many receivers side by side."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from jikko.maintenance.callbacks import KeyedLimiter
from tests.effort import PATIENCE
from tests.runs.world import until

pytestmark = pytest.mark.anyio


class Scene:
    """Work that goes on until it is let go."""

    def __init__(self) -> None:
        self.limiter = KeyedLimiter(total=5, each=2)
        self._ends: dict[str, asyncio.Event] = {}
        self.cancelled: list[str] = []

    def begin(self, name: str, receiver: str) -> bool:
        async def work() -> None:
            try:
                await self._ends.setdefault(name, asyncio.Event()).wait()
            except asyncio.CancelledError:
                self.cancelled.append(name)
                raise

        return self.limiter.begin(name, receiver, work)

    async def end(self, name: str) -> None:
        self._ends.setdefault(name, asyncio.Event()).set()
        await until(lambda: name not in self.limiter.under_way)


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    scene = Scene()
    yield scene
    await scene.limiter.close()


async def test_a_receiver_has_only_n_and_others_go_on(scene: Scene) -> None:
    assert [scene.begin(f"a{number}", "a") for number in range(3)] == [True, True, False]
    assert scene.begin("b", "b")

    await scene.end("a0")

    assert scene.begin("a2", "a")
    assert scene.limiter.under_way == {"a1", "a2", "b"}


async def test_there_are_only_n_in_all(scene: Scene) -> None:
    assert [scene.begin(f"{number}", f"{number}") for number in range(6)] == [True] * 5 + [False]

    await scene.end("3")

    assert scene.begin("5", "5")


async def test_what_is_under_way_does_not_begin_again(scene: Scene) -> None:
    assert scene.begin("a", "a")
    assert not scene.begin("a", "a")


async def test_waiting_ends_with_any_of_them(scene: Scene) -> None:
    scene.begin("a", "a")
    scene.begin("b", "b")
    waiting = asyncio.ensure_future(scene.limiter.moved())
    await scene.end("b")

    await asyncio.wait_for(waiting, PATIENCE)

    assert scene.limiter.under_way == {"a"}


async def test_closing_cancels_what_is_under_way(scene: Scene) -> None:
    scene.begin("a", "a")
    scene.begin("b", "b")
    await asyncio.sleep(0)

    await scene.limiter.close()

    assert (scene.cancelled, scene.limiter.under_way) == (["a", "b"], frozenset())
