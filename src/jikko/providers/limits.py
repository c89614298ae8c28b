"""How many requests go to a provider at once and per minute. Those that wait take turns by app, then by run."""

import asyncio
import sys
import time
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from jikko.concurrency.fair_queue import FairQueue
from jikko.concurrency.fair_semaphore import APP_SHARE, max_for_one_app

_MAX_HOLD: Final = 60.0
"""Seconds that a ``Retry-After`` is kept at most."""
_MAX_HELD: Final = 10_000


class Limiter:
    """The gate to one provider.

    Of several apps that wait each gets its turn, and so do the runs of one app; requests of one run come in order. So
    neither an app with a thousand runs nor a run with a thousand requests keeps another waiting for all of them.
    """

    def __init__(
        self,
        max_concurrent: int = 0,
        per_period: int = 0,
        *,
        period: float = 60.0,
        app_share: float = APP_SHARE,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Args:
        max_concurrent: Requests under way at once; 0 for any number.
        per_period: Requests that begin within any ``period``; 0 for any number.
        period: Seconds.
        app_share: Of ``max_concurrent``, the part that one app may have. See ``max_for_one_app``.
        """
        self._max_concurrent = max_concurrent
        self._per_period = per_period
        self._period = period
        self._now = now
        self._active = 0
        self._max_for_one_app = max_for_one_app(max_concurrent, app_share) if max_concurrent else sys.maxsize
        self._active_of: Counter[str] = Counter()
        """Requests under way of each app."""
        self._begun: deque[float] = deque()
        self._apps: OrderedDict[str, FairQueue[asyncio.Future[None]]] = OrderedDict()
        """The turns of the runs of each app, in the order of the turns of the apps. A queue may be empty."""
        self._timer: asyncio.TimerHandle | None = None
        self._held: OrderedDict[str, float] = OrderedDict()

    @property
    def active(self) -> int:
        """How many requests are under way."""
        return self._active

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return sum(map(len, self._apps.values()))

    def hold(self, key: str, seconds: float) -> None:
        """Let the next request with this key wait, at most a minute: the provider answered when to come again."""
        if key:
            self._held[key] = self._now() + min(seconds, _MAX_HOLD)
            if len(self._held) > _MAX_HELD:
                self._held.popitem(last=False)

    @asynccontextmanager
    async def slot(self, app_id: str, run_id: str, key: str = "") -> AsyncIterator[None]:
        """Wait for a turn, and keep it for the block."""
        until = self._held.pop(key, None)
        if until is not None and (seconds := until - self._now()) > 0:
            await asyncio.sleep(seconds)
        if self._active_of[app_id] < self._max_for_one_app and not self._apps and self._has_room():
            self._begin(app_id)
        else:
            await self._queue(app_id, run_id)
        try:
            yield
        finally:
            self._end(app_id)
            self._admit()

    async def _queue(self, app_id: str, run_id: str) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._apps.setdefault(app_id, FairQueue()).add(run_id, future)
        self._admit()
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                # Its turn had come already.
                self._end(app_id)
            elif app_id in self._apps:
                self._apps[app_id].remove(run_id, future)
            self._admit()
            raise

    def _has_room(self) -> bool:
        if self._max_concurrent and self._active >= self._max_concurrent:
            return False
        if self._per_period:
            now = self._now()
            while self._begun and self._begun[0] <= now - self._period:
                self._begun.popleft()
            if len(self._begun) >= self._per_period:
                self._wake_at(self._begun[0] + self._period)
                return False
        return True

    def _begin(self, app_id: str) -> None:
        if self._per_period:
            self._begun.append(self._now())
        self._active += 1
        self._active_of[app_id] += 1

    def _end(self, app_id: str) -> None:
        self._active -= 1
        self._active_of[app_id] -= 1
        if not self._active_of[app_id]:
            del self._active_of[app_id]

    def _admit(self) -> None:
        while self._apps and self._has_room():
            # Of those with the fewest requests, in turn; none while all that wait have their share.
            app_id = min(self._apps, key=self._active_of.__getitem__)
            if self._active_of[app_id] >= self._max_for_one_app:
                return
            turns = self._apps.pop(app_id)
            future = turns.next()
            # One that was cancelled a moment ago has not run since, and stands here still.
            while future is not None and future.done():
                future = turns.next()
            if future is not None:
                self._begin(app_id)
                future.set_result(None)
                self._apps[app_id] = turns

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
