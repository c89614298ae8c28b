"""Finding open runs whose process is gone, though nobody was told to take them over, or that did not succeed."""

import asyncio
import logging

from jikko.errors import JikkoError
from jikko.ports.cluster import Cluster, OrphanedRuns
from jikko.ports.run_store import RunStore

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 30.0
"""Between looks for holders that are no members."""


class Orphans:
    """Offers the runs of holders that were no members twice in a row: one that has just come may not be known yet."""

    def __init__(self, store: RunStore, cluster: Cluster, *, look_seconds: float = _LOOK_SECONDS) -> None:
        self._store = store
        self._cluster = cluster
        self._look_seconds = look_seconds

    async def watch(self) -> None:
        """Look again and again, until cancelled. Any number of processes may."""
        gone: set[str] = set()
        while True:
            await asyncio.sleep(self._look_seconds)
            try:
                holders = await self._store.holders()
            except JikkoError as error:
                logger.error("runs without a process cannot be looked for, trying again: %s", error)
                continue
            missing = holders.difference(self._cluster.members())
            for holder in sorted(missing & gone):
                self._cluster.offer(OrphanedRuns(holder=holder))
            gone = missing
