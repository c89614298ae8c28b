"""Runs that go on in another process: what counts as a death, and how long they took."""

from collections.abc import AsyncIterator

import pytest

from jikko.events import RunFinished, RunParked, RunRecovered
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
        await process.runs.control.take_over()
    world.script.let_go("b")

    assert (await world.ended(run_id)).status == "succeeded"
    events = await world.store.events(run_id)
    kinds = [type(event) for event in events if isinstance(event, (RunParked, RunRecovered))]
    assert kinds == [RunParked, RunRecovered] * 5


async def test_a_run_that_is_left_before_its_first_event_is_taken_over(world: World) -> None:
    app, process = await world.chain(), world.process()
    run_id = (await process.start(app)).record.owner.run_id
    await process.runs.close(0)

    await world.process().runs.control.take_over()

    # Nobody was told of it, if it is not there.
    record = await world.store.record(run_id)
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
    await process.runs.control.take_over()
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
    await process.runs.control.take_over()
    await until(lambda: world.script.ran["b"] == 2)
    world.now += 5
    world.script.let_go("b")

    record = await world.ended(run_id)
    end = (await world.store.events(run_id))[-1]
    assert isinstance(end, RunFinished)
    assert record.elapsed == end.elapsed == pytest.approx(15)
