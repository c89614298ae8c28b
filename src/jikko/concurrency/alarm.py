"""Timers and condition variables of one event loop: an alarm for due work, an idle timeout, a broadcast."""

import asyncio
from collections.abc import Callable
from typing import Any

from msgspec import Struct, field


class Alarm(Struct, eq=False):
    """Wakes one task when work is due, even if it was scheduled during the wait. The task then looks for the work
    itself."""

    clock: Callable[[], float]
    """Wall clock; it may jump."""
    look_seconds: float = 30.0
    """Longest wait, even if nothing is known to be due."""
    _set_to: float | None = None
    _moved: asyncio.Event = field(default_factory=asyncio.Event)

    def set(self, at: float) -> None:
        """Schedule work, perhaps before the current wait ends. Callable at any time."""
        if self._set_to is None or at < self._set_to:
            self._set_to = at
            self._moved.set()

    async def wait(self, at: float | None) -> None:
        """Wait until ``at``, until an earlier time set since the last wait, or for ``look_seconds``. ``at``: ``None``
        if nothing is known to be due."""
        while True:
            known = [moment for moment in (at, self._set_to) if moment is not None]
            seconds = min([moment - self.clock() for moment in known] + [self.look_seconds])
            if seconds <= 0:
                break
            self._moved.clear()
            try:
                async with asyncio.timeout(seconds):
                    await self._moved.wait()
            except TimeoutError:
                break
        self._set_to = None


class IdleTimer:
    """Timeout for one task's repeated waits, with a single timer. Belongs to one event loop.

    A timer per wait would cost a stream two timer operations per token.
    """

    __slots__ = ("_arguments", "_loop", "_seconds", "_since", "_then", "_timer")

    def __init__(self, seconds: float) -> None:
        """``seconds``: Limit of each wait."""
        self._loop = asyncio.get_running_loop()
        self._seconds = seconds
        self._since = 0.0
        self._then: Callable[..., None] | None = None
        self._arguments: tuple[Any, ...] = ()
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, then: Callable[..., None], *arguments: Any) -> None:
        """Start a wait, ending the previous one. ``then`` is called with ``arguments`` if it takes too long."""
        self._since, self._then, self._arguments = self._loop.time(), then, arguments
        if self._timer is None:
            self._timer = self._loop.call_later(self._seconds, self._poll)

    def end(self) -> None:
        self._then, self._arguments = None, ()

    def close(self) -> None:
        self._then, self._arguments = None, ()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _poll(self) -> None:
        self._timer = None
        if self._then is None:
            return
        left = self._since + self._seconds - self._loop.time()
        if left > 0:
            self._timer = self._loop.call_later(left, self._poll)
            return
        then, arguments = self._then, self._arguments
        self.end()
        then(*arguments)


class ConditionVariable:
    """Broadcasts to waiting tasks. Belongs to one event loop."""

    __slots__ = ("_first", "_waiting")

    def __init__(self) -> None:
        self._waiting: list[asyncio.Future[bool]] = []
        self._first = 0
        """Number of waiters at the front that are woken first."""

    def notify_all(self) -> None:
        """Wake all current waiters."""
        if not self._waiting:
            return
        waiting, self._waiting, self._first = self._waiting, [], 0
        for future in waiting:
            if not future.done():
                future.set_result(True)

    def wait(self, idle: IdleTimer | None = None, *, first: bool = False) -> "asyncio.Future[bool]":
        """Wait for the next ``notify_all``. Returns ``False`` if the idle timer went off instead. ``first``: Wake
        before ordinary waiters, in order of arrival."""
        # A future per waiter: cancelling one does not affect the others.
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        if first:
            self._waiting.insert(self._first, future)
            self._first += 1
        else:
            self._waiting.append(future)
        if idle is not None:
            idle.begin(_time_is_up, future)
        return future


def _time_is_up(future: "asyncio.Future[bool]") -> None:
    if not future.done():
        future.set_result(False)
