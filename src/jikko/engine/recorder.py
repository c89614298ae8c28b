"""Makes events count: folds them into the state, and hands them to the journal."""

from collections.abc import Sequence

from jikko.engine.journal import Journal
from jikko.engine.release import Chunk
from jikko.engine.state import RunState
from jikko.events import Event, TextChunk
from jikko.ports.clock import Clock


class Recorder:
    """The events of one run on their way out. Those of a burst leave together, when it is over."""

    __slots__ = ("_buffer", "_journal", "_owes", "_state", "clock", "holds")

    def __init__(self, state: RunState, journal: Journal, clock: Clock) -> None:
        self._state = state
        self._journal = journal
        self._buffer: list[Event] = []
        self._owes = False
        """Whether a node with effects has ended and that may not be durable yet."""
        self.clock = clock
        self.holds = False
        """Whether a burst is under way, so that events wait for its end."""

    def emit(self, event: Event) -> None:
        """Fold an event, and note it with the text that goes with it."""
        before, after = self._state.apply(event)
        if before:
            self.show(before)
        self._buffer.append(event)
        if after:
            self.show(after)

    def owe(self) -> None:
        """A node that acts on the world outside has ended."""
        self._owes = True

    async def settle(self) -> None:
        """Wait until the ends of nodes with effects are durable, so that no crash makes them act again.

        Raises:
            JikkoError: See ``Journal.settled``.
        """
        if self._owes:
            self._owes = False
            self.flush()
            await self._journal.settled()

    def show(self, chunks: Sequence[Chunk]) -> None:
        """Note pieces of text."""
        if chunks:
            now = self.clock()
            self._buffer += [TextChunk(at=now, text=chunk.text, selector=chunk.selector) for chunk in chunks]

    def flush(self) -> None:
        """Hand over what was noted, unless a burst is under way."""
        if self._buffer and not self.holds:
            events, self._buffer = self._buffer, []
            self._journal.append(events)
