"""A run under way in this process: its log in memory, on its way to the store and to those who follow.

A log is a list of events that only grows. Three positions cut it into what is durable, what the store has been given,
and what has only happened; a fourth says how much may be shown, a fifth where streamed text begins that may wait::

    0 ........ committed ........ sent ........ len(events)      committed <= sent <= len(events)
               committed <= visible <= len(events)
                                           due                   without end if no text waits (``TextDelay``)

What moves them:

- ``append``: ``len(events)`` grows. If no write is under way and ``due`` is behind ``committed``, all behind
  ``committed`` is sent as one write.
- a write succeeds: ``committed`` becomes ``sent``; what has happened meanwhile is the next write.
- a write is refused for now (``StoreUnavailable``): ``sent`` falls back to ``committed``; the same again after a while,
  with what has happened meanwhile. Nothing is lost while the process lives.
- a write is refused for good (``LogConflict``): the run is another process's. The log is *abandoned*: nothing more is
  sent, and all who wait get the error.
- a write is refused since the database has forgotten what it had said to be durable (``LogForgotten``): ``committed``
  falls back to what is there, and all behind it is sent again. What was shown stays so.
- the start is *refused* while nothing is known to be durable: the log is abandoned too. What becomes of what the store
  was given is another's (``refused_starts.py``).
- events cannot be written at all: the log is *cut short*. What was not shown and not sent is dropped, the run's failure
  takes its place, and ``append`` takes nothing more. If not even that can be written, the log is abandoned.
- ``visible`` grows to ``committed``, and over transient events (starts, pieces of text) behind it, up to the first one
  that tells a result.

Invariants: one write is under way at a time, so appends of a run reach the store in order, each at the position where
the last one ended. An event that tells a result is shown only once it is durable, and so is everything behind it. What
was shown or sent is never dropped. Each event is observed once, when it becomes durable. A wait for a position ends
when the position is reached, or with the reason why it never will be.
"""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Sequence

from jikko.concurrency.alarm import ConditionVariable
from jikko.concurrency.scheduler import Scheduler
from jikko.errors import JikkoError, LogConflict, LogForgotten, LogUnwritable, StartRefused, StoreUnavailable
from jikko.events import Event, RunFinished, RunPaused
from jikko.ports.stores.projections import Projection, StartOptions
from jikko.ports.stores.run_store import Append, RunStore, Withdrawal
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
"""Seconds until a write is tried again that the database refused."""
_MAX_EVENTS_OUT_OF_TURN, _BEHIND_BYTES_OUT_OF_TURN = 64, slice(1 << 18, (1 << 18) + 1)
"""Events, and bytes of inputs or outputs (not counted, which is a call), that take a fraction of a millisecond."""


class RunLog:
    """The ``Journal`` of one run."""

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
        record: The record as it is after ``events``. It is kept up to date.
        events: What is durable of the log already.
        options, opening: What is promised with the run, and what else is written with its first event.
        observer: Sees what is durable.
        share: Of the event loop, among logs that have much to write.
        memory: What all runs of the process hold.
        withdrawal: By which the store is told that a new run is not wanted any more.
        text_seconds: How long streamed text may wait to be written with what follows; 0: not at all.
        """
        self.record = record
        self._options = options
        self._withdrawal = withdrawal
        self.memory = RunMemory(memory or ProcessMemory(), record)
        """What of the run is in memory."""
        self._appends = AppendMaker(store, record, options, opening, self.memory.given, withdrawal, share is None)
        self._observer = observer
        self._share = share
        self._store = store
        self.events: list[Event] = events or []
        """The log from position ``first`` on, also what is not durable yet. To be read, as the next four."""
        self.first = 0
        """Where the part of the log begins that is in memory. What is before is durable, and read from the store."""
        self.durable_count = self.visible_count = self._sent = self._observed = len(self.events)
        """How many events are durable, and how many may be shown."""
        self._due = sys.maxsize
        self._text_seconds = text_seconds
        self._text_delay: TextDelay | None = None  # most runs show no text
        self.begin = self.durable_count
        """The position of the first event that this process adds."""
        self._changed, self._shown = ConditionVariable(), ConditionVariable()
        self.change, self.growth = self._changed.wait, self._shown.wait
        """Waits: until more is durable; until more may be shown. Either ends when nothing more will be."""
        self._writing: asyncio.Future[None] | None = None
        """There while the store is about to answer."""
        self._in_doubt = False
        """Whether what is unanswered may have been written by an earlier try."""
        self._unanswered: Append | None = None
        """What the store was given and may have written, though it did not say so."""
        self._retry: asyncio.TimerHandle | None = None
        """The next try, while the database refuses to write."""
        self._refused = False
        self.error: JikkoError | None = None
        """Why nothing more of the run is told here, if so."""
        self._cut_short: LogUnwritable | None = None
        """Why the log takes no more events."""
        self.commit_times: CommitTimes | None = None
        """Kept while the run is followed in another process."""
        self._on_settled: Callable[[JikkoError | None], None] | None = None
        self.on_lost: Callable[[], None] | None = None
        """Called when nothing more of the run is taken: it is another process's, or its log cannot be written."""

    @property
    def turn(self) -> TurnFold | None:
        """The answer that the run gives, as far as the store was given events; ``None``: it answers no message."""
        return self._appends.turn

    @property
    def may_have_callback(self) -> bool:
        """Whether the end of the run may have to be reported; not known of one that another process accepted."""
        return self.begin > 0 or (self._options is not None and self._options.callback_url is not None)

    @property
    def is_durable(self) -> bool:
        """Whether everything that happened is durable."""
        return self.durable_count == self.first + len(self.events)

    @property
    def is_over(self) -> bool:
        """Whether nothing follows in this part of the run. A pause before it is behind the run that goes on."""
        return self.first + len(self.events) > self.begin and isinstance(self.events[-1], (RunFinished, RunPaused))

    @property
    def is_accepted(self) -> bool:
        """Whether its beginning is durable: it goes on, whatever becomes of this process."""
        return self.durable_count > 0

    def durable(self, begin: int) -> list[Event]:
        """The durable events from a position on; none if the first of them is not in memory."""
        return self.events[begin - self.first : self.durable_count - self.first] if begin >= self.first else []

    def append(self, events: Iterable[Event]) -> None:
        """Take the next events of the run. Never raises: a run whose events cannot be taken fails."""
        if self._cut_short is not None:
            return
        known, is_text = len(self.events), self._text_seconds > 0
        # The record of a run that has ended names no holder.
        self._appends.holder = self.record.holder
        try:
            self.events += events
            for event in self.events[known:]:
                kind = type(event)
                if kind in OF_RECORD:
                    self.record.apply(event)
                is_text = is_text and kind in STREAMED
            if is_text:
                self._text_delay = self._text_delay or TextDelay(self._text_seconds)
                if self._text_delay.allows(self.events[known:], self._hurry):
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
        """The run goes on here from now on. See ``RunMemory.begin``."""
        if first := self.memory.begin(is_kept=is_kept):
            self._drop_before(first)

    def abandon(self, error: JikkoError) -> None:
        """Stop writing; all who wait get the error."""
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
        """Have the database say once more that it has what it said to have: it may have gone back. What it lacks is
        written again. Returns at once."""
        is_idle = self.is_durable and self._writing is None and self.error is None
        if self.durable_count and is_idle and self.record.is_open:
            self._unanswered = self._appends.nothing(self.durable_count, self.record)
            self._write_now()

    @property
    def has_backpressure(self) -> bool:
        return self.memory.has_backpressure

    async def committed(self, count: int | None = None, *, first: bool = False, hurries: bool = True) -> None:
        """Wait until ``count`` events are durable, by default all that are there; ``first``: go on before others;
        ``hurries``: text that waits is written at once.

        Raises:
            LogConflict: Another process has taken the run over.
            StoreUnavailable: The process ends, and the database could not be written.
            RunLeft: The process ends.
            LogUnwritable: The run has failed, and its log stays shorter than that.
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
        """See ``Journal``. The call that a node is to make leaves before clients are told what led to it."""
        await self.committed(first=True)

    async def wait_for(self, is_wanted: Callable[[Event], bool]) -> bool:
        """Wait until such an event is durable. ``False``: the run ended without. Raises as ``committed``."""
        return await LogFollower(self, self._store, self._share).find(is_wanted)

    async def ended(self) -> RunFinished | RunPaused:
        """Wait until the end of the run, or a pause, is durable. Raises as ``committed``, and ``RunLeft``."""
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
        """Have a function called once everything that happened is durable, or with the reason why it will not be.

        The event loop calls it, behind all who wait for the same. A second one takes the place of the first.
        """
        self._on_settled = callback
        self._settle()

    def _hurry(self) -> None:
        """Have all that has happened written without delay."""
        self._due = sys.maxsize
        if self._text_delay is not None:
            self._text_delay.end()
        self._write()

    def _notify(self) -> None:
        """Wake all who wait: what is durable has grown, or nothing more will be."""
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
        """Have what waits written. If that is much, it is when it is this log's turn: the answers to one transaction
        come together, and all who have got one go on to write; and the record's outputs were encoded in this one."""
        waiting = self.first + len(self.events) - self.durable_count
        large = self.record.inputs[_BEHIND_BYTES_OUT_OF_TURN] or self.record.outputs[_BEHIND_BYTES_OUT_OF_TURN]
        if self._share is not None and (waiting > _MAX_EVENTS_OUT_OF_TURN or is_large or large):
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

    def _write_again(self) -> None:
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
            # Nothing is lost: it is all in memory, and maybe on the disk. So the very same is offered again; what has
            # come since follows behind it. The run goes on, and no result is shown meanwhile.
            # Logged once: the program's log may be on the disk that is full.
            level = logging.DEBUG if self._refused else logging.ERROR
            log.log(level, "run %s cannot be written, trying again: %s", self.record.identity.run_id, error)
            self._refused, self._in_doubt = True, self._in_doubt or error.in_doubt
            self._retry = asyncio.get_running_loop().call_later(_RETRY_WAIT, self._write_again)
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
        """The run is not this process's any more; some may still follow it."""
        if self._text_delay is not None:
            self._text_delay.end()
        if self.memory.is_counted:
            self._drop_before(self.memory.leave(self.durable_count))

    def _drop_before(self, first: int) -> None:
        """Have no event in memory before a position; all those are durable."""
        if first > self.first:
            del self.events[: first - self.first]
            self.first = first

    def _go_back(self, log_end: int) -> None:
        """Write again what the database has forgotten."""
        run_id, missing = self.record.identity.run_id, self.durable_count - log_end
        log.warning("run %s: the database has lost %d events, which are written again", run_id, missing)
        self.durable_count, self._sent, self._unanswered = log_end, log_end, None
        self._appends.go_back(self.events, log_end)
        self._write()

    def _cut(self, error: BaseException) -> None:
        """Let the run fail, since something that happened in it cannot be kept."""
        log.error("run %s cannot be written", self.record.identity.run_id, exc_info=error)
        self._show()
        self._appends.forget_ready()
        cut_before, self._cut_short = self._cut_short, self._cut_short or unwritable(error)
        if cut_before is not None:
            # The end of the run cannot be kept either.
            self.abandon(cut_before)
            return
        if not self.events:
            self.abandon(self._cut_short)
        else:
            end = given_up(self.record, str(self._cut_short), self.events[-1].at)
            # What was shown tells no result, and what the store was given may be durable: both stay, and the beginning.
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
