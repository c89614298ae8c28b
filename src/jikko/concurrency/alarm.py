"""Waiting: until something is due, for a change, and again and again with one timer."""

import asyncio
from collections.abc import Callable
from typing import Any


class Alarm:
    """Wakes one task once something is due, also if that became known after its wait began. It then looks for itself
    what there is to do."""

    def __init__(self, clock: Callable[[], float], *, look_seconds: float = 30.0) -> None:
        """Args:
        clock: The time of day. It may jump.
        look_seconds: After which the task is woken though nothing is due, as far as is known.
        """
        self._clock = clock
        self._look_seconds = look_seconds
        self._set_to: float | None = None
        self._moved = asyncio.Event()

    def set(self, at: float) -> None:
        """Something is due at a time, perhaps earlier than what is waited for. May be called at any time."""
        if self._set_to is None or at < self._set_to:
            self._set_to = at
            self._moved.set()

    async def wait(self, at: float | None) -> None:
        """Wait until a time, or an earlier one that was set since the last wait, or so long that a look is due.
        ``at``: ``None``: nothing is due that is known."""
        while True:
            known = [moment for moment in (at, self._set_to) if moment is not None]
            seconds = min([moment - self._clock() for moment in known] + [self._look_seconds])
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


class ConditionVariable:
    """Wakes all who wait, whenever it is told to. Belongs to one event loop."""

    __slots__ = ("_first", "_waiting")

    def __init__(self) -> None:
        self._waiting: list[asyncio.Future[bool]] = []
        self._first = 0
        """How many of them are woken first."""

    def notify_all(self) -> None:
        """Wake those who wait by now."""
        waiting, self._waiting, self._first = self._waiting, [], 0
        for future in waiting:
            if not future.done():
                future.set_result(True)

    async def wait(self, idle: IdleTimer | None = None, *, first: bool = False) -> bool:
        """Wait for the next call of ``notify_all``. ``False``: the timer went off without.
        ``first``: be woken before those who wait otherwise; among such, in the order in which they came."""
        # A future for each who waits, so that one that goes away takes no other along.
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        if first:
            self._waiting.insert(self._first, future)
            self._first += 1
        else:
            self._waiting.append(future)
        if idle is not None:
            idle.begin(_time_is_up, future)
        return await future


def _time_is_up(future: "asyncio.Future[bool]") -> None:
    if not future.done():
        future.set_result(False)
