"""Whoever follows a run that another process executes, or none, when his own process ends."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from jikko.errors import RunLeft
from jikko.events import Event, RunPaused
from jikko.runs.run_log import Batch, RunLog
from tests.acceptance.workflows import end, form, start
from tests.runs.world import PATIENCE, Process, World, end_of, until

pytestmark = pytest.mark.anyio


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    world.script.held = {"b"}
    yield world
    world.script.let_go("b")
    await world.close()


class Follower:
    """Follows a run in a process, from its first event on."""

    def __init__(self, process: Process, run_id: str) -> None:
        self._process = process
        self._run_id = run_id
        self.seen: list[Event] = []
        self._task = asyncio.get_running_loop().create_task(self._follow())

    async def waits(self, store: World) -> None:
        """Wait until he has seen all that there is."""
        there = await store.store.events(self._run_id)
        await until(lambda: len(self.seen) == len(there))

    async def ends(self) -> None:
        async with asyncio.timeout(PATIENCE):
            await self._task

    async def _follow(self) -> None:
        record = await self._process.runs.records.any_record(self._run_id)
        async for batch in self._process.runs.control.reader(record).follow(through_pauses=True):
            self.seen += [event for _, event in batch]


async def test_a_run_of_another_process_has_the_time_to_end(world: World) -> None:
    run = await world.process().start(await world.chain())
    await until(lambda: world.script.ran["b"] == 1)
    process = world.process()
    follower = Follower(process, run.record.owner.run_id)
    await follower.waits(world)

    closing = asyncio.get_running_loop().create_task(process.runs.close(PATIENCE))
    world.script.let_go("b")
    await follower.ends()

    assert follower.seen[-1] == await end_of(run)
    assert await closing == 0


async def test_he_is_let_go_once_the_time_is_up(world: World) -> None:
    run = await world.process().start(await world.chain())
    await until(lambda: world.script.ran["b"] == 1)
    process = world.process()
    follower = Follower(process, run.record.owner.run_id)
    await follower.waits(world)

    await process.runs.close(0)

    with pytest.raises(RunLeft):
        await follower.ends()


async def test_nobody_waits_for_humans_while_the_process_ends(world: World) -> None:
    app = await world.app("Asks", [start("q"), form("ask", "?"), end(said="ask.comment")], "start>ask ask:yes>end")
    process = world.process()
    run = await process.start(app)
    await run.ended()
    follower = Follower(process, run.record.owner.run_id)
    await follower.waits(world)

    async with asyncio.timeout(PATIENCE):
        await process.runs.close(2 * PATIENCE)

    with pytest.raises(RunLeft):
        await follower.ends()


BEYOND = 10**17


async def rest(batches: AsyncIterator[Batch]) -> list[type]:
    """What kinds of events a stream shows before it ends."""
    async with asyncio.timeout(PATIENCE):
        return [type(event) async for batch in batches for _, event in batch]


async def asked(process: Process, world: World) -> RunLog:
    """A run that waits for a form."""
    app = await world.app("Asks", [start("q"), form("ask", "?"), end(said="ask.comment")], "start>ask ask:yes>end")
    run = await process.start(app)
    await run.ended()
    return run


@pytest.mark.parametrize("durable", [False, True])
async def test_behind_a_pause_there_is_nothing_to_wait_for(world: World, durable: bool) -> None:
    run = await asked(world.process(), world)
    last = len(run.events) - 1

    assert await rest(run.follow(last - 1, durable=durable)) == [RunPaused]
    assert await rest(run.follow(last, durable=durable)) == []
    assert await rest(run.follow(BEYOND, durable=durable)) == []


@pytest.mark.parametrize("durable", [False, True])
@pytest.mark.parametrize("where", ["here", "elsewhere"])
async def test_a_position_behind_the_end_of_a_log_is_its_end(world: World, where: str, durable: bool) -> None:
    process = world.process()
    run = await process.start(await world.chain())
    await until(lambda: world.script.ran["b"] == 1)
    await run.committed()
    follower = process if where == "here" else world.process()
    known = len(run.events)

    stream = follower.runs.control.reader(run.record).follow(BEYOND, durable=durable, idle=0.01)
    async with asyncio.timeout(PATIENCE):
        assert await anext(stream) == []  # it waits for more
        world.script.let_go("b")
        shown = [entry async for batch in stream for entry in batch]

    assert shown == list(enumerate(run.events))[known:]
    assert await rest(follower.runs.control.reader(run.record).follow(BEYOND, durable=durable)) == []
