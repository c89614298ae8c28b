"""Taking over runs whose process is gone, and why a process that only seemed to be does no harm.

A run that goes on names its holder in its record, and counts in ``epoch`` how often it was taken over. Taking over is
no operation of its own: it is an append that begins with ``RunRecovered`` (or, of a paused run, ``RunResumed``).

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

The store takes an append only at the very end of an open log, and only from an epoch that is not below the record's.
From this follows, whatever members believe of each other, and however often and late they get ``TakeOver``:

1. A log has one history. Of two that take over, or resume, at once, the one whose append comes first has the run; the
   other is refused (``LogConflict``), forgets it, and nothing of what it did is in the log.
   So that this holds for what was decided before the append, too, record and log are read in this order: the record,
   to see that the run is an orphan; the log, which is folded; the record again, which must name the same holder and
   epoch. A log that is older than what it is appended to is refused by its position.
2. A zombie writes nothing: what it appends is refused, and at the first refusal it lets go of the run.
3. What has finished in the log is never run again: the new holder folds the log as it is, and its append is refused if
   anything came behind what it folded. What was under way runs again, with the same execution id.
4. A node with effects begins only once what led to it is durable, the take-over included, and so does each further try
   of one. If nothing was durable for some seconds before, its own start has to be: a process that stood still, or was
   cut off, is refused then. So an effect happens twice only if it was under way in the process that was taken for dead.
   A run that waits for its turn is taken over from a living process in the same way: it has begun nothing.
5. No run stays without a process, as long as the name of one that is gone does not come back: its runs name it, and are
   offered until they name another (``maintenance/record_watch.py``).
6. A database that goes on as a copy that lagged may have forgotten appends (docs/decisions/0089). Whom the record names
   writes again what is missing; of two that have come to the same epoch, since a take-over was forgotten, it names one.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from functools import partial
from zlib import crc32

from msgspec import Struct, field

from jikko.apps.versions import Workflow, Workflows
from jikko.concurrency.scheduler import TimeSlice
from jikko.engine.event_factory import recovered
from jikko.errors import InvalidDocument, JikkoError, LogConflict, LogDamaged, LogTooNew, NotFound, ServerStopping
from jikko.events import RunParked, UnknownEvent
from jikko.ports.clock import Clock
from jikko.ports.cluster import OrphanedRuns, WaitingRun, server_of
from jikko.ports.stores.run_store import RunStore
from jikko.record import RunRecord
from jikko.repositories.app_store import AppStore
from jikko.runs.activity import has_begun
from jikko.runs.endings import end_damaged, given_up, replayed
from jikko.runs.executor import Executor
from jikko.runs.peer_commands import release
from jikko.runs.run_log import RunLog
from jikko.runs.run_memory import sizes_of

logger = logging.getLogger(__name__)

_TRY_AGAIN_SECONDS = 1.0
_MAX_CONCURRENT_READS = 16
"""Runs that are read at once to be taken over: one by one, each waits for answers of the database, and all for all."""
_IN_A_BATCH = 64
"""Runs of which those that had begun go on before the others line up: the first, while many more are to be read."""


class TakenOver(Struct):
    """Open runs that a process found, and that go on in it."""

    on_durable: Callable[[RunLog], None]
    """Called with the log of each once it is."""
    count: int = 0
    """How many there were. One whose log is damaged has failed. One that cannot be taken over for another reason is
    logged, and stays open."""
    logs: list[RunLog] = field(default_factory=list)
    """Those that go on, or were ended."""
    is_whole: bool = True
    """Whether none was left to a process of a newer version, which alone can read it."""

    async def durable(self) -> None:
        """Wait until the records name this process as the holder."""
        for log in self.logs:
            # One that cannot be written has been logged by then, or is another process's.
            with contextlib.suppress(Exception):
                await log.committed(log.begin + 1)
                self.on_durable(log)


class Recovery:
    """Lets runs go on in this process whose own is gone."""

    def __init__(
        self, *, store: RunStore, apps: AppStore, workflows: Workflows, executor: Executor, clock: Clock
    ) -> None:
        self._store = store
        self._apps = apps
        self._workflows = workflows
        self._executor = executor
        self._clock = clock

    async def take_over(self, orphans: OrphanedRuns, name: str, on_durable: Callable[[RunLog], None]) -> TakenOver:
        """See ``Control.take_over``. Of each batch, those that had begun go on first, the others line up behind them.
        ``name``: what this process is called."""
        taken = TakenOver(on_durable)
        mine = []
        refused = await self._executor.refused.known()
        for record in await self._store.open_runs(orphans.holder or None):
            if not is_among(record, orphans, name):
                continue
            if record.identity.run_id in refused:
                await self._executor.refused.remove(record.identity.run_id)
                continue
            if not record.is_known:
                taken.is_whole = False
            elif orphans.holder != name or self._executor.find(record.identity.run_id) is None:
                mine.append(record)  # else it is here, and only its end may not be there yet
        for at in range(0, len(mine), _IN_A_BATCH):
            await self._take_batch(mine[at : at + _IN_A_BATCH], taken)
        return taken

    async def _take_batch(self, records: Sequence[RunRecord], taken: TakenOver) -> None:
        """Raises ``ServerStopping``: this process ends."""
        places = asyncio.Semaphore(_MAX_CONCURRENT_READS)
        lines: list[list[Callable[[], None]]] = [[] for _ in records]

        async def take(record: RunRecord, line_up: list[Callable[[], None]]) -> None:
            async with places:
                await self._take_one(record, line_up, taken)

        try:
            async with asyncio.TaskGroup() as taking:
                for record, line_up in zip(records, lines, strict=True):
                    taking.create_task(take(record, line_up))
        except* ServerStopping:
            # This process ends; the next one takes over what is left.
            raise ServerStopping from None
        for line_up in lines:
            for begin in line_up:
                begin()

    async def _take_one(self, record: RunRecord, line_up: list[Callable[[], None]], taken: TakenOver) -> None:
        """Raises ``ServerStopping``: this process ends."""
        try:
            if (log := self._known(record) or await self._take_over(record, line_up)) is None:
                return
            taken.logs.append(log)
        except LogDamaged as damage:
            await self._end_damaged(record, damage)
        except LogTooNew:
            taken.is_whole = False
            return
        except ServerStopping:
            raise
        except Exception:
            logger.exception("run %s cannot be taken over", record.identity.run_id)
        taken.count += 1

    async def take_over_one(self, record: RunRecord, on_durable: Callable[[RunLog], None]) -> None:
        """Take over a run whose process does not answer. Durable when this returns.

        Args:
            record: Of the run, whose status is ``running``.

        Raises:
            LogConflict: It has moved since.
            LogDamaged: Its log cannot be read.
            ServerStopping: This process ends.
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
        """The database may lack what it said to have. Runs that are here are written again, as far as they are missing.
        Those that had ended, and are open again, name this process, which does not know them any more: it takes them
        over. ``name``: what this process is called."""
        self._executor.require_durable()
        while not self._executor.is_closing:
            try:
                taken = await self.take_over(OrphanedRuns(holder=name), name, on_durable)
            except JikkoError as error:
                logger.error("runs that the database has forgotten cannot be looked for, trying again: %s", error)
                await asyncio.sleep(_TRY_AGAIN_SECONDS)
                continue
            if taken.logs:
                logger.warning("%d runs had ended, and the database has forgotten it: they go on", len(taken.logs))
            await taken.durable()
            return

    async def take_waiting(self, run: WaitingRun) -> RunLog | None:
        """Have a run wait here that waits at another process. ``None``: it does not wait there any more. Raises
        ``JikkoError``: it cannot be read."""
        line_up: list[Callable[[], None]] = []
        record = await self._store.record(run.run_id)
        if record is None or (record.status, record.holder, record.epoch) != ("running", run.holder, run.epoch):
            return None
        log = await self._take_over(record, line_up, only_waiting=True)
        for begin in line_up:
            begin()
        return log

    async def workflow_of(self, log: RunLog) -> Workflow | None:
        """The workflow of a run that is to go on. ``None``: there is none any more, and the log has its end."""
        identity = log.record.identity
        try:
            app = await self._apps.app(identity.app_id)
            if app is None:
                raise NotFound("The app of the run was deleted.")
            return await self._workflows.get(app, identity.workflow_id)
        except (NotFound, InvalidDocument) as error:
            log.append([given_up(log.record, f"The run could not go on: {error}", self._clock())])
            return None

    def _known(self, record: RunRecord) -> RunLog | None:
        """The log of a run that this process takes over already, since the same command came twice."""
        held = self._executor.find(record.identity.run_id)
        if held is None or held.runner.has_ended:
            return None
        if held.log.record.epoch >= record.epoch:
            return held.log
        # It was taken over by the one that is gone now, and this process has not noticed yet.
        release(held, record.epoch)
        return None

    async def _end_damaged(self, record: RunRecord, damage: LogDamaged) -> None:
        try:
            await end_damaged(self._store, record, damage, self._clock())
        except Exception:
            logger.exception("run %s cannot be ended", record.identity.run_id)

    async def _take_over(
        self, seen: RunRecord, line_up: list[Callable[[], None]], *, only_waiting: bool = False
    ) -> RunLog | None:
        """``None``: the run has moved since its record was seen, or has begun and is wanted only if it waits."""
        events = await self._store.events(seen.identity.run_id)
        if not seen.is_known or any(isinstance(event, UnknownEvent) for event in events):
            raise LogTooNew(seen.identity.run_id)
        if only_waiting and has_begun(events):
            return None
        sizes = await sizes_of(events, self._store, TimeSlice(self._executor.share, seen.identity.app_id))
        # Behind the events: had another taken it over before they were read, the fence would take this one's for later.
        record = await self._store.record(seen.identity.run_id)
        if record is None or (record.status, record.holder, record.epoch) != (seen.status, seen.holder, seen.epoch):
            return None
        log = self._executor.log_of(record, events)
        log.memory.know(events, sizes)
        workflow = await self.workflow_of(log)
        if workflow is None:
            return log
        state = replayed(workflow, events, record.identity.run_id)
        event = recovered(state, record.epoch + 1, self._clock(), events[-1].at)
        why = "waited" if only_waiting else "parked" if isinstance(events[-1], RunParked) else "gone"
        self._executor.measures.takeovers.add(why)
        if has_begun(events):
            self._executor.go_on(log, workflow, state, event)
        else:
            line_up.append(partial(self._executor.line_up, log, workflow, [event]))
        return log


def is_among(record: RunRecord, orphans: OrphanedRuns, name: str) -> bool:
    """Whether an open run is one of some orphaned runs. ``name``: the member that asks."""
    if orphans.holder:
        if record.holder != orphans.holder:
            return False
    elif server_of(record.holder) == server_of(name):
        return False
    return crc32(record.identity.run_id.encode()) % orphans.of == orphans.share
