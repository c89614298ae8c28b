"""Control of runs: locates a run and acts on it there. No other module decides that.

=====================  ============================================  ==============================================
place                  how it is known                               stop, submit a form
=====================  ============================================  ==============================================
here, executing        the executor has it, with a ``Runner``        the runner does it
here, queued           the executor has it, with a ``QueuedRun``     ends it; it waits for no form
paused                 its record says so, and names no holder       ends it in its log; takes the form, executes it
with another process   its record is ``running``, names its holder   a request to the holder; without an answer a stop
                                                                     goes into the record, and a form takes the run over
=====================  ============================================  ==============================================

A run may move during the lookup: it pauses, a process gets its form and resumes it, its holder dies and another takes
it over. A decision based on an old view fails (no holder, or the log's fence refuses it), changes nothing, and is
retried for some seconds. Following a run is the same for all places: see ``runs/following/run_reader.py``. Taking over
the runs of a dead process: see ``runs/recovery.py``.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from jikko.apps.versions import Workflows
from jikko.errors import LogConflict, LogDamaged
from jikko.events import Event, FormClosed
from jikko.ids import is_uuid
from jikko.ports.clock import Clock
from jikko.ports.cluster import Answer, Cluster, Command, EndServer, OrphanedRuns, StopRun, SubmitForm
from jikko.ports.stores.run_store import RunStore
from jikko.record import RunRecord
from jikko.repositories.app_store import AppStore
from jikko.runs.endings import append_end
from jikko.runs.executor import Executor, RunHandle
from jikko.runs.following.quiet_runs import QUIET_SECONDS
from jikko.runs.following.run_reader import RunReader
from jikko.runs.following.run_tail import RunTails
from jikko.runs.offer_queue import OfferQueue, WorkStealing
from jikko.runs.peer_commands import RunHints, done_here, for_older, stop_here, submit_here, submit_to_newer_member
from jikko.runs.queued_run import QueuedRun
from jikko.runs.recovery import PausedRuns, Recovery, TakenOver
from jikko.runs.run_log import RunLog

_MOVING_SECONDS = 10.0
"""Seconds for which a run may have no process: its holder has died, and another is about to take it over."""
_OUT_OF_REACH_SECONDS = 2.0
"""Seconds without an answer after which a run's holder is out of reach."""
_FIRST_WAIT_SECONDS, _MAX_WAIT_SECONDS = 0.02, 0.5
"""Intervals of the lookup of a moving run, which grow."""


class Control:
    """Stops, follows and takes over runs, and submits their forms, wherever they are."""

    def __init__(
        self,
        *,
        store: RunStore,
        apps: AppStore,
        workflows: Workflows,
        executor: Executor,
        cluster: Cluster,
        clock: Clock,
        look_seconds: float = QUIET_SECONDS,
    ) -> None:
        """``look_seconds``: See ``RunTails``."""
        self._store = store
        self._executor = executor
        self._cluster = cluster
        self._clock = clock
        self._hints = RunHints(cluster, clock)
        self._tails = RunTails(store, cluster, executor.executes, look_seconds, executor.measure_lag)
        self._recovery = Recovery(store=store, apps=apps, workflows=workflows, executor=executor, clock=clock)
        self.room = WorkStealing(executor.admission, self._recovery, cluster, self._hints.changed)
        self.offering = OfferQueue(executor, cluster.name, clock)
        self._paused = PausedRuns(
            store=store, executor=executor, recovery=self._recovery, clock=clock, hints=self._hints
        )
        executor.followed, executor.on_moved = self._tails.followed, self._tails.wake
        self.run_changed = self._tails.wake
        """Wakes the local followers of a run that another process has changed."""
        self.start_was_refused = executor.refused.note
        """See ``StartWasRefused``."""
        executor.on_durable = self._hints.durable
        executor.refused.tell = self._hints.refused
        store.on_rollback = lambda: executor.start(self._recovery.after_rollback(cluster.name, self._hints.changed))

    # The four acts.

    async def stop(
        self, app_id: str, run_or_task_id: str, user: str, *, only_of: str | None = None, only_waiting: bool = False
    ) -> bool:
        """Stop a run of an app, by task id or run id. Durable on return.

        Args:
            only_of: An end user, to leave runs of others alone.
            only_waiting: Leave a run alone that has begun.

        Returns:
            Whether a run was stopped: ``False`` if there is none, or it had ended.
        """
        wanted = run_or_task_id.lower()
        run_id = self._executor.run_of(app_id, wanted)
        if run_id is not None and only_of is not None and self._executor.end_user_of(run_id) != only_of:
            return False
        if run_id is None:
            record = await self._store.find_task(app_id, wanted)
            if record is None and is_uuid(wanted):
                record = await self._store.record(wanted, app_id)
            if record is None or not record.is_open or only_of not in (None, record.identity.end_user_id):
                return False
            run_id = record.identity.run_id
        error = f"Workflow run was stopped by user {user}."

        async def stop_paused(record: RunRecord) -> bool:
            if not only_waiting:
                await self._paused.end(record, error)
            return not only_waiting

        async def stop_by_record(record: RunRecord) -> bool:
            if only_waiting:
                return False
            # A living holder is refused at its next append, and lets go of the run.
            await append_end(self._store, record, "stopped", error, self._clock())
            self._hints.ended(run_id)
            return True

        stopped, asked = await self._act(
            run_id,
            lambda held: stop_here(held, error, only_waiting),
            stop_paused,
            StopRun(run_id=run_id, error=error, only_waiting=only_waiting),
            stop_by_record,
        )
        if stopped or only_waiting:
            return stopped
        return await self._is_stopped(run_id, error, asked)

    async def submit(self, run_id: str, closed: FormClosed) -> bool:
        """Submit a form of a run; a paused run continues. Durable on return.

        Returns:
            Whether the run was waiting for the form.

        Raises:
            ServerStopping: The process is shutting down; the form is unchanged.
            LogDamaged: The run's log cannot be read. The run has failed.
        """

        command = SubmitForm(run_id=run_id, closed=closed)

        async def submit_to_paused(record: RunRecord) -> bool:
            if not record.is_known:
                return await submit_to_newer_member(self._cluster, command)
            return await self._paused.submit(record, closed)

        async def submit_and_take_over(record: RunRecord) -> bool:
            await self._recovery.take_over_one(record, self._hints.changed)
            held = self._executor.find(run_id)
            return held is not None and await submit_here(held, closed)

        async with self._paused.lock(run_id):
            submitted, asked = await self._act(
                run_id, lambda held: submit_here(held, closed), submit_to_paused, command, submit_and_take_over
            )
        return submitted or (asked and closed in await self._store.events(run_id))

    def reader(self, record: RunRecord) -> RunReader:
        """Return a reader of a run, wherever it is. See ``RunReader.follow``. ``record``: Its recently read record."""
        return RunReader(record, self._store, self._log, self._tails, self._paused.give_up, share=self._executor.share)

    def followed(self, log: RunLog) -> RunLog | RunReader:
        """Return a follower's view of a new run of this process: another one may take it while it is queued."""
        held = self._executor.find(log.record.identity.run_id)
        return self.reader(log.record) if held is not None and isinstance(held.runner, QueuedRun) else log

    async def take_over(self, orphans: OrphanedRuns | None = None) -> TakenOver:
        """Take over runs left behind by another process.

        Args:
            orphans: Which; by default those of every earlier server.

        Raises:
            ServerStopping: The process is shutting down.
            StoreUnavailable: Runs cannot be read.
        """
        return await self._recovery.take_over(orphans or OrphanedRuns(), self._cluster.name, self._hints.changed)

    # Local effects of other processes' commands and hints.

    async def handle_command(self, command: Command) -> Answer:
        """See ``Member.handle_command``."""
        if isinstance(command, EndServer):
            return None  # of no run
        held = self._executor.find(command.run_id)
        if held is not None:
            return await done_here(held, command, self._clock)
        if isinstance(command, SubmitForm):
            return await for_older(self._store, command, self.submit)
        return None

    # For showing runs.

    async def shown(self, record: RunRecord) -> list[Event]:
        """Return the visible events of a run, including those of a local run that are not durable yet."""
        log = self._log(record.identity.run_id)
        if log is None:
            return await self.events(record)
        first, shown = log.first, list(log.events[: log.visible_count - log.first])
        return [*(await self.events(record))[:first], *shown] if first else shown

    async def drain(self, seconds: float) -> None:
        """See ``RunTails.drain``."""
        await self._tails.drain(seconds)

    # Implementation.

    async def _act(
        self,
        run_id: str,
        here: Callable[[RunHandle], Awaitable[bool]],
        paused: Callable[[RunRecord], Awaitable[bool]],
        command: Command,
        out_of_reach: Callable[[RunRecord], Awaitable[bool]],
    ) -> tuple[bool, bool]:
        """Act on a run where it is.

        Args:
            out_of_reach: Fallback when its holder has not answered for a while: it hangs, or messages are lost.

        Returns:
            Whether it was done, and whether another process was asked, so that it may have been done in any case.
        """
        loop = asyncio.get_running_loop()
        began, wait, asked = loop.time(), _FIRST_WAIT_SECONDS, False
        while True:
            try:
                held = self._executor.find(run_id)
                if held is not None and not held.runner.has_ended:
                    return await here(held), asked
                if held is not None:
                    # It has just ended or paused; its writes must be durable before it is read.
                    await held.log.committed()
                record = await self._store.record(run_id)
                if record is None or not record.is_open:
                    return False, asked
                if record.status == "paused":
                    return await paused(record), asked
                if record.holder and record.holder != self._cluster.name:
                    asked = True
                    answer = await self._cluster.request(record.holder, command)
                    if answer is not None:
                        return answer is not False, asked
                    if loop.time() >= began + _OUT_OF_REACH_SECONDS:
                        return await out_of_reach(record), asked
            except LogConflict:
                pass  # another process was faster
            if loop.time() >= began + _MOVING_SECONDS:
                return False, asked
            await asyncio.sleep(wait)
            wait = min(2 * wait, _MAX_WAIT_SECONDS)

    async def _is_stopped(self, run_id: str, error: str, asked: bool) -> bool:
        """Return whether a run that could not be stopped in place is stopped in the end: another process's answer may
        have been lost.

        A run with an unreadable log cannot continue, and is stopped in its record.
        """
        record = await self._store.record(run_id)
        if record is None or not record.is_open or self._executor.find(run_id) is not None:
            return asked and record is not None and (record.status, record.error) == ("stopped", error)
        try:
            await self._store.events(run_id)
        except LogDamaged:
            with contextlib.suppress(LogConflict):
                await append_end(self._store, record, "stopped", error, self._clock())
                self._hints.ended(run_id)
                return True
        return False

    async def events(self, record: RunRecord) -> list[Event]:
        """Return the run's durable log. Raises ``LogDamaged``: it cannot be read, and a paused run has failed."""
        try:
            return await self._store.events(record.identity.run_id)
        except LogDamaged as damage:
            await self._paused.give_up(record.identity.run_id, damage)
            raise

    def _log(self, run_id: str) -> RunLog | None:
        held = self._executor.find(run_id)
        return None if held is None else held.log
