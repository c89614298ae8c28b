"""Times of the last use of keys: kept in memory, and written once a minute, so that requests do not wait for it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from jikko.concurrency.background_tasks import start_task
from jikko.errors import JikkoError
from jikko.ports.clock import Clock

logger = logging.getLogger(__name__)

WRITTEN_EVERY: Final = 60.0
"""Seconds."""


class KeyUses:
    """Notes the use of keys."""

    def __init__(
        self, write: Callable[[Mapping[bytes, float]], Awaitable[None]], clock: Clock, seconds: float = WRITTEN_EVERY
    ) -> None:
        """``write``: keeps when keys were used last, by their digests. ``seconds``: after which what was noted is
        written."""
        self._write = write
        self._clock = clock
        self._seconds = seconds
        self._used: set[bytes] = set()
        self._due: asyncio.TimerHandle | None = None
        self._writing: set[asyncio.Task[None]] = set()

    def note(self, key: bytes) -> None:
        """A key is used now. ``key``: its digest."""
        if key in self._used:
            return
        self._used.add(key)
        if self._due is None:
            self._due = asyncio.get_running_loop().call_later(self._seconds, self._begin)

    async def close(self) -> None:
        """Write what was noted."""
        if self._due is not None:
            self._due.cancel()
            self._begin()
        await asyncio.gather(*self._writing, return_exceptions=True)

    def _begin(self) -> None:
        used, self._used, self._due = self._used, set(), None
        start_task(self._written(dict.fromkeys(used, self._clock())), self._writing)

    async def _written(self, used: Mapping[bytes, float]) -> None:
        try:
            await self._write(used)
        except JikkoError as error:
            logger.debug("when keys were used cannot be kept: %s", error)
