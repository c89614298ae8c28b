"""Feed of changed runs for live lists, from all processes, a few times a second."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final

from jikko.events import Event, RunFinished, RunPaused, RunResumed, RunStarted
from jikko.ports.cluster import RunsMoved
from jikko.record import RunIdentity
from jikko.runs.observer import RunObserver

TICK_SECONDS: Final = 0.25
"""Interval of messages to a listener."""
MAX_RUNS: Final = 50
"""Runs named in one message."""


class RunFeed(RunObserver):
    """Broadcasts the changes of this process to all, and passes all processes' changes to local listeners."""

    def __init__(self, broadcast: Callable[[RunsMoved], None]) -> None:
        """``broadcast``: Sends to all processes, including this one."""
        self._broadcast = broadcast
        self._moved: dict[str, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._looking: set[_RunListener] = set()
        self._closed = False
        self.hints_received = 0
        """Number of received hints: data read before the last one may be stale."""

    def appended(self, run: RunIdentity, at: int, events: Sequence[Event]) -> None:
        # Everything that a list shows of a run changes with the first or last event of a batch.
        if (
            at == 0
            or isinstance(events[-1], (RunFinished, RunPaused))
            or isinstance(events[0], (RunStarted, RunResumed))
        ):
            self.note(run.run_id)

    def note(self, run_id: str) -> None:
        moved = self._moved
        if len(moved) >= MAX_RUNS and run_id not in moved:
            del moved[next(iter(moved))]
        moved[run_id] = None
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(TICK_SECONDS, self._notify_listeners)

    def moved(self, hint: RunsMoved) -> None:
        self.hints_received += 1
        for look in self._looking:
            look.note(hint.run_ids)

    def _notify_listeners(self) -> None:
        run_ids, self._timer = tuple(self._moved), None
        self._moved.clear()
        self._broadcast(RunsMoved(run_ids=run_ids))

    def close(self) -> None:
        """Release all listeners for shutdown."""
        self._closed = True
        for look in self._looking:
            look.woken.set()

    async def follow(self, idle: float) -> AsyncIterator[Sequence[str]]:
        """Yield the IDs of changed runs, at most four times a second; empty after ``idle`` seconds without changes.
        Ends with ``close``."""
        look = _RunListener()
        self._looking.add(look)
        try:
            while not self._closed:
                try:
                    async with asyncio.timeout(idle):
                        await look.woken.wait()
                except TimeoutError:
                    yield ()
                    continue
                if self._closed:
                    return
                yield look.take()
                # Batches the changes of this interval.
                await asyncio.sleep(TICK_SECONDS)
        finally:
            self._looking.discard(look)


class _RunListener:
    def __init__(self) -> None:
        self.woken = asyncio.Event()
        self._moved: dict[str, None] = {}

    def note(self, run_ids: Sequence[str]) -> None:
        self._moved.update(dict.fromkeys(run_ids))
        while len(self._moved) > MAX_RUNS:
            del self._moved[next(iter(self._moved))]
        self.woken.set()

    def take(self) -> Sequence[str]:
        self.woken.clear()
        taken = tuple(self._moved)
        self._moved.clear()
        return taken
