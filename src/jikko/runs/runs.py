"""Runs: starting, following, stopping them, and taking over those whose process died."""

import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from jikko.apps.end_users import end_user
from jikko.apps.versions import Workflow, Workflows
from jikko.cluster.messages import Question
from jikko.cluster.peers import Alone, while_it_moves
from jikko.engine.limits import RunLimits
from jikko.engine.state import RunState
from jikko.errors import LogConflict, LogDamaged
from jikko.events import Event, FormClosed, RunStarted
from jikko.ids import is_uuid, new_id
from jikko.inputs.file_inputs import FileInputs
from jikko.inputs.variables import prepare
from jikko.ports.app_store import App, AppStore
from jikko.ports.clock import Clock
from jikko.ports.node_ports import NodePorts
from jikko.ports.peers import HolderGone, Peers
from jikko.ports.run_store import RunStore, StartOptions
from jikko.record import RunOwner, RunRecord
from jikko.runs.admission import Admission
from jikko.runs.commands import run_errand, stop_here
from jikko.runs.damaged_runs import append_end, end_damaged
from jikko.runs.executor import Executor
from jikko.runs.following import DrainGate, follow
from jikko.runs.history import History
from jikko.runs.paused_runs import PausedRuns
from jikko.runs.queued_run import opening
from jikko.runs.recovery import TakenOver, recover
from jikko.runs.run_log import Batch, RunLog
from jikko.values import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRequest:
    """What a client asks for."""

    inputs: Mapping[str, Json]
    user: str
    files: list[Json] | None = None
    workflow_id: str | None = None
    """A version; by default the current one."""
    base_url: str = ""
    """The address under which the client reached the server, for links to files."""
    acceptance: StartOptions | None = None
    """What is promised to the client by accepting the run."""


class Runs:
    """All runs of this process, and access to the records of all others."""

    def __init__(
        self,
        *,
        store: RunStore,
        apps: AppStore,
        workflows: Workflows,
        services: NodePorts,
        file_inputs: FileInputs,
        limits: RunLimits,
        admission: Admission | None = None,
        clock: Clock = time.time,
        peers: Peers | None = None,
    ) -> None:
        self._store = store
        self._apps = apps
        self._workflows = workflows
        self._file_inputs = file_inputs
        self._clock = clock
        self._peers = peers or Alone()
        self._executions = Executor(services, limits, admission or Admission(), clock, holder=self._peers.name)
        self._paused = PausedRuns(
            store=store,
            apps=apps,
            workflows=workflows,
            executions=self._executions,
            peers=self._peers,
            clock=clock,
        )
        self._departure = DrainGate()
        self.records = History(store)

    async def start(self, app: App, request: StartRequest) -> RunLog:
        """Begin a run. It goes on whatever becomes of the caller.

        Raises:
            InvalidParam: An input is missing or wrong. There is no run.
            NotFound: The app has no such version.
            KeyTaken: The idempotency key has a run already. There is no new one.
            TooManyRequests: The queue of the app is full, or the process is about to end.
        """
        self._executions.require_open()
        workflow = await self._workflows.get(app, request.workflow_id)
        end_user_id = end_user(app.id, request.user)
        files = self._file_inputs
        asker: Any = {"app_id": app.id, "end_user_id": end_user_id, "base_url": request.base_url}
        inputs = await prepare(
            workflow.inputs, request.inputs, partial(files.file, **asker), partial(files.file_list, **asker)
        )
        attached = await files.top_level(request.files, workflow.document.features, **asker) if request.files else []
        run_id = new_id()
        owner = RunOwner(
            run_id=run_id,
            task_id=new_id(),
            app_id=app.id,
            workflow_id=workflow.id,
            version=workflow.version,
            end_user_id=end_user_id,
            user=request.user,
        )
        now = self._clock()
        system = {
            "files": attached,
            "user_id": request.user,
            "app_id": app.id,
            "timestamp": int(now),
            "workflow_id": workflow.id,
            "workflow_run_id": run_id,
        }
        live = RunLog(self._store, RunRecord(owner=owner), acceptance=request.acceptance)
        started = RunStarted(at=now, inputs=inputs, system=system)
        if request.acceptance is None and self._executions.admission.take(app.id):
            self._executions.launch(live, workflow, RunState(workflow.graph), started)
        else:
            await self._executions.accept(live, workflow, opening(workflow.graph, started))
        return live

    async def accept(self, live: RunLog, workflow: Workflow, events: list[Event]) -> None:
        """Accept a run whose log begins with these events. See ``Executor.accept``."""
        await self._executions.accept(live, workflow, events)

    async def recover(self, concerned: Callable[[RunRecord], bool] = lambda record: True) -> TakenOver:
        """Take over runs that a process left behind.

        Args:
            concerned: Which of the open runs; all, by default, which is right before any run is started.
        """
        return await recover(
            store=self._store,
            apps=self._apps,
            workflows=self._workflows,
            executions=self._executions,
            clock=self._clock,
            concerned=concerned,
        )

    async def stop(self, app_id: str, task_id: str, user: str) -> bool:
        """Stop a run by its task id, or by its own: running, waiting for its turn, or paused.

        Returns:
            Whether one was stopped.
        """
        error = f"Workflow run was stopped by user {user}."
        if await while_it_moves(lambda: self._stop(app_id, task_id, error)):
            return True
        record = await self._find(app_id, task_id)
        if record is None or not record.is_open or not await self._is_stranded(record):
            return False
        await append_end(self._store, record, "stopped", error, self._clock())
        return True

    async def asked(self, question: Question) -> int | None:
        """Do something for another process. ``None``: the run is not here."""
        return await run_errand(question, self._executions.find)

    async def _stop(self, app_id: str, task_id: str, error: str) -> bool:
        held = self._executions.find_task(app_id, task_id)
        stopped = False if held is None else stop_here(*held, error)
        if stopped is None:
            raise HolderGone
        if stopped:
            return True
        record = await self._find(app_id, task_id)
        if record is None or not record.is_open:
            return False
        if record.status == "paused":
            return await self._paused.stop(record, error)
        if self._executions.find(record.owner.run_id) is not None:
            raise HolderGone  # It has gone on here while it was looked for.
        return await self._peers.stop(record, error)

    async def _find(self, app_id: str, task_id: str) -> RunRecord | None:
        record = await self._store.find_task(app_id, task_id)
        if record is None and is_uuid(task_id):
            record = await self._store.record(task_id, app_id)
        return record

    async def _is_stranded(self, record: RunRecord) -> bool:
        """Whether a run is nowhere because nobody can go on with it: its log cannot be read."""
        if self.live(record.owner.run_id) is not None:
            return False
        try:
            await self._store.events(record.owner.run_id)
        except LogDamaged:
            return True
        return False

    async def log(self, record: RunRecord) -> list[Event]:
        """The durable log of a run.

        Raises:
            LogDamaged: It cannot be read. If the run waits for humans, it has failed: it could not go on.
        """
        try:
            return await self._store.events(record.owner.run_id)
        except LogDamaged as damage:
            await self._give_up(record.owner.run_id, damage)
            raise

    async def _give_up(self, run_id: str, damage: LogDamaged) -> None:
        record = await self._store.record(run_id)
        if record is not None and record.status == "paused" and self.live(run_id) is None:
            # If somebody was faster, it has ended already, or goes on.
            with contextlib.suppress(LogConflict):
                await end_damaged(self._store, record, damage, self._clock())

    async def answer(self, record: RunRecord, closed: FormClosed) -> bool:
        """Hand in a form of a run; a paused run goes on. Durable when this returns.

        Returns:
            Whether the run was waiting for the form.
        """
        return await self._paused.answer(record, closed)

    def live(self, run_id: str) -> RunLog | None:
        """The run, if this process executes it."""
        found = self._executions.find(run_id)
        return found[0] if found else None

    def follow(
        self,
        record: RunRecord,
        after: int = -1,
        *,
        durable: bool = True,
        idle: float | None = None,
        through_pauses: bool = False,
    ) -> AsyncIterator[Batch]:
        """Yield the events of a run behind a position, then each new one, until it ends or pauses.

        See ``RunLog.follow``. Of a run that another process executes, only what is durable is shown; a paused one is
        looked at again and again.

        Args:
            after: A position behind the end of the log stands for the end.
            through_pauses: Stay while the run is paused, until it ends.

        Raises:
            RunLeft: This process ends, whichever executes the run.
            LogUnwritable: This process executes it, and cannot write its log.
            LogDamaged: Behind what was yielded, the log cannot be read. A run that waits for humans has failed then.
        """
        return follow(
            self._store,
            self.live,
            self._peers,
            record.owner.run_id,
            after,
            durable=durable,
            idle=idle,
            through_pauses=through_pauses,
            departure=self._departure,
            give_up=self._give_up,
        )

    async def close(self, grace: float) -> int:
        """Let the runs under way finish, then park the others for the next start.

        Whoever follows a run of another process here has until then, too.

        Args:
            grace: Seconds that runs have to finish.

        Returns:
            How many were parked.
        """
        until = time.monotonic() + grace
        parked = await self._executions.close(grace)
        await self._departure.depart(max(0.0, until - time.monotonic()))
        return parked
