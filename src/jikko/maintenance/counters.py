"""Periodic counters for the metrics: what only the record knows, counted now and then by one process for all."""

import asyncio
import logging
from collections.abc import Callable

from jikko.errors import JikkoError
from jikko.ports.clock import Clock
from jikko.ports.cluster import Cluster
from jikko.ports.stores.run_store import RunStore
from jikko.repositories.callback_store import CallbackStore
from jikko.repositories.delivery_store import DeliveryStore

logger = logging.getLogger(__name__)

_POLL_SECONDS = 30.0


class PeriodicCounters:
    """How many runs are paused or have no process, and how many call-backs wait, as it was at the last look."""

    def __init__(
        self,
        runs: RunStore,
        callbacks: CallbackStore,
        deliveries: Callable[[], DeliveryStore],
        cluster: Cluster,
        clock: Clock,
    ) -> None:
        self._runs = runs
        self._callbacks = callbacks
        self._deliveries = deliveries
        self._cluster = cluster
        self._clock = clock
        self.counts: dict[str, float] = {}
        """``paused``, ``orphans``, ``callbacks``, ``dead`` (deliveries), and ``oldest``: seconds for which the oldest
        of the call-backs has been tried. Empty before the first look, and in processes that do not look."""

    async def watch(self) -> None:
        """Look again and again, until cancelled."""
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
        """Count now. Raises ``StoreUnavailable``: the record cannot be read."""
        pending, since = await self._callbacks.pending()
        missing = (await self._runs.holders()).difference(self._cluster.members())
        orphans = [len(await self._runs.open_runs(holder)) for holder in missing]
        self.counts = {
            "paused": await self._runs.paused(),
            "orphans": sum(orphans),
            "callbacks": pending,
            "dead": await self._deliveries().dead(),
            "oldest": 0.0 if since is None else max(0.0, self._clock() - since),
        }
