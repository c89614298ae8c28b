"""New events sent by a run's holder to a follower's process, which need not read them."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import msgspec
import pytest

from jikko.cluster.alone import Alone
from jikko.errors import LogDamaged
from jikko.events import Event, RunFinished, TextChunk
from jikko.ports.cluster import Answer, Command, EventsAppended, WaitForEvents
from jikko.runs.following.log_pieces import Batch, events_of, grown
from jikko.runs.following.run_reader import RunReader
from jikko.runs.following.run_tail import RunTails
from jikko.runs.run_log import RunLog
from tests.runs.world import PATIENCE, World, until
from tests.store.in_memory import RunsInMemory

pytestmark = pytest.mark.anyio


class CountingStore(RunsInMemory):
    """Counts how often a log was read."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0

    async def events(self, run_id: str, *, after: int = -1, most: int = 0) -> list[Event]:
        self.reads += 1
        return list(await super().events(run_id, after=after, most=most))


class Holder(Alone):
    """The process that executes the run, as another one reaches it."""

    def __init__(self, world: World, run: RunLog, *, older: bool = False) -> None:
        """Args:
        older: Whether the one that asks knows none of its events.
        """
        super().__init__()
        self._world = world
        self._run = run
        self._older = older

    async def request(self, holder: str, command: Command) -> Answer:
        assert isinstance(command, WaitForEvents)
        self._world.script.release("b")
        await self._run.committed(command.count + 1)
        if self._older:
            return EventsAppended(msgspec.Raw(b'[{"event":"of_a_newer_version"}]'))
        return grown(self._run.durable(command.count))


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World(CountingStore())
    world.script.held = {"b"}
    yield world
    world.script.release("b")
    await world.close()


async def give_up(run_id: str, damage: LogDamaged) -> None:
    raise AssertionError(run_id) from damage


def followed(world: World, run: RunLog, holder: Holder) -> AsyncIterator[Batch]:
    tails = RunTails(world.store, holder, lambda run_id: False)
    return RunReader(run.record, world.store, lambda run_id: None, tails, give_up).follow()


async def all_of(batches: AsyncIterator[Batch]) -> Batch:
    async with asyncio.timeout(PATIENCE):
        return [entry async for batch in batches for entry in batch]


async def begun(world: World) -> RunLog:
    """A run that has some durable events, and waits at a node."""
    run = await world.process().start(await world.chain())
    await until(lambda: world.script.ran["b"] == 1)
    await run.committed()
    return run


async def test_what_comes_while_a_run_is_followed_is_not_read(world: World) -> None:
    run = await begun(world)
    assert isinstance(world.store, CountingStore)
    world.store.reads = 0

    seen = await all_of(followed(world, run, Holder(world, run)))

    assert seen == list(enumerate(run.events))
    assert isinstance(seen[-1][1], RunFinished)
    assert world.store.reads == 1, "what there was when it began"


async def test_events_that_the_follower_does_not_know_are_read_as_the_store_has_them(world: World) -> None:
    run = await begun(world)

    assert await all_of(followed(world, run, Holder(world, run, older=True))) == list(enumerate(run.events))


def chunks(*texts: str) -> Sequence[Event]:
    return [TextChunk(at=1.0, text=text, selector=("a", "b")) for text in texts]


def test_events_come_as_they_were() -> None:
    sent = chunks("こんにちは🙂\ue000\u2028", "", "\x00")

    assert events_of(grown(sent)) == sent


@pytest.mark.parametrize("sent", [[], chunks("x" * (256 << 10)), chunks(*["x"] * 1001), chunks("\ud800")])
def test_what_is_none_too_much_or_no_text_is_read_from_the_store(sent: Sequence[Event]) -> None:
    assert grown(sent) is True
    assert events_of(True) == []
