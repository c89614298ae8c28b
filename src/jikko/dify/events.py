"""Dify's JSON: the one place that knows how events and records look to a client.

Source: Dify 1.15, spec/events.md, spec/records.md, spec/service-api.md.
"""

from collections.abc import Sequence
from typing import Any

from jikko.errors import JikkoError
from jikko.events import (
    ContainerStarted,
    Event,
    FormClosed,
    FormRequested,
    NodeAttempted,
    NodeEvent,
    NodeFinished,
    NodeStarted,
    ReasoningChunk,
    RoundFinished,
    Rounds,
    RoundStarted,
    RunFinished,
    RunStarted,
    TextChunk,
)
from jikko.record import RunOwner, RunRecord, execution_metadata, files_in
from jikko.values import Json, encode_json

_LINE_ENDS = (("\u2028".encode(), b"\\u2028"), ("\u2029".encode(), b"\\u2029"), ("\x85".encode(), b"\\u0085"))
"""Line ends of Unicode that JSON may hold, but not within a line of a stream."""
_CONTAINERS = ("iteration", "loop")


def encode(value: Any) -> bytes:
    """Compact JSON in UTF-8. NaN and infinities become null."""
    return encode_json(value)


def event_message(record: RunRecord, event: Event) -> dict[str, Any] | None:
    """An event as a message of the stream; ``None`` if clients of Dify do not know it.

    Args:
        record: The run's, as it is at the event or later.
    """
    described = _described(record, event)
    return None if described is None else message(record.owner, *described)


def message(owner: RunOwner, name: str, data: dict[str, Any]) -> dict[str, Any]:
    """A message of the stream."""
    return {"event": name, "workflow_run_id": owner.run_id, "task_id": owner.task_id, "data": data}


def frame(message: Any) -> bytes:
    """A message as it stands in the stream."""
    return b"data: " + line(message) + b"\n\n"


def line(value: Any) -> bytes:
    """JSON as ``encode`` makes it, for one line of a stream."""
    data = encode(value)
    for character, escaped in _LINE_ENDS:
        # Python's clients, and others, would cut the line there.
        if character in data:
            data = data.replace(character, escaped)
    return data


def error_frame(owner: RunOwner, error: JikkoError) -> bytes:
    """An error as the end of a run's stream. Source: spec/events.md §3."""
    told = {"code": error.code, "status": error.status, "message": str(error)}
    return frame({"event": "error", "workflow_run_id": owner.run_id, **told})


def refused_start(run_id: str, workflow_id: str, inputs: Json, error: str, now: float) -> bytes:
    """The stream of a run that was refused after its answer began. Source: spec/events.md §7."""
    owner = RunOwner(
        run_id=run_id, task_id=run_id, app_id="", workflow_id=workflow_id, version="", end_user_id="", user=""
    )
    started = run_started(owner, RunStarted(at=now, inputs=inputs, system={}), "initial")
    end = RunFinished(at=now, status="failed", error=error, elapsed=0.0, exceptions_count=1)
    record = RunRecord(owner=owner, created_at=now)
    finished = {**_run_finished(record, end), "outputs": None, "created_by": {}}
    return frame(message(owner, "workflow_started", started)) + frame(message(owner, "workflow_finished", finished))


def finished_data(record: RunRecord, outputs: Json) -> dict[str, Any]:
    """The data of ``workflow_finished``, from the record."""
    return _finished(record, record, outputs, round(record.elapsed, 6), record.finished_at)


def _described(record: RunRecord, event: Event) -> tuple[str, dict[str, Any]] | None:
    match event:
        case TextChunk():
            return "text_chunk", {"text": event.text, "from_variable_selector": event.selector}
        case NodeStarted():
            return None if event.node_type in _CONTAINERS else ("node_started", _node_started(event))
        case NodeFinished():
            return _node_finished(event)
        case NodeAttempted():
            return "node_retry", {**_ended(event, "retry", event.error), "retry_index": event.attempt}
        case RunStarted():
            return "workflow_started", run_started(record.owner, event, "initial")
        case RunFinished():
            return "workflow_finished", _run_finished(record, event)
        case ContainerStarted():
            return f"{event.node_type}_started", _container_started(event)
        case RoundStarted() if event.node_type == "iteration":
            return "iteration_next", _round(event, event.round)
        case RoundFinished() if event.node_type == "loop" and event.error is None and not event.last:
            return "loop_next", {**_round(event, event.round + 1), "pre_loop_output": {}}
        case ReasoningChunk():
            return "reasoning_chunk", {
                "message_id": None,
                "reasoning": event.text,
                "node_id": event.node_id,
                "is_final": event.final,
            }
        case FormRequested():
            return "human_input_required", form_requested(event)
        case FormClosed() if event.action_id is None:
            return "human_input_form_timeout", {
                "node_id": event.node_id,
                "node_title": event.title,
                "expiration_time": event.expiration_time,
            }
        case FormClosed():
            return "human_input_form_filled", {
                "node_id": event.node_id,
                "node_title": event.title,
                "rendered_content": event.rendered_content,
                "action_id": event.action_id,
                "action_text": event.action_text,
                "submitted_data": event.data,
            }
        case _:
            return None


def form_requested(event: FormRequested) -> dict[str, Any]:
    """The data of ``human_input_required``."""
    return {**_form(event), "display_in_ui": True}


def pause_reason(event: FormRequested) -> dict[str, Any]:
    """Why a run is paused: an entry of ``reasons``."""
    return {"TYPE": "human_input_required", **_form(event)}


def _form(event: FormRequested) -> dict[str, Any]:
    form = event.form
    return {
        "form_id": event.form_id,
        "node_id": event.node_id,
        "node_title": event.title,
        "form_content": form["form_content"],
        "inputs": form["inputs"],
        "actions": form["actions"],
        "form_token": form["form_token"],
        "approval_channels": form["approval_channels"],
        "resolved_default_values": form["resolved_default_values"],
        "expiration_time": form["expiration_time"],
    }


def run_paused(record: RunRecord, forms: Sequence[FormRequested]) -> dict[str, Any]:
    """The data of ``workflow_paused``."""
    return {
        "workflow_run_id": record.owner.run_id,
        "paused_nodes": [form.node_id for form in forms],
        "outputs": {},
        "reasons": [pause_reason(form) for form in forms],
        "status": "paused",
        "created_at": int(record.created_at),
        "elapsed_time": record.elapsed,
        "total_tokens": record.total_tokens,
        "total_steps": record.total_steps,
    }


def run_started(owner: RunOwner, event: RunStarted, reason: str, *, with_time: bool = False) -> dict[str, Any]:
    """The data of ``workflow_started``."""
    system = {f"sys.{name}": value for name, value in event.system.items() if with_time or name != "timestamp"}
    return {
        "id": owner.run_id,
        "workflow_id": owner.workflow_id,
        "inputs": {**event.inputs, **system},
        "created_at": int(event.at),
        "reason": reason,
    }


def _run_finished(record: RunRecord, event: RunFinished) -> dict[str, Any]:
    return _finished(record, event, event.outputs, event.elapsed, event.at)


def _finished(
    record: RunRecord, end: RunFinished | RunRecord, outputs: Json, elapsed: float, finished_at: float | None
) -> dict[str, Any]:
    owner = record.owner
    return {
        "id": owner.run_id,
        "workflow_id": owner.workflow_id,
        "status": end.status,
        "outputs": outputs,
        "error": end.error,
        "elapsed_time": elapsed,
        "total_tokens": end.total_tokens,
        "total_steps": end.total_steps,
        "created_by": {"id": owner.end_user_id, "user": owner.user},
        "created_at": int(record.created_at),
        "finished_at": None if finished_at is None else int(finished_at),
        "exceptions_count": end.exceptions_count,
        "files": files_in(outputs),
    }


def _containers(rounds: Rounds) -> tuple[str | None, str | None]:
    """The iteration and the loop around a node. Of several the outermost is named. Source: spec/execution.md §12."""
    iteration_id = loop_id = None
    for entry in reversed(rounds):
        if entry.kind == "iteration":
            iteration_id = entry.node_id
        else:
            loop_id = entry.node_id
    return iteration_id, loop_id


def _node_started(event: NodeStarted) -> dict[str, Any]:
    iteration_id, loop_id = _containers(event.rounds)
    return {
        "id": event.execution_id,
        "node_id": event.node_id,
        "node_type": event.node_type,
        "title": event.title,
        # Dify's stream does not count, nor does it know the predecessor; our own routes tell both.
        "index": 1,
        "predecessor_node_id": None,
        "inputs": None,
        "inputs_truncated": False,
        "created_at": int(event.at),
        "extras": {},
        "iteration_id": iteration_id,
        "loop_id": loop_id,
        "agent_strategy": None,
    }


def _node_finished(event: NodeFinished) -> tuple[str, dict[str, Any]] | None:
    if event.node_type in _CONTAINERS:
        return (f"{event.node_type}_completed", _container_completed(event)) if event.announced else None
    # Dify tells a handled failure by a fixed text; what went wrong is in the outputs. Source: spec/execution.md §6.2.
    error = "Unknown error" if event.status == "exception" else event.error
    return "node_finished", _ended(event, event.status, error)


def _ended(event: NodeFinished | NodeAttempted, status: str, error: str | None) -> dict[str, Any]:
    iteration_id, loop_id = _containers(event.rounds)
    strategy, metadata = (event.strategy, event.metadata) if isinstance(event, NodeFinished) else (None, {})
    return {
        "id": event.execution_id,
        "node_id": event.node_id,
        "node_type": event.node_type,
        "title": event.title,
        "index": 1,
        "predecessor_node_id": None,
        "inputs": event.inputs,
        "inputs_truncated": False,
        "process_data": event.process_data,
        "process_data_truncated": False,
        "outputs": event.outputs,
        "outputs_truncated": False,
        "status": status,
        "error": error,
        "elapsed_time": event.elapsed,
        "execution_metadata": execution_metadata(event.usage, event.rounds, strategy, metadata),
        "created_at": int(event.started_at),
        "finished_at": int(event.at),
        "files": files_in(event.outputs),
        "iteration_id": iteration_id,
        "loop_id": loop_id,
    }


def _about_container(event: NodeEvent) -> dict[str, Any]:
    return {"id": event.node_id, "node_id": event.node_id, "node_type": event.node_type, "title": event.title}


def _container_started(event: ContainerStarted) -> dict[str, Any]:
    return {
        **_about_container(event),
        "created_at": int(event.at),
        "extras": {},
        "metadata": {f"{event.node_type}_length": event.length},
        "inputs": event.inputs,
        "inputs_truncated": False,
    }


def _round(event: RoundStarted | RoundFinished, index: int) -> dict[str, Any]:
    return {**_about_container(event), "index": index, "created_at": int(event.at), "extras": {}}


def _container_completed(event: NodeFinished) -> dict[str, Any]:
    return {
        **_about_container(event),
        "outputs": event.outputs,
        "outputs_truncated": False,
        "created_at": int(event.at),
        "extras": {},
        "inputs": event.inputs,
        "inputs_truncated": False,
        "status": "succeeded" if event.status == "succeeded" else "failed",
        "error": None,
        "elapsed_time": event.elapsed,
        "total_tokens": event.usage.total_tokens if event.usage else 0,
        "execution_metadata": execution_metadata(event.usage, (), None, event.metadata),
        "finished_at": int(event.at),
        "steps": event.steps,
    }
