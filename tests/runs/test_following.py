"""Following a run of another process, or of none, when the follower's process ends."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from jikko.cluster.alone import Alone
from jikko.errors import LogDamaged, RunLeft
from jikko.events import Event, RunPaused, RunRecovered
from jikko.ports.cluster import Answer, Command, WaitForEvents
from jikko.runs.following.log_pieces import Batch
from jikko.runs.following.run_reader import RunReader
from jikko.runs.following.run_tail import RunTails
from jikko.runs.run_log import RunLog
from tests.acceptance.workflows import end, form, start
from tests.runs.world import PATIENCE, Process, World, end_of, until
from tests.store.in_memory import RunsInMemory

pytestmark = pytest.mark.anyio


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    world.script.held = {"b"}
    yield world
    world.script.release("b")
    await world.close()


class Follower:
    """Follows a run in a process, from its first event on."""

    def __init__(self, process: Process, run_id: str) -> None:
        self._process = process
        self._run_id = run_id
        self.seen: list[Event] = []
        self._task = asyncio.get_running_loop().create_task(self._follow())

    async def waits(self, store: World) -> None:
        """Wait until it has seen all that there is."""
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
    follower = Follower(process, run.record.identity.run_id)
    await follower.waits(world)

    closing = asyncio.get_running_loop().create_task(process.runs.close(PATIENCE))
    world.script.release("b")
    await follower.ends()

    assert follower.seen[-1] == await end_of(run)
    assert await closing == 0


async def test_a_follower_is_released_once_the_time_is_up(world: World) -> None:
    run = await world.process().start(await world.chain())
    await until(lambda: world.script.ran["b"] == 1)
    process = world.process()
    follower = Follower(process, run.record.identity.run_id)
    await follower.waits(world)

    await process.runs.close(0)

    with pytest.raises(RunLeft):
        await follower.ends()


async def test_nobody_waits_for_humans_while_the_process_ends(world: World) -> None:
    app = await world.app("Asks", [start("q"), form("ask", "?"), end(said="ask.comment")], "start>ask ask:yes>end")
    process = world.process()
    run = await process.start(app)
    await run.ended()
    follower = Follower(process, run.record.identity.run_id)
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
        world.script.release("b")
        shown = [entry async for batch in stream for entry in batch]

    assert shown == list(enumerate(run.events))[known:]
    assert await rest(follower.runs.control.reader(run.record).follow(BEYOND, durable=durable)) == []


class Looked(RunsInMemory):
    """Lets something happen between a look at a log and what comes next."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: Callable[[], Awaitable[None]] | None = None

    async def events(self, run_id: str, *, after: int = -1, most: int = 0) -> list[Event]:
        found = list(await super().events(run_id, after=after, most=most))
        if not found and self.meanwhile is not None:
            happens, self.meanwhile = self.meanwhile, None
            await happens()
        return found


async def test_the_end_that_comes_between_two_looks_at_a_run_is_not_missed() -> None:
    store = Looked()
    world = World(store)
    world.script.held = {"b"}
    run = await world.process().start(await world.chain())
    await until(lambda: world.script.ran["b"] == 1)
    await run.committed()

    async def ends() -> None:
        world.script.release("b")
        await end_of(run)

    store.meanwhile = ends
    shown = [type(event) for event in run.events]
    seen = await rest(world.process().runs.control.reader(run.record).follow())

    assert store.meanwhile is None
    assert len(seen) > len(shown)
    assert seen == [type(event) for event in run.events]
    await world.close()


async def test_who_follows_waits_until_there_is_more_than_was_seen_and_no_longer(world: World) -> None:
    run = await world.process().start(await world.chain())
    await until(lambda: world.script.ran["b"] == 1)
    await run.committed()
    asked: list[int] = []

    class Elsewhere(Alone):
        """The process that executes the run, as another one reaches it."""

        async def request(self, to: str, command: Command) -> Answer:
            assert isinstance(command, WaitForEvents)
            asked.append(command.count)
            world.script.release("b")
            await run.committed(command.count + 1)
            return True

    async def give_up(run_id: str, damage: LogDamaged) -> None:
        raise AssertionError(run_id) from damage

    known = len(run.events)
    tails = RunTails(world.store, Elsewhere(), lambda run_id: False)
    batches = RunReader(run.record, world.store, lambda run_id: None, tails, give_up).follow()

    assert await rest(batches) == [type(event) for event in run.events]
    assert asked[0] == known
    assert asked == sorted(set(asked)), "it looks again only once there is more"


async def test_who_is_told_that_nothing_comes_goes_on_where_the_log_was(world: World) -> None:
    process = world.process()
    run = await process.start(await world.chain())
    await until(lambda: world.script.ran["b"] == 1)
    await run.committed()
    stream = process.runs.control.reader(run.record).follow(idle=0.01)
    seen: list[tuple[int, Event]] = []
    async with asyncio.timeout(PATIENCE):
        while (batch := await anext(stream)) != []:
            seen += batch
        assert await anext(stream) == []
        world.script.release("b")
        async for batch in stream:
            seen += batch

    assert seen == list(enumerate(run.events))


async def test_a_stream_that_began_here_goes_on_where_it_was_once_another_process_has_the_run(world: World) -> None:
    process = world.process()
    run = await process.start(await world.chain())
    await until(lambda: world.script.ran["b"] == 1)
    await run.committed()
    stream = process.runs.control.reader(run.record).follow(idle=0.01)
    seen: list[tuple[int, Event]] = []
    async with asyncio.timeout(PATIENCE):
        while (batch := await anext(stream)) != []:
            seen += batch
        await process.die()
        await world.process().runs.control.take_over()
        world.script.release("b")
        async for batch in stream:
            seen += batch

    assert seen == list(enumerate(await world.store.events(run.record.identity.run_id)))
    assert any(isinstance(event, RunRecovered) for _, event in seen)
