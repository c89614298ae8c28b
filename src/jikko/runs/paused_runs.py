"""Paused runs, which no process executes: submits their forms, and ends them.

Each operation reads the log first and appends at the position where it ended. Of two processes that act on one run, the
log refuses one (``LogConflict``), which locates the run again. In one process, a lock serialises them.
"""

import asyncio
import contextlib
from weakref import WeakValueDictionary

from msgspec import Struct, field

from jikko.concurrency.scheduler import TimeSlice
from jikko.errors import LogConflict, LogDamaged
from jikko.events import FormClosed, RunFinished, RunPaused, RunResumed
from jikko.ports.clock import Clock
from jikko.ports.stores.run_store import RunStore
from jikko.record import RunRecord
from jikko.runs.endings import append_end, end_damaged, replayed
from jikko.runs.executor import Executor
from jikko.runs.peer_commands import RunHints, is_closed
from jikko.runs.recovery import Recovery
from jikko.runs.run_log import RunLog
from jikko.runs.run_memory import sizes_of


class PausedRuns(Struct, eq=False):
    """Operations on paused runs. All are durable on return."""

    store: RunStore
    executor: Executor
    recovery: Recovery
    clock: Clock
    hints: RunHints
    _locks: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary)
    """Locks by run, while a task holds or awaits one."""

    def lock(self, run_id: str) -> asyncio.Lock:
        """Return the lock that serialises operations on a run. ``end`` takes it itself."""
        return self._locks.setdefault(run_id, asyncio.Lock())

    async def submit(self, record: RunRecord, closed: FormClosed) -> bool:
        """Submit a form of a run, which then continues here.

        Returns:
            Whether the run waited for it.

        Raises:
            LogConflict: Another process has changed the run in the meantime.
            ServerStopping: The process is shutting down.
            LogDamaged: The run's log cannot be read. The run has failed.
        """
        try:
            return await self._resume(record, closed)
        except LogDamaged as damage:
            await end_damaged(self.store, record, damage, self.clock())
            self.hints.ended(record.identity.run_id)
            raise

    async def _resume(self, record: RunRecord, closed: FormClosed) -> bool:
        log = await self._log(record)
        workflow = await self.recovery.workflow_of(log)
        if workflow is None:
            await log.committed()
            self.hints.changed(log)
            return False
        state = replayed(workflow, list(log.events), record.identity.run_id)
        if closed.execution_id not in state.forms.open:
            return False
        self.executor.go_on(log, workflow, state, RunResumed(at=self.clock()), closed)
        went_on = await is_closed(log, closed)
        self.hints.changed(log)
        return went_on

    async def end(self, record: RunRecord, error: str) -> None:
        """Stop a run. Raises ``LogConflict``: another process has changed the run in the meantime."""
        run_id = record.identity.run_id
        async with self.lock(run_id):
            try:
                log = await self._log(record)
            except LogDamaged:
                await append_end(self.store, record, "stopped", error, self.clock())
                self.hints.ended(run_id)
                return
            end = RunFinished(
                at=self.clock(),
                status="stopped",
                error=error,
                elapsed=log.record.elapsed,
                total_tokens=log.record.total_tokens,
                total_steps=log.record.total_steps,
            )
            log.append([end])
            await log.committed()
        self.hints.changed(log)

    async def give_up(self, run_id: str, damage: LogDamaged) -> None:
        """Fail a paused run whose log cannot be read: it could not continue."""
        record = await self.store.record(run_id)
        if record is not None and record.status == "paused" and self.executor.find(run_id) is None:
            # If another process was faster, the run has already ended, or continues.
            with contextlib.suppress(LogConflict):
                await end_damaged(self.store, record, damage, self.clock())
                self.hints.ended(run_id)

    async def _log(self, record: RunRecord) -> RunLog:
        """Raises ``LogConflict``: the run has continued since its record was read."""
        events = await self.store.events(record.identity.run_id)
        sizes = await sizes_of(events, self.store, TimeSlice(self.executor.share, record.identity.app_id))
        # After the events: anything newer is refused by its position.
        current = await self.store.record(record.identity.run_id)
        if current is None or current.status != "paused" or not events or not isinstance(events[-1], RunPaused):
            raise LogConflict(f"Run {record.identity.run_id} is not paused any more.")
        log = self.executor.log_of(current, events)
        log.memory.know(events, sizes)
        return log
