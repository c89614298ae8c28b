"""In-memory part of a log while its store refuses, forgets, or cannot store events."""

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Any

import msgspec
import pytest

from jikko.errors import LogConflict, LogForgotten, LogUnwritable, StoreUnavailable
from jikko.events import (
    ContainerStarted,
    Event,
    NodeFinished,
    Round,
    RoundFinished,
    RoundStarted,
    RunPaused,
    RunResumed,
    TextChunk,
)
from jikko.ports.stores.run_store import Append, new_mark
from jikko.record import folded
from jikko.runs import append_maker, run_log, run_memory
from jikko.runs.following import log_follower
from jikko.runs.process_memory import ProcessMemory
from jikko.runs.run_log import RunLog
from jikko.store.event_codec import decode_events, pack_events
from tests.contract.runs import Draft, finished, node, paused, started
from tests.runs.world import PATIENCE, until

pytestmark = pytest.mark.anyio

KB = 1 << 10


class BytesStore:
    """Keeps one log, and tells how large its events are.

    Each write goes as ``fates`` says; what is read are a few events at once.
    """

    def __init__(self, fates: Sequence[str] = (), *, may_lose_commits: bool = False) -> None:
        self.may_lose_commits = may_lose_commits
        self._fates = iter(fates)
        self._dice = Random(1)
        self._log: list[Event] = []
        self._mark = 0.0
        """Of the last write."""
        self._is_open = True
        self.is_out = False
        """Whether nothing can be read."""

    def pack(self, events: Sequence[Event]) -> tuple[bytes, Sequence[int]]:
        if any(isinstance(event, NodeFinished) and "deep" in event.outputs for event in events):
            raise RecursionError
        return pack_events(events)

    async def events(self, run_id: str, *, after: int = -1, most: int = 0) -> list[Event]:
        await asyncio.sleep(0)
        if self.is_out:
            raise StoreUnavailable("it is out")
        found = self._log[after + 1 :]
        return found[:8] if most else found

    def append(self, batch: Append) -> "asyncio.Future[None]":
        if batch.packed:
            assert decode_events(batch.packed) == list(batch.events)
        kept = msgspec.structs.replace(batch, events=list(batch.events), record=msgspec.structs.replace(batch.record))
        done = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(self._write, kept, done, next(self._fates, "written"))
        return done

    def _write(self, batch: Append, done: "asyncio.Future[None]", fate: str) -> None:
        log = self._log
        if fate == "refused":
            done.set_exception(StoreUnavailable("refused"))
        elif any(isinstance(event, NodeFinished) and "huge" in event.outputs for event in batch.events):
            done.set_exception(LogUnwritable("too large"))
        elif fate == "forgotten" and self.may_lose_commits and batch.at > 1 and self._is_open:
            del log[self._dice.randrange(1, batch.at) :]
            self._mark = new_mark()
            done.set_exception(LogForgotten("forgotten", len(log)))
        elif not self._keeps(batch):
            done.set_exception(LogConflict("not so"))
        elif fate == "lost":
            done.set_exception(StoreUnavailable("lost"))
        else:
            done.set_result(None)

    def _keeps(self, batch: Append) -> bool:
        if batch.mark and (batch.mark, batch.at + len(batch.events)) == (self._mark, len(self._log)):
            return True
        if not self._is_open or batch.at != len(self._log):
            return False
        self._log += batch.events
        self._mark, self._is_open = batch.mark, batch.record.is_open
        return True


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Little is much, so that short logs are let go of."""
    monkeypatch.setattr(run_memory, "KEPT_BYTES", 2 * KB)
    monkeypatch.setattr(append_maker, "MAX_APPEND_EVENTS", 5)
    monkeypatch.setattr(append_maker, "_MAX_APPEND_BYTES", 3 * KB)
    monkeypatch.setattr(append_maker, "_MAX_READY_BYTES", 8 * KB)
    monkeypatch.setattr(run_log, "_RETRY_WAIT", 0.0)
    monkeypatch.setattr(log_follower, "_RETRY_SECONDS", 0.0)


async def seen_by(live: RunLog, after: int = -1, *, durable: bool = False, turns: int = 0) -> list[tuple[int, Event]]:
    """What one sees who takes so many turns of the event loop over each piece."""
    seen: list[tuple[int, Event]] = []
    async for batch in live.follow(after, durable=durable):
        seen += batch
        for _ in range(turns):
            await asyncio.sleep(0)
    return seen


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("seed", range(60))
async def test_whatever_the_store_does_each_sees_the_log_as_it_is_kept(seed: int) -> None:
    dice = Random(seed)
    may_lose_commits = seed % 3 == 0
    fates = ["written"] * 5 + ["refused", "lost", "forgotten"]
    store: Any = BytesStore([dice.choice(fates) for _ in range(40)], may_lose_commits=may_lose_commits)
    memory = ProcessMemory()
    draft = Draft()
    live = RunLog(store, draft.record, memory=memory)
    live.activate(is_kept=may_lose_commits)
    live.append([started()])
    following: list[tuple[int, asyncio.Task[list[tuple[int, Event]]]]] = []

    def follow() -> None:
        after = dice.choice((-1, -1, dice.randrange(40)))
        seeing = seen_by(live, after, durable=dice.random() < 0.5, turns=dice.choice((0, 0, 20)))
        following.append((after, asyncio.ensure_future(seeing)))

    for step in range(30):
        spoilt = {"deep": 1} if dice.random() < 0.01 else {"huge": 1} if dice.random() < 0.01 else {}
        events: list[Event] = []
        for _ in range(dice.randrange(4)):
            events += node(index=step, x="x" * dice.choice((10, 500, 3 * KB)), **spoilt)
            events += [TextChunk(at=1.0, text="t" * 100, selector=("a", "b"))]
        live.append(events)
        if dice.random() < 0.2:
            follow()
        if dice.random() < 0.2:
            live.require_durable()
        for _ in range(dice.randrange(4)):
            await asyncio.sleep(0)
        assert live.events
        assert live.first <= live.durable_count <= live.visible_count <= live.first + len(live.events)
    live.append([finished()])

    async with asyncio.timeout(PATIENCE):
        end = await live.ended()
        live.leave()
        follow()
        log = await store.events(draft.id)
        assert log[-1] == end
        assert live.record == folded(draft.record.identity, log)
        for after, task in following:
            seen = await task
            first = seen[0][0] if seen else len(log)
            assert first <= after + 1
            assert seen == list(enumerate(log))[first:]
    assert memory.held == memory.waiting == 0


@pytest.mark.usefixtures("small")
async def test_the_end_of_a_log_that_was_cut_short_stays_in_memory() -> None:
    store: Any = BytesStore()
    live = RunLog(store, Draft().record)
    live.activate(is_kept=False)
    live.append([started()])
    live.append([node()[1]])
    for _ in range(4):  # made ready, each by itself, while the first is written
        live.append([node(x="x" * 4 * KB)[1]])
    live.append([node(deep=1)[1]])

    async with asyncio.timeout(PATIENCE):
        end = await live.ended()
        assert (await seen_by(live))[-1][1] == end
    assert live.is_over


async def test_rounds_wait_for_the_disk_though_it_is_not_even_tried() -> None:
    store: Any = BytesStore(["written", "refused"])
    live = RunLog(store, Draft().record)
    live.activate(is_kept=False)
    live.append([started()])
    await live.committed()
    live.append([node()[1]])
    await until(lambda: not live._writing)

    for _ in range(9):
        live.append([node(x="x" * 1024 * KB)[1]])

    assert live.has_backpressure
    live.abandon(StoreUnavailable("the test is over"))


async def test_nothing_waits_for_the_disk_any_more_once_the_log_is_cut_short() -> None:
    store: Any = BytesStore()
    live = RunLog(store, Draft().record)
    live.activate(is_kept=False)
    live.append([started()])
    for _ in range(10):  # made ready while the first is written
        live.append([node(x="x" * 1024 * KB)[1]])
    assert live.has_backpressure

    live.append([node(deep=1)[1]])

    async with asyncio.timeout(PATIENCE):
        await live.ended()
    assert not live.has_backpressure


@pytest.mark.usefixtures("small")
async def test_who_is_slow_sees_this_part_of_the_run_and_not_what_followed_behind_its_pause() -> None:
    store: Any = BytesStore()
    draft = Draft()
    live = RunLog(store, draft.record)
    live.activate(is_kept=False)
    live.append([started()])
    follower = live.follow()
    seen = list(await anext(follower))
    for _ in range(20):
        live.append([node(x="x" * KB)[1]])
        await live.committed()
    live.append([paused()])
    await live.ended()
    live.leave()
    events = await store.events(draft.id)
    again = RunLog(store, folded(draft.record.identity, events), list(events))
    again.append([RunResumed(at=1.0), node()[1], finished()])
    await again.ended()

    async with asyncio.timeout(PATIENCE):
        seen += [entry async for batch in follower for entry in batch]

    assert isinstance(seen[-1][1], RunPaused)
    assert seen == list(enumerate(events))


@pytest.mark.usefixtures("small")
async def test_who_is_slow_waits_with_the_run_until_the_database_can_be_read_again() -> None:
    store: Any = BytesStore()
    draft = Draft()
    live = RunLog(store, draft.record)
    live.activate(is_kept=False)
    live.append([started()])
    follower = live.follow(idle=PATIENCE)
    seen = list(await anext(follower))
    for _ in range(20):
        live.append([node(x="x" * KB)[1]])
        await live.committed()
    live.append([finished()])
    await live.ended()
    store.is_out = True
    assert await anext(follower) == []
    store.is_out = False

    async with asyncio.timeout(PATIENCE):
        seen += [entry async for batch in follower for entry in batch]

    assert seen == list(enumerate(await store.events(draft.id)))


async def test_a_run_that_is_taken_over_holds_no_more_of_its_log_than_before() -> None:
    store: Any = BytesStore()
    draft = Draft()
    about: dict[str, Any] = {"at": 1.0, "execution_id": "each", "node_id": "each", "node_type": "x", "index": 1}
    events: list[Event] = [started(), ContainerStarted(**about, length=30)]
    for number in range(30):
        path = (Round("each", "each", "iteration", number),)
        inner = [msgspec.structs.replace(each, rounds=path) for each in node(x="x" * 100 * KB)]
        events += [RoundStarted(**about, round=number), *inner, RoundFinished(**about, round=number, elapsed=0.0)]
    memory = ProcessMemory()
    live = RunLog(store, folded(draft.record.identity, events), list(events), memory=memory)
    live.memory.know(events, [pack_events([event])[1][0] for event in events])

    live.activate(is_kept=False)

    assert 0 < live.first < live.durable_count
    assert run_memory.KEPT_BYTES <= memory.held <= run_memory.KEPT_BYTES + 256 * KB
