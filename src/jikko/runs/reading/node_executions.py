"""Node executions of a run: a fold over its log. Pure functions."""

from collections.abc import Iterable
from typing import Annotated, Literal

import msgspec

from jikko.events import (
    ContainerStarted,
    Event,
    FormRequested,
    NodeAttempted,
    NodeFinished,
    NodeStarted,
    RoundPath,
    RunStatus,
    Usage,
)
from jikko.values import Json, Seconds, Uuid, files_in


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """Failed attempt of a node execution that was followed by another."""

    attempt: int
    error: str
    error_type: str = ""
    finished_at: Seconds
    reason: Literal["failed", "interrupted"] = "failed"
    """``interrupted``: the process died during the attempt."""


class NodeState(msgspec.Struct, kw_only=True):
    """Node execution as in messages and records. Times are seconds since the Unix epoch."""

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
    """Round of a container that a node execution belongs to."""

    node_id: str
    kind: Literal["iteration", "loop"]
    index: int
    """Counted from 0."""


class NodeExecution(NodeState, kw_only=True):
    """Node execution with all details."""

    status: Literal["running", "succeeded", "failed", "exception", "stopped", "paused"] = "running"
    attempts: list[Attempt] = []
    rounds: list[NodeRound] = []
    """Rounds of the enclosing containers, outermost first."""


def execution_metadata(
    usage: Usage | None, rounds: RoundPath, strategy: str | None, extra: dict[str, Json] | None = None
) -> dict[str, Json] | None:
    """Return ``execution_metadata`` as Dify shows it, or ``None`` if empty.

    Source: docs/dify-behaviour.md, “Error strategies”, “Node records”.
    """
    data: dict[str, Json] = {}
    if usage is not None:
        data |= {"total_tokens": usage.total_tokens, "total_price": usage.total_price, "currency": usage.currency}
    for entry in rounds:
        # Inner rounds of a kind overwrite the outermost one: the innermost index is shown.
        data |= {f"{entry.kind}_id": entry.node_id, f"{entry.kind}_index": entry.index}
    if strategy is not None:
        # A handled failure keeps no other metadata than its place.
        data = {key: value for key, value in data.items() if key.startswith(("iteration_", "loop_"))}
        data["error_strategy"] = strategy
        extra = {key: value for key, value in (extra or {}).items() if key != "tool_info"}
    if extra:
        data |= extra
    return data or None


def node_executions(
    log: Iterable[Event], *, status: RunStatus | None = None, error: str | None = None
) -> list[NodeExecution]:
    """Return the node executions of a run, in order of start.

    Args:
        log: All events of the run.
        status: The run's status, if it has ended: open executions then count as ``failed`` (``stopped`` if the run was
            stopped), with the run's error. Source: docs/dify-behaviour.md, “Error strategies”.
    """
    found: dict[str, NodeExecution] = {}
    waiting: set[str] = set()
    """Executions suspended by a form. They start again when it is closed, without counting as interrupted."""
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
