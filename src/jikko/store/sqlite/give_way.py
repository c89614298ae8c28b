"""Letting the writer's thread run while the event loop is busy.

A busy loop gives up the interpreter lock for a microsecond at every system call, and has it back before a thread that
waits for it wakes up; worse, each such moment restarts the five milliseconds after which the thread could ask for it.
Measured on two quiet cores beside a loop that is never idle, commits took up to two seconds (docs/decisions/0002). So
while there is something to write, the loop stands still for a moment at intervals, long enough for the thread to wake.
"""

import asyncio
import threading
from typing import Final

_INTERVAL_SECONDS: Final = 0.001
"""Seconds between two moments; also before the first, so that a commit on an idle loop is not held up by any."""
_MOMENT_SECONDS: Final = 0.0005
"""Seconds that a moment lasts, unless the writer is done before."""


class GiveWay:
    """Moments in which the event loop does nothing. One loop at a time."""

    def __init__(self) -> None:
        self._waiting = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        """The loop that a moment is planned on."""
        self._paused = False
        self._done = threading.Lock()
        self._done.acquire()

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Something is to be written. On the loop's thread."""
        self._waiting += 1
        if self._loop is not loop:
            self._loop = loop
            loop.call_later(_INTERVAL_SECONDS, self._stand_still, loop)

    def end(self, count: int) -> None:
        """``count`` things were written. On the loop's thread."""
        self._waiting -= count

    def done(self) -> None:
        """The writer has finished a transaction. On the writer's thread."""
        if self._done.locked():
            self._done.release()

    def pause(self) -> None:
        """The writer waits for something else than the loop. On the writer's thread."""
        self._paused = True

    def go_on(self) -> None:
        """It waits no more. On the writer's thread."""
        self._paused = False

    def _stand_still(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._waiting <= 0 or self._loop is not loop:
            self._loop = None
            return
        if not self._paused:
            self._done.acquire(timeout=_MOMENT_SECONDS)
        loop.call_later(_INTERVAL_SECONDS, self._stand_still, loop)
