"""Periodic scans of the record: metrics that only it has, counted by one process for all; and orphaned open runs, which
are offered again if an offer was lost or failed."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable

from msgspec import Struct

from jikko.errors import JikkoError
from jikko.ports.clock import Clock
from jikko.ports.cluster import Cluster, OrphanedRuns
from jikko.ports.stores.run_store import RunStore
from jikko.repositories.callback_store import CallbackStore
from jikko.repositories.delivery_store import DeliveryStore

logger = logging.getLogger(__name__)

_POLL_SECONDS = 30.0
"""Interval of scans, in seconds."""


class PeriodicCounters(Struct, eq=False):
    """Counts of paused runs, orphans and pending callbacks, as of the last scan."""

    runs: RunStore
    callbacks: CallbackStore
    deliveries: Callable[[], DeliveryStore]
    cluster: Cluster
    clock: Clock
    counts: dict[str, float] = {}
    """``paused``, ``orphans``, ``callbacks``, ``dead`` (deliveries), and ``oldest``: seconds for which the oldest of
    the callbacks has been tried. Empty before the first look, and in processes that do not look."""

    async def watch(self) -> None:
        """Scan periodically until cancelled."""
        try:
            while True:
                try:
                    await self.look()
                except JikkoError as error:
                    logger.error("runs cannot be counted, trying again: %s", error)
                await asyncio.sleep(_POLL_SECONDS)
        finally:
            self.counts = {}

    async def look(self) -> None:
        """Scan now. Raises ``StoreUnavailable`` if the record cannot be read."""
        pending, since = await self.callbacks.pending()
        missing = (await self.runs.holders()).difference(self.cluster.members())
        orphans = [len(await self.runs.open_runs(holder)) for holder in missing]
        self.counts = {
            "paused": await self.runs.paused(),
            "orphans": sum(orphans),
            "callbacks": pending,
            "dead": await self.deliveries().dead(),
            "oldest": 0.0 if since is None else max(0.0, self.clock() - since),
        }


_MAX_LOOKS = 16
"""Maximum number of scans between two offers of the same runs."""


class Orphans(Struct, eq=False):
    """Offers the runs of owners that were not members in two consecutive scans: a new member may not be known yet.

    Runs that are not taken over are offered again with growing delays, up to eight minutes.
    """

    store: RunStore
    cluster: Cluster
    look_seconds: float = _POLL_SECONDS

    async def watch(self) -> None:
        """Scan periodically until cancelled. Any number of processes may."""
        looks: Counter[str] = Counter()
        """Consecutive scans in which each owner was not a member."""
        while True:
            await asyncio.sleep(self.look_seconds)
            try:
                holders = await self.store.holders()
            except JikkoError as error:
                logger.error("orphaned runs cannot be searched, trying again: %s", error)
                continue
            missing = holders.difference(self.cluster.members())
            looks = Counter({holder: looks[holder] + 1 for holder in missing})
            for holder in sorted(missing):
                # At scans 2, 4, 8, 16, 32, 48, …: what is still there cannot be taken over, and the log says why; or
                # the offer failed.
                if (count := looks[holder]) > 1 and (count & (count - 1) == 0 or count % _MAX_LOOKS == 0):
                    self.cluster.offer(OrphanedRuns(holder=holder))
