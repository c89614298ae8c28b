"""Watching a run from a command, until it ends or waits for a form."""

import asyncio
import contextlib
from typing import Any

from jikko.assemble.assembly import Assembly
from jikko.cli.running.run_progress import ProgressReporter
from jikko.events import RunFinished, RunPaused
from jikko.record import RunForms

_TICK = 0.1
"""Seconds between looks at the clock, on a terminal."""


class Watch:
    """A run that is watched: what was seen of it."""

    def __init__(self, assembly: Assembly, record: Any, progress: ProgressReporter) -> None:
        self._assembly = assembly
        self._record = record
        self._progress = progress
        self._after = -1
        self.end: RunFinished | RunPaused | None = None
        """Its end, or the pause that it is in."""
        self.forms = RunForms()

    async def to_end_or_pause(self) -> RunFinished | RunPaused | None:
        """Show what happens until the run ends or pauses. ``None``: it was left before, by this process ending."""
        self.end = None
        ticking = asyncio.ensure_future(self._tick())
        try:
            async for batch in self._assembly.runs.control.reader(self._record).follow(self._after):
                for position, event in batch:
                    self._after = position
                    self._progress.show(event)
                    self.forms.apply(event)
                    self.end = event if isinstance(event, (RunFinished, RunPaused)) else None
        finally:
            ticking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await ticking
            self._progress.close()
        return self.end

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK)
            self._progress.tick()
