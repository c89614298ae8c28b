"""Work stealing: runs that wait at other processes are taken in while there is room here."""

import asyncio
from collections.abc import Callable

from jikko.errors import JikkoError
from jikko.ports.cluster import Cluster, LetGo, WaitingRun
from jikko.runs.admission import Admission
from jikko.runs.recovery import Recovery
from jikko.runs.run_log import RunLog


class WorkStealing:
    """The slots of this process that no run of its own waits for."""

    def __init__(
        self, admission: Admission, recovery: Recovery, cluster: Cluster, on_taken: Callable[[RunLog], None]
    ) -> None:
        """Args:
        on_taken: Called with the log of each run that is taken in, once it is this process's.
        """
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
        await self._cluster.request(run.holder, LetGo(run_id=run.run_id, epoch=log.record.epoch))
        return True
