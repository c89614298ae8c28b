"""Runs that wait for their turn."""

import pytest

from jikko.errors import TooManyRequests
from jikko.events import NodeStarted, RunBegan, RunRecovered, RunStarted
from jikko.ports.cluster import StopRun
from tests.runs.world import World, end_of, until

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("world", ["memory", "disk"], indirect=True)]


async def test_a_run_that_waits_is_durable_and_has_not_begun(world: World) -> None:
    app, process = await world.chain(), world.process(at_once=1)
    world.script.held = {"a"}
    await process.start(app)

    waiting = await process.start(app, q="x")

    record = await world.store.record(waiting.record.identity.run_id)
    assert record is not None
    assert record.status == "running"
    assert [type(event) for event in await world.store.events(record.identity.run_id)] == [RunStarted]


async def test_a_run_begins_when_the_one_before_it_ends(world: World) -> None:
    app, process = await world.chain(), world.process(at_once=1)
    world.script.held = {"a"}
    first = await process.start(app)
    second = await process.start(app)
    await until(lambda: world.script.ran["a"] == 1)

    world.script.release("a")

    assert (await end_of(first)).status == "succeeded"
    assert (await end_of(second)).status == "succeeded"
    assert world.script.ran["a"] == 2
    assert process.admission.running == 0


async def test_the_time_in_which_a_run_waited_does_not_count_as_its_own(world: World) -> None:
    app, process = await world.chain(), world.process(at_once=1)
    world.script.held = {"a"}
    await process.start(app)
    second = await process.start(app)

    world.now += 5000
    world.script.release("a")

    end = await end_of(second)
    assert (end.status, end.elapsed) == ("succeeded", 0.0)
    events = await world.store.events(second.record.identity.run_id)
    assert [event.at for event in events if isinstance(event, RunBegan)] == [world.now]


@pytest.mark.slow
async def test_one_app_with_1000_runs_that_wait_does_not_delay_another(world: World) -> None:
    busy, other, process = await world.chain("Busy", "a"), await world.chain("Other", "b"), world.process(at_once=1)
    world.script.held = {"a"}
    for _ in range(1000):
        await process.start(busy)
    run = await process.start(other)

    world.script.release("a")

    assert (await end_of(run)).status == "succeeded"
    assert world.script.order.index("b") <= 2


async def test_a_run_that_waits_can_be_stopped_by_either_id(world: World) -> None:
    app, process = await world.chain(), world.process(at_once=1)
    world.script.held = {"a"}
    await process.start(app)
    one, other = await process.start(app), await process.start(app)

    assert await process.runs.control.stop(app.id, one.record.identity.task_id, "anna")
    assert await process.runs.control.stop(app.id, other.record.identity.run_id, "anna")

    for run in (one, other):
        ended, record = await end_of(run), await world.ended(run.record.identity.run_id)
        assert ended.status == record.status == "stopped"
        assert ended.error == record.error == "Workflow run was stopped by user anna."
    assert process.admission.queued() == 0
    assert not await process.runs.control.stop(app.id, one.record.identity.task_id, "anna")
    assert world.script.ran["a"] <= 1


async def test_who_follows_a_run_that_waits_sees_its_end(world: World) -> None:
    app, process = await world.chain(), world.process(at_once=1)
    world.script.held = {"a"}
    await process.start(app)
    run = await process.start(app)
    world.script.release("a")

    seen = [event async for batch in run.follow() for _, event in batch]

    assert [event.node_id for event in seen if isinstance(event, NodeStarted)] == ["start", "a", "b", "c", "end"]


async def test_a_full_queue_refuses_and_leaves_no_run(world: World) -> None:
    app, process = await world.chain(), world.process(at_once=1, queued_per_app=1)
    world.script.held = {"a"}
    first = await process.start(app)
    await process.start(app)

    with pytest.raises(TooManyRequests):
        await process.start(app)

    await until(lambda: world.script.ran["a"] == 1)
    await first.committed()

    assert len(await world.store.open_runs()) == 2


async def test_after_a_crash_runs_that_waited_wait_again_and_all_end(world: World) -> None:
    app, process = await world.chain(), world.process(at_once=1)
    world.script.held = {"a"}
    runs = [(await process.start(app, q=str(number))).record.identity.run_id for number in range(5)]
    await process.die()

    new_holder = world.process(at_once=1)
    assert (await new_holder.runs.control.take_over()).count == 5

    assert new_holder.admission.queued() == 4
    world.script.release("a")
    assert [(await world.ended(run_id)).status for run_id in runs] == ["succeeded"] * 5
    events = await world.store.events(runs[4])
    assert [type(event) for event in events[:3]] == [RunStarted, RunRecovered, RunBegan]


async def test_a_run_that_waited_through_many_crashes_is_no_poison(world: World) -> None:
    app, process = await world.chain(), world.process(at_once=1)
    world.script.held = {"a"}
    await process.start(app)
    waiting = (await process.start(app)).record.identity.run_id
    for _ in range(3):
        await process.die()
        process = world.process(at_once=1)
        await process.runs.control.take_over()

    world.script.release("a")

    assert (await world.ended(waiting)).status == "succeeded"


async def test_a_shutdown_parks_runs_that_wait(world: World) -> None:
    app, process = await world.chain(), world.process(at_once=1)
    world.script.held = {"a"}
    await process.start(app)
    waiting = (await process.start(app)).record.identity.run_id

    assert await process.runs.close(0) == 2

    new_holder = world.process(at_once=1)
    await new_holder.runs.control.take_over()
    world.script.release("a")
    assert (await world.ended(waiting)).status == "succeeded"


async def test_a_run_that_waits_does_so_after_several_deaths(world: World) -> None:
    app, process = await world.chain(), world.process(at_once=1)
    world.script.held = {"a"}
    await process.start(app)
    waiting = await process.start(app)
    for deaths in (1, 2):
        await until(lambda deaths=deaths: world.script.ran["a"] == deaths)  # type: ignore[misc]
        await process.die()
        process = world.process(at_once=1)
        await (await process.runs.control.take_over()).durable()
        assert (process.admission.queued(), process.admission.running) == (1, 1)

    world.script.release("a")
    record = await world.ended(waiting.record.identity.run_id)
    assert (record.status, record.epoch) == ("succeeded", 3)
    events = await world.store.events(record.identity.run_id)
    kinds = [type(event) for event in events if isinstance(event, (RunRecovered, RunBegan))]
    assert kinds == [RunRecovered, RunRecovered, RunBegan]


async def test_a_run_of_another_app_cannot_be_stopped_by_any_of_its_ids(world: World) -> None:
    app, other, process = await world.chain("One"), await world.chain("Other"), world.process(at_once=2)
    world.script.held = {"a"}
    theirs, mine, waiting = [await process.start(each) for each in (other, app, app)]
    await until(lambda: world.script.ran["a"] == 2)

    for run in (mine, waiting):
        for one_of in (run.record.identity.task_id, run.record.identity.run_id):
            assert not await process.runs.control.stop(other.id, one_of, "stranger")
    assert await process.runs.control.stop(other.id, theirs.record.identity.task_id, "stranger")
    world.script.release("a")

    assert [(await end_of(run)).status for run in (theirs, mine, waiting)] == ["stopped", "succeeded", "succeeded"]


async def test_a_run_is_stopped_only_while_it_waits_if_so_asked_also_by_another_process(world: World) -> None:
    process = world.process(at_once=1)
    app = await world.chain("順番")
    world.script.held = {"a"}
    begun, *waiting = [await process.start(app) for _ in range(3)]
    for run in (begun, *waiting):
        await run.committed()
    ids = [run.record.identity.run_id for run in (begun, *waiting)]
    control = process.runs.control

    assert [await control.stop(app.id, run_id, "田中", only_waiting=True) for run_id in ids[:2]] == [False, True]
    asked = [StopRun(run_id=run_id, error="田中", only_waiting=True) for run_id in (ids[0], ids[2])]
    assert [await control.handle_command(command) for command in asked] == [False, True]
    world.script.release("a")
    assert [(await world.ended(run_id)).status for run_id in ids] == ["succeeded", "stopped", "stopped"]
