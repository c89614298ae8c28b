"""Waiting until something is due, where that may become known after the waiting began."""

import asyncio
from collections.abc import Callable


class Alarm:
    """Wakes one task, which then looks for itself what there is to do."""

    def __init__(self, clock: Callable[[], float], *, look_seconds: float = 30.0) -> None:
        """Args:
        clock: The time of day. It may jump.
        look_seconds: After which the task is woken though nothing is due, as far as is known.
        """
        self._clock = clock
        self._look_seconds = look_seconds
        self._set_to: float | None = None
        self._moved = asyncio.Event()

    def set(self, at: float) -> None:
        """Something is due at a time, perhaps earlier than what is waited for. May be called at any time."""
        if self._set_to is None or at < self._set_to:
            self._set_to = at
            self._moved.set()

    async def wait(self, at: float | None) -> None:
        """Wait until a time, or an earlier one that was set since the last wait, or so long that a look is due.
        ``at``: ``None``: nothing is due that is known."""
        while True:
            known = [moment for moment in (at, self._set_to) if moment is not None]
            seconds = min([moment - self._clock() for moment in known] + [self._look_seconds])
            if seconds <= 0:
                break
            self._moved.clear()
            try:
                async with asyncio.timeout(seconds):
                    await self._moved.wait()
            except TimeoutError:
                break
        self._set_to = None
