"""Places for what only so many may do at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from jikko.concurrency.fair_queue import FairQueue


class FairSemaphore:
    """A semaphore whose places go round between the apps that wait for one. Belongs to one event loop.

    Within an app, who came first has the first place.
    """

    def __init__(self, number: int) -> None:
        """Args:
        number: How many there are, at least 1.
        """
        self._free = number
        self._turns: FairQueue[asyncio.Future[None]] = FairQueue()

    @property
    def free(self) -> int:
        """How many can be had without waiting. While there is one, nobody waits."""
        return self._free

    def waiting(self, app_id: str) -> int:
        """How many of the app wait."""
        return self._turns.waiting(app_id)

    @asynccontextmanager
    async def place(self, app_id: str) -> AsyncIterator[None]:
        """Wait for a place, and keep it for the block. Whoever is cancelled while it waits leaves the queue."""
        if self._free:
            self._free -= 1
        else:
            await self._turn(app_id)
        try:
            yield
        finally:
            self._hand_on()

    async def _turn(self, app_id: str) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._turns.add(app_id, turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._turns.remove(app_id, turn)
            else:
                # It was told that it has a place, and will not use it.
                self._hand_on()
            raise

    def _hand_on(self) -> None:
        while (turn := self._turns.next()) is not None:
            # Who was cancelled a moment ago stands in the queue until its task has been told.
            if not turn.cancelled():
                turn.set_result(None)
                return
        self._free += 1
