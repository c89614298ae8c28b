"""Lag of the event loop: a timer, and by how much it was missed."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

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
