"""Semaphore for limited resources: permits shared out among apps."""

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from jikko.concurrency.memory_budget import MemoryBudget

APP_SHARE: Final = 0.75
"""Default share of the permits that one app may hold."""


def part_of_worker(number: int, workers: int) -> int:
    """Return the permits of one of ``workers`` processes: its part, rounded up.

    At least 2 if there are 2: an app could hold a single one for long.
    """
    return max(min(number, 2), -(-number // workers))


class FairSemaphore(MemoryBudget):
    """Semaphore whose permits are shared out among apps, as the bytes of a ``MemoryBudget``: each takes one, and waits
    as long as it takes."""

    wait_seconds = None
    max_waiting = math.inf

    def __init__(self, number: int, app_share: float = APP_SHARE) -> None:
        """``number``: Permits, at least 1. ``app_share``: See ``max_for_one_app``."""
        super().__init__(number, app_share, 0.0)

    def is_free_for(self, app_id: str) -> bool:
        """Return whether the app would get a permit without waiting."""
        return self.taken < self.size and self._has_share(app_id, 1)

    def all_waiting(self) -> int:
        return sum(map(len, self._waiting.values()))

    @asynccontextmanager
    async def place(self, app_id: str) -> AsyncIterator[None]:
        """Hold a permit for the block. Cancelling the wait leaves the queue."""
        reservation = await self.enter(app_id, 1)
        assert reservation is not None
        try:
            yield
        finally:
            reservation.leave()
