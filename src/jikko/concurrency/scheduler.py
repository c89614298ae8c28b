"""A cooperative scheduler: time slices of the event loop for tasks that have much to do on it; and its lag."""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Final, TypeAlias

from jikko.concurrency.fair_semaphore import FairQueue

SLICE: Final = 0.0007
"""Seconds that one may work before others have the loop."""
TURN: Final = 0.01
"""Seconds that one who goes on stays in front of the others of the same key, over several slices: so it comes to an end
before they begin, and not all of them at the same time."""
IN_TIME: Final = 0.02
"""Seconds that what is not urgent may wait, to be done together."""

Work: TypeAlias = Callable[[], object]
"""What is done in a turn of the loop; or it wakes who works in the next one."""


class Scheduler:
    """Gives those who have more to do than fits into a slice one slice after the other. Belongs to one event loop.

    Each time that the loop goes round one of them works, and keys take turns. Those who begin in one turn of the loop,
    woken by something else, have one slice together: what is left of it. So everything else waits for two slices at
    most, and for what each does before it looks, however many there are. Who is done by then does not notice.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        """``clock``: seconds from any beginning. Tests count its readings instead."""
        self.clock = clock
        self._turns: FairQueue[Work] = FairQueue()
        self._goes_round = False
        self._ends: float | None = None
        """When the slice of those who begin in this turn is over; ``None`` before the first of them."""
        self._sees_end_of_turn = False
        self._in_time: dict[Work, None] = {}
        """What is done at the same time, in its order."""

    def ends(self) -> float:
        """When a slice that begins now is over, by the clock; that may have been."""
        return self._begin() if self._ends is None else self._ends

    def later(self, key: str, work: Work, *, first: bool = False) -> None:
        """Have a function called when it is its turn. Twice the same is called once.
        ``first``: before the others of the key."""
        self._turns.add(key, work, first=first)
        if not self._goes_round:
            self._goes_round = True
            asyncio.get_running_loop().call_soon(self._next)

    def cancel(self, key: str, work: Work) -> None:
        self._turns.remove(key, work)

    def in_time(self, work: Work) -> None:
        """Have a function called within ``IN_TIME`` seconds, whoever works then, together with all others for which
        that is asked. Twice the same is called once. It must be quick."""
        if not self._in_time:
            asyncio.get_running_loop().call_later(IN_TIME, self._time_is_up)
        self._in_time[work] = None

    def _time_is_up(self) -> None:
        in_time, self._in_time = self._in_time, {}
        for work in in_time:
            work()

    def _next(self) -> None:
        work = self._turns.next()
        if work is None:
            self._goes_round = False
            return
        # Whose turn it is has a whole slice.
        self._begin()
        try:
            work()
        finally:
            # Behind who was woken: if he has more to do, it is still his turn.
            asyncio.get_running_loop().call_soon(self._next)

    def _begin(self) -> float:
        if not self._sees_end_of_turn:
            self._sees_end_of_turn = True
            asyncio.get_running_loop().call_soon(self._turn_is_over)
        self._ends = ends = self.clock() + SLICE
        return ends

    def _turn_is_over(self) -> None:
        self._ends, self._sees_end_of_turn = None, False


class TimeSlice:
    """The slices of one task, one after the other. Implements ``Scheduler``."""

    __slots__ = ("_ends", "_key", "_share", "_turn_ends", "waits")

    def __init__(self, share: Scheduler, key: str) -> None:
        """``key``: for whom it works: an app, or a connection."""
        self._share = share
        self._key = key
        self._ends = 0.0
        self._turn_ends: float | None = None
        """When it is to go behind the others of its key; ``None`` while it stands there."""
        self.waits = False
        """Whether it has asked to go on, and has not yet."""

    def begin(self) -> None:
        """Begin a slice: the event loop has just come here."""
        self._ends = ends = self._share.ends()
        self.waits = False
        if self._turn_ends is None:
            self._turn_ends = ends + TURN

    @property
    def is_over(self) -> bool:
        return self._share.clock() > self._ends

    def later(self, work: Work) -> None:
        first = self._turn_ends is not None and self._share.clock() < self._turn_ends
        if not first:
            self._turn_ends = None
        self.waits = True
        self._share.later(self._key, work, first=first)

    def in_time(self, work: Work) -> None:
        self._share.in_time(work)

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
        self._ends = ends = self._share.clock() + SLICE
        self.waits = False
        if self._turn_ends is None:
            self._turn_ends = ends + TURN


def _wake(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


_WINDOW_SECONDS: Final = 10.0


class LoopLag:
    """Measures again and again by how many seconds a sleep lasted longer than it was to."""

    def __init__(self, every: float = 1.0, *, on_lag: Callable[[float], None] = lambda seconds: None) -> None:
        """Args:
        every: Seconds between two looks.
        on_lag: Called with each lag, in seconds.
        """
        self._every = every
        self._on_lag = on_lag
        self._worst = (0.0, 0.0)
        """The worst of this window and of the one before, in seconds."""

    @property
    def worst(self) -> float:
        """The longest lag of the last 10 to 20 seconds, in seconds."""
        return max(self._worst)

    async def watch(self) -> None:
        """Measure until cancelled."""
        began = time.monotonic()
        while True:
            before = time.monotonic()
            await asyncio.sleep(self._every)
            now = time.monotonic()
            lag = max(0.0, now - before - self._every)
            self._on_lag(lag)
            this, last = self._worst
            if now - began >= _WINDOW_SECONDS:
                # A stall that was longer than a window is seen for the whole of the next one.
                began, last, this = now, max(this, lag), 0.0
            self._worst = max(this, lag), last
