"""Runs that wait for humans: handing in a form, and stopping one that no process executes."""

import asyncio
from weakref import WeakValueDictionary

from jikko.apps.versions import Workflows
from jikko.cluster.peers import while_it_moves
from jikko.errors import LogDamaged
from jikko.events import FormClosed, RunResumed
from jikko.ports.app_store import AppStore
from jikko.ports.clock import Clock
from jikko.ports.peers import HolderGone, Peers
from jikko.ports.run_store import RunStore
from jikko.record import RunRecord
from jikko.runs.commands import hand_in, has_taken_in
from jikko.runs.damaged_runs import append_end, end_damaged, replayed
from jikko.runs.executor import Executor
from jikko.runs.recovery import workflow_of
from jikko.runs.run_log import RunLog


class PausedRuns:
    """Ends or goes on with runs that are paused, one request a run at a time."""

    def __init__(
        self,
        *,
        store: RunStore,
        apps: AppStore,
        workflows: Workflows,
        executions: Executor,
        peers: Peers,
        clock: Clock,
    ) -> None:
        self._store = store
        self._apps = apps
        self._workflows = workflows
        self._executions = executions
        self._peers = peers
        self._clock = clock
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """By run; there while somebody has it or waits for it."""

    async def answer(self, record: RunRecord, closed: FormClosed) -> bool:
        """Hand in a form of a run; a paused run goes on. Durable when this returns.

        Returns:
            Whether the run was waiting for the form.

        Raises:
            TooManyRequests: The process is about to end; the form is as it was.
            LogDamaged: The log of the run cannot be read. The run has failed.
        """
        run_id = record.owner.run_id
        async with self._lock(run_id):
            return await while_it_moves(lambda: self._answer(run_id, closed))

    async def _answer(self, run_id: str, closed: FormClosed) -> bool:
        found = self._executions.find(run_id)
        if found is not None and not found[1].has_ended:
            return await hand_in(*found, closed)
        if found is not None:
            # It has just paused; what it wrote must be there before it is read.
            await found[0].committed()
        record = await self._store.record(run_id)
        if record is None or not record.is_open:
            return False
        if record.status == "running":
            return await self._peers.answer(record, closed)
        try:
            return await self._go_on(record, closed)
        except LogDamaged as damage:
            await end_damaged(self._store, record, damage, self._clock())
            raise

    async def _go_on(self, record: RunRecord, closed: FormClosed) -> bool:
        events = await self._store.events(record.owner.run_id)
        live = RunLog(self._store, record, events)
        workflow = await workflow_of(live, apps=self._apps, workflows=self._workflows, clock=self._clock)
        if workflow is None:
            await live.committed()
            return False
        state = replayed(workflow, events, record.owner.run_id)
        if closed.execution_id not in state.waiting:
            return False
        self._executions.go_on(live, workflow, state, RunResumed(at=self._clock()), closed)
        return await has_taken_in(live, closed)

    async def stop(self, record: RunRecord, error: str) -> bool:
        """End a run that waits for humans. Durable when this returns.

        Raises:
            HolderGone, LogConflict: It has just gone on.
            StoreUnavailable: The database could not be written.
        """
        run_id = record.owner.run_id
        async with self._lock(run_id):
            current = await self._store.record(run_id)
            if current is None or not current.is_open:
                return False
            if current.status != "paused" or self._executions.find(run_id) is not None:
                raise HolderGone
            await append_end(self._store, current, "stopped", error, self._clock())
        return True

    def _lock(self, run_id: str) -> asyncio.Lock:
        return self._locks.setdefault(run_id, asyncio.Lock())
