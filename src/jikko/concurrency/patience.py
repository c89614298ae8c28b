"""Deadline of one request for the record, over all its waits.

A request that starts a run waits for the record several times: for its key, for the conversation, and until the start
of its run is durable. Each wait has the time that the earlier ones left. Other waits (a slow body, a moderating model)
do not count.

state        meaning                                        next
reading      it reads the record                            timeout: ``TimeoutError``
writing      its run waits to become durable                ended; slow after ``SLOW_SECONDS``
slow         still waiting: reported each second, and its   ended; given up at the timeout, or if its client leaves
             client is watched
given up     ``give_up`` was called, once                   ended
ended        the run is promised to the client, or refused  no limit any more
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any, Final, TypeVar

from msgspec import Struct

T = TypeVar("T")

SLOW_SECONDS: Final = 1.0
"""Seconds until an undurable run counts as slow: nearly all take milliseconds."""


class Patience(Struct, eq=False):
    """Seconds that one request has left. Belongs to one event loop."""

    left: float
    """Infinite once the request has ended."""
    _gone: Callable[[], Awaitable[None]]
    """Waits until the client has left. Called after the whole request was read."""
    _is_slow: Callable[[], object]
    """Called each second that the run waits."""
    _give_up: Callable[[Any], object] | None = None
    _run: object = None
    _timer: asyncio.TimerHandle | None = None
    _leaving: asyncio.Future[None] | None = None

    async def wait(self, reading: Awaitable[T]) -> T:
        """Await a read of the record. Raises ``TimeoutError`` when the request's time is up."""
        if self.left == math.inf:
            return await reading
        began = time.monotonic()
        try:
            async with asyncio.timeout(max(0.0, self.left)):
                return await reading
        finally:
            self.left -= time.monotonic() - began

    def until_durable(self, give_up: Callable[[T], object], run: T) -> None:
        """Call ``give_up`` with the run if it does not become durable in time. Does nothing once the request
        has ended."""
        if self.left < math.inf:
            self._give_up, self._run = give_up, run
            self._go_on()

    def end(self) -> None:
        """Stop the clock: the request is answered, or its run is durable."""
        self.left = math.inf
        self._give_up = self._run = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._leaving is not None:
            self._leaving.cancel()

    def _go_on(self) -> None:
        left = self.left
        brief = SLOW_SECONDS if left > SLOW_SECONDS else max(0.0, left)
        self._timer = asyncio.get_running_loop().call_later(brief, self._waited, brief)

    def _waited(self, seconds: float) -> None:
        self.left -= seconds
        if self.left <= 0:
            self._now()
            return
        if self._leaving is None:
            self._leaving = asyncio.ensure_future(self._gone())
            self._leaving.add_done_callback(self._left)
        self._is_slow()
        self._go_on()

    def _left(self, leaving: "asyncio.Future[None]") -> None:
        if not leaving.cancelled():
            self._now()

    def _now(self) -> None:
        give_up, self._give_up = self._give_up, None
        if give_up is not None:
            give_up(self._run)


patience: Final[ContextVar[Patience | None]] = ContextVar("patience", default=None)
"""The current task's deadline, if it is a request that starts a run. Tasks that outlive the request see an
ended one."""


async def within_patience(reading: Awaitable[T]) -> T:
    """Await a read of the record within the current request's deadline. Raises ``TimeoutError`` when its time is up."""
    waiting = patience.get()
    return await (reading if waiting is None else waiting.wait(reading))
