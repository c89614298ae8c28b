"""Streamed text of a run that is in memory only: it tells no result, and is written in time instead of per token."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, cast

from jikko.events import (
    AgentLogged,
    Event,
    NodeStarted,
    NodeText,
    ReasoningChunk,
    RoundStarted,
    RunBegan,
    TextChunk,
    TextReplaced,
)

STREAMED: Final = frozenset((TextChunk, ReasoningChunk, NodeText))
"""Events that tell no result and come by the token: those of a while are written together."""
TRANSIENT: Final = STREAMED | {NodeStarted, TextReplaced, AgentLogged, RoundStarted, RunBegan}
"""Events that tell no result, so that they may be shown before they are durable."""
_MAX_CHARACTERS: Final = 1 << 16
_MAX_PIECES: Final = 256
"""More than that is written at once, as one append."""
_MOMENTS: Final = 10
"""Within the delay, at which text of all runs is written: that of one moment is one transaction."""


class TextDelay:
    """The delay of the text at the end of one log."""

    __slots__ = ("_characters", "_pieces", "_timer", "seconds")

    def __init__(self, seconds: float) -> None:
        """``seconds``: how long text may wait; 0: not at all."""
        self.seconds = seconds
        self._characters = self._pieces = 0
        self._timer: asyncio.TimerHandle | None = None

    def allows(self, events: Sequence[Event], write: Callable[[], None]) -> bool:
        """Whether the next events, all of them ``STREAMED``, may wait with those before them; otherwise none does.

        Args:
            write: Called when they have waited, if ``end`` was not before.
        """
        for event in cast(Sequence[TextChunk], events):
            self._characters += len(event.text)
        self._pieces += len(events)
        if self._characters > _MAX_CHARACTERS or self._pieces > _MAX_PIECES:
            self.end()
            return False
        if self._timer is None:
            loop, step = asyncio.get_running_loop(), self.seconds / _MOMENTS
            self._timer = loop.call_at((loop.time() + self.seconds) // step * step, write)
        return True

    def end(self) -> None:
        """Nothing waits any more."""
        self._characters = self._pieces = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
