"""Cooperative scheduler: time slices of the event loop for long tasks; and a gauge of its lag."""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Final, TypeAlias

from msgspec import Struct

from jikko.concurrency.fair_queue import FairQueue

SLICE: Final = 0.0007
"""Length of a slice, in seconds."""
TURN: Final = 0.01
"""Seconds that a task keeps its place in front of others of its key, over several slices: it finishes before they
begin, instead of all finishing at the same time."""
IN_TIME: Final = 0.02
"""Longest delay of batched work, in seconds."""

Work: TypeAlias = Callable[[], object]
"""Work done in one turn of the loop, or a wake-up of a task for the next one."""


class Scheduler:
    """Gives long tasks one slice after the other. Belongs to one event loop.

    One task works per turn of the loop, and keys take turns. Tasks that other events wake in the same turn share one
    slice: what is left of it. So everything else waits for at most two slices, plus what each task does before it
    checks, however many there are. A task that finishes within its slice notices nothing.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        """``clock``: Seconds since any moment. Tests count its readings instead."""
        self.clock = clock
        self._turns: FairQueue[Work] = FairQueue()
        self._is_running = False
        self._ends: float | None = None
        """End of the slice shared by tasks that begin in this turn; ``None`` before the first."""
        self._sees_end_of_turn = False
        self._in_time: dict[Work, None] = {}
        """Batched work, in order."""

    def ends(self) -> float:
        """Return the end of a slice that begins now; it may have passed."""
        return self._begin() if self._ends is None else self._ends

    def later(self, key: str, work: Work, *, first: bool = False) -> None:
        """Call a function when it is its turn. Duplicates are called once. ``first``: Before the others of the key."""
        self._turns.add(key, work, first=first)
        if not self._is_running:
            self._is_running = True
            asyncio.get_running_loop().call_soon(self._next)

    def cancel(self, key: str, work: Work) -> None:
        self._turns.remove(key, work)

    def in_time(self, work: Work) -> None:
        """Call a function within ``IN_TIME`` seconds, together with all others so requested, regardless of turns.
        Duplicates are called once. It must be quick."""
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
            self._is_running = False
            return
        # The next in turn gets a whole slice.
        self._begin()
        try:
            work()
        finally:
            # Scheduled behind the woken task: if it has more to do, it is still its turn.
            asyncio.get_running_loop().call_soon(self._next)

    def _begin(self) -> float:
        if not self._sees_end_of_turn:
            self._sees_end_of_turn = True
            asyncio.get_running_loop().call_soon(self._turn_is_over)
        self._ends = ends = self.clock() + SLICE
        return ends

    def _turn_is_over(self) -> None:
        self._ends, self._sees_end_of_turn = None, False


class TimeSlice(Struct, eq=False):
    """The slices of one task. Implements ``Scheduler``."""

    _share: Scheduler
    _key: str
    """Beneficiary of the work: an app, or a connection."""
    _ends: float = 0.0
    _turn_ends: float | None = None
    """When the task goes behind the others of its key; ``None`` while it is there."""
    waits: bool = False
    """Whether it waits for its next slice."""

    def begin(self) -> None:
        """Begin a slice: the event loop has just resumed this task."""
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
        # It was this task's turn, whatever else begins now.
        self._ends = ends = self._share.clock() + SLICE
        self.waits = False
        if self._turn_ends is None:
            self._turn_ends = ends + TURN


def _wake(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


_WINDOW_SECONDS: Final = 10.0


class LoopLag(Struct, eq=False):
    """Event loop lag: by how many seconds sleeps overrun."""

    every: float = 1.0
    """Seconds between two measurements."""
    on_lag: Callable[[float], None] = lambda seconds: None
    """Called with each lag, in seconds."""
    _worst: tuple[float, float] = (0.0, 0.0)
    """Worst lag of this window and the previous one, in seconds."""

    @property
    def worst(self) -> float:
        """The longest lag of the last 10 to 20 seconds, in seconds."""
        return max(self._worst)

    async def watch(self) -> None:
        """Measure until cancelled."""
        began = time.monotonic()
        while True:
            before = time.monotonic()
            await asyncio.sleep(self.every)
            now = time.monotonic()
            lag = max(0.0, now - before - self.every)
            self.on_lag(lag)
            this, last = self._worst
            if now - began >= _WINDOW_SECONDS:
                # A stall that was longer than a window is seen for the whole of the next one.
                began, last, this = now, max(this, lag), 0.0
            self._worst = max(this, lag), last
