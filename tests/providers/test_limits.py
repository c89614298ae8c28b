"""How requests wait for the limits of a provider."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from jikko.providers.provider_connections import Limiter
from tests.effort import PATIENCE

pytestmark = pytest.mark.anyio


class Office:
    """Tasks that take a slot, say so, and keep it until they are told to go."""

    def __init__(self, limiter: Limiter) -> None:
        self.limiter = limiter
        self.served: list[str] = []
        self._leave: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def come(self, run_id: str, name: str, app_id: str = "app") -> None:
        self._leave[name] = asyncio.Event()
        self.tasks[name] = asyncio.create_task(self._visit(app_id, run_id, name))
        await settle()

    async def leave(self, name: str) -> None:
        self._leave[name].set()
        await self.tasks[name]
        await settle()

    async def close(self) -> None:
        for task in self.tasks.values():
            task.cancel()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)

    async def _visit(self, app_id: str, run_id: str, name: str) -> None:
        async with self.limiter.slot(app_id, run_id):
            self.served.append(name)
            await self._leave[name].wait()


async def settle() -> None:
    """Let everything happen that can without time passing."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_no_more_requests_than_allowed_are_under_way() -> None:
    office = Office(Limiter(max_concurrent=2, app_share=1))
    for name in ("a1", "a2", "a3"):
        await office.come("a", name)

    assert office.served == ["a1", "a2"]
    await office.leave("a1")
    assert office.served == ["a1", "a2", "a3"]
    await office.close()


async def test_runs_take_turns() -> None:
    office = Office(Limiter(max_concurrent=1))
    for name in ("a1", "a2", "a3", "b1", "c1", "b2"):
        await office.come(name[0], name)
    for name in ("a1", "a2", "b1", "c1", "a3", "b2"):
        await office.leave(name)

    assert office.served == ["a1", "a2", "b1", "c1", "a3", "b2"]


async def test_apps_take_turns_however_many_runs_one_of_them_has() -> None:
    office = Office(Limiter(max_concurrent=1))
    for name in ("busy1", "busy2", "busy3", "busy4"):
        await office.come(name, name, "busy")
    await office.come("b", "b1", "other")
    await office.come("b", "b2", "other")
    for name in ("busy1", "busy2", "b1", "busy3", "b2", "busy4"):
        await office.leave(name)

    assert office.served == ["busy1", "busy2", "b1", "busy3", "b2", "busy4"]
    assert office.limiter.waiting == 0


async def test_an_app_whose_first_request_gave_up_keeps_its_turn() -> None:
    office = Office(Limiter(max_concurrent=1))
    await office.come("a", "a1")
    for name in ("b1", "b2"):
        await office.come(name, name, "b")
    await office.come("c", "c1", "c")
    office._leave["a1"].set()
    # When a1 goes, b1 is cancelled already, but has not been told yet.
    office.tasks["b1"].cancel()
    await office.tasks["a1"]
    await settle()

    assert office.served == ["a1", "b2"]
    await office.close()


async def test_who_gives_up_waiting_leaves_its_place() -> None:
    office = Office(Limiter(max_concurrent=1))
    for name in ("a1", "b1", "c1"):
        await office.come(name[0], name)
    office.tasks["b1"].cancel()
    await office.leave("a1")

    assert office.served == ["a1", "c1"]
    assert office.limiter.waiting == 0
    await office.close()


async def test_a_request_cancelled_at_the_moment_its_turn_comes_gives_its_place_back() -> None:
    office = Office(Limiter(max_concurrent=1))
    async with office.limiter.slot("app", "a"):
        for name in ("b1", "c1"):
            await office.come(name[0], name)
    # With the end of the block b1 has the place, but it has not run since.
    office.tasks["b1"].cancel()
    await settle()

    assert office.served == ["c1"]
    await office.leave("c1")
    assert office.limiter.active == 0


async def test_a_provider_that_asks_for_an_hour_holds_a_request_for_a_minute() -> None:
    moment = 0.0
    limiter = Limiter(now=lambda: moment)
    limiter.hold("run/node", 3600)
    moment = 60.0

    async with asyncio.timeout(PATIENCE), limiter.slot("app", "a", "run/node"):
        assert limiter.active == 1


async def test_only_n_requests_begin_in_a_period() -> None:
    moment = 0.0
    limiter = Limiter(per_period=2, period=0.05, now=lambda: moment)
    office = Office(limiter)
    for name in ("a1", "a2", "a3"):
        await office.come("a", name)
    assert office.served == ["a1", "a2"]

    moment = 0.06
    await until(lambda: len(office.served) == 3)
    await office.close()


async def test_without_limits_nothing_waits() -> None:
    office = Office(Limiter())
    for number in range(1000):
        async with office.limiter.slot("app", "a"):
            assert office.limiter.waiting == 0, number


async def until(condition: Callable[[], bool], step: Callable[[], Awaitable[None]] = settle) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await step()
            await asyncio.to_thread(int)


async def test_one_app_never_has_all_requests_so_that_another_begins_at_once() -> None:
    office = Office(Limiter(max_concurrent=4))
    for number in range(10):
        await office.come("a", f"busy {number}", "busy")
    assert office.served == ["busy 0", "busy 1", "busy 2"]

    await office.come("b", "other", "other")

    assert office.served[3:] == ["other"]
    await office.leave("other")
    assert len(office.served) == 4
    await office.leave("busy 0")
    assert office.served[4:] == ["busy 3"]
    await office.close()
