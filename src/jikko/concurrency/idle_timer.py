"""One timer for the many short waits of a stream: it goes off once one of them is long."""

import asyncio
from collections.abc import Callable
from typing import Any


class IdleTimer:
    """Bounds each wait of one who waits again and again. Belongs to one event loop.

    A timer for each wait would cost a stream two changes of the loop's timers a token.
    """

    __slots__ = ("_arguments", "_loop", "_seconds", "_since", "_then", "_timer")

    def __init__(self, seconds: float) -> None:
        """``seconds``: a wait may take."""
        self._loop = asyncio.get_running_loop()
        self._seconds = seconds
        self._since = 0.0
        self._then: Callable[..., None] | None = None
        self._arguments: tuple[Any, ...] = ()
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, then: Callable[..., None], *arguments: Any) -> None:
        """A wait begins; the one before it is over. ``then``: called, with ``arguments``, if it takes too long."""
        self._since, self._then, self._arguments = self._loop.time(), then, arguments
        if self._timer is None:
            self._timer = self._loop.call_later(self._seconds, self._look)

    def end(self) -> None:
        """The wait is over."""
        self._then, self._arguments = None, ()

    def close(self) -> None:
        """There are no more waits."""
        self._then, self._arguments = None, ()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if self._then is None:
            return
        left = self._since + self._seconds - self._loop.time()
        if left > 0:
            self._timer = self._loop.call_later(left, self._look)
            return
        then, arguments = self._then, self._arguments
        self.end()
        then(*arguments)
