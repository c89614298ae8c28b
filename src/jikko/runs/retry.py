"""Retries of runs from a node on."""

import asyncio
import time
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from jikko.apps.versions import Workflow, Workflows, require_trigger
from jikko.concurrency.run_in_thread import run_in_thread
from jikko.dsl.document import changed_nodes
from jikko.dsl.start_variables import StartVariable
from jikko.engine.retry_log import CannotRepeat, begin_retry_log, nodes_taken_over, nodes_to_repeat, top_of
from jikko.errors import Conflict, InvalidParam, LogDamaged, NotFound
from jikko.events import Event, NodeStarted, RunRetried, RunStarted
from jikko.inputs.run_inputs import prepare
from jikko.inputs.uploads import possible_file_ids
from jikko.log_context import log_context
from jikko.ports.clock import Clock
from jikko.ports.files.file_store import FileStore
from jikko.ports.stores.run_store import RunStore, StartOptions, TurnRepeated
from jikko.record import RetryRecord, RunRecord, beginning
from jikko.repositories.app_store import App
from jikko.runs.retry_values import MockableNode, Outputs, RepeatedRun, RetryValues, mocks_by_id
from jikko.runs.run_log import RunLog
from jikko.values import Json

if TYPE_CHECKING:
    from jikko.runs.runs import Runs

_FILES_PER_TURN: Final = 64
"""Files looked up in one turn of the event loop."""


class RetryLineage(Struct, frozen=True, kw_only=True):
    """Relations between a run, the run it retries, and its own retries."""

    retry_of: str | None
    """None as well if that run has been deleted; ``RunRecord`` still has its id."""
    from_nodes: list[str]
    """Nodes from which it retries the other run."""
    taken_over: list[str]
    """Node executions taken over from the other run."""
    replaced: dict[str, list[str]] = {}
    """Names of outputs that replaced recorded ones, by node."""
    mocked: list[str] = []
    """Nodes with given outputs, which did not run."""
    retries: list[RetryRecord]
    """Retries of this run, oldest first."""


class RetryPlan(Struct, frozen=True, kw_only=True):
    """Preview of a retry."""

    workflow: Workflow
    taken_over: list[str]
    """Top-level nodes whose executions would be taken over, in the order of their ends."""
    from_nodes: list[str]
    """Nodes that would run again, with everything behind them."""
    read: dict[str, dict[str, Json]]
    """Values they read, by owner and name: ``RetryValues.values`` may replace them."""
    mockable: list[MockableNode]


class _Beginning(Struct, frozen=True, kw_only=True):
    workflow: Workflow
    log: list[Event]
    began: RunStarted
    from_nodes: list[str]
    inputs: dict[str, Json]
    given: RetryValues


class Retries(Struct, eq=False):
    """Starts new runs that take over other runs' finished nodes."""

    runs: "Runs"
    store: RunStore
    workflows: Workflows
    files: FileStore
    clock: Clock = time.time

    async def retry(
        self,
        app: App,
        run_id: str,
        options: StartOptions | None = None,
        *,
        from_node: str | None = None,
        current: bool = False,
        given: RetryValues | None = None,
    ) -> RunLog:
        """Retry a run: same version, inputs and user. Durable on return.

        Args:
            current: Use the app's current version instead. Nodes that it changes run again too, with everything behind
                them (``dsl.document``); if the start node is one, inputs are converted to its types.
            from_node: Node that runs again, with everything behind it; a node inside a container stands for the
                outermost container. By default the failed nodes; all, if the run's log cannot be read.
            given: Values from outside. Mocked nodes that ran run again too, with everything behind them. A message then
                keeps its answer, and its conversation its state.

        Raises:
            NotFound: The app has no such run, or its version is gone.
            Conflict: The run has not ended.
            InvalidParam: The node did not run, or nothing failed and no node is named; or the inputs do not fit the
                current version, or the values the run.
            KeyTaken, TooManyRequests: See ``Runs.accept``.
        """
        record = await self.runs.records.record(app.id, run_id)
        beginning = await self._beginning(app, record, from_node, given or RetryValues(), current=current)
        other, workflow, began = record.identity, beginning.workflow, beginning.began
        identity = workflow.new_run(other.app_id, other.end_user_id, other.user, retry_of=other.run_id)
        now = self.clock()
        values, turn = beginning.given.values, began.turn
        if turn is not None and beginning.given:
            turn = replace(turn, is_trial=True)
        system = {**began.system, **values.get("sys", {}), "workflow_run_id": identity.run_id}
        if "timestamp" in system:
            system["timestamp"] = int(now)
        if "workflow_id" in system:
            system["workflow_id"] = workflow.id
        trace = log_context.get().trace
        started = RunStarted(
            at=now,
            inputs=beginning.inputs,
            system=system,
            turn=turn,
            depth=began.depth,
            trace=trace,
            entry=began.entry,
            mocks=beginning.given.mocks,
        )
        events = begin_retry_log(workflow.graph, beginning.log, started, other.run_id, beginning.from_nodes, values)
        # Old files of the first run are in use again, like the inputs of any start.
        for count, file_id in enumerate(await asyncio.to_thread(possible_file_ids, events), 1):
            if count % _FILES_PER_TURN == 0:
                # Their number is unbounded, and no lookup yields.
                await asyncio.sleep(0)
            await self.files.use(file_id, app_id=other.app_id, end_user_id=other.end_user_id)
        # The new run now answers the message, with the same view of the conversation.
        opening = () if turn is None or turn.is_trial else (TurnRepeated(message_id=turn.message_id),)
        return await self.runs.accept(identity, workflow, events, options, opening)

    async def plan(
        self, app: App, record: RunRecord, *, from_node: str | None = None, current: bool = False
    ) -> RetryPlan:
        """Return what ``retry`` would do. Same args and errors, except those of ``Runs.accept``."""
        beginning = await self._beginning(app, record, from_node, RetryValues(), current=current)
        return await run_in_thread(_planned, beginning, queue="records")

    async def _beginning(
        self, app: App, record: RunRecord, from_node: str | None, given: RetryValues, *, current: bool
    ) -> _Beginning:
        if record.is_open:
            raise Conflict("The run has not ended; stop it, or wait for its end, before it is retried.")
        workflow = before = await self.workflows.get(app, record.identity.workflow_id)
        if current:
            workflow = await self.workflows.get(app)
        log, is_damaged = await self._log(record, from_node)
        if not log:  # pruned in the meantime
            raise NotFound("Workflow run not found.")
        began = log[0]
        assert isinstance(began, RunStarted)
        # Logs and files may have many megabytes.
        asked = before, workflow, log, from_node, given.mocks
        from_nodes, changed = await run_in_thread(_to_repeat, asked, queue="records")
        root = began.entry or workflow.graph.root_id
        if began.entry:
            require_trigger(workflow, began.entry)
        if record.status == "succeeded" and not from_nodes and not is_damaged:
            raise InvalidParam("from_node_id: no node of the run failed; name the node to run again.")
        if given:
            repeated = RepeatedRun(workflow, log, began, from_nodes)
            given = await run_in_thread(repeated.checked, given, queue="records")
        inputs = {**began.inputs, **given.values.get(root, {})}
        if not began.entry and (root in changed or root in given.values):
            try:
                inputs = await prepare(workflow.inputs, inputs, _as_it_was, _as_it_was)
            except InvalidParam as error:
                if root in given.values:
                    raise InvalidParam(f"values: {root}: {error}") from None
                message = f"The inputs of the run do not fit the current version: {error}. Start a new run."
                raise InvalidParam(message) from None
        return _Beginning(workflow=workflow, log=log, began=began, from_nodes=from_nodes, inputs=inputs, given=given)

    async def _log(self, record: RunRecord, from_node: str | None) -> tuple[list[Event], bool]:
        """Return the run's log, and whether it is damaged: then only its beginning, if need be from the record."""
        try:
            return await self.store.events(record.identity.run_id), False
        except LogDamaged as damage:
            if from_node is None:
                # The record has neither the called trigger nor a chat's turn.
                began = damage.readable[0] if damage.readable else None
                return [began if isinstance(began, RunStarted) else beginning(record)], True
            raise InvalidParam(
                f"from_node_id: the log of the run is damaged: {damage.what}. It can only be retried from its inputs: "
                "leave from_node_id out."
            ) from None

    async def lineage(self, record: RunRecord) -> RetryLineage:
        run_id = record.identity.run_id
        retries = await self.store.retries(run_id)
        origin = record.identity.retry_of
        if origin is None:
            return RetryLineage(retry_of=None, from_nodes=[], taken_over=[], retries=retries)
        if await self.store.record(origin) is None:
            origin = None
        taken_over: list[str] = []
        try:
            log = await self.store.events(run_id)
        except LogDamaged as damage:
            log = damage.readable
        mocked: list[str] = []
        for event in log:
            if isinstance(event, RunStarted):
                mocked = list(event.mocks)
            if isinstance(event, RunRetried):
                return RetryLineage(
                    retry_of=origin,
                    from_nodes=event.from_nodes,
                    taken_over=taken_over,
                    replaced=event.replaced,
                    mocked=mocked,
                    retries=retries,
                )
            if isinstance(event, NodeStarted):
                taken_over.append(event.execution_id)
        return RetryLineage(retry_of=origin, from_nodes=[], taken_over=[], retries=retries)


def _to_repeat(asked: tuple[Workflow, Workflow, list[Event], str | None, Outputs]) -> tuple[list[str], list[str]]:
    """Return the nodes that run again, and those of them that the version changes."""
    before, workflow, log, from_node, mocks = asked
    try:
        from_nodes = nodes_to_repeat(workflow.graph, log, from_node)
    except CannotRepeat as error:
        raise InvalidParam(f"from_node_id: {error}") from None
    changed = changed_nodes(before.document, workflow.document) if workflow is not before else []
    from_nodes += [node_id for node_id in changed if node_id not in from_nodes]
    mocked = {top_of(workflow.graph, node_id) for node_id in mocks_by_id(workflow.graph, mocks)}
    mocked.discard(workflow.graph.root_id)
    from_nodes += [node_id for node_id in nodes_taken_over(workflow.graph, log, from_nodes) if node_id in mocked]
    return from_nodes, changed


def _planned(beginning: _Beginning) -> RetryPlan:
    workflow, from_nodes = beginning.workflow, beginning.from_nodes
    repeated = RepeatedRun(workflow, beginning.log, beginning.began, from_nodes)
    return RetryPlan(
        workflow=workflow,
        taken_over=nodes_taken_over(workflow.graph, beginning.log, from_nodes),
        from_nodes=from_nodes,
        read=repeated.read(),
        mockable=repeated.mockable(),
    )


async def _as_it_was(value: Json, variable: StartVariable) -> Json:
    """Return a repeated input, whose files are those of the original run."""
    return value
