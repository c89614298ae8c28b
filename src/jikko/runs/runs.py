"""Facade of runs: starts them, once for each idempotency key, and gives access to all other operations."""

import hashlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct

from jikko.apps.end_users import end_user
from jikko.apps.versions import Workflow, Workflows, require_trigger
from jikko.concurrency.scheduler import TimeSlice
from jikko.engine.state import RunState
from jikko.errors import Conflict, InvalidParam, KeyTaken, NotFound, StartRefused
from jikko.events import Event, RunStarted
from jikko.inputs.file_inputs import FileInputs
from jikko.inputs.run_inputs import has_large_inputs, inputs_in_slices, prepare
from jikko.log_context import log_context
from jikko.ports.clock import Clock
from jikko.ports.cluster import Cluster
from jikko.ports.files.file_store import FileStore
from jikko.ports.stores.run_store import KeyClaim, Projection, RunStore, StartOptions
from jikko.record import RunIdentity, RunRecord
from jikko.repositories.app_store import App, AppStore
from jikko.runs.control import Control
from jikko.runs.executor import Executor
from jikko.runs.following.quiet_runs import QUIET_SECONDS
from jikko.runs.following.run_reader import RunReader
from jikko.runs.forms import Forms
from jikko.runs.queued_run import opening as opening_of
from jikko.runs.reading.run_history import History
from jikko.runs.retry import Retries
from jikko.runs.run_log import RunLog
from jikko.values import Json

_KEY_LENGTH = 255
_encode = msgspec.json.Encoder(order="sorted").encode

Started: TypeAlias = RunLog | RunReader


class StartOutcome(msgspec.Struct, frozen=True):
    run: Started
    repeated: bool = False
    """Whether an earlier request with the same key started the run."""


class IdempotentStarts:
    """Starts runs by idempotency key.

    A key is claimed in the transaction that creates the run. So of two concurrent requests, in any processes, one
    creates it; and after a crash there are either both or neither.
    """

    def __init__(self, runs: "Runs", store: RunStore) -> None:
        self._runs = runs
        self._store = store

    async def start(
        self, app: App, options: StartOptions | None, begin: Callable[[StartOptions | None], Awaitable[RunLog]]
    ) -> StartOutcome:
        """Start a run, or find the one that has the key.

        Args:
            begin: Starts it with the given options.

        Raises:
            Conflict: The key was used for another request.
            StartRefused: The run did not become durable in time; or the one that has the key is being removed.
        """
        claim = None if options is None else options.claim
        if claim is None:
            return StartOutcome(self._runs.control.followed(await begin(options)))
        claimed = await self._store.claimed(app.id, claim.key, now=claim.at)
        if claimed is None:
            try:
                return StartOutcome(self._runs.control.followed(await begin(options)))
            except KeyTaken as taken:
                claimed = taken.run_id, taken.fingerprint
        run_id, fingerprint = claimed
        if fingerprint != claim.fingerprint:
            raise Conflict(f"Idempotency-Key {claim.key!r} was used for another request; use a new key for this one.")
        try:
            record = await self._runs.records.record(app.id, run_id)
        except NotFound:
            record = None
        if record is None or self._runs.executor.refused.has(record):
            raise StartRefused("The key belongs to a run that is being removed. Send the request again.")
        return StartOutcome(self._runs.control.reader(record), repeated=True)

    async def known(self, app: App, claim: KeyClaim) -> str:
        """Return the run that has a key, or an empty string."""
        claimed = await self._store.claimed(app.id, claim.key, now=claim.at)
        return "" if claimed is None else claimed[0]


def fingerprint(operation: str, body: Json) -> bytes:
    """Return the digest of a request: its operation and its JSON body, regardless of key order."""
    return hashlib.sha256(operation.encode() + b"\0" + _encode(body)).digest()


def checked_key(key: str) -> str:
    """Return a client's idempotency key. Raises ``InvalidParam``: it is empty or too long."""
    key = key.strip()
    if not key or len(key) > _KEY_LENGTH:
        raise InvalidParam(f"Idempotency-Key must have 1 to {_KEY_LENGTH} characters.")
    return key


class StartRequest(Struct, frozen=True, kw_only=True):
    inputs: Mapping[str, Json]
    user: str
    files: list[Json] | None = None
    workflow_id: str | None = None
    """A version; by default the current one."""
    base_url: str = ""
    """Address under which the client reached the server, for links to files."""
    end_user_id: str = ""
    """Owner of the run; by default the app's end user of that name. An inner run has the outer one's."""
    depth: int = 0
    """See ``RunStarted``. An inner run (1 and up) waits for no slot: its caller has one."""
    entry: str = ""
    """Trigger node at which the run begins. Its inputs are used as they are."""
    timestamp: float | None = None
    """``sys.timestamp``, in seconds since the Unix epoch; by default now."""


class Runs:
    """All runs of this process, and the records of all others."""

    def __init__(
        self,
        executor: Executor,
        *,
        store: RunStore,
        apps: AppStore,
        workflows: Workflows,
        files: FileStore,
        file_inputs: FileInputs,
        clock: Clock = time.time,
        cluster: Cluster,
        look_seconds: float = QUIET_SECONDS,
    ) -> None:
        """``cluster``: The other processes. ``look_seconds``: See ``RunTails``."""
        self._workflows = workflows
        self.file_inputs = file_inputs
        self.measures = executor.measures
        self._clock = clock
        self.executor = executor
        self.control = Control(
            store=store,
            apps=apps,
            workflows=workflows,
            executor=executor,
            cluster=cluster,
            clock=clock,
            look_seconds=look_seconds,
        )
        self.records = History(store)
        self.starts = IdempotentStarts(self, store)
        self.forms = Forms(runs=self, store=store, file_inputs=file_inputs, clock=clock)
        self.retries = Retries(self, store, workflows, files, clock)

    async def start(self, app: App, request: StartRequest, options: StartOptions | None = None) -> RunLog:
        """Start a run, which continues independently of the caller.

        Args:
            options: What is promised to the client by accepting the run.

        Raises:
            InvalidParam: An input is missing or wrong. No run exists.
            NotFound: The app has no such version, or the version no such trigger.
            KeyTaken: The idempotency key already has a run. No new one exists.
            StartRefused: It did not become durable in time. No run exists.
            TooManyRequests: The app's queue is full.
            ServerStopping: The process is shutting down.
        """
        self.executor.require_open()
        workflow = await self._workflows.get(app, request.workflow_id)
        end_user_id = request.end_user_id or end_user(app.id, request.user)
        files = self.file_inputs
        asker: Any = {"app_id": app.id, "end_user_id": end_user_id, "base_url": request.base_url}
        if request.entry:
            require_trigger(workflow, request.entry)
            inputs = dict(request.inputs)
        else:
            inputs = await prepare(
                workflow.inputs, request.inputs, partial(files.file, **asker), partial(files.file_list, **asker)
            )
        attached = await files.top_level(request.files, workflow.document.features, **asker) if request.files else []
        identity = workflow.new_run(app.id, end_user_id, request.user)
        now = self._clock()
        system = {
            "files": attached,
            "user_id": request.user,
            "app_id": app.id,
            "timestamp": int(now if request.timestamp is None else request.timestamp),
            "workflow_id": workflow.id,
            "workflow_run_id": identity.run_id,
        }
        trace = log_context.get().trace
        started = RunStarted(
            at=now, inputs=inputs, system=system, depth=request.depth, trace=trace, entry=request.entry
        )
        return await self.begin(identity, workflow, started, options=options)

    async def begin(
        self,
        identity: RunIdentity,
        workflow: Workflow,
        started: RunStarted,
        *,
        options: StartOptions | None = None,
        opening: Sequence[Projection] = (),
    ) -> RunLog:
        """Begin a run: at once if there is a slot and only a delivery is promised with it, else when its turn comes.

        Args:
            opening: Written with the first event.

        Raises:
            KeyTaken, StartRefused, TooManyRequests: See ``start``.
        """
        record = RunRecord(identity=identity)
        if has_large_inputs(started):
            record.inputs = await inputs_in_slices(started, TimeSlice(self.executor.share, identity.app_id))
        run_log = self.executor.new_log(record, options, opening, is_inner=started.depth > 0)
        if started.depth:
            self.executor.admission.take_back(identity.app_id)
            self.executor.launch(run_log, workflow, RunState(workflow.graph), started)
        elif (options is None or options.is_delivery_alone) and self.executor.admission.take(identity.app_id):
            self.executor.launch(run_log, workflow, RunState(workflow.graph), started)
        else:
            await self.executor.accept(run_log, workflow, opening_of(workflow.graph, started))
        return run_log

    async def accept(
        self,
        identity: RunIdentity,
        workflow: Workflow,
        events: list[Event],
        options: StartOptions | None = None,
        opening: Sequence[Projection] = (),
    ) -> RunLog:
        """Accept a run whose log begins with these events. See ``Executor.accept``."""
        log = self.executor.new_log(RunRecord(identity=identity), options, opening)
        await self.executor.accept(log, workflow, events)
        return log

    async def close(self, grace: float, drain: float = 0.0) -> int:
        """Let running runs finish, then park the others for the next start.

        Followers of other processes' runs have the same time.

        Args:
            grace: Seconds that runs have to finish.
            drain: Seconds that running nodes then have to end, while no further ones start. A run whose last node has
                ended continues elsewhere without running any again.

        Returns:
            Number of parked runs.
        """
        until = time.monotonic() + grace + drain
        try:
            return await self.executor.close(grace, drain)
        finally:
            # Even if a run did not end, and is no longer waited for.
            await self.control.drain(max(0.0, until - time.monotonic()))
