"""Tails of runs that other processes execute, followed without polling.

Each such run has one tail, shared by all its local followers. It reads the record and then the new events, and waits
until there may be more. A holder sends new events with its answer, so that they need not be read: they are durable, and
follow those that it was asked for, whichever process has the run by then.

=========================  ===================================================================================
the run, by its record     what ends the wait
=========================  ===================================================================================
paused                     a hint that the run changed; this process begins to execute it
elsewhere                  besides these, the holder's answer to ``WaitForEvents``, with the events
elsewhere, and no holder   besides these, a look at growing intervals: it is about to be taken over
here                       this process no longer executes it
over                       nothing: no more is to come
the first three            a read by ``QuietRuns``, since hints and answers may be lost
=========================  ===================================================================================

Invariant: everything that a record shows is in the events read after it, or follows from them. So a run is over, or
paused, for its followers once no event was found behind the known ones.
"""

import asyncio
import contextlib
import logging
import math
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final

import msgspec
from msgspec import Struct, field

from jikko.errors import JikkoError
from jikko.events import Event
from jikko.ports.cluster import Answer, Cluster, EventsAppended, WaitForEvents
from jikko.ports.stores.run_store import Change, RunStore
from jikko.record import RunRecord
from jikko.runs.following.log_follower import READ_BYTES
from jikko.runs.following.log_pieces import events_of
from jikko.runs.following.quiet_runs import QUIET_SECONDS, QuietRuns

logger = logging.getLogger(__name__)

_QUESTION_SECONDS = 30.0
"""Seconds after which a holder without news answers, and is asked again."""
_KEPT_EVENTS = 256
"""Received consecutive events kept for slower followers."""
_FIRST_POLL_SECONDS = 0.05
"""Seconds until the first lookup of a run's new holder; the interval doubles."""


class RunTail(Struct, eq=False):
    """End of a durable log, shared by its followers in this process."""

    run_id: str
    store: RunStore
    cluster: Cluster
    is_here: Callable[[], bool]
    """Whether this process executes the run."""
    quiet: QuietRuns
    """Reads the run when there is no news of it."""
    on_seen: Callable[[float], None] = lambda since: None
    """Called for new events of a run elsewhere with the time the first became durable; for events that had to be read,
    the time it occurred."""
    record: RunRecord | None = None
    """Record at the last look; ``None``: no such run."""
    end: int = 0
    """Number of events known to be durable."""
    is_up_to_date: bool = False
    """Whether the last look found no new event."""
    _newest: Sequence[Event] = ()
    """The newest events: found by the last look, or received since."""
    _has_polled: bool = False
    _missing_since: float = math.inf
    """When the run was first found missing, unless there was news since."""
    _executed_here: bool = False
    """Whether this process has executed the run since the last look, and so saw its events directly."""
    _is_stale: bool = True
    _looking: asyncio.Lock = field(default_factory=asyncio.Lock)
    _waiting: set[asyncio.Future[None]] = field(default_factory=set)
    _woken: asyncio.Event = field(default_factory=asyncio.Event)
    _watching: asyncio.Task[None] | None = None

    async def look(self, after: int = -1) -> None:
        """Update record and end, unless they are up to date.

        Args:
            after: On the first look, the position behind which events are wanted; may exceed the end.

        Raises:
            JikkoError: The store cannot be read.
        """
        async with self._looking:
            if self._is_stale:
                self._is_stale = False
                try:
                    await self._read(after)
                except BaseException:
                    self._is_stale = True
                    raise
        if self._watching is None or self._watching.done():
            self._watching = asyncio.get_running_loop().create_task(self._watch())

    async def events(self, after: int) -> Sequence[Event]:
        """Return the (first) events behind a position; newest ones are cached. Raises ``JikkoError``: unreadable."""
        begin = self.end - len(self._newest)
        if after + 1 >= begin:
            return self._newest[after + 1 - begin :]
        return await self.store.events(self.run_id, after=after, most=READ_BYTES)

    async def change(self, seconds: float | None) -> bool:
        """Wait until there may be news. ``False``: timed out."""
        if self._is_stale:
            return True
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            async with asyncio.timeout(seconds):
                await future
        except TimeoutError:
            return False
        finally:
            self._waiting.discard(future)
        return True

    def wake(self) -> None:
        """Invalidate record and end, and wake all followers: the run may have moved."""
        self._is_stale = True
        self._woken.set()
        self._notify()

    @property
    def source(self) -> str:
        """Process that sends the run's news; empty if none."""
        return "" if self.record is None else self.record.holder

    def changed(self, known: int, change: Change) -> None:
        """Apply what was read. ``known``: Number of known events when it was requested."""
        if self._looking.locked() or self._is_stale:
            return  # it is being read, or will be
        if change.record is None:
            # A promoted standby may never have had it: then its holder is about to rewrite it.
            now = asyncio.get_running_loop().time()
            self._missing_since = min(self._missing_since, now)
            if now - self._missing_since < self.quiet.seconds / 2:
                return
            self.record, self.is_up_to_date = None, True
            self._notify()
        elif not change.events:
            self.wake()  # followers read it and get the error
            return
        elif events := change.events[self.end - known :]:
            self.on_seen(events[0].at)
            self._add(events, change.record)
        self._woken.set()

    async def close(self) -> None:
        """Close the tail after its last follower has left."""
        # Break the cycle: the task's frame references this tail, and all would stay until the collector runs.
        watching, self._watching = self._watching, None
        if watching is not None:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def _read(self, after: int) -> None:
        self.record = await self.store.record(self.run_id)
        if self._has_polled:
            newest = await self.store.events(self.run_id, after=self.end - 1)
            self.is_up_to_date = not newest
            if newest:
                if not self._executed_here:
                    self.on_seen(newest[0].at)
                self._executed_here = False
                self._newest = newest
                self.end += len(newest)
                self._bring_up(newest)
            return
        # Includes the event at the position, which shows whether the log extends that far.
        first = max(after, 0)
        self._newest = await self.store.events(self.run_id, after=first - 1)
        if first and not self._newest:
            first = max(await self.store.log_end(self.run_id) - 1, 0)
            self._newest = await self.store.events(self.run_id, after=first - 1)
        self.end = first + len(self._newest)
        self._bring_up(self._newest)
        self._has_polled = self.is_up_to_date = True

    def _bring_up(self, events: Sequence[Event]) -> None:
        """Update the record's status by events read after it: no later read would return them."""
        if self.record is not None:
            record = msgspec.structs.replace(self.record)
            for event in events:
                record.apply(event)
            if record.status != self.record.status:
                self.record = record

    async def _watch(self) -> None:
        try:
            await self._watch_until_over()
        except Exception:
            # Followers look for themselves, and get the error.
            logger.exception("run %s cannot be followed", self.run_id)
            self.wake()
        finally:
            self.quiet.forget(self)

    async def _watch_until_over(self) -> None:
        loop, looks = asyncio.get_running_loop(), 0
        self.quiet.heard(self)
        while self.record is not None and self.record.is_open:
            known, asked_at = (self.end, self.record.status), loop.time()
            if self.is_here():
                self._executed_here = True
                self.quiet.forget(self)
                await self._woken.wait()
            elif self.record.status == "paused":
                await self._woken.wait()
            elif (answer := await self._holder_answer(self.record)) is None:
                seconds, looks = min(_FIRST_POLL_SECONDS * 2**looks, _QUESTION_SECONDS), min(looks + 1, 16)
                await self._hint(seconds)
                if not self._woken.is_set() and seconds >= self.quiet.seconds:
                    continue  # it was read in the meantime
            elif not self._woken.is_set():
                looks = 0
                if await self._take_from_holder(known[0], events_of(answer)):
                    if isinstance(answer, EventsAppended) and answer.since:
                        self.on_seen(answer.since)
                    continue
                if loop.time() - asked_at >= _QUESTION_SECONDS:
                    continue  # no news, and it was read in the meantime
            was_read = self._woken.is_set() and not self._is_stale
            self._woken.clear()
            if was_read:
                looks = 0
                self.quiet.heard(self)
                continue
            self._is_stale = True
            try:
                await self.look()
            except JikkoError:
                # Followers look for themselves, and get the error.
                self._notify()
                await self._hint(self.quiet.seconds)
                continue
            self.quiet.heard(self)
            if (self.end, None if self.record is None else self.record.status) != known:
                looks = 0
                self._notify()

    async def _hint(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()

    async def _take_from_holder(self, first: int, events: list[Event]) -> bool:
        """Append events sent by the holder. Returns whether any was new. ``first``: Position of the first."""
        async with self._looking:
            del events[: self.end - first]
            if self._is_stale or self.record is None or not events:
                return False
            record = msgspec.structs.replace(self.record)
            for event in events:
                record.apply(event)
            self._add(events, record)
            self.quiet.heard(self)
            return True

    def _add(self, events: Sequence[Event], record: RunRecord) -> None:
        """Append new events, and notify followers. ``record``: The record after them."""
        self.record = record
        self._missing_since = math.inf
        self._newest = [*self._newest, *events][-max(_KEPT_EVENTS, len(events)) :]
        self.end += len(events)
        self.is_up_to_date = record.status != "running"
        self._notify()

    async def _holder_answer(self, record: RunRecord) -> Answer:
        """Wait for the holder's answer how the log has grown, or a hint: ``True``. ``None``: there is no holder."""
        command = WaitForEvents(run_id=self.run_id, count=self.end, seconds=_QUESTION_SECONDS)
        asking = asyncio.ensure_future(self.cluster.request(record.holder, command))
        woken = asyncio.ensure_future(self._woken.wait())
        try:
            await asyncio.wait((asking, woken), return_when=asyncio.FIRST_COMPLETED)
            return True if woken.done() else asking.result()
        finally:
            asking.cancel()
            woken.cancel()
            await asyncio.gather(asking, woken, return_exceptions=True)

    def _notify(self) -> None:
        waiting, self._waiting = self._waiting, set()
        for future in waiting:
            if not future.done():
                future.set_result(None)


class RunTails:
    """Tails of the runs followed here. Their streams end before the process does."""

    def __init__(
        self,
        store: RunStore,
        cluster: Cluster,
        is_here: Callable[[str], bool],
        look_seconds: float = QUIET_SECONDS,
        on_seen: Callable[[float], None] = lambda since: None,
    ) -> None:
        """Args:
        look_seconds: Seconds without news of a run after which it is read.
        on_seen: See ``RunTail``.
        """
        self._store = store
        self._cluster = cluster
        self._is_here = is_here
        self._quiet = QuietRuns(store, cluster.is_late, look_seconds)
        self._on_seen = on_seen
        self.followed: Final[dict[str, tuple[RunTail, int]]] = {}
        """Tails by run, each with its number of followers. Read-only."""
        self.is_over = False
        """Whether no follower may wait any more."""
        self._left = asyncio.Event()
        """Set whenever a follower has left a run, or a run has paused."""

    @contextlib.asynccontextmanager
    async def follow(self, run_id: str) -> AsyncIterator[RunTail]:
        """Return the tail of a run, while it is followed."""
        tail, count = self.followed.get(run_id) or (self._new(run_id), 0)
        self.followed[run_id] = tail, count + 1
        try:
            yield tail
        finally:
            _, count = self.followed[run_id]
            if count > 1:
                self.followed[run_id] = tail, count - 1
            else:
                del self.followed[run_id]
                await tail.close()
            self._left.set()

    def wake(self, run_id: str) -> None:
        """Note that a run may have moved."""
        if run_id in self.followed:
            self.followed[run_id][0].wake()

    async def drain(self, seconds: float) -> None:
        """Wait until no active run is followed, for at most ``seconds``; then end all waits of followers."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while any(tail.record and tail.record.status == "running" for tail, _ in self.followed.values()):
                    self._left.clear()
                    await self._left.wait()
        self.is_over = True
        for tail, _ in self.followed.values():
            tail.wake()

    def note_pause(self) -> None:
        """Note that a followed run waits for people: the process may end before it continues."""
        self._left.set()

    def _new(self, run_id: str) -> RunTail:
        return RunTail(run_id, self._store, self._cluster, lambda: self._is_here(run_id), self._quiet, self._on_seen)
