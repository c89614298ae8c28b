"""Moving runs into the archive that are old enough, while the server runs."""

import asyncio
import logging
from typing import Final

from jikko.errors import JikkoError
from jikko.ports.clock import Clock
from jikko.ports.stores.run_store import RunArchiving

log = logging.getLogger(__name__)

_LOOK_EVERY: Final = 600.0
"""Seconds between looks for what is old enough."""
_DAY: Final = 86_400.0


class Archiving:
    """Moves runs by the clock."""

    def __init__(self, runs: RunArchiving, clock: Clock, *, days: float) -> None:
        """``days``: after how many days, more than 0."""
        self._runs = runs
        self._clock = clock
        self._days = days

    async def watch(self) -> None:
        """Move what is old enough, again and again, until cancelled."""
        while True:
            try:
                await self.look()
            except JikkoError as error:
                log.error("what is old cannot be moved into the archive, trying again later: %s", error)
            await asyncio.sleep(_LOOK_EVERY)

    async def look(self) -> int:
        """Move what is old enough now. Returns how many runs were moved.
        Raises ``JikkoError``: it cannot be. What was moved until then is in the archive."""
        moved = await self._runs.archive(self._clock() - self._days * _DAY)
        if moved:
            log.info("%d runs were older than %g days, and are in the archive", moved, self._days)
        await self._runs.sweep(self._clock())
        return moved
