"""The record of a run: a fold over its log. Pure functions; stores and services share them."""

import json
from collections.abc import Iterable
from typing import Annotated, Final, Literal

import msgspec

from jikko.event_parts import Exceptions, FailedNode
from jikko.events import (
    LOG_FORMAT,
    ContainerStarted,
    Event,
    FormRequested,
    NodeAttempted,
    NodeFinished,
    NodeStarted,
    Rounds,
    RunFinished,
    RunPaused,
    RunRecovered,
    RunResumed,
    RunStarted,
    RunStatus,
    Usage,
)
from jikko.values import Json, Seconds, Uuid, encode_json, is_file

NO_INPUTS: Final = "{}"
"""The inputs of a run that has not started: others have ``sys.*`` variables at least."""


class RunIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """Which run it is, and to whom it belongs. Fixed when it is accepted."""

    run_id: str
    task_id: str
    app_id: str
    workflow_id: str
    version: str
    """The version's time as text, as the logs show it."""
    end_user_id: str
    user: str
    """The ``user`` of the request."""
    retry_of: str | None = None
    """The run that this one repeats from a node."""


class RunDetail(msgspec.Struct, frozen=True):
    """What run detail shows of a record: its fields, those of the identity among them."""

    run_id: str
    workflow_id: str
    status: RunStatus
    inputs: str
    outputs: bytes
    error: str | None
    elapsed: float
    total_tokens: int
    total_steps: int
    created_at: float
    finished_at: float | None


class RunRecord(msgspec.Struct, kw_only=True):
    """One run as a row: all that run detail and the list of logs show. Source: Dify 1.15, spec/records.md §1."""

    identity: RunIdentity
    status: RunStatus = "running"
    inputs: str = NO_INPUTS
    """Prepared inputs and ``sys.*`` variables as JSON text, non-ASCII escaped. They are those of ``RunStarted``; where
    these are large, who starts the run has made the text before."""
    outputs: bytes = b"{}"
    """The outputs as JSON text in UTF-8."""
    error: str | None = None
    elapsed: float = 0.0
    """Seconds; 0 while the run is open."""
    total_tokens: int = 0
    total_steps: int = 0
    exceptions_count: int = 0
    created_at: float = 0.0
    finished_at: float | None = None
    price: str = ""
    """As ``RunFinished`` tells it; so ``currency``, ``failed_node`` and ``exceptions``."""
    currency: str = ""
    failed_node: FailedNode | None = None
    exceptions: Exceptions | None = None
    wake_at: float | None = None
    """When a paused run goes on by itself: its first form runs out of time then."""
    epoch: int = 1
    """1 until the run is taken over after a crash; each takeover adds one. An earlier one may not write."""
    holder: str = ""
    """The server process that executes the run, by the name that it has among others; empty if it has none."""
    format: int = LOG_FORMAT
    """The newest of those who have executed it: who does not know it leaves the run to others. See ``LOG_FORMAT``."""

    @property
    def is_known(self) -> bool:
        """Whether this version can execute the run."""
        return self.format <= LOG_FORMAT

    @property
    def is_open(self) -> bool:
        """Whether the run can still change."""
        return self.status in ("running", "paused")

    def detail(self) -> RunDetail:
        """The part of it that run detail shows."""
        return RunDetail(
            run_id=self.identity.run_id,
            workflow_id=self.identity.workflow_id,
            status=self.status,
            inputs=self.inputs,
            outputs=self.outputs,
            error=self.error,
            elapsed=self.elapsed,
            total_tokens=self.total_tokens,
            total_steps=self.total_steps,
            created_at=self.created_at,
            finished_at=self.finished_at,
        )

    def apply(self, event: Event) -> None:
        """Fold one event into the record. Events that do not concern it change nothing."""
        match event:
            case RunStarted():
                self.created_at = event.at
                if self.inputs == NO_INPUTS:
                    self.inputs = stored_inputs(event)
            case RunRecovered():
                self.epoch = event.epoch
                self.status = "running"
            case RunPaused():
                self.status = "paused"
                self.elapsed = event.elapsed
                self.total_tokens, self.total_steps = event.total_tokens, event.total_steps
                self.wake_at = event.wake_at
                self.holder = ""
            case RunResumed():
                self.status = "running"
                self.wake_at = None
            case RunFinished():
                self.status = event.status
                self.outputs = encode_json(event.outputs)
                self.error = event.error
                self.elapsed = event.elapsed
                self.total_tokens, self.total_steps = event.total_tokens, event.total_steps
                self.exceptions_count = event.exceptions_count
                self.price, self.currency = event.price, event.currency
                self.failed_node, self.exceptions = event.failed_node, event.exceptions
                self.finished_at = event.at
                self.holder = ""
            case _:
                pass


OF_RECORD: Final = frozenset((RunStarted, RunRecovered, RunPaused, RunResumed, RunFinished))
"""The events that concern a record."""


def folded(identity: RunIdentity, log: Iterable[Event]) -> RunRecord:
    """The record of a run, as its log up to some position makes it. It has no holder."""
    record = RunRecord(identity=identity)
    for event in log:
        if type(event) in OF_RECORD:
            record.apply(event)
    return record


def stored_inputs(event: RunStarted) -> str:
    """The inputs of a run as they are stored: JSON text with ``", "`` and ``": "``, non-ASCII escaped.

    Source: Dify 1.15, spec/records.md §1 (``inputs``).
    """
    return json.dumps(all_inputs(event))


def all_inputs(event: RunStarted) -> dict[str, Json]:
    """The inputs of a run and its ``sys.*`` variables, in the order in which they are stored."""
    return {**event.inputs, **{f"sys.{name}": value for name, value in event.system.items()}}


def beginning(record: RunRecord) -> RunStarted:
    """The event that a run began with, as its record has kept it."""
    values = json.loads(record.inputs)
    return RunStarted(
        at=record.created_at,
        inputs={name: value for name, value in values.items() if not name.startswith("sys.")},
        system={name[4:]: value for name, value in values.items() if name.startswith("sys.")},
    )


def ending(record: RunRecord) -> RunFinished | None:
    """The event that a run ended with, as its record has kept it; ``None`` if it has not."""
    if record.status == "running" or record.status == "paused":
        return None
    return RunFinished(
        at=record.finished_at or 0.0,
        status=record.status,
        outputs=json.loads(record.outputs),
        error=record.error,
        elapsed=record.elapsed,
        total_tokens=record.total_tokens,
        total_steps=record.total_steps,
        exceptions_count=record.exceptions_count,
        price=record.price,
        currency=record.currency,
        failed_node=record.failed_node,
        exceptions=record.exceptions,
    )


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One try of a node execution that failed and was followed by another."""

    attempt: int
    error: str
    error_type: str = ""
    finished_at: Seconds
    reason: Literal["failed", "interrupted"] = "failed"
    """``interrupted``: the process died while the attempt was under way."""


class NodeState(msgspec.Struct, kw_only=True):
    """One execution of a node, as messages and records tell it. Times are seconds since the Unix epoch."""

    id: Uuid
    node_id: str
    node_type: str
    title: str
    index: Annotated[int, msgspec.Meta(description="Order of start within the run, from 1.")]
    predecessor_node_id: str | None = None
    inputs: dict[str, Json] | None = None
    inputs_truncated: bool = False
    process_data: dict[str, Json] | None = None
    process_data_truncated: bool = False
    outputs: dict[str, Json] | None = None
    outputs_truncated: bool = False
    status: str = "running"
    error: str | None = None
    elapsed_time: float = 0.0
    execution_metadata: dict[str, Json] | None = None
    created_at: Seconds
    finished_at: Seconds | None = None
    files: list[dict[str, Json]] = []
    iteration_id: str | None = None
    loop_id: str | None = None


class NodeRound(msgspec.Struct, frozen=True):
    """The round of a container that a node execution belongs to."""

    node_id: str
    """The container."""
    kind: Literal["iteration", "loop"]
    index: int
    """Counted from 0."""


class NodeExecution(NodeState, kw_only=True):
    """One execution of a node with all that is known of it."""

    status: Literal["running", "succeeded", "failed", "exception", "stopped", "paused"] = "running"
    attempts: list[Attempt] = []
    rounds: list[NodeRound] = []
    """Of the containers around it, outermost first."""


def execution_metadata(
    usage: Usage | None, rounds: Rounds, strategy: str | None, extra: dict[str, Json] | None = None
) -> dict[str, Json] | None:
    """``execution_metadata`` as Dify shows it, ``None`` if there is nothing to tell.

    Source: Dify 1.15, spec/execution.md §6.2, spec/records.md §2.
    """
    data: dict[str, Json] = {}
    if usage is not None:
        data |= {"total_tokens": usage.total_tokens, "total_price": usage.total_price, "currency": usage.currency}
    for entry in rounds:
        # The outermost round of each kind is overwritten by inner ones: the innermost index is shown.
        data |= {f"{entry.kind}_id": entry.node_id, f"{entry.kind}_index": entry.index}
    if strategy is not None:
        # A handled failure keeps nothing else of its metadata, except where it stands.
        data = {key: value for key, value in data.items() if key.startswith(("iteration_", "loop_"))}
        data["error_strategy"] = strategy
        extra = {key: value for key, value in (extra or {}).items() if key != "tool_info"}
    if extra:
        data |= extra
    return data or None


def files_in(outputs: dict[str, Json]) -> list[dict[str, Json]]:
    """The file mappings found directly in outputs: as a value, or as an element of a list."""
    found: list[dict[str, Json]] = []
    for value in outputs.values():
        if is_file(value):
            found.append(value)
        elif isinstance(value, list):
            found += [item for item in value if is_file(item)]
    return found


def node_executions(
    log: Iterable[Event], *, status: RunStatus | None = None, error: str | None = None
) -> list[NodeExecution]:
    """The node executions of a run, in order of start.

    Args:
        log: The events of the run from the first on.
        status: The run's status, if the run ended: executions still open then count as ``failed`` (``stopped`` if
            the run was stopped), with the run's error. Source: spec/execution.md §6.4.
    """
    found: dict[str, NodeExecution] = {}
    waiting: set[str] = set()
    """Executions that a form has suspended. They start once more when it is closed, and nothing was interrupted."""
    for event in log:
        match event:
            case NodeStarted():
                known = found.get(event.execution_id)
                if known is None:
                    found[event.execution_id] = _opened(event)
                elif event.execution_id in waiting:
                    waiting.remove(event.execution_id)
                else:
                    known.attempts = [
                        *known.attempts,
                        Attempt(
                            attempt=len(known.attempts) + 1,
                            error="The process that ran the node ended before the node did.",
                            finished_at=int(event.at),
                            reason="interrupted",
                        ),
                    ]
            case NodeAttempted():
                if (known := found.get(event.execution_id)) is not None:
                    known.attempts = [
                        *known.attempts,
                        Attempt(
                            attempt=len(known.attempts) + 1,
                            error=event.error,
                            error_type=event.error_type,
                            finished_at=int(event.at),
                        ),
                    ]
            case FormRequested():
                waiting.add(event.execution_id)
            case ContainerStarted():
                if (known := found.get(event.execution_id)) is not None:
                    known.inputs = event.inputs
            case NodeFinished():
                if (known := found.get(event.execution_id)) is not None:
                    _close(known, event)
            case _:
                pass
    if status is not None and status not in ("running", "paused"):
        for execution in found.values():
            if execution.status == "running":
                execution.status = "stopped" if status == "stopped" else "failed"
                execution.error = error
    return list(found.values())


def _opened(event: NodeStarted) -> NodeExecution:
    execution = NodeExecution(
        id=event.execution_id,
        node_id=event.node_id,
        node_type=event.node_type,
        title=event.title,
        index=event.index,
        predecessor_node_id=event.predecessor,
        created_at=int(event.at),
        rounds=[NodeRound(entry.node_id, entry.kind, entry.index) for entry in event.rounds],
    )
    for entry in event.rounds:
        if entry.kind == "iteration":
            execution.iteration_id = entry.node_id
        else:
            execution.loop_id = entry.node_id
    return execution


def _close(execution: NodeExecution, event: NodeFinished) -> None:
    execution.inputs = event.inputs
    execution.process_data = event.process_data
    execution.outputs = event.outputs
    execution.status = event.status
    execution.error = event.error
    execution.elapsed_time = event.elapsed
    execution.execution_metadata = execution_metadata(event.usage, event.rounds, event.strategy, event.metadata)
    execution.finished_at = int(event.at)
    execution.files = files_in(event.outputs)
