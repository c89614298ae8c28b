"""Log of a run in this process: in memory, on its way to the store and to its followers.

A log is an append-only list of events. Three positions divide it into durable, sent and pending events; a fourth limits
what may be shown, a fifth is the start of delayed streamed text::

    0 ........ committed ........ sent ........ len(events)      committed <= sent <= len(events)
               committed <= visible <= len(events)
                                           due                   infinite if no text waits (``TextDelay``)

What moves them:

- ``append``: ``len(events)`` grows. If no write is running and ``due`` is behind ``committed``, everything behind
  ``committed`` is sent as one write.
- a write succeeds: ``committed`` becomes ``sent``; events added meanwhile are the next write.
- a write fails temporarily (``StoreUnavailable``): ``sent`` falls back to ``committed``; a retry follows later, with
  the events added meanwhile. Nothing is lost while the process lives.
- a write is refused for good (``LogConflict``): another process owns the run. The log is *abandoned*: nothing more is
  sent, and all waits raise the error.
- a write is refused because the database has forgotten confirmed events (``LogForgotten``): ``committed`` falls back to
  what it has, and everything behind is sent again. What was shown stays shown.
- the start is *refused* while nothing is known to be durable: the log is abandoned too. ``refused_starts.py`` handles
  what the store was given.
- events cannot be written at all: the log is *cut short*. Events neither shown nor sent are dropped, the run's failure
  replaces them, and ``append`` takes nothing more. If that cannot be written either, the log is abandoned.
- ``visible`` grows to ``committed``, and over transient events (starts, pieces of text) behind it, up to the first one
  with a result.

Invariants: one write runs at a time, so appends of a run reach the store in order, each at the position where the last
one ended. An event with a result is shown only once it is durable, and so is everything behind it. Nothing shown or
sent is ever dropped. Each event is observed once, when it becomes durable. A wait for a position ends when it is
reached, or with the reason why it never will be.
"""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Callable, Sequence

from jikko.concurrency.alarm import ConditionVariable
from jikko.concurrency.scheduler import Scheduler
from jikko.errors import JikkoError, LogConflict, LogForgotten, LogUnwritable, StartRefused, StoreUnavailable
from jikko.events import Event, RunFinished, RunPaused
from jikko.ports.stores.run_store import Append, Projection, RunStore, StartOptions, Withdrawal
from jikko.record import OF_RECORD, RunRecord
from jikko.runs.append_maker import AppendMaker
from jikko.runs.endings import given_up, unwritable
from jikko.runs.following.log_follower import LogFollower
from jikko.runs.following.log_pieces import Batch, CommitTimes
from jikko.runs.observer import RunObserver, observe
from jikko.runs.process_memory import ProcessMemory
from jikko.runs.refused_starts import RefusedAppend
from jikko.runs.run_memory import STREAMED, TRANSIENT, RunMemory, TextDelay
from jikko.runs.turn_fold import TurnFold

log = logging.getLogger(__name__)

_RETRY_WAIT = 0.5
"""Seconds before a failed write is retried."""
_MAX_URGENT_EVENTS, _MAX_URGENT_BYTES = 64, slice(1 << 18, (1 << 18) + 1)
"""Events, and bytes of inputs or outputs (not counted, which is a call), that take a fraction of a millisecond."""


class RunLog:
    """``Journal`` of one run."""

    __slots__ = (
        "_appends _changed _cut_short _due _in_doubt _observed _observer _on_settled _options _refused _retry _sent "
        "_share _shown _store _text_delay _text_seconds _unanswered _withdrawal _writing begin change commit_times "
        "durable_count error events first growth memory on_lost record visible_count"
    ).split()

    def __init__(
        self,
        store: RunStore,
        record: RunRecord,
        events: list[Event] | None = None,
        *,
        options: StartOptions | None = None,
        opening: Sequence[Projection] = (),
        observer: RunObserver | None = None,
        share: Scheduler | None = None,
        memory: ProcessMemory | None = None,
        withdrawal: Withdrawal | None = None,
        text_seconds: float = 0.0,
    ) -> None:
        """Args:
        record: The record after ``events``; kept up to date.
        events: Durable events of the log.
        options, opening: Promises made with the run, and other writes with its first event.
        observer: Observes durable events.
        share: Scheduler among logs with much to write.
        memory: Memory of all runs of the process.
        withdrawal: Tells the store that a new run is no longer wanted.
        text_seconds: Maximum delay of streamed text, to be written with what follows; 0: none.
        """
        self.record = record
        self._options = options
        self._withdrawal = withdrawal
        self.memory = RunMemory(memory or ProcessMemory(), record)
        self._appends = AppendMaker(store, record, options, opening, self.memory.given, withdrawal, share is None)
        self._observer = observer
        self._share = share
        self._store = store
        self.events: list[Event] = events or []
        """The log from position ``first`` on, including non-durable events. Read-only, like the next four."""
        self.first = 0
        """Position of the first event in memory. Earlier ones are durable, and read from the store."""
        self.durable_count = self.visible_count = self._sent = self._observed = len(self.events)
        """Number of durable events, and of events that may be shown."""
        self._due = sys.maxsize
        self._text_seconds = text_seconds
        self._text_delay: TextDelay | None = None  # most runs show no text
        self.begin = self.durable_count
        """Position of the first event added by this process."""
        self._changed, self._shown = ConditionVariable(), ConditionVariable()
        self.change, self.growth = self._changed.wait, self._shown.wait
        """Waits for more durable events, and for more visible ones. Both end when no more will come."""
        self._writing: asyncio.Future[None] | None = None
        self._in_doubt = False
        """Whether an earlier attempt may have written the unconfirmed append."""
        self._unanswered: Append | None = None
        """Append given to the store, possibly written but not confirmed."""
        self._retry: asyncio.TimerHandle | None = None
        """Timer of the next attempt, while the database refuses writes."""
        self._refused = False
        self.error: JikkoError | None = None
        """Why no more events of the run come here, if so."""
        self._cut_short: LogUnwritable | None = None
        """Why the log takes no more events."""
        self.commit_times: CommitTimes | None = None
        """Set while another process follows the run."""
        self._on_settled: Callable[[JikkoError | None], None] | None = None
        self.on_lost: Callable[[], None] | None = None
        """Called when no more of the run is taken: another process owns it, or its log cannot be written."""

    @property
    def turn(self) -> TurnFold | None:
        """The run's answer up to the events given to the store; ``None`` if it answers no message."""
        return self._appends.turn

    @property
    def may_have_callback(self) -> bool:
        """Whether the run's end may have to be reported; unknown for runs accepted by another process."""
        return self.begin > 0 or (self._options is not None and self._options.callback_url is not None)

    @property
    def is_durable(self) -> bool:
        """Whether all events are durable."""
        return self.durable_count == self.first + len(self.events)

    @property
    def is_over(self) -> bool:
        """Whether this part of the run is over. A pause before the run's continuation does not count."""
        return self.first + len(self.events) > self.begin and isinstance(self.events[-1], (RunFinished, RunPaused))

    @property
    def is_accepted(self) -> bool:
        """Whether the run's beginning is durable, so that it continues even if this process dies."""
        return self.durable_count > 0

    def durable(self, begin: int) -> list[Event]:
        """Return the durable events from a position on; none if the first is not in memory."""
        return self.events[begin - self.first : self.durable_count - self.first] if begin >= self.first else []

    def append(self, events: Sequence[Event]) -> None:
        """Append events. Never raises: a run whose events cannot be taken fails."""
        if self._cut_short is not None:
            return
        known, is_text = len(self.events), self._text_seconds > 0 and STREAMED.issuperset(map(type, events))
        # The record of an ended run names no holder.
        self._appends.holder = self.record.holder
        try:
            self.events += events
            for event in events:
                if type(event) in OF_RECORD:
                    self.record.apply(event)
            if is_text:
                self._text_delay = self._text_delay or TextDelay(self._text_seconds)
                if self._text_delay.allows(events, self._hurry):
                    if self._due == sys.maxsize:
                        self._due = self.first + known
                    return self._show()
            if self._due < sys.maxsize:
                self._hurry()
            if self._unanswered is not None and self._sent < self._due:
                self._appends.make_ready(self.events, self.first, self._sent, self.record)
        except Exception as error:
            self._cut(error)
            return
        self._write()
        self._show()

    def activate(self, *, is_kept: bool) -> None:
        """Mark the run as continuing here. See ``RunMemory.begin``."""
        if first := self.memory.begin(is_kept=is_kept):
            self._drop_before(first)

    def abandon(self, error: JikkoError) -> None:
        """Stop writing; all waits raise the error."""
        self.error = error
        if self._retry is not None:
            self._retry.cancel()
        self._notify()

    def refuse(self, error: StartRefused) -> RefusedAppend | None:
        """Give up a run that is not ``is_accepted``. Returns what the store may have written of it, if anything."""
        append, write = self._unanswered, self._writing
        if self._withdrawal is not None:
            self._withdrawal.is_made = not self._in_doubt
        self.abandon(error)
        if self.on_lost is not None:
            self.on_lost()
        if append is None or (write is None and not self._in_doubt):
            return None
        return RefusedAppend(append, write, self._in_doubt)

    def require_durable(self) -> None:
        """Let the database, which may have gone back, confirm durable events; rewrites lost ones. Returns at once."""
        is_idle = self.is_durable and self._writing is None and self.error is None
        if self.durable_count and is_idle and self.record.is_open:
            self._unanswered = self._appends.nothing(self.durable_count, self.record)
            self._write_now()

    @property
    def has_backpressure(self) -> bool:
        return self.memory.has_backpressure

    async def committed(self, count: int | None = None, *, first: bool = False, hurries: bool = True) -> None:
        """Wait until ``count`` events are durable, by default all; ``first``: resume first; ``hurries``: write delayed
        text.

        Raises:
            LogConflict: Another process has taken the run over.
            StoreUnavailable: The process is shutting down, and the database could not be written.
            RunLeft: The process is shutting down.
            LogUnwritable: The run has failed, and its log stays shorter.
        """
        count = self.first + len(self.events) if count is None else count
        if hurries and self._due < count:
            self._hurry()
        while self.durable_count < count:
            if self.error is not None:
                raise self.error
            if self._cut_short is not None and count > self.first + len(self.events):
                raise self._cut_short
            await self._changed.wait(first=first)

    async def durability_barrier(self) -> None:
        """See ``Journal``. A node's outgoing call leaves before clients see what led to it."""
        await self.committed(first=True)

    async def wait_for(self, is_wanted: Callable[[Event], bool]) -> bool:
        """Wait until a matching event is durable. ``False``: the run ended without one. Raises as ``committed``."""
        return await LogFollower(self, self._store, self._share).find(is_wanted)

    async def ended(self) -> RunFinished | RunPaused:
        """Wait until the run's end, or a pause, is durable. Raises as ``committed``, and ``RunLeft``."""
        while True:
            last = self.events[-1] if self.events else None
            if isinstance(last, (RunFinished, RunPaused)) and self.is_durable:
                return last
            if self.error is not None:
                raise self.error
            await self._changed.wait()

    def follow(self, after: int = -1, *, durable: bool = False, idle: float | None = None) -> AsyncIterator[Batch]:
        """See ``LogFollower.follow``."""
        return LogFollower(self, self._store, self._share).follow(after, durable=durable, idle=idle)

    def when_settled(self, callback: Callable[[JikkoError | None], None]) -> None:
        """Call a function once all events are durable, or with the reason why they will not be.

        The event loop calls it, after all waits for the same. A second one replaces the first.
        """
        self._on_settled = callback
        self._settle()

    def _hurry(self) -> None:
        self._due = sys.maxsize
        if self._text_delay is not None:
            self._text_delay.end()
        self._write()

    def _notify(self) -> None:
        """Wake all waits: more is durable, or nothing more will be."""
        self._changed.notify_all()
        self._shown.notify_all()
        if self._on_settled is not None:
            self._settle()

    def _settle(self) -> None:
        callback, is_durable = self._on_settled, self.is_durable
        if callback is not None and (is_durable or self.error is not None):
            self._on_settled = None
            asyncio.get_running_loop().call_soon(callback, None if is_durable else self.error)

    def _write(self, *, is_large: bool = False) -> None:
        """Write pending events. Large writes wait for this log's turn: the answers of one transaction arrive together,
        and all logs that got one write on; and the record's outputs were encoded in this turn."""
        waiting = self.first + len(self.events) - self.durable_count
        large = self.record.inputs[_MAX_URGENT_BYTES] or self.record.outputs[_MAX_URGENT_BYTES]
        if self._share is not None and (waiting > _MAX_URGENT_EVENTS or is_large or large):
            self._share.later(self.record.identity.app_id, self._write_now)
        else:
            self._write_now()

    def _write_now(self) -> None:
        is_busy = self._writing is not None or self._retry is not None or self.error is not None
        is_all = self.durable_count >= self._due or self.durable_count == self.first + len(self.events)
        if is_busy or (is_all and self._unanswered is None):
            return
        at = self.durable_count
        try:
            append = self._unanswered or self._appends.next(self.events, self.first, at, self.record)
            if append is None:
                return self._write(is_large=True)
            self._sent = at + len(append.events)
            self._unanswered = append
            self._writing = self._store.append(append)
        except Exception as error:
            self._sent, self._unanswered = at, None
            self._cut(error)
        else:
            self._writing.add_done_callback(self._written)

    def _retry_writes(self) -> None:
        self._retry = None
        self._write()

    def _written(self, done: "asyncio.Future[None]") -> None:
        error = done.exception() if not done.cancelled() else StoreUnavailable("The write was cancelled.")
        self._writing = None
        if isinstance(self.error, StartRefused):
            return
        if error is None:
            at, self.durable_count, self._unanswered, self._in_doubt = self.durable_count, self._sent, None, False
            if self.commit_times is not None:
                self.commit_times.note(self.durable_count)
            if self._observer is not None:
                at = max(at, self._observed)
                observe(self._observer, self.record.identity, at, self.durable(at))
                self._observed = max(self._observed, self.durable_count)
            self._refused = False
            if self.memory.is_counted:
                self._drop_before(self.memory.written(self.durable_count))
            if self.durable_count < self.first + len(self.events):
                self._write()
            self._changed.notify_all()
            self._show()
            if self._on_settled is not None:
                self._settle()
            return
        if isinstance(error, StoreUnavailable):
            # Nothing is lost: everything is in memory, and maybe on disk. So the same append is offered again; newer
            # events follow it. The run continues, and no result is shown meanwhile.
            # Logged once: the program's log may be on the full disk.
            level = logging.DEBUG if self._refused else logging.ERROR
            log.log(level, "run %s cannot be written, trying again: %s", self.record.identity.run_id, error)
            self._refused, self._in_doubt = True, self._in_doubt or error.in_doubt
            self._retry = asyncio.get_running_loop().call_later(_RETRY_WAIT, self._retry_writes)
        elif isinstance(error, LogForgotten) and self.first <= error.log_end < self.durable_count:
            self._go_back(error.log_end)
        elif isinstance(error, LogConflict):
            self.abandon(error)
            if self.on_lost is not None:
                self.on_lost()
        else:
            self._sent, self._unanswered = self.durable_count, None
            self._cut(error)

    def leave(self) -> None:
        """Stop owning the run; it may still have followers."""
        if self._text_delay is not None:
            self._text_delay.end()
        if self.memory.is_counted:
            self._drop_before(self.memory.leave(self.durable_count))

    def _drop_before(self, first: int) -> None:
        """Drop events before a position from memory; all of them are durable."""
        if first > self.first:
            del self.events[: first - self.first]
            self.first = first

    def _go_back(self, log_end: int) -> None:
        """Rewrite what the database has forgotten."""
        run_id, missing = self.record.identity.run_id, self.durable_count - log_end
        log.warning("run %s: the database has lost %d events, which are written again", run_id, missing)
        self.durable_count, self._sent, self._unanswered = log_end, log_end, None
        self._appends.go_back(self.events, log_end)
        self._write()

    def _cut(self, error: BaseException) -> None:
        """Fail the run, because an event cannot be stored."""
        log.error("run %s cannot be written", self.record.identity.run_id, exc_info=error)
        self._show()
        self._appends.forget_ready()
        cut_before, self._cut_short = self._cut_short, self._cut_short or unwritable(error)
        if cut_before is not None:
            # The run's end cannot be stored either.
            self.abandon(cut_before)
            return
        if not self.events:
            self.abandon(self._cut_short)
        else:
            end = given_up(self.record, str(self._cut_short), self.events[-1].at)
            # Shown events have no result, and those given to the store may be durable: both stay, and so does the
            # beginning.
            begin = max(self.visible_count, self._sent, 1)
            self.events[begin - self.first :] = [end]
            self.memory.cut(begin)
            self.record.wake_at = None
            self.record.apply(end)
            self._hurry()
            self._notify()
        if self.on_lost is not None:
            self.on_lost()

    def _show(self) -> None:
        visible, known = self.visible_count, self.first + len(self.events)
        if visible < self.durable_count:
            visible = self.durable_count
        while visible < known and type(self.events[visible - self.first]) in TRANSIENT:
            visible += 1
        if visible != self.visible_count:
            self.visible_count = visible
            self._shown.notify_all()
