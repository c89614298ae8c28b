"""Where a run is, and what can be done to it there. No other module decides that.

=====================  ============================================  ==============================================
place                  how it is known                               stop, submit a form
=====================  ============================================  ==============================================
here, executing        the executor has it, with a ``Runner``        the runner does it
here, queued           the executor has it, with a ``QueuedRun``     ends it; it waits for no form
paused                 its record says so, and names no holder       ends it in its log; takes it in, and executes it
with another process   its record is ``running``, names its holder   a request to the holder; without an answer a stop
                                                                     goes into the record, and a form takes the run over
=====================  ============================================  ==============================================

A run moves while it is looked for: it pauses, a process gets its form and resumes it, its holder dies and another takes
it over. What was decided on an old view fails (no holder, or the fence of the log refuses), changes nothing, and is
decided again, for some seconds. Following a run is the same for all places: see ``runs/following/run_reader.py``.
Taking over the runs of a process that died: see ``runs/recovery.py``.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from weakref import WeakValueDictionary

from jikko.apps.versions import Workflows
from jikko.errors import LogConflict, LogDamaged
from jikko.events import Event, FormClosed, RunFinished, RunPaused, RunResumed
from jikko.ids import is_uuid
from jikko.ports.clock import Clock
from jikko.ports.cluster import (
    Answer,
    Cluster,
    Command,
    JobDue,
    OrphanedRuns,
    RunChanged,
    StopRun,
    SubmitForm,
)
from jikko.ports.stores.app_store import AppStore
from jikko.ports.stores.run_store import RunStore
from jikko.record import RunRecord
from jikko.runs.endings import append_end, end_damaged, replayed
from jikko.runs.executor import Executor, HeldRun
from jikko.runs.following.run_reader import RunReader
from jikko.runs.following.run_tail import LOOK_SECONDS, RunTails
from jikko.runs.queued_run import QueuedRun
from jikko.runs.recovery import Recovery, TakenOver
from jikko.runs.run_log import RunLog
from jikko.runs.sharing.commands import done_here, is_closed, stop_here, submit_here
from jikko.runs.sharing.newer_runs import asked_newer, for_older
from jikko.runs.sharing.offering import Offering
from jikko.runs.sharing.room import Room

_MOVING_SECONDS = 10.0
"""For how long a run may be nowhere: its holder has died, and another process is about to take it over."""
_OUT_OF_REACH_SECONDS = 2.0
"""After which the holder of a run that does not answer is out of reach."""
_RUNS_TO_INDEX = 64
"""After how many ended runs the index of keywords is due."""
_FIRST_WAIT_SECONDS, _MAX_WAIT_SECONDS = 0.02, 0.5
"""Between looks for a run that is moving: they become rarer."""


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
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        """Args:
        look_seconds: See ``RunTail``.
        """
        self._store = store
        self._executor = executor
        self._cluster = cluster
        self._clock = clock
        self._tails = RunTails(store, cluster, executor.executes, look_seconds, executor.measure_lag)
        self._recovery = Recovery(store=store, apps=apps, workflows=workflows, executor=executor, clock=clock)
        self.room = Room(executor.admission, self._recovery, cluster, self._changed)
        self.offering = Offering(executor, cluster.name, clock)
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """By run; there while a task holds it or waits for it."""
        self._ended_runs = 0
        executor.on_moved = self._tails.wake
        executor.on_durable = self._on_durable
        store.on_gone_back = lambda: executor.start(self._recovery.after_going_back(cluster.name, self._changed))

    # The four acts.

    async def stop(self, app_id: str, run_or_task_id: str, user: str) -> bool:
        """Stop a run of an app, by its task id or by its own. Durable when this returns.

        Returns:
            Whether one was stopped: ``False`` if there is none, or it had ended.
        """
        wanted = run_or_task_id.lower()
        run_id = self._executor.run_of(app_id, wanted)
        if run_id is None:
            record = await self._store.find_task(app_id, wanted)
            if record is None and is_uuid(wanted):
                record = await self._store.record(wanted, app_id)
            if record is None or not record.is_open:
                return False
            run_id = record.identity.run_id
        error = f"Workflow run was stopped by user {user}."

        async def stop_paused(record: RunRecord) -> bool:
            return await self._end_paused(record, error)

        async def stop_by_record(record: RunRecord) -> bool:
            # The holder, if it lives, is refused at its next append, and lets go of the run.
            await append_end(self._store, record, "stopped", error, self._clock())
            self._ended(run_id)
            return True

        stopped, asked = await self._act(
            run_id,
            lambda held: stop_here(held, error),
            stop_paused,
            StopRun(run_id=run_id, error=error),
            stop_by_record,
        )
        if stopped:
            return True
        return await self._is_stopped(run_id, error, asked)

    async def submit(self, run_id: str, closed: FormClosed) -> bool:
        """Submit a form of a run; a paused run goes on. Durable when this returns.

        Returns:
            Whether the run was waiting for the form.

        Raises:
            TooManyRequests: The process is about to end; the form is as it was.
            LogDamaged: The log of the run cannot be read. The run has failed.
        """

        command = SubmitForm(run_id=run_id, closed=closed)

        async def submit_to_paused(record: RunRecord) -> bool:
            if not record.is_known:
                return await asked_newer(self._cluster, command)
            try:
                return await self._resume(record, closed)
            except LogDamaged as damage:
                await end_damaged(self._store, record, damage, self._clock())
                self._ended(run_id)
                raise

        async def submit_and_take_over(record: RunRecord) -> bool:
            await self._recovery.take_over_one(record, self._changed)
            held = self._executor.find(run_id)
            return held is not None and await submit_here(held, closed)

        async with self._lock(run_id):
            submitted, asked = await self._act(
                run_id,
                lambda held: submit_here(held, closed),
                submit_to_paused,
                command,
                submit_and_take_over,
            )
        return submitted or (asked and closed in await self._store.events(run_id))

    def reader(self, record: RunRecord) -> RunReader:
        """A run to be followed, wherever it is. See ``RunReader.follow``.

        Args:
            record: The run's, read lately.
        """
        return RunReader(record, self._store, self._log, self._tails, self._give_up, share=self._executor.share)

    def followed(self, log: RunLog) -> RunLog | RunReader:
        """A run that has just come to this process, for one who follows it: another process may take it while it waits
        for its turn."""
        held = self._executor.find(log.record.identity.run_id)
        return self.reader(log.record) if held is not None and isinstance(held.runner, QueuedRun) else log

    async def take_over(self, orphans: OrphanedRuns | None = None) -> TakenOver:
        """Take over runs that another process left behind.

        Args:
            orphans: Which; by default those of every earlier server.

        Raises:
            TooManyRequests: The process is about to end.
            StoreUnavailable: Runs cannot be read.
        """
        return await self._recovery.take_over(orphans or OrphanedRuns(), self._cluster.name, self._changed)

    # What the acts of other processes, and their hints, come down to here.

    async def handle_command(self, command: Command) -> Answer:
        """See ``Member.handle_command``."""
        held = self._executor.find(command.run_id)
        if held is not None:
            return await done_here(held, command, self._clock)
        if isinstance(command, SubmitForm):
            return await for_older(self._store, command, self.submit)
        return None

    def run_changed(self, run_id: str) -> None:
        """Another process has changed a run: those who follow it here look at it."""
        self._tails.wake(run_id)

    # For those who show runs.

    async def shown(self, record: RunRecord) -> list[Event]:
        """What may be shown of a run so far: of one that is here, also what is not durable yet."""
        log = self._log(record.identity.run_id)
        return await self.events(record) if log is None else log.shown

    def executes(self, run_id: str) -> bool:
        """Whether this process executes a run, or will; for tests and figures."""
        return self._executor.executes(run_id)

    async def drain(self, seconds: float) -> None:
        """See ``RunTails.drain``."""
        await self._tails.drain(seconds)

    def _on_durable(self, log: RunLog) -> None:
        """The end, or a pause, of a run is durable: tell the leader what is due because of it."""
        record = log.record
        if record.status == "paused":
            if record.wake_at is not None:
                self._cluster.hint(JobDue(job="forms", at=record.wake_at))
            return
        if record.is_open:
            return
        if log.may_have_callback:
            self._cluster.hint(JobDue(job="callbacks", at=self._clock()))
        self._ended_runs += 1
        if self._ended_runs % _RUNS_TO_INDEX == 0:
            self._cluster.hint(JobDue(job="keywords", at=self._clock()))

    # How they are done.

    async def _act(
        self,
        run_id: str,
        here: Callable[[HeldRun], Awaitable[bool]],
        paused: Callable[[RunRecord], Awaitable[bool]],
        command: Command,
        out_of_reach: Callable[[RunRecord], Awaitable[bool]] | None = None,
    ) -> tuple[bool, bool]:
        """Do something to a run where it is.

        Args:
            out_of_reach: What is done if its holder has not answered for a while: it hangs, or messages are lost.

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
                    # It has just ended or paused; what it wrote must be there before it is read.
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
                    if out_of_reach is not None and loop.time() >= began + _OUT_OF_REACH_SECONDS:
                        return await out_of_reach(record), asked
            except LogConflict:
                pass  # another process was quicker
            if loop.time() >= began + _MOVING_SECONDS:
                return False, asked
            await asyncio.sleep(wait)
            wait = min(2 * wait, _MAX_WAIT_SECONDS)

    async def _resume(self, record: RunRecord, closed: FormClosed) -> bool:
        """Raises:
        LogConflict: Another process has done something to the run meanwhile.
        TooManyRequests: The process is about to end.
        """
        log = await self._paused_log(record)
        workflow = await self._recovery.workflow_of(log)
        if workflow is None:
            await log.committed()
            self._changed(log)
            return False
        state = replayed(workflow, list(log.events), record.identity.run_id)
        if closed.execution_id not in state.waiting:
            return False
        self._executor.go_on(log, workflow, state, RunResumed(at=self._clock()), closed)
        went_on = await is_closed(log, closed)
        self._changed(log)
        return went_on

    async def _end_paused(self, record: RunRecord, error: str) -> bool:
        """Raises:
        LogConflict: Another process has done something to the run meanwhile.
        """
        run_id = record.identity.run_id
        async with self._lock(run_id):
            try:
                log = await self._paused_log(record)
            except LogDamaged:
                await append_end(self._store, record, "stopped", error, self._clock())
                self._ended(run_id)
                return True
            end = RunFinished(
                at=self._clock(),
                status="stopped",
                error=error,
                elapsed=record.elapsed,
                total_tokens=record.total_tokens,
                total_steps=record.total_steps,
            )
            log.append([end])
            await log.committed()
        self._changed(log)
        return True

    async def _is_stopped(self, run_id: str, error: str, asked: bool) -> bool:
        """Whether a run that could not be stopped where it was is stopped in the end: the answer of another process may
        have been lost.

        One whose log cannot be read cannot go on, and is stopped in its record.
        """
        record = await self._store.record(run_id)
        if record is None or not record.is_open or self._executor.find(run_id) is not None:
            return asked and record is not None and (record.status, record.error) == ("stopped", error)
        try:
            await self._store.events(run_id)
        except LogDamaged:
            await append_end(self._store, record, "stopped", error, self._clock())
            self._ended(run_id)
            return True
        return False

    async def events(self, record: RunRecord) -> list[Event]:
        """The durable log of a run.

        Raises:
            LogDamaged: It cannot be read. If the run waits for humans, it has failed: it could not go on.
        """
        try:
            return await self._store.events(record.identity.run_id)
        except LogDamaged as damage:
            await self._give_up(record.identity.run_id, damage)
            raise

    async def _give_up(self, run_id: str, damage: LogDamaged) -> None:
        record = await self._store.record(run_id)
        if record is not None and record.status == "paused" and self._executor.find(run_id) is None:
            # If another process was quicker, it has ended already, or goes on.
            with contextlib.suppress(LogConflict):
                await end_damaged(self._store, record, damage, self._clock())
                self._ended(run_id)

    def _ended(self, run_id: str) -> None:
        """A run that no process executed was ended: its followers and its call-back get a hint."""
        self._cluster.hint(RunChanged(run_id))
        self._cluster.hint(JobDue(job="callbacks", at=self._clock()))

    def _changed(self, log: RunLog) -> None:
        self._cluster.hint(RunChanged(log.record.identity.run_id))
        if not log.record.is_open:
            self._on_durable(log)

    async def _paused_log(self, record: RunRecord) -> RunLog:
        """Raises:
        LogConflict: The run has gone on since its record was read.
        """
        events = await self._store.events(record.identity.run_id)
        # Behind the events: what is newer than these is refused by their position.
        current = await self._store.record(record.identity.run_id)
        if current is None or current.status != "paused" or not events or not isinstance(events[-1], RunPaused):
            raise LogConflict(f"Run {record.identity.run_id} is not paused any more.")
        return self._executor.log_of(current, events)

    def _log(self, run_id: str) -> RunLog | None:
        held = self._executor.find(run_id)
        return None if held is None else held.log

    def _lock(self, run_id: str) -> asyncio.Lock:
        return self._locks.setdefault(run_id, asyncio.Lock())
