"""Runs that go on in another process: what counts as a death, and how long they took."""

from collections.abc import AsyncIterator

import msgspec
import pytest

from jikko.errors import LogConflict, TooManyRequests
from jikko.events import NodeFinished, RunFinished, RunParked, RunRecovered, RunStarted
from jikko.runs.run_log import RunLog
from tests.acceptance.workflows import end, node, start
from tests.runs.world import World, until

pytestmark = pytest.mark.anyio


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    yield world
    await world.close()


async def test_a_run_outlives_any_number_of_restarts_in_good_order(world: World) -> None:
    app, process = await world.chain(), world.process()
    world.script.held = {"b"}
    run_id = (await process.start(app)).record.owner.run_id
    for restart in range(5):
        await until(lambda times=restart: world.script.ran["b"] == times + 1)  # type: ignore[misc]
        assert await process.runs.close(0) == 1
        process = world.process()
        await process.runs.recover()
    world.script.let_go("b")

    assert (await world.ended(run_id)).status == "succeeded"
    events = await world.store.events(run_id)
    kinds = [type(event) for event in events if isinstance(event, (RunParked, RunRecovered))]
    assert kinds == [RunParked, RunRecovered] * 5


async def test_a_run_that_is_left_before_its_first_event_is_taken_over(world: World) -> None:
    app, process = await world.chain(), world.process()
    run_id = (await process.start(app)).record.owner.run_id
    await process.runs.close(0)

    await world.process().runs.recover()

    # Nobody was told of it, if it is not there.
    record = await world.store.record(run_id)
    events = await world.store.events(run_id)
    assert not events or isinstance(events[0], RunStarted)
    assert record is None or (await world.ended(run_id)).status == "succeeded"


async def test_the_time_before_a_restart_counts_and_the_time_without_a_process_does_not(world: World) -> None:
    app, process = await world.chain(), world.process()
    world.script.held = {"b"}
    run_id = (await process.start(app)).record.owner.run_id
    await until(lambda: world.script.ran["b"] == 1)
    world.now += 10
    await process.runs.close(0)
    world.now += 1000
    process = world.process()
    await process.runs.recover()
    await until(lambda: world.script.ran["b"] == 2)
    world.now += 5
    world.script.let_go("b")

    assert (await world.ended(run_id)).elapsed == pytest.approx(15)


async def test_of_the_time_before_a_death_as_much_counts_as_the_log_tells(world: World) -> None:
    app, process = await world.chain(), world.process()
    world.script.held = {"a", "b"}
    run_id = (await process.start(app)).record.owner.run_id
    await until(lambda: world.script.ran["a"] == 1)
    world.now += 10
    world.script.let_go("a")
    await until(lambda: world.script.ran["b"] == 1)
    world.now += 100
    await process.die()
    process = world.process()
    await process.runs.recover()
    await until(lambda: world.script.ran["b"] == 2)
    world.now += 5
    world.script.let_go("b")

    record = await world.ended(run_id)
    end = (await world.store.events(run_id))[-1]
    assert isinstance(end, RunFinished)
    assert record.elapsed == end.elapsed == pytest.approx(15)


async def test_a_run_that_is_taken_over_has_the_next_epoch_and_its_old_holder_may_not_write(world: World) -> None:
    app, first = await world.chain(), world.process()
    world.script.held = {"b"}
    old = await first.start(app)
    await until(lambda: world.script.ran["b"] == 1)
    await old.committed()
    run_id = old.record.owner.run_id
    for epoch in (2, 3):
        await (await world.process().runs.recover()).durable()
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
    world.script.let_go("b")
    assert (await world.ended(run_id)).status == "succeeded"


async def test_a_process_that_is_about_to_end_takes_over_nothing(world: World) -> None:
    app, process = await world.chain(), world.process()
    world.script.held = {"b"}
    run = await process.start(app)
    await until(lambda: world.script.ran["b"] == 1)
    await run.committed()
    await process.die()
    heir = world.process()
    await heir.runs.close(0)

    with pytest.raises(TooManyRequests):
        await heir.runs.recover()

    record = await world.store.record(run.record.owner.run_id)
    assert record is not None
    assert (record.status, record.epoch) == ("running", 1)


async def test_nodes_that_finished_beside_the_one_under_way_are_not_repeated_after_several_deaths(world: World) -> None:
    nodes = [start("q"), *(node(each, "code", value=each) for each in ("a", "b", "c", "d")), end(out="d.value")]
    app = await world.app("Wide", nodes, "start>a start>b start>c a>d b>d c>d d>end")
    process = world.process()
    world.script.held = {"b", "c"}
    run = await process.start(app)
    run_id = run.record.owner.run_id
    for times, name in enumerate(("b", "c"), 1):
        await until(lambda times=times: world.script.ran["c"] == times)  # type: ignore[misc]
        world.script.let_go(name)
        await until(lambda run=run, name=name: name in ended(run))  # type: ignore[misc]
        await run.committed()
        await process.die()
        process = world.process()
        await process.runs.recover()
        live = process.runs.live(run_id)
        if live is None:
            break
        run = live

    record = await world.ended(run_id)
    assert (record.status, record.total_steps) == ("succeeded", 6)
    assert dict(world.script.ran) == {"a": 1, "b": 1, "c": 2, "d": 1}


def ended(run: RunLog) -> list[str]:
    return [event.node_id for event in run.events if isinstance(event, NodeFinished)]
