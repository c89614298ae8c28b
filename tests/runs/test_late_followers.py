"""Followers that are very many events behind receive them in chunks, without blocking the event loop."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from jikko.cluster.alone import Alone
from jikko.concurrency.scheduler import SLICE, Scheduler
from jikko.errors import LogConflict, LogDamaged
from jikko.events import Event, TextChunk, TextReplaced
from jikko.record import folded
from jikko.runs.following.log_pieces import MAX_BATCH_EVENTS, Batch
from jikko.runs.following.run_reader import RunReader
from jikko.runs.following.run_tail import RunTails
from jikko.runs.run_log import RunLog
from tests.contract.runs import Draft, finished, node, started
from tests.effort import PATIENCE
from tests.store.in_memory import RunsInMemory

pytestmark = pytest.mark.anyio

NODES = 1000
LOOKS = 4
"""How often a follower looks at the clock in a slice."""


class Readings:
    """A clock that goes on by being looked at."""

    def __init__(self) -> None:
        self._now = 0.0

    def __call__(self) -> float:
        self._now += SLICE / LOOKS
        return self._now


class Followed:
    """What followers see of a log, and how much of it all together in one turn of the event loop at most."""

    def __init__(self) -> None:
        self.most = self.largest = 0
        self._in_turn = 0
        self._goes_on = True
        self._next_turn()

    def _next_turn(self) -> None:
        self._in_turn = 0
        if self._goes_on:
            asyncio.get_running_loop().call_soon(self._next_turn)

    async def by(self, followers: list[AsyncIterator[Batch]]) -> list[list[Event]]:
        async with asyncio.timeout(PATIENCE):
            seen = await asyncio.gather(*map(self._seen, followers))
        self._goes_on = False
        return seen

    async def _seen(self, batches: AsyncIterator[Batch]) -> list[Event]:
        seen: list[Event] = []
        async for batch in batches:
            assert [position for position, _ in batch] == list(range(len(seen), len(seen) + len(batch)))
            seen += [event for _, event in batch]
            self.largest = max(self.largest, len(batch))
            self._in_turn += len(batch)
            self.most = max(self.most, self._in_turn)
        return seen


def events() -> list[Event]:
    return [started(), *(event for _ in range(NODES) for event in node()), finished()]


async def give_up(run_id: str, damage: LogDamaged) -> None:
    raise AssertionError


async def test_of_a_run_that_this_process_executes() -> None:
    share = Scheduler(Readings())
    live = RunLog(RunsInMemory(), Draft().record, share=share)
    live.append(events())
    await live.committed()
    followed = Followed()

    seen = await followed.by([live.follow() for _ in range(10)])

    assert seen == [list(live.events)] * 10
    assert followed.largest == MAX_BATCH_EVENTS
    # All who begin in one turn have one slice, and one who waited has one more; each looks behind a piece of its own.
    assert followed.most <= MAX_BATCH_EVENTS * (10 + 2 * LOOKS)


async def test_of_a_run_that_has_ended() -> None:
    store, share = RunsInMemory(), Scheduler(Readings())
    live = RunLog(store, Draft().record)
    live.append(events())
    await live.committed()

    tails = RunTails(store, Alone(), lambda run_id: False)
    followed = Followed()
    readers = [RunReader(live.record, store, lambda run_id: None, tails, give_up, share=share) for _ in range(10)]
    seen = await followed.by([reader.follow() for reader in readers])

    assert seen == [list(live.events)] * 10
    assert followed.largest == MAX_BATCH_EVENTS
    assert followed.most <= MAX_BATCH_EVENTS * (10 + 2 * LOOKS)


class MeasuredReads(RunsInMemory):
    """Tells how much one read of events took at most."""

    characters = 0

    async def events(self, run_id: str, *, after: int = -1, most: int = 0) -> list[Event]:
        read = await super().events(run_id, after=after, most=most)
        texts = [len(event.text) for event in read if isinstance(event, TextChunk)]
        self.characters = max(self.characters, sum(texts))
        return read


PIECE = "日本" * 50_000


async def taken_over(store: RunsInMemory, *, removed: bool) -> list[Event]:
    """What one has seen of a run of much text that another process took while it was followed, once it has ended."""
    live = RunLog(store, Draft().record, text_seconds=3600)
    live.append([started(), *(TextChunk(at=1000.0, text=PIECE, selector=("a", "text")) for _ in range(40))])
    await live.committed()
    live.append([TextChunk(at=1000.0, text="lost", selector=("a", "text"))])
    seen: list[Event] = []
    run_id, is_shown = live.record.identity.run_id, asyncio.Event()
    reader = RunReader(live.record, store, lambda run_id: live, RunTails(store, Alone(), lambda run_id: False), give_up)

    async def follow() -> None:
        async for batch in reader.follow():
            seen.extend(event for _, event in batch)
            if isinstance(seen[-1], TextChunk) and seen[-1].text == "lost":
                is_shown.set()

    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
        group.create_task(follow())
        await is_shown.wait()
        other = RunLog(store, folded(live.record.identity, live.events[:41]), list(live.events[:41]))
        other.append([finished()])
        await other.committed()
        if removed:
            assert await store.remove(run_id)
        live.abandon(LogConflict("Another process has taken the run over."))
    return seen


async def test_text_of_a_run_that_was_taken_over_is_read_in_pieces() -> None:
    store = MeasuredReads()

    *_, replaced, end = await taken_over(store, removed=False)

    assert replaced == TextReplaced(at=1000.0, text=PIECE * 40)
    assert end == finished()
    assert store.characters < len(PIECE) * 20


async def test_of_a_run_that_was_taken_over_and_removed_what_was_seen_is_all() -> None:
    seen = await taken_over(RunsInMemory(), removed=True)

    assert isinstance(seen[-1], TextChunk)
