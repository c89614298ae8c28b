"""When the newest events of a log became durable: for who follows it in another process, and so sees them later."""

from collections import deque
from typing import Final

from jikko.ports.clock import Clock

_KEPT: Final = 64
"""Commits. Who is further behind is told the time of a later one."""


class CommitTimes:
    """Of one log, from the moment on at which somebody elsewhere follows it."""

    def __init__(self, clock: Clock, count: int) -> None:
        """Args:
        count: How many events are durable already: of them it is not known.
        """
        self._clock = clock
        self._first = count
        self._commits: deque[tuple[int, float]] = deque(maxlen=_KEPT)
        """How many events were durable then, and when that was."""

    def note(self, count: int) -> None:
        """That many events are durable now."""
        self._commits.append((count, self._clock()))

    def of(self, position: int) -> float:
        """When the event at a position became durable, in seconds since the Unix epoch; 0: not known."""
        if position >= self._first:
            for count, at in self._commits:
                if position < count:
                    return at
        return 0.0
