"""How many requests go to a provider at once and per minute. Those that wait take turns by run."""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

_MAX_HOLD: Final = 60.0
"""Seconds that a ``Retry-After`` is kept at most."""
_MAX_HELD: Final = 10_000


class Limiter:
    """The gate to one provider.

    Requests of one run come in their order. Of several runs that wait, each gets its turn, so that a run with a
    thousand requests does not keep one with a single request waiting for all of them.
    """

    def __init__(
        self,
        max_concurrent: int = 0,
        per_period: int = 0,
        *,
        period: float = 60.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Args:
        max_concurrent: Requests under way at once; 0 for any number.
        per_period: Requests that begin within any ``period``; 0 for any number.
        period: Seconds.
        """
        self._max_concurrent = max_concurrent
        self._per_period = per_period
        self._period = period
        self._now = now
        self._active = 0
        self._begun: deque[float] = deque()
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None
        self._held: OrderedDict[str, float] = OrderedDict()

    @property
    def active(self) -> int:
        """How many requests are under way."""
        return self._active

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return sum(len(queue) for queue in self._waiting.values())

    def hold(self, key: str, seconds: float) -> None:
        """Let the next request with this key wait, at most a minute: the provider said when to come again."""
        if key:
            self._held[key] = self._now() + min(seconds, _MAX_HOLD)
            if len(self._held) > _MAX_HELD:
                self._held.popitem(last=False)

    @asynccontextmanager
    async def slot(self, run_id: str, key: str = "") -> AsyncIterator[None]:
        """Wait for a turn, and keep it for the block."""
        until = self._held.pop(key, None)
        if until is not None and (seconds := until - self._now()) > 0:
            await asyncio.sleep(seconds)
        if self._waiting or not self._take():
            await self._queue(run_id)
        try:
            yield
        finally:
            self._active -= 1
            self._admit()

    async def _queue(self, run_id: str) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(run_id, deque()).append(future)
        self._admit()
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                # Its turn had come already.
                self._active -= 1
            else:
                self._forget(run_id, future)
            self._admit()
            raise

    def _forget(self, run_id: str, future: asyncio.Future[None]) -> None:
        queue = self._waiting.get(run_id, deque())
        if future in queue:
            queue.remove(future)
            if not queue:
                del self._waiting[run_id]

    def _take(self) -> bool:
        if self._max_concurrent and self._active >= self._max_concurrent:
            return False
        if self._per_period:
            now = self._now()
            while self._begun and self._begun[0] <= now - self._period:
                self._begun.popleft()
            if len(self._begun) >= self._per_period:
                self._wake_at(self._begun[0] + self._period)
                return False
            self._begun.append(now)
        self._active += 1
        return True

    def _admit(self) -> None:
        while self._waiting:
            run_id, queue = next(iter(self._waiting.items()))
            # Who was cancelled has not been told yet, and stands here still.
            gone = queue[0].done()
            if not gone and not self._take():
                return
            future = queue.popleft()
            if not gone:
                future.set_result(None)
            if not queue:
                del self._waiting[run_id]
            elif not gone:
                self._waiting.move_to_end(run_id)

    def _wake_at(self, moment: float) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(max(0.0, moment - self._now()), self._wake)

    def _wake(self) -> None:
        self._timer = None
        self._admit()

    def close(self) -> None:
        """Forget the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
