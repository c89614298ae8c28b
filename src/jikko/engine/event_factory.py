"""Constructors of events about nodes and runs. Pure functions."""

import logging
import traceback
from decimal import Decimal
from typing import Any, Literal

from jikko.engine.state import RunState
from jikko.events import (
    FormClosed,
    FormRequested,
    NodeAttempted,
    NodeFinished,
    NodeStarted,
    RoundFinished,
    RoundPath,
    RunFinished,
    RunParked,
    RunPaused,
    RunRecovered,
)
from jikko.graph.compiled import CompiledNode
from jikko.ids import new_id
from jikko.lang.variables import TextTooLong
from jikko.nodes.contract import NodeFailure, NodePaused, Result, RoundOutcome
from jikko.values import Json

log = logging.getLogger(__name__)

_OUT_OF_TIME = "Maximum execution time exceeded"


def about(started: NodeStarted, at: float) -> dict[str, Any]:
    """Return the fields shared by all events of an execution."""
    return {
        "at": at,
        "execution_id": started.execution_id,
        "node_id": started.node_id,
        "node_type": started.node_type,
        "title": started.title,
        "index": started.index,
        "predecessor": started.predecessor,
        "rounds": started.rounds,
    }


def started(
    node: CompiledNode, index: int, predecessor: str | None, rounds: RoundPath, at: float, icon: Json | None
) -> NodeStarted:
    """A node starts for the first time."""
    return NodeStarted(
        at=at,
        execution_id=new_id(),
        node_id=node.id,
        node_type=node.type,
        title=node.title,
        index=index,
        predecessor=predecessor,
        rounds=rounds,
        icon=icon,
    )


def is_announced(state: RunState, started: NodeStarted) -> bool:
    """Return whether a container's start is shown: not if it fails before it knows its rounds."""
    container = state.containers.get(started.execution_id)
    return container is None or container.started is not None


def succeeded(started: NodeStarted, result: Result, at: float, elapsed: float, announced: bool = True) -> NodeFinished:
    # Inlined: the most frequent event.
    event = NodeFinished(
        at=at,
        execution_id=started.execution_id,
        node_id=started.node_id,
        node_type=started.node_type,
        title=started.title,
        index=started.index,
        predecessor=started.predecessor,
        rounds=started.rounds,
        started_at=started.at,
        elapsed=elapsed,
        status="succeeded",
        inputs={**result.inputs},
        outputs={**result.outputs},
        handle=result.handle,
    )
    # Most nodes have none of these, and msgspec compares each argument with all fields before its own.
    if result.process_data:
        event.process_data = {**result.process_data}
    if result.updates:
        event.updates = result.updates
    if result.usage is not None:
        event.usage = result.usage
    if result.metadata:
        event.metadata = {**result.metadata}
    if result.steps:
        event.steps = result.steps
    if result.resources:
        event.resources = result.resources
    if not announced:
        event.announced = False
    return event


def failed(
    node: CompiledNode, started: NodeStarted, failure: NodeFailure, *, at: float, elapsed: float, announced: bool
) -> NodeFinished:
    """A node failed for good; its error strategy decides what follows.

    Source: docs/dify-behaviour.md, “Error strategies”.
    """
    strategy = node.strategy
    message = str(failure)
    outputs: dict[str, Json] = dict(failure.outputs)
    if strategy is not None:
        outputs = dict(node.defaults) if strategy == "default-value" else {}
        outputs |= {"error_message": message, "error_type": failure.kind}
    is_handled_container = node.body is not None and strategy is not None
    return NodeFinished(
        **about(started, at),
        started_at=started.at,
        elapsed=elapsed,
        status="failed" if strategy is None else "exception",
        inputs=dict(failure.inputs),
        process_data=dict(failure.process_data),
        outputs=outputs,
        handle="fail-branch" if strategy == "fail-branch" else "source",
        error=message,
        error_type=failure.kind,
        strategy=strategy,
        usage=failure.usage,
        metadata=dict(failure.metadata),
        steps=failure.steps,
        announced=announced,
        own_outputs=dict(failure.outputs) if is_handled_container else {},
    )


def attempted(started: NodeStarted, failure: NodeFailure, attempt: int, *, at: float, elapsed: float) -> NodeAttempted:
    """An attempt failed, and a retry follows."""
    return NodeAttempted(
        **about(started, at),
        started_at=started.at,
        elapsed=elapsed,
        attempt=attempt,
        error=str(failure),
        error_type=failure.kind,
        inputs=dict(failure.inputs),
        process_data=dict(failure.process_data),
        outputs=dict(failure.outputs),
        usage=failure.usage,
        metadata=dict(failure.metadata),
    )


def suspended(started: NodeStarted, pause: NodePaused, at: float) -> FormRequested:
    return FormRequested(
        at=at,
        execution_id=started.execution_id,
        node_id=started.node_id,
        title=started.title,
        form_id=new_id(),
        form=pause.form,
        source=pause.source,
        expires_at=pause.expires_at,
    )


def timed_out(requested: FormRequested, at: float) -> FormClosed:
    return FormClosed(
        at=at,
        execution_id=requested.execution_id,
        node_id=requested.node_id,
        title=requested.title,
        form_id=requested.form_id,
        action_id=None,
        rendered_content=requested.form["form_content"],
        expiration_time=requested.form["expiration_time"],
    )


def withdrawn(state: RunState, container: str, round: int | None, at: float) -> list[FormClosed]:
    """Close the open forms in an ended container's rounds, which nobody can submit any more. ``container``: Its
    execution. ``round``: ``None`` for all rounds."""
    return [
        timed_out(requested, at)
        for execution_id, requested in state.forms.open.items()
        if any(
            each.execution_id == container and round in (None, each.index) for each in state.starts[execution_id].rounds
        )
    ]


def unexpected(node: CompiledNode, error: Exception) -> NodeFailure:
    """Return the failure of a node with an unexpected exception.

    The process log has the traceback, but not the text, which may contain values of the run, and so secrets.
    """
    if isinstance(error, TextTooLong):
        return NodeFailure(f"Node {node.title or node.id}: {error}", kind="TextTooLongError")
    frames = "".join(traceback.format_tb(error.__traceback__))
    fields = {"node": node.id, "node_type": node.type}
    log.error("a node failed unexpectedly: %s\n%s", type(error).__name__, frames, extra={"fields": fields})
    return NodeFailure(str(error) or type(error).__name__, kind="WorkflowNodeError")


def round_outcome(event: RoundFinished) -> RoundOutcome:
    return RoundOutcome(event.outputs, event.error, event.ended, event.last, event.usage, event.elapsed)


def ended(
    state: RunState,
    status: Literal["succeeded", "failed", "stopped", "partial-succeeded"],
    error: str | None,
    at: float,
) -> RunFinished:
    usage, failures = state.usage, state.failures
    is_priced = usage is not None and bool(Decimal(usage.total_price))
    return RunFinished(
        at=at,
        status=status,
        outputs=dict(state.outputs),
        error=error,
        elapsed=state.active_seconds(at),
        total_tokens=usage.total_tokens if usage else 0,
        total_steps=state.total_steps,
        exceptions_count=state.exceptions,
        price=usage.total_price if usage is not None and is_priced else "",
        currency=usage.currency if usage is not None and is_priced else "",
        failed_node=failures.failed if status == "failed" else None,
        exceptions=failures.counts,
    )


def paused(state: RunState, at: float) -> RunPaused:
    """Everything left waits for people."""
    forms = list(state.forms.open.values())
    return RunPaused(
        at=at,
        paused_nodes=[form.node_id for form in forms],
        elapsed=state.active_seconds(at),
        total_tokens=state.usage.total_tokens if state.usage else 0,
        total_steps=state.total_steps,
        wake_at=min(form.expires_at for form in forms),
    )


def poisoned(state: RunState, max_recoveries: int) -> str | None:
    """Return why a run must not continue: it was taken over too often while the same node was running."""
    for execution_id, times in state.interrupted.items():
        if times >= max_recoveries:
            started = state.starts[execution_id]
            return (
                f"The process died {times} times while node {started.title or started.node_id!r} "
                f"({started.node_id}) was running; the run is not tried again."
            )
    return None


def too_many_steps(steps: int, most: int) -> str:
    """Return the error of a run that exceeds its number of steps."""
    return f"Maximum execution steps exceeded: {steps} > {most} (the limit is set by JIKKO_MAX_STEPS)."


def out_of_time(seconds: float, most: float) -> str:
    """Return the error of a run that exceeds its time."""
    return f"{_OUT_OF_TIME}: {seconds:.1f}s > {most:g}s (the limit is set by JIKKO_MAX_SECONDS)."


def is_out_of_time(error: str) -> bool:
    """Return whether an error is that one."""
    return error.startswith(_OUT_OF_TIME)


def parked(state: RunState, at: float) -> RunParked:
    """The process leaves the run to the next one."""
    return RunParked(at=at, elapsed=state.active_seconds(at))


def recovered(state: RunState, epoch: int, at: float, last: float) -> RunRecovered:
    """A process takes over a run whose log was folded into ``state``. ``last``: Time of the log's last event."""
    return RunRecovered(
        elapsed=state.active_seconds(last),
        at=at,
        epoch=epoch,
        in_flight=[execution_id for execution_id in state.starts if execution_id not in state.forms.open],
        ready=[state.top.body.nodes[position].id for position, _ in state.top.due],
    )
