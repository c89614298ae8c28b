"""Shutdown of a process with a hanging store; in virtual time."""

import asyncio
from typing import Any

import pytest

from jikko.concurrency.shutdown import Shutdown
from jikko.errors import RunLeft
from jikko.record import RunRecord
from tests import virtual_time
from tests.runs.held_store import HeldStore
from tests.runs.test_following import Follower
from tests.runs.world import Process, World, until
from tests.store.in_memory import RunsInMemory


async def begun(world: World, process: Process) -> Any:
    """A run whose second node is under way."""
    run = await process.start(await world.chain())
    await until(lambda: world.script.ran["b"] > 0)
    await run.committed()
    return run


def test_a_record_that_says_nothing_is_waited_for_two_seconds_beyond_the_time_of_runs_and_nodes() -> None:
    async def work() -> None:
        store = HeldStore()
        world = World(store)
        world.script.held = {"b"}
        process = world.process()
        run = await begun(world, process)
        store.hold()
        world.script.release("b")
        ended = asyncio.ensure_future(run.ended())

        began = asyncio.get_running_loop().time()
        await process.runs.close(5, 3)

        assert asyncio.get_running_loop().time() - began <= 5 + 3 + 2
        with pytest.raises(RunLeft):
            await ended
        store.release()
        await world.close()

    virtual_time.run(work())


class Endless(RunsInMemory):
    """Does not answer when it is asked for open runs."""

    async def open_runs(self, holder: str | None = None) -> list[RunRecord]:
        await asyncio.Event().wait()
        raise AssertionError


def test_followers_of_runs_elsewhere_are_released_though_what_concerns_runs_here_does_not_end() -> None:
    async def work() -> None:
        world = World(Endless())
        world.script.held = {"b"}
        elsewhere, process = world.process(), world.process()
        run = await begun(world, elsewhere)
        follower = Follower(process, run.record.identity.run_id)
        await follower.waits(world)
        # The runs of this process are looked for again.
        world.store.on_rollback()
        await asyncio.sleep(1)

        shutdown = Shutdown()
        shutdown.begin(10)
        assert await shutdown.do("runs", lambda: process.runs.close(0), 4) is None

        with pytest.raises(RunLeft):
            await follower.ends()
        assert shutdown.late == ["runs"]
        assert asyncio.get_running_loop().time() == 5
        world.script.release("b")
        await elsewhere.runs.close(0)

    virtual_time.run(work())
