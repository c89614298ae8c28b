"""Event buffer of a run: folds events into its state, passes them to its journal, and moderates shown text."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol

from msgspec import Struct

from jikko.concurrency.scheduler import TimeSlice
from jikko.engine.state import RunState
from jikko.engine.text_release import ReleasedText
from jikko.errors import JikkoError
from jikko.events import Event, RunStarted, TextChunk, TextReplaced
from jikko.ports.clock import Clock
from jikko.ports.other_models import TextGuard


class Journal(Protocol):
    """Receives the events of one run, in order."""

    @property
    def has_backpressure(self) -> bool:
        """Whether so much is unwritten that the run should wait."""

    def append(self, events: list[Event]) -> None:
        """Append events. Must neither block nor raise; events that belong together come together."""

    async def durability_barrier(self) -> None:
        """Wait until everything appended is durable. Raises ``JikkoError`` if it never will be: another process has
        taken the run over, or this one is ending."""


_DOUBT_SECONDS: Final = 2.0
"""Seconds since the last confirmed write after which the run may belong to another process: shorter than the time for
declaring this one dead."""
MAX_PUT_OFF_EVENTS: Final = 500
"""Events that may be delayed while a run continues: as many as are encoded in a fraction of a millisecond."""


class EventBuffer(Struct, eq=False):
    """Outgoing events of one run. Those of a burst leave together at its end.

    what the run does                 when its events leave
    waits for something, or ends      at once
    waits for its turn to continue    within ``IN_TIME`` seconds; at once if they are many, or a node had effects
    continues with a container        at the end of the event loop's turn, unless it waits for its turn by then
    shows text, or reports progress   at once, with everything before it

    Only whole calls of ``emit`` leave: an event and its text are in the log together or not at all. So after a crash no
    text is missing, and none is shown twice.
    """

    _state: RunState
    _journal: Journal
    clock: Clock
    _slice: TimeSlice
    """The run's time slice of the event loop."""
    _buffer: list[Event] = []
    _required: int = 0
    """Number of events that must be durable before a node has effects."""
    _durable: int = 0
    """Number of durable events."""
    _confirmed_at: float = 0.0
    """Start of the run here, or time of the last confirmation that this process owns it."""
    _urgent: bool = False
    """Whether buffered events should not wait: they report effects, or by whose will they happened."""
    _flushes_soon: bool = False
    _closed: bool = False
    holds: bool = False
    """Whether a burst is running, whose end events wait for."""
    has_backpressure: bool = False
    """See ``Journal``, as of the last flush."""
    on_text: Callable[[int], None] | None = None
    """Called with the number of characters of new text."""

    def emit(self, event: Event) -> None:
        """Fold an event, and buffer it with its text."""
        texts = self._state.apply(event)
        if texts is None:
            self._buffer.append(event)
            return
        before, after = texts
        if before:
            self.show(before)
        self._buffer.append(event)
        if after:
            self.show(after)

    def emit_durable(self, event: Event) -> None:
        """``emit`` an event that must be durable before any node has effects."""
        self.emit(event)
        self._required += 1
        self._urgent = True

    def begin(self, first: Iterable[Event]) -> None:
        """Emit the first events of a run, or of its continuation: no node has effects before they are in the log. Until
        then a start may be refused, and another process may continue the run."""
        for event in first:
            self._confirmed_at = event.at
            self.emit_durable(event)
            # A short run is one append: its beginning leaves with what follows.
            self._urgent = not isinstance(event, RunStarted)

    async def durability_barrier(self) -> None:
        """Wait until all events of ``emit_durable`` are durable, so that neither a crash nor another process repeats a
        node's effects differently. After a while without confirmation, or a clock set back, wait for all events: a
        process that stood still, or was cut off, may have been declared dead. Raises ``JikkoError``: see
        ``Journal.durability_barrier``."""
        required = self._required
        if required > self._durable or not 0 <= self.clock() - self._confirmed_at < _DOUBT_SECONDS:
            self.flush()
            await self._journal.durability_barrier()
            # After waiting, so that concurrent nodes wait, too.
            self._durable = max(self._durable, required)
            self._confirmed_at = self.clock()

    async def catch_up(self) -> None:
        """Wait until everything buffered is durable. Returns at once if it never will be: the run is about to be over
        here."""
        self.flush()
        with contextlib.suppress(JikkoError):
            await self._journal.durability_barrier()
        self.has_backpressure = False

    async def may_run_effects(self) -> bool:
        """Await ``durability_barrier``. Returns whether a node may have effects; ``False``: another process owns the
        run."""
        try:
            await self.durability_barrier()
        except JikkoError:
            return False
        return True

    def show(self, chunks: Sequence[ReleasedText]) -> None:
        if not chunks:
            return
        now, shown = self.clock(), self._state.text
        for chunk in chunks:
            if chunk.replaced:
                self.replace("".join(shown)[: -chunk.replaced] + chunk.text)
                shown = self._state.text
            else:
                shown.append(chunk.text)
                self._buffer.append(TextChunk(at=now, text=chunk.text, selector=chunk.selector))
        if self.on_text is not None:
            self.on_text(sum(len(chunk.text) for chunk in chunks))

    def replace(self, text: str, reason: str = "") -> None:
        self._state.text = [text]
        self._buffer.append(TextReplaced(at=self.clock(), text=text, reason=reason))

    def flush(self) -> None:
        """Flush, unless a burst is running."""
        if self._buffer and not self.holds and not self._closed:
            events, self._buffer, self._urgent = self._buffer, [], False
            self._journal.append(events)
            self.has_backpressure = self._journal.has_backpressure

    def flush_in_time(self) -> None:
        """Flush soon, with what follows: the run is waiting for its turn."""
        if self._urgent or len(self._buffer) >= MAX_PUT_OFF_EVENTS:
            self.flush()
        elif self._buffer:
            self._slice.in_time(self.flush)

    def flush_soon(self) -> None:
        """Flush at the end of the event loop's turn, with what is added until then.

        No follower could see any of it earlier.
        """
        if not self._flushes_soon:
            self._flushes_soon = True
            asyncio.get_running_loop().call_soon(self._flush_now)

    def _flush_now(self) -> None:
        self._flushes_soon = False
        (self.flush_in_time if self._slice.waits else self.flush)()

    def close(self) -> None:
        """Flush, and drop later events: the run is over here."""
        self.holds = False
        self.flush()
        self._closed = True


log = logging.getLogger(__name__)

REPLACED: Final = "output_moderation"
"""Reason of replaced text. Source: docs/dify-behaviour.md, “Messages of a chat stream”."""


class GuardedText:
    """Moderation of one run's text by its ``TextGuard``, one check at a time."""

    def __init__(self, guard: TextGuard, state: RunState, events: EventBuffer) -> None:
        self._guard = guard
        self._state = state
        self._events = events
        self._shown = sum(map(len, state.text))
        """Number of shown characters."""
        self._looked = 0
        """Number of checked characters."""
        self._finished = 0
        """Number of characters checked as final."""
        self._looking: asyncio.Task[None] | None = None
        self.is_replaced = False
        events.on_text = self._grown

    @property
    def is_finished(self) -> bool:
        """Whether all text was checked, or none is shown any more."""
        return self.is_replaced or (self._looking is None and self._finished >= self._shown)

    def finish(self, then: Callable[[], None]) -> None:
        """Check the rest, and call back."""
        if self._looking is None:
            self._look(final=True)
        if self._looking is not None:
            self._looking.add_done_callback(lambda task: None if task.cancelled() else then())

    def cancel(self) -> None:
        self._events.on_text = None
        if self._looking is not None:
            self._looking.cancel()

    def _grown(self, characters: int) -> None:
        self._shown += characters
        if self._looking is None and not self.is_replaced and self._shown - self._looked >= self._guard.every:
            self._look(final=False)

    def _look(self, *, final: bool) -> None:
        text = "".join(self._state.text)
        self._shown = len(text)
        self._looking = asyncio.get_running_loop().create_task(self._ask(text, final))

    async def _ask(self, text: str, final: bool) -> None:
        try:
            instead = await self._guard.look(text, final=final)
        except Exception:
            log.exception("text of a run could not be looked at")
            instead = None
        self._looking, self._looked = None, len(text)
        if final:
            self._finished = len(text)
        if instead is not None:
            self.is_replaced = True
            self._state.release.close()
            self._events.replace(instead, REPLACED)
            self._events.flush()
