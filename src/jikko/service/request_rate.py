"""How often a key may be used."""

import math
import time
from collections import deque
from collections.abc import Callable

from jikko.errors import TooManyRequests

_MINUTE = 60.0


class RequestRate:
    """Lets so many requests through in any 60 seconds, for each key by itself."""

    def __init__(self, per_minute: int, *, timer: Callable[[], float] = time.monotonic) -> None:
        """Args:
        per_minute: Requests; 0 for no limit.
        timer: Seconds that only ever grow, whatever becomes of the time of day.
        """
        self._limit = per_minute
        self._timer = timer
        self._requests: dict[bytes, deque[float]] = {}
        """When the last requests of each key were let through, at most ``per_minute`` of them."""

    @property
    def is_limited(self) -> bool:
        """Whether any request can be refused."""
        return self._limit > 0

    def take(self, key: bytes) -> None:
        """Let a request through.

        Raises:
            TooManyRequests: There were as many as may be. Tells when the next one may come.
        """
        if not self._limit:
            return
        now = self._timer()
        requests = self._requests.get(key)
        if requests is None:
            requests = self._requests[key] = deque(maxlen=self._limit)
        if len(requests) == self._limit and now - requests[0] < _MINUTE:
            raise TooManyRequests(
                f"Too many requests. Please try again later. This API key may make {self._limit} requests a minute "
                "(the limit is set by JIKKO_REQUESTS_PER_MINUTE).",
                retry_after=max(1, math.ceil(requests[0] + _MINUTE - now)),
            )
        requests.append(now)
