"""Runs that wait for a slot are offered to processes that have one; in virtual time."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

import pytest

from jikko.events import Event, RunBegan, RunFinished, RunRecovered
from jikko.ports.cluster import ReleaseRun, WaitingRun
from jikko.repositories.app_store import App
from jikko.runs.runs import StartRequest
from tests.acceptance.workflows import end, node, start
from tests.runs.processes import Case
from tests.virtual_time import run

SECONDS = 10.0
"""That a run takes."""


class Longest(Random):
    """Everything takes as long as it may."""

    def uniform(self, a: float, b: float) -> float:
        return b


class Place:
    """Processes that each execute one run at a time."""

    def __init__(self, case: Case) -> None:
        self.case = case

    async def app(self, name: str = "Slow") -> App:
        nodes = [start("q"), node("a", "code", value="x"), end(out="a.value")]
        return await self.case.publish(name, nodes, "start>a a>end")

    async def log(self, run_id: str) -> list[Event]:
        return await self.case.store.events(run_id)

    async def holder(self, run_id: str) -> str:
        record = await self.case.store.record(run_id)
        assert record is not None
        return record.holder

    async def ended(self, *run_ids: str) -> None:
        async with asyncio.timeout(600):
            while any([not isinstance((await self.log(run_id))[-1], RunFinished) for run_id in run_ids]):
                await self.holder(run_ids[0])
                await asyncio.sleep(0.1)


def plays(scenario: Callable[[Place], Awaitable[None]]) -> None:
    """Let a scenario happen."""

    async def played() -> None:
        case = Case(7, slowest_node=SECONDS)
        case.random = case.network.random = Longest(7)
        try:
            await scenario(Place(case))
        finally:
            await case.close()

    run(played())


def has_waited_elsewhere(log: list[Event]) -> bool:
    return any(isinstance(event, RunRecovered) for event in log)


def test_a_run_that_waits_begins_where_there_is_room_and_is_followed_where_it_was_started() -> None:
    async def scenario(place: Place) -> None:
        full, idle = [await place.case.start(at_once=1) for _ in range(2)]
        app = await place.app()
        first = await full.begin(app, q="1")
        started = await full.runs.start(app, StartRequest(inputs={"q": "2"}, user="anna"))
        followed = full.runs.control.followed(started)
        assert followed is not started
        second = started.record.identity.run_id

        async with asyncio.timeout(SECONDS * 1.5):
            finished = await followed.ended()

        assert isinstance(finished, RunFinished)
        assert followed.record.status == "succeeded"
        log = await place.log(second)
        assert [type(event) for event in log].count(RunBegan) == 1
        assert has_waited_elsewhere(log)
        assert not has_waited_elsewhere(await place.log(first))
        assert not full.runs.executor.executes(second)
        assert idle.admission.running == 0

    plays(scenario)


def test_a_stream_sees_every_event_of_a_run_that_begins_elsewhere_once() -> None:
    async def scenario(place: Place) -> None:
        full, _ = [await place.case.start(at_once=1) for _ in range(2)]
        app = await place.app()
        await full.begin(app, q="1")
        started = await full.runs.start(app, StartRequest(inputs={"q": "2"}, user="anna"))
        seen = [entry async for batch in full.runs.control.followed(started).follow() for entry in batch]

        assert seen == list(enumerate(await place.log(started.record.identity.run_id)))
        assert isinstance(seen[-1][1], RunFinished)

    plays(scenario)


def test_nothing_is_taken_from_a_process_whose_turn_comes_soon() -> None:
    async def scenario(place: Place) -> None:
        place.case.slowest_node = 0.2
        full, _ = [await place.case.start(at_once=1) for _ in range(2)]
        app = await place.app()
        ids = [await full.begin(app, q=str(number)) for number in range(2)]
        await place.ended(*ids)

        assert not any([has_waited_elsewhere(await place.log(run_id)) for run_id in ids])

    plays(scenario)


def test_all_of_a_flood_runs_once_and_on_all_processes() -> None:
    async def scenario(place: Place) -> None:
        processes = [await place.case.start(at_once=2) for _ in range(3)]
        app = await place.app()
        ids = [await processes[0].begin(app, q=str(number)) for number in range(60)]
        begun = asyncio.get_running_loop().time()
        await place.ended(*ids)

        # Ten rounds of all slots; one process alone would need thirty.
        assert asyncio.get_running_loop().time() - begun < 13 * SECONDS
        for run_id in ids:
            assert [type(event) for event in await place.log(run_id)].count(RunFinished) == 1
        assert place.case.repeated == []
        assert place.case.network.waiting == []

    plays(scenario)


def test_what_waits_where_a_process_ends_goes_on_elsewhere_before_its_end() -> None:
    async def scenario(place: Place) -> None:
        ending, _ = [await place.case.start(at_once=1) for _ in range(2)]
        app = await place.app()
        first = await ending.begin(app, q="1")
        second = await ending.begin(app, q="2")

        closing = asyncio.get_running_loop().create_task(ending.runs.close(0, 2 * SECONDS))
        await asyncio.sleep(1)

        assert await place.holder(second) not in ("", ending.name)
        assert await closing == 1
        await place.ended(second)
        assert not has_waited_elsewhere(await place.log(first))

    plays(scenario)


def test_a_process_that_ends_offers_at_once_what_was_handed_in_last() -> None:
    async def scenario(place: Place) -> None:
        place.case.slowest_write = 0.0
        ending, other = [await place.case.start(at_once=1) for _ in range(2)]
        app = await place.app()
        await ending.begin(app, q="1")
        newest = await ending.begin(app, q="2")

        closing = asyncio.get_running_loop().create_task(ending.runs.close(0, 2 * SECONDS))
        await asyncio.sleep(0.3)

        assert await place.holder(newest) == other.name
        await closing
        await place.ended(newest)

    plays(scenario)


@pytest.mark.parametrize("what", ["begun", "ended", "unknown"])
def test_what_does_not_wait_any_more_is_not_taken(what: str) -> None:
    async def scenario(place: Place) -> None:
        holder, other = [await place.case.start(at_once=1) for _ in range(2)]
        app = await place.app()
        run_id = await holder.begin(app, q="1")
        await asyncio.sleep(1)
        if what == "ended":
            await place.ended(run_id)
        wanted = "0198f2d5-0000-7000-8000-000000000000" if what == "unknown" else run_id

        assert await other.take_waiting(WaitingRun(run_id=wanted, app_id=app.id, holder=holder.name, epoch=1))

        await place.ended(run_id)
        assert not has_waited_elsewhere(await place.log(run_id))

    plays(scenario)


def test_an_offer_of_an_earlier_epoch_is_not_taken_though_the_run_waits_there() -> None:
    async def scenario(place: Place) -> None:
        holder, other = [await place.case.start(at_once=1) for _ in range(2)]
        app = await place.app()
        first, waits = [await holder.begin(app, q=str(number)) for number in range(2)]
        offers = [WaitingRun(run_id=waits, app_id=app.id, holder=holder.name, epoch=epoch) for epoch in (0, 1)]

        assert await other.take_waiting(offers[0])
        assert await place.holder(waits) == holder.name
        assert not has_waited_elsewhere(await place.log(waits))

        assert await other.take_waiting(offers[1])
        assert await place.holder(waits) == other.name
        await place.ended(first, waits)

    plays(scenario)


def test_one_that_is_full_or_ends_takes_nothing() -> None:
    async def scenario(place: Place) -> None:
        holder, other = [await place.case.start(at_once=1) for _ in range(2)]
        app = await place.app()
        [await process.begin(app, q="1") for process in (holder, other)]
        waits = WaitingRun(run_id=await holder.begin(app, q="2"), app_id=app.id, holder=holder.name, epoch=1)

        assert not await other.take_waiting(waits)
        assert not await holder.take_waiting(waits)

    plays(scenario)


def test_an_old_word_that_another_has_a_run_means_nothing() -> None:
    async def scenario(place: Place) -> None:
        holder, _ = [await place.case.start(at_once=1) for _ in range(2)]
        run_id = await holder.begin(await place.app(), q="1")

        assert await holder.handle_command(ReleaseRun(run_id=run_id, epoch=1)) is False
        assert holder.runs.executor.executes(run_id)

    plays(scenario)


def test_a_clock_that_is_set_back_keeps_no_run_from_being_offered() -> None:
    async def scenario(place: Place) -> None:
        full, _ = [await place.case.start(at_once=1) for _ in range(2)]
        app = await place.app()
        await full.begin(app, q="1")
        waits = [await full.begin(app, q=str(number)) for number in range(2)]
        place.case.ahead = -3600.0

        await asyncio.sleep(1)

        assert sum([await place.holder(run_id) != full.name for run_id in waits]) == 1
        await place.ended(*waits)

    plays(scenario)
