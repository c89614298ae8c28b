"""Runs recovered by another process: counting deaths, and durations."""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from jikko.errors import LogConflict, ServerStopping
from jikko.events import Event, NodeFinished, RunFinished, RunParked, RunRecovered, RunStarted
from jikko.ports.cluster import OrphanedRuns
from jikko.runs.run_log import RunLog
from tests.acceptance.workflows import end, node, start
from tests.runs.world import PATIENCE, World, until
from tests.store.in_memory import RunsInMemory

pytestmark = pytest.mark.anyio


async def test_a_run_outlives_any_number_of_restarts_in_good_order(world: World) -> None:
    app, process = await world.chain(), world.process()
    world.script.held = {"b"}
    run_id = (await process.start(app)).record.identity.run_id
    for restart in range(5):
        await until(lambda times=restart: world.script.ran["b"] == times + 1)  # type: ignore[misc]
        assert await process.runs.close(0) == 1
        process = world.process()
        await process.runs.control.take_over()
    world.script.release("b")

    assert (await world.ended(run_id)).status == "succeeded"
    events = await world.store.events(run_id)
    kinds = [type(event) for event in events if isinstance(event, (RunParked, RunRecovered))]
    assert kinds == [RunParked, RunRecovered] * 5


async def test_runs_are_read_side_by_side_and_those_that_wait_line_up_as_they_came(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One by one, hundreds of runs of a server that died would wait for as many answers of the database."""
    app, process = await world.chain(), world.process(at_once=1)
    world.script.held = {"a"}
    runs = [(await process.start(app)).record.identity.run_id for _ in range(5)]
    await until(lambda: world.script.ran["a"] == 1)
    await process.runs.close(0)
    read, asked, answered = world.store.events, list[str](), asyncio.Event()

    async def events(run_id: str, *, after: int = -1) -> list[Event]:
        asked.append(run_id)
        if len(asked) == len(runs):
            answered.set()
        await answered.wait()
        # The last that is asked for comes first.
        for _ in range(10 * (len(runs) - runs.index(run_id))):
            await asyncio.sleep(0)
        return await read(run_id, after=after)

    monkeypatch.setattr(world.store, "events", events)
    heir = world.process(at_once=1)
    async with asyncio.timeout(PATIENCE):
        await heir.runs.control.take_over()

    monkeypatch.undo()
    assert [place.run_id for place in heir.admission.first(9)[app.id]] == runs[1:]
    world.script.release("a")
    for run_id in runs:
        assert (await world.ended(run_id)).status == "succeeded"


async def test_of_many_that_wait_the_first_begin_while_others_are_still_to_be_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All were read before any began, and of a hundred thousand that takes long."""
    app, process = await world.chain(), world.process(at_once=1)
    world.script.held = {"a"}
    runs = [(await process.start(app)).record.identity.run_id for _ in range(200)]
    await until(lambda: world.script.ran["a"] == 1)
    await process.runs.close(0)
    world.script.release("a")
    read, answered = world.store.events, asyncio.Event()

    async def events(run_id: str, *, after: int = -1) -> list[Event]:
        if run_id == runs[-1]:
            await answered.wait()
        return await read(run_id, after=after)

    monkeypatch.setattr(world.store, "events", events)
    heir = world.process(at_once=4)
    taking = asyncio.ensure_future(heir.runs.control.take_over())
    for run_id in runs[:100]:
        assert (await world.ended(run_id)).status == "succeeded"
    assert not taking.done()

    answered.set()
    await taking
    for run_id in runs:
        assert (await world.ended(run_id)).status == "succeeded"
    assert world.script.ran == {"a": 201, "b": 200, "c": 200}


async def test_a_run_that_is_left_before_its_first_event_is_taken_over(world: World) -> None:
    app, process = await world.chain(), world.process()
    run_id = (await process.start(app)).record.identity.run_id
    await process.runs.close(0)

    await world.process().runs.control.take_over()

    # Nobody was told of it, if it is not there.
    record = await world.store.record(run_id)
    events = await world.store.events(run_id)
    assert not events or isinstance(events[0], RunStarted)
    assert record is None or (await world.ended(run_id)).status == "succeeded"


async def test_the_time_before_a_restart_counts_and_the_time_without_a_process_does_not(world: World) -> None:
    app, process = await world.chain(), world.process()
    run_id = (await process.start_until(app, "b")).record.identity.run_id
    world.now += 10
    await process.runs.close(0)
    world.now += 1000
    process = world.process()
    await process.runs.control.take_over()
    await until(lambda: world.script.ran["b"] == 2)
    world.now += 5
    world.script.release("b")

    assert (await world.ended(run_id)).elapsed == pytest.approx(15)


async def test_of_the_time_before_a_death_as_much_counts_as_the_log_tells(world: World) -> None:
    app, process = await world.chain(), world.process()
    world.script.held = {"a", "b"}
    run_id = (await process.start(app)).record.identity.run_id
    await until(lambda: world.script.ran["a"] == 1)
    world.now += 10
    world.script.release("a")
    await until(lambda: world.script.ran["b"] == 1)
    world.now += 100
    await process.die()
    process = world.process()
    await process.runs.control.take_over()
    await until(lambda: world.script.ran["b"] == 2)
    world.now += 5
    world.script.release("b")

    record = await world.ended(run_id)
    end = (await world.store.events(run_id))[-1]
    assert isinstance(end, RunFinished)
    assert record.elapsed == end.elapsed == pytest.approx(15)


async def test_a_run_that_is_taken_over_has_the_next_epoch_and_its_old_holder_may_not_write(world: World) -> None:
    app, first = await world.chain(), world.process()
    old = await first.start_until(app, "b")
    await old.committed()
    run_id = old.record.identity.run_id
    for epoch in (2, 3):
        await (await world.process().runs.control.take_over()).durable()
        record = await world.store.record(run_id)
        assert record is not None
        assert record.epoch == epoch

    # It writes where the log ends now, and is refused all the same.
    events = await world.store.events(run_id)
    late = RunLog(world.store, msgspec.structs.replace(old.record), list(events))
    late.append([RunParked(at=world.now, elapsed=1.0)])
    with pytest.raises(LogConflict):
        await late.committed()
    assert await world.store.events(run_id) == events

    old.append([RunParked(at=world.now, elapsed=1.0)])
    await until(lambda: first.admission.running == 0)
    world.script.release("b")
    assert (await world.ended(run_id)).status == "succeeded"


async def test_a_process_that_is_about_to_end_takes_over_nothing(world: World) -> None:
    app, process = await world.chain(), world.process()
    run = await process.start_until(app, "b")
    await run.committed()
    await process.die()
    new_holder = world.process()
    await new_holder.runs.close(0)

    with pytest.raises(ServerStopping):
        await new_holder.runs.control.take_over()

    record = await world.store.record(run.record.identity.run_id)
    assert record is not None
    assert (record.status, record.epoch) == ("running", 1)


async def test_nodes_that_finished_beside_the_one_under_way_are_not_repeated_after_several_deaths(world: World) -> None:
    nodes = [start("q"), *(node(each, "code", value=each) for each in ("a", "b", "c", "d")), end(out="d.value")]
    app = await world.app("Wide", nodes, "start>a start>b start>c a>d b>d c>d d>end")
    process = world.process()
    world.script.held = {"b", "c"}
    run = await process.start(app)
    run_id = run.record.identity.run_id
    for times, name in enumerate(("b", "c"), 1):
        await until(lambda times=times: world.script.ran["c"] == times)  # type: ignore[misc]
        world.script.release(name)
        await until(lambda run=run, name=name: name in ended(run))  # type: ignore[misc]
        await run.committed()
        await process.die()
        process = world.process()
        await process.runs.control.take_over()
        live = process.log(run_id)
        if live is None:
            break
        run = live

    record = await world.ended(run_id)
    assert (record.status, record.total_steps) == ("succeeded", 6)
    assert dict(world.script.ran) == {"a": 1, "b": 1, "c": 2, "d": 1}


def ended(run: RunLog) -> list[str]:
    return [event.node_id for event in run.events if isinstance(event, NodeFinished)]


async def test_one_that_is_told_twice_takes_a_run_over_once_and_still_knows_it(world: World) -> None:
    app, killed = await world.chain(), world.process()
    run_id = (await killed.start_until(app, "b")).record.identity.run_id
    await killed.die()
    process = world.process()

    for taken in await asyncio.gather(*(process.runs.control.take_over() for _ in range(3))):
        await taken.durable()

    await until(lambda: world.script.ran["b"] >= 2)
    assert process.runs.executor.executes(run_id)
    assert process.admission.running == 1
    assert await process.runs.control.stop(app.id, run_id, "anna")
    assert (await world.ended(run_id)).status == "stopped"
    assert world.script.ran["b"] == 2


async def test_one_that_was_taken_for_dead_may_take_its_run_over_from_the_one_that_died_with_it(world: World) -> None:
    app, slow = await world.chain(), world.process()
    run_id = (await slow.start_until(app, "b")).record.identity.run_id
    other = world.process()
    await (await other.runs.control.take_over()).durable()
    await until(lambda: world.script.ran["b"] == 2)
    await other.die()

    await (await slow.runs.control.take_over(OrphanedRuns(holder=other.cluster.name))).durable()

    record = await world.store.record(run_id)
    assert record is not None
    assert (record.holder, record.epoch) == (slow.cluster.name, 3)
    world.script.release("b")
    assert (await world.ended(run_id)).status == "succeeded"
    assert world.script.ran["a"] == 1


class Slow(RunsInMemory):
    """A store that takes its time to read a log, while others go on."""

    meanwhile: Callable[[], Awaitable[object]] | None = None

    async def events(self, run_id: str, *, after: int = -1, most: int = 0) -> list[Event]:
        act, self.meanwhile = self.meanwhile, None
        if act is not None:
            await act()
        return await super().events(run_id, after=after, most=most)


async def test_a_run_that_another_has_just_taken_over_is_left_to_it() -> None:
    store = Slow()
    world = World(store)
    app, killed = await world.chain(), world.process()
    run_id = (await killed.start_until(app, "b")).record.identity.run_id
    await killed.die()
    quick, late = world.process(), world.process()

    async def take_over() -> None:
        await (await quick.runs.control.take_over()).durable()

    store.meanwhile = take_over
    taken = await late.runs.control.take_over()

    assert taken.count == 0
    assert not late.runs.executor.executes(run_id)
    world.script.release("b")
    await world.ended(run_id)
    epochs = [event.epoch for event in await store.events(run_id) if isinstance(event, RunRecovered)]
    assert epochs == [2]
    await world.close()
