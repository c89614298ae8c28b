"""A cache with a time to live; callers that ask at the same moment share one look-up (single flight)."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Final, TypeVar

from msgspec import Struct

_T = TypeVar("_T")

_CACHE_SIZE: Final = 1_000


class TtlCache(Struct, eq=False):
    """Keeps each answer for a moment, and gives it to all that ask for it meanwhile."""

    seconds: float
    """For which an answer is good, from when it was begun to be looked for."""
    timer: Callable[[], float] = time.monotonic
    """Seconds. If it is set back, nothing is good any more that was found later than now."""
    _found: dict[Hashable, tuple[float, asyncio.Future[Any]]] = {}

    async def get(self, key: Hashable, find: Callable[[], Awaitable[_T]]) -> _T:
        """What is found for a key. An error is everybody's, and is not kept.

        Args:
            key: Says all that the answer depends on.
            find: Goes on also if who asked first does not wait for it.
        """
        now = self.timer()
        known = self._found.get(key)
        if known is None or not 0 <= now - known[0] < self.seconds:
            self._drop_old(now)
            known = self._found[key] = now, asyncio.ensure_future(find())
            known[1].add_done_callback(lambda done: self._ended(key, done))
        return await asyncio.shield(known[1])

    def _ended(self, key: Hashable, done: "asyncio.Future[Any]") -> None:
        if done.cancelled() or done.exception() is not None:
            known = self._found.get(key)
            if known is not None and known[1] is done:
                del self._found[key]

    def _drop_old(self, now: float) -> None:
        while self._found:
            oldest = next(iter(self._found))
            if now - self._found[oldest][0] < self.seconds and len(self._found) < _CACHE_SIZE:
                return
            del self._found[oldest]
