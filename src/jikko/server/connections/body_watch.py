"""The minimum rate of request bodies."""

import asyncio
from collections.abc import Callable
from typing import Final

LEAST_BYTES_PER_SECOND: Final = 512
"""Slower is no line that works, but a client that holds a connection."""
_LATE_SECONDS: Final = 1.0
"""If a look is that much late, the process stood still, and what came meanwhile may not be read yet."""


class BodyWatch:
    """Looks, at each end of a span of time, how much has come of a body that was awaited all the while.

    One timer for a connection, not for a request: a body that comes with its head, or soon after, costs none. So what
    is too slow is found after one span at the earliest, and two at the latest.
    """

    __slots__ = ("_awaited", "_loop", "_of", "_seconds", "_timer", "_too_slow", "_was_held_up", "received")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        seconds: float,
        *,
        awaited: Callable[[], object],
        was_held_up: Callable[[], bool],
        too_slow: Callable[[], None],
    ) -> None:
        """Args:
        seconds: The span; 0 for no limit.
        awaited: What the body that is awaited belongs to, the same as long as it is the same body; else ``None``.
        was_held_up: Whether it was not read for a part of the time since this was asked before, or is not now.
        too_slow: Called when less came than ``LEAST_BYTES_PER_SECOND``. Then nothing is looked at any more.
        """
        self._loop = loop
        self._seconds = seconds
        self._awaited = awaited
        self._was_held_up = was_held_up
        self._too_slow = too_slow
        self._timer: asyncio.TimerHandle | None = None
        self._of: object = None
        """Whose body was awaited at the beginning of the span."""
        self.received = 0
        """Bytes of bodies that came in this span; whoever reads them adds to it."""

    def begin(self) -> None:
        """Look on, if that is not done already. To be called when a body is awaited."""
        if self._timer is None and self._seconds:
            self._was_held_up()
            self._next()

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._seconds, self._of = 0.0, None

    def _next(self) -> None:
        self.received, self._of = 0, self._awaited()
        self._timer = self._loop.call_later(self._seconds, self._look)

    def _look(self) -> None:
        timer, self._timer = self._timer, None
        awaited, was_held_up = self._awaited(), self._was_held_up()
        if awaited is None:
            return
        is_late = timer is not None and self._loop.time() - timer.when() > _LATE_SECONDS
        if awaited is not self._of or was_held_up or is_late or self.received >= LEAST_BYTES_PER_SECOND * self._seconds:
            self._next()
        else:
            self.end()
            self._too_slow()
