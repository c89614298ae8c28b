"""Rate limits of keys."""

import math
import time
from collections import deque
from collections.abc import Awaitable, Callable

from jikko.errors import TooManyRequests

_MINUTE = 60.0
_MAX_KEYS = 50_000
"""Keys remembered per rate. Beyond half of it within one minute, all counts may start afresh."""


class RequestRate:
    """Sliding window: a number of requests in any 60 seconds, per key."""

    def __init__(self, per_minute: int, *, timer: Callable[[], float] = time.monotonic) -> None:
        """Args:
        per_minute: Requests; 0 for no limit.
        timer: Monotonic clock, in seconds.
        """
        self._limit = per_minute
        self._timer = timer
        self._requests: dict[bytes, deque[float]] = {}
        """Times of the last admitted requests of each key, at most ``per_minute``."""

    def count(self, key: bytes) -> int:
        """Admit a request and return 0, or return the seconds until the next is admitted."""
        if not self._limit:
            return 0
        now = self._timer()
        requests = self._requests.get(key)
        if requests is None:
            if len(self._requests) >= _MAX_KEYS:
                self._forget(now)
            requests = self._requests[key] = deque(maxlen=self._limit)
        if len(requests) == self._limit and now - requests[0] < _MINUTE:
            return max(1, math.ceil(requests[0] + _MINUTE - now))
        requests.append(now)
        return 0

    def _forget(self, now: float) -> None:
        kept = {key: requests for key, requests in self._requests.items() if now - requests[-1] < _MINUTE}
        self._requests = kept if len(kept) <= _MAX_KEYS // 2 else {}


class RequestRates:
    """Independent counts for any number of rates."""

    def __init__(self, *, timer: Callable[[], float] = time.monotonic) -> None:
        """``timer``: see ``RequestRate``."""
        self._timer = timer
        self._rates: dict[int, RequestRate] = {}

    def count(self, key: bytes, per_minute: int) -> int:
        """See ``RequestRate.count``. ``per_minute``: 0 for no limit. Every rate ever used is remembered."""
        rate = self._rates.get(per_minute)
        if rate is None:
            rate = self._rates[per_minute] = RequestRate(per_minute, timer=self._timer)
        return rate.count(key)


class SharedRequestRate:
    """Rate limit of keys, counted in one place for several processes."""

    def __init__(self, per_minute: int, count: Callable[[bytes, int], Awaitable[int]]) -> None:
        """Args:
        per_minute: Requests; 0 for no limit.
        count: ``RequestRates.count`` of that place.
        """
        self._limit = per_minute
        self._count = count

    @property
    def is_limited(self) -> bool:
        return self._limit > 0

    async def take(self, key: bytes) -> None:
        """Admit a request. Raises ``TooManyRequests``, with the time of the next one, beyond the limit."""
        if self._limit and (wait := await self._count(key, self._limit)):
            raise TooManyRequests(
                f"Too many requests. Please try again later. This API key may make {self._limit} requests a minute "
                "(the limit is set by JIKKO_REQUESTS_PER_MINUTE).",
                retry_after=wait,
            )
