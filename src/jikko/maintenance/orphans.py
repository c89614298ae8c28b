"""Finding open runs whose process is gone, and that no member took over: the offer was lost, or failed."""

import asyncio
import logging
from collections import Counter

from jikko.errors import JikkoError
from jikko.ports.cluster import Cluster, OrphanedRuns
from jikko.ports.stores.run_store import RunStore

logger = logging.getLogger(__name__)

_POLL_SECONDS = 30.0
"""Between looks for holders that are no members."""
_MAX_LOOKS = 16
"""Between two offers of the same."""


class Orphans:
    """Offers the runs of holders that were no members twice in a row: one that has just come may not be known yet.

    What is not taken over then is offered again at intervals that grow, to eight minutes.
    """

    def __init__(self, store: RunStore, cluster: Cluster, *, look_seconds: float = _POLL_SECONDS) -> None:
        self._store = store
        self._cluster = cluster
        self._look_seconds = look_seconds

    async def watch(self) -> None:
        """Look again and again, until cancelled. Any number of processes may."""
        looks: Counter[str] = Counter()
        """How often in a row each holder was no member."""
        while True:
            await asyncio.sleep(self._look_seconds)
            try:
                holders = await self._store.holders()
            except JikkoError as error:
                logger.error("runs without a process cannot be looked for, trying again: %s", error)
                continue
            missing = holders.difference(self._cluster.members())
            looks = Counter({holder: looks[holder] + 1 for holder in missing})
            for holder in sorted(missing):
                # At the 2nd, 4th, 8th, 16th, 32nd, 48th … look: what is still there then cannot be taken over, and the
                # log says why; or it could not be offered.
                if (count := looks[holder]) > 1 and (count & (count - 1) == 0 or count % _MAX_LOOKS == 0):
                    self._cluster.offer(OrphanedRuns(holder=holder))
