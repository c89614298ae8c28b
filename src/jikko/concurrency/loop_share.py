"""The event loop's time, shared out among those who have much to do on it."""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from jikko.concurrency.fair_queue import FairQueue

SLICE: Final = 0.002
"""Seconds that one may work before others have the loop."""


class LoopShare:
    """Gives those who have more to do than fits into a slice one slice after the other. Belongs to one event loop.

    Each time that the loop goes round one of them works, and keys take turns. Those who begin in one turn of the loop,
    woken by something else, have one slice together: what is left of it. So everything else waits for two slices at
    most, and for what each does before it looks, however many there are. Who is done by then does not notice.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        """Args:
        clock: Seconds from any beginning. Tests count its readings instead.
        """
        self.clock = clock
        self._turns: FairQueue[Callable[[], object]] = FairQueue()
        self._goes_round = False
        self._ends: float | None = None
        """When the slice of those who begin in this turn is over; ``None`` before the first of them."""
        self._sees_end_of_turn = False

    def ends(self) -> float:
        """When a slice that begins now is over, by the clock; that may have been."""
        return self._begin() if self._ends is None else self._ends

    def later(self, key: str, work: Callable[[], object]) -> None:
        """Have a function called when it is its turn. Twice the same is called once."""
        self._turns.add(key, work)
        if not self._goes_round:
            self._goes_round = True
            asyncio.get_running_loop().call_soon(self._next)

    def cancel(self, key: str, work: Callable[[], object]) -> None:
        """Forget a function that waits, if it does."""
        self._turns.remove(key, work)

    def _next(self) -> None:
        work = self._turns.next()
        if work is None:
            self._goes_round = False
            return
        asyncio.get_running_loop().call_soon(self._next)
        # Whose turn it is has a whole slice.
        self._begin()
        work()

    def _begin(self) -> float:
        if not self._sees_end_of_turn:
            self._sees_end_of_turn = True
            asyncio.get_running_loop().call_soon(self._turn_is_over)
        self._ends = ends = self.clock() + SLICE
        return ends

    def _turn_is_over(self) -> None:
        self._ends, self._sees_end_of_turn = None, False


class Slice:
    """The slices of one who works, one after the other."""

    __slots__ = ("_ends", "_key", "_share")

    def __init__(self, share: LoopShare, key: str) -> None:
        """Args:
        key: For whom it works: an app, or a connection.
        """
        self._share = share
        self._key = key
        self._ends = 0.0

    def begin(self) -> None:
        """Begin a slice: the event loop has just come here."""
        self._ends = self._share.ends()

    @property
    def is_over(self) -> bool:
        """Whether it is time to let others work."""
        return self._share.clock() > self._ends

    def later(self, work: Callable[[], object]) -> None:
        """See ``LoopShare.later``."""
        self._share.later(self._key, work)

    async def give_way(self) -> None:
        """If the slice is over, let others work, and begin the next."""
        if not self.is_over:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        wake = partial(_wake, future)
        self.later(wake)
        try:
            await future
        finally:
            self._share.cancel(self._key, wake)
        # It was our turn, whatever else begins now.
        self._ends = self._share.clock() + SLICE


def _wake(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
