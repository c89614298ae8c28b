"""Offering runs that wait here to processes that have room, and taking in those of others while there is room here.

Of each app only the first few are offered, and only once they have waited for a while: most begin here before. What has
begun here meanwhile, or was taken, is withdrawn. A process that ends offers all that waits, in the same small parts.
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
"""For which a run waits before it is offered."""
_POLL_SECONDS: Final = 0.05
"""Between looks while runs wait."""
_AGAIN_SECONDS: Final = 30.0
"""After which what is still waiting is offered again: the offer may have been lost."""
_REFUSED_SECONDS: Final = 0.5
"""After which one more run of an app is offered of which enough were offered already."""
_OF_AN_APP: Final = 16
"""Runs of an app that are looked at."""


class OfferQueue:
    """The runs of this process that are offered to others."""

    def __init__(self, executor: Executor, holder: str, clock: Clock) -> None:
        """``holder``: what this process is called."""
        self._executor = executor
        self._holder = holder
        self._clock = clock
        self._offered: dict[str, float] = {}
        """When, by run."""
        self._refused: dict[str, float] = {}
        """When the last run of an app could not be offered, by app."""
        self._queued = asyncio.Event()
        executor.admission.on_queued = self._queued.set

    async def watch(self, waiting: WaitingRuns) -> None:
        """Offer what waits, until cancelled. Does nothing while no run waits."""
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
        """A run, if it is to be offered now."""
        held = self._executor.find(run_id)
        if held is None or held.runner.has_ended or not held.log.is_durable:
            return None
        if self._is_within(_AGAIN_SECONDS, self._offered.get(run_id)):
            return None
        record = held.log.record
        if self._is_within(_OFFER_AFTER_SECONDS, record.created_at) and not self._executor.is_closing:
            return None
        return WaitingRun(run_id=run_id, app_id=record.identity.app_id, holder=self._holder, epoch=record.epoch)

    def _is_within(self, seconds: float, since: float | None) -> bool:
        """Whether less than that has passed since a time. One that is yet to come tells that the clock was set back."""
        return since is not None and 0 <= self._clock() - since < seconds


class WorkStealing:
    """The slots of this process that no run of its own waits for."""

    def __init__(
        self, admission: Admission, recovery: Recovery, cluster: Cluster, on_taken: Callable[[RunLog], None]
    ) -> None:
        """``on_taken``: called with the log of each run that is taken in, once it is this process's."""
        self._admission = admission
        self._recovery = recovery
        self._cluster = cluster
        self._on_taken = on_taken
        self._taking = 0
        """Runs that have no slot yet, but will."""
        self._changed = asyncio.Event()
        admission.on_room = self._changed.set

    async def wait(self) -> None:
        """Wait until there is room for one more."""
        while self._admission.free <= self._taking:
            self._changed.clear()
            await self._changed.wait()

    async def take(self, run: WaitingRun) -> bool:
        """Take a run in, if it still waits. ``False``: not here, or not now."""
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
            # It has begun there meanwhile, or another was quicker.
            return True
        self._on_taken(log)
        await self._cluster.request(run.holder, ReleaseRun(run_id=run.run_id, epoch=log.record.epoch))
        return True
