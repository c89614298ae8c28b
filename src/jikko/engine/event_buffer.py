"""Events of a run: folded into its state and handed to its journal; its text is looked at while it is shown."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol

from jikko.concurrency.scheduler import TimeSlice
from jikko.engine.state import RunState
from jikko.engine.text_release import ReleasedText
from jikko.errors import JikkoError
from jikko.events import Event, RunStarted, TextChunk, TextReplaced
from jikko.ports.clock import Clock
from jikko.ports.other_models import TextGuard


class Journal(Protocol):
    """Takes the events of one run, in their order."""

    @property
    def has_backpressure(self) -> bool:
        """Whether so much waits to be written that the run should not go further on, as memory is not endless."""

    def append(self, events: list[Event]) -> None:
        """Take the next events. Must neither wait nor raise; those that go together are handed in together."""

    async def durability_barrier(self) -> None:
        """Wait until everything that was handed in is durable. Raises ``JikkoError``: it will never be: another process
        has taken the run over, or this one is ending."""


_DOUBT_SECONDS: Final = 2.0
"""Since a process was last told that what it writes is taken, after which its run may be another's: taking it for dead
lasts longer."""
MAX_PUT_OFF_EVENTS: Final = 500
"""Events that may wait for others while a run goes on: as many as are made ready for the database in a fraction of a
millisecond."""


class EventBuffer:
    """The events of one run on their way out. Those of a burst leave together, when it is over.

    =============================  ==================================================================================
    what the run does              when its events leave
    =============================  ==================================================================================
    waits for something, or ends   at once
    waits for its turn to go on    within ``IN_TIME`` seconds; at once if they are many, or a node acted outside
    goes on with a container       when the turn of the event loop is over, if it does not wait for its turn by then
    shows text, or tells its work  at once, with all before it
    =============================  ==================================================================================

    Only whole calls of ``emit`` leave: an event and the text that goes with it are in the log together or not at all.
    After a crash, so, no text is missing and none is shown twice.
    """

    __slots__ = (
        "_buffer",
        "_closed",
        "_confirmed_at",
        "_durable",
        "_flushes_soon",
        "_journal",
        "_required",
        "_slice",
        "_state",
        "_urgent",
        "clock",
        "has_backpressure",
        "holds",
        "on_text",
    )

    def __init__(self, state: RunState, journal: Journal, clock: Clock, share: TimeSlice) -> None:
        """``share``: the run's part of the event loop's time."""
        self._state = state
        self._slice = share
        self._journal = journal
        self._buffer: list[Event] = []
        self._required = self._durable = 0
        """How many events had to become durable before a node acts on the world outside; how many of them are."""
        self._confirmed_at = 0.0
        """When the run began here, or was known last to be this process's."""
        self._urgent = False
        """Whether what was noted should not wait for its turn: it tells what nodes did outside, or by whose will."""
        self._flushes_soon = self._closed = False
        self.clock = clock
        self.holds = False
        """Whether a burst is under way, so that events wait for its end."""
        self.has_backpressure = False
        """See ``Journal``, as it was when events left last."""
        self.on_text: Callable[[int], None] | None = None
        """Called with how many characters of text were noted."""

    def emit(self, event: Event) -> None:
        """Fold an event, and note it with the text that goes with it."""
        before, after = self._state.apply(event)
        if before:
            self.show(before)
        self._buffer.append(event)
        if after:
            self.show(after)

    def emit_durable(self, event: Event) -> None:
        """``emit``, for an event behind which the durability barrier stands: no node acts before it is durable."""
        self.emit(event)
        self._required += 1
        self._urgent = True

    def begin(self, first: Iterable[Event]) -> None:
        """Emit what begins a run, or lets it go on: no node acts before it is in the log. Until then a start may be
        refused, and another process may let the run go on."""
        for event in first:
            self._confirmed_at = event.at
            self.emit_durable(event)
            # A short run is one append: its beginning is told with what follows.
            self._urgent = not isinstance(event, RunStarted)

    async def durability_barrier(self) -> None:
        """Wait until all events of ``emit_durable`` are durable, so that no crash and no other process makes a node act
        again, or otherwise. After a while without, until all events are: a process that stood still, or was cut off,
        may have been taken for dead. So it is behind a clock that was set back, which says nothing of how long it was.
        Raises ``JikkoError``: see ``Journal.durability_barrier``."""
        required = self._required
        if required > self._durable or not 0 <= self.clock() - self._confirmed_at < _DOUBT_SECONDS:
            self.flush()
            await self._journal.durability_barrier()
            # Behind the wait, so that nodes beside this one wait, too.
            self._durable = max(self._durable, required)
            self._confirmed_at = self.clock()

    async def catch_up(self) -> None:
        """Wait until all that was noted is durable. At once, if it never will be: the run is about to be over here."""
        self.flush()
        with contextlib.suppress(JikkoError):
            await self._journal.durability_barrier()
        self.has_backpressure = False

    async def may_run_effects(self) -> bool:
        """``durability_barrier``: whether a node may act, now or once more. ``False``: the run is another process's."""
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
        """Note that a text takes the place of all that was shown."""
        self._state.text = [text]
        self._buffer.append(TextReplaced(at=self.clock(), text=text, reason=reason))

    def flush(self) -> None:
        """Hand over what was noted, unless a burst is under way."""
        if self._buffer and not self.holds and not self._closed:
            events, self._buffer, self._urgent = self._buffer, [], False
            self._journal.append(events)
            self.has_backpressure = self._journal.has_backpressure

    def flush_in_time(self) -> None:
        """Hand over what was noted, with what follows, before long: the run goes on when it is its turn."""
        if self._urgent or len(self._buffer) >= MAX_PUT_OFF_EVENTS:
            self.flush()
        elif self._buffer:
            self._slice.in_time(self.flush)

    def flush_soon(self) -> None:
        """Hand over what was noted, and what will be in this turn of the event loop, when the turn is over.

        Whoever follows the run could see none of it before.
        """
        if not self._flushes_soon:
            self._flushes_soon = True
            asyncio.get_running_loop().call_soon(self._flush_now)

    def _flush_now(self) -> None:
        self._flushes_soon = False
        (self.flush_in_time if self._slice.waits else self.flush)()

    def close(self) -> None:
        """Hand over what was noted, and nothing that is noted later: the run is over here."""
        self.holds = False
        self.flush()
        self._closed = True


log = logging.getLogger(__name__)

REPLACED: Final = "output_moderation"
"""Why text was replaced. Source: docs/dify-behaviour.md, “Messages of a chat stream”."""


class GuardedText:
    """The text of one run under way, and its ``TextGuard``. One look at a time."""

    def __init__(self, guard: TextGuard, state: RunState, events: EventBuffer) -> None:
        self._guard = guard
        self._state = state
        self._events = events
        self._shown = sum(map(len, state.text))
        """Characters that were shown."""
        self._looked = 0
        """How many of them were looked at."""
        self._finished = 0
        """And how many when no more were to come."""
        self._looking: asyncio.Task[None] | None = None
        self.is_replaced = False
        events.on_text = self._grown

    @property
    def is_finished(self) -> bool:
        """Whether all the text was looked at, or none is shown any more."""
        return self.is_replaced or (self._looking is None and self._finished >= self._shown)

    def finish(self, then: Callable[[], None]) -> None:
        """Look at what was not looked at yet, and call back."""
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
