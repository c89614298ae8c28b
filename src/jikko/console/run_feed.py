"""Tells those who look at lists of runs that runs have moved, whichever process moved them: a few times a second."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final

from jikko.events import Event, RunFinished, RunPaused, RunResumed, RunStarted
from jikko.ports.cluster import RunsMoved
from jikko.record import RunIdentity
from jikko.runs.observer import RunObserver

TICK_SECONDS: Final = 0.25
"""Between two messages to one who looks."""
MAX_RUNS: Final = 50
"""Runs that are named in one message."""


class RunFeed(RunObserver):
    """Collects what has moved in this process, and tells all; and those who look here what any process has reported."""

    def __init__(self, tell: Callable[[RunsMoved], None]) -> None:
        """``tell``: tells all processes, this one among them."""
        self._tell = tell
        self._moved: dict[str, None] = {}
        self._telling: asyncio.TimerHandle | None = None
        self._looking: set[_Look] = set()
        self._closed = False
        self.hints_received = 0
        """How many hints have come: what was read before the last one may be old."""

    def appended(self, run: RunIdentity, at: int, events: Sequence[Event]) -> None:
        # All that a list shows of a run changes with the first or the last event of what is written together.
        if (
            at == 0
            or isinstance(events[-1], (RunFinished, RunPaused))
            or isinstance(events[0], (RunStarted, RunResumed))
        ):
            self.note(run.run_id)

    def note(self, run_id: str) -> None:
        """A run has moved in this process."""
        moved = self._moved
        if len(moved) >= MAX_RUNS and run_id not in moved:
            del moved[next(iter(moved))]
        moved[run_id] = None
        if self._telling is None:
            self._telling = asyncio.get_running_loop().call_later(TICK_SECONDS, self._tell_all)

    def moved(self, hint: RunsMoved) -> None:
        """Some process has reported what moved there."""
        self.hints_received += 1
        for look in self._looking:
            look.note(hint.run_ids)

    def _tell_all(self) -> None:
        run_ids, self._telling = tuple(self._moved), None
        self._moved.clear()
        self._tell(RunsMoved(run_ids=run_ids))

    def close(self) -> None:
        """Let all who look here go: the process is about to end."""
        self._closed = True
        for look in self._looking:
            look.woken.set()

    async def follow(self, idle: float) -> AsyncIterator[Sequence[str]]:
        """The ids of runs that have moved, at most four times a second; nothing, if for so long none has. Ends with
        ``close``. ``idle``: seconds."""
        look = _Look()
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
                # What moves meanwhile comes together.
                await asyncio.sleep(TICK_SECONDS)
        finally:
            self._looking.discard(look)


class _Look:
    """One who looks."""

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
