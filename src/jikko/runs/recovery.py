"""Runs that no process executes: recovery of those whose process is gone, safe even if it is still alive; paused runs.

An active run names its holder in its record, and counts its takeovers in ``epoch``. A takeover is no separate
operation: it is an append that begins with ``RunRecovered`` (or, for a paused run, ``RunResumed``).

============  ==========================================  ==============================================
the run       what is appended                            what becomes of it
============  ==========================================  ==============================================
new           ``RunStarted`` at 0                         held, epoch 1
held          anything, by the holder                     held
held          ``RunRecovered`` of epoch + 1, by another   held by the other; the old holder is a zombie
held          ``RunPaused``, by the holder                paused, no holder
paused        ``RunResumed``, by any                      held by that one
held, paused  ``RunFinished``                             ended, no holder, no more appends
============  ==========================================  ==============================================

The store accepts an append only at the very end of an open log, and only from an epoch not below the record's. Hence,
whatever members believe of each other, and however often and late they get ``TakeOver``:

1. A log has one history. Of two concurrent takeovers or resumptions, the first append wins; the other process is
   refused (``LogConflict``), forgets the run, and nothing it did is in the log.
   So that this also covers decisions made before the append, record and log are read in this order: the record, to see
   that the run is an orphan; the log, which is folded; the record again, which must name the same holder and epoch. A
   log older than the one appended to is refused by its position.
2. A zombie writes nothing: its appends are refused, and at the first refusal it lets go of the run.
3. Nodes that have finished in the log never run again: the new holder folds the log as it is, and its append is refused
   if anything was added since. Nodes that were running run again, with the same execution id.
4. A node with effects begins only once everything before it is durable, including the takeover, and so does each retry.
   If nothing was durable for some seconds before, its own start has to be: a process that stood still, or was cut off,
   is refused then. So an effect is repeated only if it was running in the process that was declared dead. A queued run
   is taken over from a living process in the same way: it has begun nothing.
5. No run stays without a process, as long as the name of a dead one does not come back: its runs name it, and are
   offered until they name another (``maintenance/record_watch.py``).
6. A database that continues as a lagging copy may have forgotten appends (docs/decisions/0089). The process named in
   the record rewrites the missing ones; if a forgotten takeover led two to the same epoch, the record names one.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from functools import partial
from weakref import WeakValueDictionary
from zlib import crc32

from msgspec import Struct, field

from jikko.apps.versions import Workflow, Workflows
from jikko.concurrency.scheduler import TimeSlice
from jikko.engine.event_factory import recovered
from jikko.errors import InvalidDocument, JikkoError, LogConflict, LogDamaged, LogTooNew, NotFound, ServerStopping
from jikko.events import FormClosed, RunFinished, RunParked, RunPaused, RunResumed, UnknownEvent
from jikko.ports.clock import Clock
from jikko.ports.cluster import OrphanedRuns, WaitingRun, server_of
from jikko.ports.stores.run_store import RunStore
from jikko.record import RunRecord
from jikko.repositories.app_store import AppStore
from jikko.runs.activity import has_begun
from jikko.runs.endings import append_end, end_damaged, given_up, replayed
from jikko.runs.executor import Executor
from jikko.runs.peer_commands import RunHints, is_closed, release
from jikko.runs.run_log import RunLog
from jikko.runs.run_memory import sizes_of

logger = logging.getLogger(__name__)

_RETRY_SECONDS = 1.0
_MAX_CONCURRENT_READS = 16
"""Runs read concurrently for takeover: one by one, each would wait for the database, and all for all."""
_IN_A_BATCH = 64
"""Batch size: begun runs of a batch continue before its others are queued, while many more are still to be read."""


class TakenOver(Struct):
    """Open runs found by a process, which continue in it."""

    on_durable: Callable[[RunLog], None]
    count: int = 0
    """Number of runs found. Those with damaged logs have failed; others that stay open are logged."""
    logs: list[RunLog] = field(default_factory=list)
    """Logs of runs that continue, or were ended."""
    is_whole: bool = True
    """Whether no run was left to a process of a newer version, which alone can read it."""

    async def durable(self) -> None:
        """Wait until the records name this process as the holder."""
        for log in self.logs:
            # Unwritable logs have been logged by then, or belong to another process.
            with contextlib.suppress(Exception):
                await log.committed(log.begin + 1)
                self.on_durable(log)


class Recovery(Struct, eq=False):
    """Continues runs of dead processes in this one."""

    store: RunStore
    apps: AppStore
    workflows: Workflows
    executor: Executor
    clock: Clock

    async def take_over(self, orphans: OrphanedRuns, name: str, on_durable: Callable[[RunLog], None]) -> TakenOver:
        """See ``Control.take_over``. In a batch, begun runs continue before others queue. ``name``: Of this process."""
        taken = TakenOver(on_durable)
        mine = []
        refused = await self.executor.refused.known()
        for record in await self.store.open_runs(orphans.holder or None):
            if not is_among(record, orphans, name):
                continue
            if record.identity.run_id in refused:
                await self.executor.refused.remove(record.identity.run_id)
                continue
            if not record.is_known:
                taken.is_whole = False
            elif orphans.holder != name or self.executor.find(record.identity.run_id) is None:
                mine.append(record)  # otherwise it is here, and only its end may not be durable yet
        for at in range(0, len(mine), _IN_A_BATCH):
            await self._recover_batch(mine[at : at + _IN_A_BATCH], taken)
        return taken

    async def _recover_batch(self, records: Sequence[RunRecord], taken: TakenOver) -> None:
        """Raises ``ServerStopping``: this process is shutting down."""
        places = asyncio.Semaphore(_MAX_CONCURRENT_READS)
        lines: list[list[Callable[[], None]]] = [[] for _ in records]

        async def take(record: RunRecord, line_up: list[Callable[[], None]]) -> None:
            async with places:
                await self._recover_one(record, line_up, taken)

        try:
            async with asyncio.TaskGroup() as taking:
                for record, line_up in zip(records, lines, strict=True):
                    taking.create_task(take(record, line_up))
        except* ServerStopping:
            # The next process takes over the rest.
            raise ServerStopping from None
        for line_up in lines:
            for begin in line_up:
                begin()

    async def _recover_one(self, record: RunRecord, line_up: list[Callable[[], None]], taken: TakenOver) -> None:
        """Raises ``ServerStopping``: this process is shutting down."""
        try:
            if (log := self._known(record) or await self._take_over(record, line_up)) is None:
                return
            taken.logs.append(log)
        except LogDamaged as damage:
            try:
                await end_damaged(self.store, record, damage, self.clock())
            except Exception:
                logger.exception("run %s cannot be ended", record.identity.run_id)
        except LogTooNew:
            taken.is_whole = False
            return
        except ServerStopping:
            raise
        except Exception:
            logger.exception("run %s cannot be taken over", record.identity.run_id)
        taken.count += 1

    async def take_over_one(self, record: RunRecord, on_durable: Callable[[RunLog], None]) -> None:
        """Take over a run whose process does not answer. Durable on return.

        Args:
            record: The run's record, with status ``running``.

        Raises:
            LogConflict: The run has moved since.
            LogDamaged: Its log cannot be read.
            ServerStopping: This process is shutting down.
        """
        line_up: list[Callable[[], None]] = []
        log = await self._take_over(record, line_up)
        if log is None:
            raise LogConflict(f"Run {record.identity.run_id} has moved.")
        for begin in line_up:
            begin()
        await log.committed(log.begin + 1)
        on_durable(log)

    async def after_rollback(self, name: str, on_durable: Callable[[RunLog], None]) -> None:
        """Restore runs after a database rollback: rewrite missing events of local runs, and take over ended runs that
        are open again, which name this process but are unknown to it. ``name``: Of this process."""
        self.executor.require_durable()
        while not self.executor.is_closing:
            try:
                taken = await self.take_over(OrphanedRuns(holder=name), name, on_durable)
            except JikkoError as error:
                logger.error("runs lost by a database rollback cannot be read, retrying: %s", error)
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            if taken.logs:
                logger.warning("%d runs are open again after a database rollback, and continue", len(taken.logs))
            await taken.durable()
            return

    async def take_waiting(self, run: WaitingRun) -> RunLog | None:
        """Queue another process's queued run here. ``None``: not queued any more. Raises ``JikkoError``: unreadable."""
        line_up: list[Callable[[], None]] = []
        record = await self.store.record(run.run_id)
        if record is None or (record.status, record.holder, record.epoch) != ("running", run.holder, run.epoch):
            return None
        log = await self._take_over(record, line_up, only_waiting=True)
        for begin in line_up:
            begin()
        return log

    async def workflow_of(self, log: RunLog) -> Workflow | None:
        """Return the workflow of a run to be continued. ``None``: it no longer exists, and the run was ended."""
        identity = log.record.identity
        try:
            app = await self.apps.app(identity.app_id)
            if app is None:
                raise NotFound("The app of the run was deleted.")
            return await self.workflows.get(app, identity.workflow_id)
        except (NotFound, InvalidDocument) as error:
            log.append([given_up(log.record, f"The run could not continue: {error}", self.clock())])
            return None

    def _known(self, record: RunRecord) -> RunLog | None:
        """Return the log of a run that this process is already taking over, because a command came twice."""
        held = self.executor.find(record.identity.run_id)
        if held is None or held.runner.has_ended:
            return None
        if held.log.record.epoch >= record.epoch:
            return held.log
        # The process that is gone now had taken it over, unnoticed here.
        release(held, record.epoch)
        return None

    async def _take_over(
        self, seen: RunRecord, line_up: list[Callable[[], None]], *, only_waiting: bool = False
    ) -> RunLog | None:
        """``None``: the run has moved since its record was seen, or has begun and is wanted only if queued."""
        events = await self.store.events(seen.identity.run_id)
        if not seen.is_known or any(isinstance(event, UnknownEvent) for event in events):
            raise LogTooNew(seen.identity.run_id)
        if only_waiting and has_begun(events):
            return None
        sizes = await sizes_of(events, self.store, TimeSlice(self.executor.share, seen.identity.app_id))
        # After the events: had another process taken it over before they were read, the fence would take this one's for
        # later.
        record = await self.store.record(seen.identity.run_id)
        if record is None or (record.status, record.holder, record.epoch) != (seen.status, seen.holder, seen.epoch):
            return None
        log = self.executor.log_of(record, events)
        log.memory.know(events, sizes)
        workflow = await self.workflow_of(log)
        if workflow is None:
            return log
        state = replayed(workflow, events, record.identity.run_id)
        event = recovered(state, record.epoch + 1, self.clock(), events[-1].at)
        why = "waited" if only_waiting else "parked" if isinstance(events[-1], RunParked) else "gone"
        self.executor.measures.takeovers.add(why)
        if has_begun(events):
            self.executor.go_on(log, workflow, state, event)
        else:
            line_up.append(partial(self.executor.line_up, log, workflow, [event]))
        return log


def is_among(record: RunRecord, orphans: OrphanedRuns, name: str) -> bool:
    """Return whether an open run is among orphaned runs. ``name``: The member that asks."""
    if orphans.holder:
        if record.holder != orphans.holder:
            return False
    elif server_of(record.holder) == server_of(name):
        return False
    return crc32(record.identity.run_id.encode()) % orphans.of == orphans.share


class PausedRuns(Struct, eq=False):
    """Submits the forms of paused runs, and ends them. All is durable on return.

    Each operation reads the log first and appends at the position where it ended. Of two processes that act on one run,
    the log refuses one (``LogConflict``), which locates the run again. In one process, a lock serialises them.
    """

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
