"""Work stealing: offers queued runs to processes with free slots, and takes in runs of others.

Only the first few of each app are offered, after a delay: most begin here before. Runs that have begun here or were
taken are withdrawn. A process that is shutting down offers all its queued runs, in the same small batches.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from jikko.errors import JikkoError
from jikko.ports.clock import Clock
from jikko.ports.cluster import Cluster, ReleaseRun, WaitingRun, WaitingRuns
from jikko.runs.admission import Admission
from jikko.runs.executor import Executor
from jikko.runs.recovery import Recovery
from jikko.runs.run_log import RunLog

_OFFER_AFTER_SECONDS: Final = 0.5
"""Seconds in the queue before a run is offered."""
_POLL_SECONDS: Final = 0.05
"""Polling interval in seconds, while runs are queued."""
_RETRY_INTERVAL_SECONDS: Final = 30.0
"""Seconds after which a queued run is offered again: the offer may have been lost."""
_REFUSED_SECONDS: Final = 0.5
"""Seconds before one more run of an app is offered that already has enough offers."""
_OF_AN_APP: Final = 16
"""Runs of an app that are considered."""


class OfferQueue:
    """Runs of this process that are offered to others."""

    def __init__(self, executor: Executor, holder: str, clock: Clock) -> None:
        """``holder``: Name of this process."""
        self._executor = executor
        self._holder = holder
        self._clock = clock
        self._offered: dict[str, float] = {}
        """Times of offers, by run."""
        self._refused: dict[str, float] = {}
        """Time of the last rejected offer, by app."""
        self._queued = asyncio.Event()
        executor.admission.on_queued = self._queued.set

    async def watch(self, waiting: WaitingRuns) -> None:
        """Offer queued runs, until cancelled. Idle while no run is queued."""
        while True:
            await self._queued.wait()
            self._queued.clear()
            while self._executor.admission.queued() or self._offered:
                await self._look(waiting)
                await asyncio.sleep(_POLL_SECONDS)

    async def _look(self, waiting: WaitingRuns) -> None:
        first = self._executor.admission.first(_OF_AN_APP)
        there = {place.run_id for places in first.values() for place in places}
        for run_id in self._offered.keys() - there:
            del self._offered[run_id]
            await waiting.withdraw(run_id)
            self._refused.clear()
        for app_id, places in first.items():
            for place in places:
                if self._is_within(_REFUSED_SECONDS, self._refused.get(app_id)):
                    break
                if (run := self._due(place.run_id)) is None:
                    continue
                if await waiting.offer(run):
                    self._offered[run.run_id] = self._clock()
                else:
                    self._refused[app_id] = self._clock()

    def _due(self, run_id: str) -> WaitingRun | None:
        held = self._executor.find(run_id)
        if held is None or held.runner.has_ended or not held.log.is_durable:
            return None
        if self._is_within(_RETRY_INTERVAL_SECONDS, self._offered.get(run_id)):
            return None
        record = held.log.record
        if self._is_within(_OFFER_AFTER_SECONDS, record.created_at) and not self._executor.is_closing:
            return None
        return WaitingRun(run_id=run_id, app_id=record.identity.app_id, holder=self._holder, epoch=record.epoch)

    def _is_within(self, seconds: float, since: float | None) -> bool:
        """Return whether less than ``seconds`` have passed. A time in the future means that the clock was set back."""
        return since is not None and 0 <= self._clock() - since < seconds


class WorkStealing:
    """Slots of this process that no local run waits for."""

    def __init__(
        self, admission: Admission, recovery: Recovery, cluster: Cluster, on_taken: Callable[[RunLog], None]
    ) -> None:
        """``on_taken``: Called with the log of each run taken in, once this process owns it."""
        self._admission = admission
        self._recovery = recovery
        self._cluster = cluster
        self._on_taken = on_taken
        self._taking = 0
        """Runs about to get a slot."""
        self._changed = asyncio.Event()
        admission.on_room = self._changed.set

    async def wait(self) -> None:
        """Wait until there is room for one more run."""
        while self._admission.free <= self._taking:
            self._changed.clear()
            await self._changed.wait()

    async def take(self, run: WaitingRun) -> bool:
        """Take a run in if it is still queued. ``False``: not here, or not now."""
        if run.holder == self._cluster.name or not self._admission.may_begin(run.app_id):
            return False
        self._taking += 1
        try:
            log = await self._recovery.take_waiting(run)
        finally:
            self._taking -= 1
            self._changed.set()
        if log is None:
            return True
        try:
            await log.committed(log.begin + 1)
        except JikkoError:
            # It has begun there, or another process was faster.
            return True
        self._on_taken(log)
        await self._cluster.request(run.holder, ReleaseRun(run_id=run.run_id, epoch=log.record.epoch))
        return True
