"""Rate limits of keys."""

import math
import time
from collections import deque
from collections.abc import Awaitable, Callable

from msgspec import Struct

from jikko.errors import TooManyRequests

_MINUTE = 60.0
_MAX_KEYS = 50_000
"""Keys remembered per rate. Beyond half of it within one minute, all counts may start afresh."""


class RequestRate(Struct, eq=False):
    """Sliding window: a number of requests in any 60 seconds, per key."""

    per_minute: int
    """Requests; 0 for no limit."""
    timer: Callable[[], float] = time.monotonic
    """Monotonic clock, in seconds."""
    _requests: dict[bytes, deque[float]] = {}
    """Times of the last admitted requests of each key, at most ``per_minute``."""

    def count(self, key: bytes) -> int:
        """Admit a request and return 0, or return the seconds until the next is admitted."""
        if not self.per_minute:
            return 0
        now = self.timer()
        requests = self._requests.get(key)
        if requests is None:
            if len(self._requests) >= _MAX_KEYS:
                self._forget(now)
            requests = self._requests[key] = deque(maxlen=self.per_minute)
        if len(requests) == self.per_minute and now - requests[0] < _MINUTE:
            return max(1, math.ceil(requests[0] + _MINUTE - now))
        requests.append(now)
        return 0

    def _forget(self, now: float) -> None:
        kept = {key: requests for key, requests in self._requests.items() if now - requests[-1] < _MINUTE}
        self._requests = kept if len(kept) <= _MAX_KEYS // 2 else {}


class RequestRates(Struct, eq=False):
    """Independent counts for any number of rates."""

    timer: Callable[[], float] = time.monotonic
    """See ``RequestRate``."""
    _rates: dict[int, RequestRate] = {}

    def count(self, key: bytes, per_minute: int) -> int:
        """See ``RequestRate.count``. ``per_minute``: 0 for no limit. Every rate ever used is remembered."""
        rate = self._rates.get(per_minute)
        if rate is None:
            rate = self._rates[per_minute] = RequestRate(per_minute, timer=self.timer)
        return rate.count(key)


class SharedRequestRate(Struct, eq=False):
    """Rate limit of keys, counted in one place for several processes."""

    per_minute: int
    """Requests; 0 for no limit."""
    count: Callable[[bytes, int], Awaitable[int]]
    """``RequestRates.count`` of that place."""

    @property
    def is_limited(self) -> bool:
        return self.per_minute > 0

    async def take(self, key: bytes) -> None:
        """Admit a request. Raises ``TooManyRequests``, with the time of the next one, beyond the limit."""
        if self.per_minute and (wait := await self.count(key, self.per_minute)):
            raise TooManyRequests(
                f"Too many requests. Please try again later. This API key may make {self.per_minute} requests a minute "
                "(the limit is set by JIKKO_REQUESTS_PER_MINUTE).",
                retry_after=wait,
            )
