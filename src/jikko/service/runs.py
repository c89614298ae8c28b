"""Runs: starting, following, stopping them, and taking over those whose process died."""

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from jikko.engine.limits import RunLimits
from jikko.engine.outcomes import recovered
from jikko.engine.state import RunState
from jikko.errors import InvalidDocument, LogConflict, NotFound
from jikko.events import Event, FormClosed, RunFinished, RunResumed, RunStarted
from jikko.ids import is_uuid, new_id
from jikko.ports.app_store import App, AppStore
from jikko.ports.clock import Clock
from jikko.ports.peers import HolderGone, Peers
from jikko.ports.run_store import Acceptance, LogPage, LogQuery, RunStore
from jikko.ports.services import Services
from jikko.record import NodeExecution, RunDetail, RunOwner, RunRecord, node_executions
from jikko.service.admission import Admission
from jikko.service.bus import Question
from jikko.service.errands import hand_in, run_errand
from jikko.service.executions import Executions, given_up
from jikko.service.file_inputs import FileInputs
from jikko.service.following import follow
from jikko.service.inputs import prepare
from jikko.service.live import Batch, LiveRun
from jikko.service.peers import Alone
from jikko.service.waiting import has_begun, opening
from jikko.service.workflows import Workflow, Workflows
from jikko.values import Json

log = logging.getLogger(__name__)

_MOVING = 10.0
"""Seconds for which a run may be in no process: its own has died, and another is about to take it over."""
_LOOK_AGAIN = 0.05
"""Seconds between looks at a run that is moving."""
_END_USERS = uuid.UUID("b6f1f0f4-3c1b-4b0e-9f57-6d8a3b8f1c20")


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
    acceptance: Acceptance | None = None
    """What is promised to the client by accepting the run."""


class Runs:
    """All runs of this process, and access to the records of all others."""

    def __init__(
        self,
        *,
        store: RunStore,
        apps: AppStore,
        workflows: Workflows,
        services: Services,
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
        self._executions = Executions(services, limits, admission or Admission(), clock, holder=self._peers.name)
        self._answering: dict[str, asyncio.Lock] = {}

    async def start(self, app: App, request: StartRequest) -> LiveRun:
        """Begin a run. It goes on whatever becomes of the caller.

        Raises:
            InvalidParam: An input is missing or wrong. There is no run.
            NotFound: The app has no such version.
            KeyTaken: The idempotency key has a run already. There is no new one.
            TooManyRequests: The queue of the app is full, or the process is about to end.
        """
        self._executions.require_open()
        workflow = await self._workflow(app, request.workflow_id)
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
        live = LiveRun(self._store, RunRecord(owner=owner), acceptance=request.acceptance)
        started = RunStarted(at=now, inputs=inputs, system=system)
        if request.acceptance is None and self._executions.admission.take(app.id):
            self._executions.launch(live, workflow, RunState(workflow.graph), started)
        else:
            await self._executions.accept(live, workflow, opening(workflow.graph, started))
        return live

    async def accept(self, live: LiveRun, workflow: Workflow, events: list[Event]) -> None:
        """Accept a run whose log begins with these events. See ``Executions.accept``."""
        await self._executions.accept(live, workflow, events)

    async def recover(self, concerned: Callable[[RunRecord], bool] = lambda record: True) -> int:
        """Take over runs that a process left behind.

        Args:
            concerned: Which of the open runs; all, by default, which is right before any run is started.

        Returns:
            How many there were.
        """
        records = [record for record in await self._store.open_runs() if concerned(record)]
        waiting: list[Callable[[], None]] = []
        for record in records:
            try:
                await self._take_over(record, waiting)
            except Exception:
                log.exception("run %s cannot be taken over", record.owner.run_id)
        # Those that had begun have their slots by now.
        for line_up in waiting:
            line_up()
        return len(records)

    async def stop(self, app_id: str, task_id: str, user: str) -> bool:
        """Stop a run by its task id, or by its own: running, waiting for its turn, or paused.

        Returns:
            Whether one was stopped.
        """
        error = f"Workflow run was stopped by user {user}."
        return await self._while_it_moves(lambda: self._stop(app_id, task_id, error))

    async def asked(self, question: Question) -> int | None:
        """Do something for another process. ``None``: the run is not here."""
        return await run_errand(question, self._executions.find)

    async def _while_it_moves(self, attempt: Callable[[], Awaitable[bool]]) -> bool:
        """Try until the run is found where its record says that it is."""
        until = asyncio.get_running_loop().time() + _MOVING
        while True:
            try:
                return await attempt()
            except (HolderGone, LogConflict):
                if asyncio.get_running_loop().time() > until:
                    return False
                await asyncio.sleep(_LOOK_AGAIN)

    async def _stop(self, app_id: str, task_id: str, error: str) -> bool:
        if self._executions.stop(app_id, task_id, error):
            return True
        record = await self._store.find_task(app_id, task_id)
        if record is None and is_uuid(task_id):
            record = await self._store.record(task_id, app_id)
        if record is None or not record.is_open:
            return False
        if record.status == "paused":
            return await self._stop_paused(record, error)
        return await self._peers.stop(record, error)

    async def _stop_paused(self, record: RunRecord, error: str) -> bool:
        """End a run that waits for humans. Durable when this returns.

        Raises:
            HolderGone, LogConflict: It has just gone on.
        """
        run_id = record.owner.run_id
        async with self._answering.setdefault(run_id, asyncio.Lock()):
            try:
                current = await self._store.record(run_id)
                if current is None or not current.is_open:
                    return False
                if current.status != "paused" or self.live(run_id) is not None:
                    raise HolderGone
                end = RunFinished(
                    at=self._clock(),
                    status="stopped",
                    error=error,
                    elapsed=current.elapsed,
                    total_tokens=current.total_tokens,
                    total_steps=current.total_steps,
                )
                live = LiveRun(self._store, current, await self._store.events(run_id))
                live.append([end])
                await live.committed()
            finally:
                self._answering.pop(run_id, None)
        return True

    async def answer(self, record: RunRecord, closed: FormClosed) -> bool:
        """Hand in a form of a run; a paused run goes on. Durable when this returns.

        Returns:
            Whether the run was waiting for the form.
        """
        run_id = record.owner.run_id
        async with self._answering.setdefault(run_id, asyncio.Lock()):
            try:
                return await self._while_it_moves(lambda: self._answer(run_id, closed))
            finally:
                self._answering.pop(run_id, None)

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
        app = await self._apps.app(record.owner.app_id)
        if app is None:
            return False
        workflow = await self._workflow(app, record.owner.workflow_id)
        events = await self._store.events(run_id)
        state = RunState(workflow.graph)
        state.replay(workflow.secrets.reveal(event) for event in events)
        if closed.execution_id not in state.waiting:
            return False
        live = LiveRun(self._store, record, events)
        self._executions.go_on(live, workflow, state, RunResumed(at=self._clock()), closed)
        await live.committed(len(events) + 1)
        return True

    async def record(self, app_id: str, run_id: str) -> RunRecord:
        """The record of a run of an app.

        Raises:
            NotFound: There is no such run, or it is another app's.
        """
        record = await self._store.record(run_id, app_id) if is_uuid(run_id) else None
        if record is None:
            raise NotFound("Workflow run not found.")
        return record

    async def detail(self, key: bytes, run_id: str) -> RunDetail | None:
        """What run detail shows of a run of the app that a key opens; ``None`` if there is no such run.

        The short way to a record: it does not tell what is wrong, nor does it count the request.

        Args:
            key: Its digest.
        """
        return await self._store.detail(run_id, key)

    async def any_record(self, run_id: str) -> RunRecord:
        """The record of a run of whatever app; for the operator, not for clients.

        Raises:
            NotFound: There is no such run.
        """
        record = await self._store.record(run_id) if is_uuid(run_id) else None
        if record is None:
            raise NotFound(f"There is no run {run_id!r}.")
        return record

    async def events(self, record: RunRecord, after: int = -1) -> list[Event]:
        """The durable log of a run behind a position."""
        return await self._store.events(record.owner.run_id, after=after)

    async def node_executions(self, record: RunRecord) -> list[NodeExecution]:
        """The node executions of a run, in order of start."""
        return node_executions(await self.events(record), status=record.status, error=record.error)

    async def find(self, query: LogQuery) -> LogPage:
        return await self._store.list_runs(query)

    def live(self, run_id: str) -> LiveRun | None:
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

        See ``LiveRun.follow``. Of a run that another process executes, only what is durable is shown; a paused one is
        looked at again and again.

        Args:
            through_pauses: Stay while the run is paused, until it ends.
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
        )

    async def close(self, grace: float) -> int:
        """Let the runs under way finish, then park the others for the next start.

        Args:
            grace: Seconds that runs have to finish.

        Returns:
            How many were parked.
        """
        return await self._executions.close(grace)

    async def _workflow(self, app: App, workflow_id: str | None) -> Workflow:
        return await self._workflows.get(app, workflow_id)

    async def _take_over(self, record: RunRecord, waiting: list[Callable[[], None]]) -> None:
        owner = record.owner
        events = await self._store.events(owner.run_id)
        epoch = record.epoch + 1
        live = LiveRun(self._store, record, events)
        app = await self._apps.app(owner.app_id)
        try:
            if app is None:
                raise NotFound("The app of the run was deleted.")
            workflow = await self._workflow(app, owner.workflow_id)
        except (NotFound, InvalidDocument) as error:
            live.append([given_up(record, str(error), self._clock())])
            await live.committed()
            return
        state = RunState(workflow.graph)
        state.replay(workflow.secrets.reveal(event) for event in events)
        event = recovered(state, epoch, self._clock())
        if has_begun(events):
            self._executions.go_on(live, workflow, state, event)
        else:
            waiting.append(partial(self._executions.line_up, live, workflow, [event]))


@lru_cache(maxsize=10_000)
def end_user(app_id: str, user: str) -> str:
    """The id of the end user behind a ``user`` text: the same whenever it is asked for."""
    return str(uuid.uuid5(_END_USERS, f"{app_id}/{user}"))
