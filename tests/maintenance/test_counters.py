"""Periodic counts by one process for all."""

import pytest

from jikko.cluster.alone import Alone
from jikko.maintenance.record_watch import PeriodicCounters
from jikko.repositories.delivery_store import DeliveryStore
from tests.acceptance.workflows import end, form, start
from tests.runs.world import World, until
from tests.store.in_memory import CallbacksInMemory, RunsInMemory

pytestmark = pytest.mark.anyio


def tally(world: World) -> PeriodicCounters:
    deliveries = DeliveryStore(world.database)
    return PeriodicCounters(
        world.store, CallbacksInMemory(RunsInMemory()), lambda: deliveries, Alone(), lambda: world.now
    )


async def test_where_nothing_is_there_is_nothing_to_count(world: World) -> None:
    found = tally(world)
    assert found.counts == {}
    await found.look()
    assert found.counts == {"paused": 0, "orphans": 0, "callbacks": 0, "dead": 0, "oldest": 0}


async def test_runs_that_wait_for_a_human_are_counted(world: World) -> None:
    nodes = [start("q"), form("ask", "?"), end(said="ask.comment")]
    app, process = await world.app("Asks", nodes, "start>ask ask:yes>end"), world.process()
    run = await process.start(app)
    await run.ended()

    found = tally(world)
    await found.look()
    assert found.counts["paused"] == 1


async def test_runs_whose_process_is_no_member_are_counted(world: World) -> None:
    process = world.process()
    world.script.held = {"b"}
    for _ in range(2):
        await process.start(await world.chain())
    await until(lambda: world.script.ran["b"] == 2)

    found = tally(world)
    await found.look()
    assert found.counts["orphans"] == 2
    world.script.release("b")
