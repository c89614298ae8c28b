"""Dify's stream messages of a run's events.
Source: docs/dify-behaviour.md, “Messages of a stream”, “Records”, “Service API”."""

from collections.abc import Sequence
from typing import Any, Final, Literal, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from jikko.dify import stream_messages
from jikko.dify.stream_messages import (
    CreatedBy,
    HumanInputRequired,
    PauseReason,
    State,
    StreamMessage,
    SubmittedForm,
    WorkflowFinished,
    WorkflowStarted,
    end_state,
    state,
    totals,
)
from jikko.errors import JikkoError
from jikko.events import (
    AgentLogged,
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
    RoundPath,
    RoundStarted,
    RunFinished,
    RunStarted,
    TextChunk,
    TextReplaced,
)
from jikko.long_texts import encode_giving_way, encode_text
from jikko.record import RunIdentity, RunRecord
from jikko.runs.reading.node_executions import NodeState, execution_metadata
from jikko.values import Json, encode_json, files_in, is_file

_LINE_ENDS = (("\u2028".encode(), b"\\u2028"), ("\u2029".encode(), b"\\u2029"), ("\x85".encode(), b"\\u0085"))
"""Unicode line separators, valid in JSON but not within a line of a stream."""
_CONTAINERS = ("iteration", "loop")
_AGENT = "agent"
"""Type of nodes that send their strategy in place of an icon."""

MessageData: TypeAlias = Struct | dict[str, Any]
"""Contents of a stream message."""
encode: Final = encode_json
"""Compact JSON in UTF-8. NaN and infinities become null."""


def event_message(record: RunRecord, event: Event) -> StreamMessage | None:
    """Convert an event to a stream message; ``None`` if Dify's clients do not know it.
    ``record``: The run's, at the event or later."""
    described = _described(record, event)
    return None if described is None else message(record.identity, *described)


def message(identity: RunIdentity, name: str, data: MessageData) -> StreamMessage:
    return StreamMessage(name, identity.run_id, identity.task_id, data)


def frame(message: Any) -> bytes:
    """Encode a message as a stream frame."""
    return b"data: " + line(message) + b"\n\n"


def line(value: Any) -> bytes:
    """Encode as JSON, on one line of a stream."""
    return in_one_line(encode(value))


async def frame_giving_way(message: Any) -> bytes:
    """Like ``frame``, yielding to the event loop between chunks of long texts."""
    return await encode_giving_way(message, frame, line_of_text)


def line_of_text(text: str) -> bytes:
    """Like ``line``, for a text."""
    return in_one_line(encode_text(text))


def in_one_line(data: bytes) -> bytes:
    """Escape the line separators of JSON for a line of a stream."""
    if not data.isascii():
        for character, escaped in _LINE_ENDS:
            # Python's clients, among others, would split the line there.
            data = data.replace(character, escaped)
    return data


def error_frame(identity: RunIdentity, error: JikkoError) -> bytes:
    """Encode an error as the end of a run's stream. Source: docs/dify-behaviour.md, “Messages of a stream”."""
    return frame(stream_messages.ErrorMessage(identity.run_id, error.code, error.status, str(error)))


def refused_start(run_id: str, workflow_id: str, inputs: dict[str, Json], error: str, now: float) -> bytes:
    """Encode the stream of a run refused after its answer began. Source: docs/dify-behaviour.md, “Failures before a
    stream starts”."""
    identity = RunIdentity(
        run_id=run_id, task_id=run_id, app_id="", workflow_id=workflow_id, version="", end_user_id="", user=""
    )
    started = run_started(identity, RunStarted(at=now, inputs=inputs, system={}), "initial")
    end = RunFinished(at=now, status="failed", error=error, elapsed=0.0, exceptions_count=1)
    finished = replace(_run_finished(identity, end_state(end, now), {}, 1), outputs=None, created_by={})
    return frame(message(identity, "workflow_started", started)) + frame(
        message(identity, "workflow_finished", finished)
    )


def finished_data(record: RunRecord, outputs: dict[str, Json]) -> WorkflowFinished:
    return _run_finished(record.identity, state(record), outputs, record.exceptions_count)


def _described(record: RunRecord, event: Event) -> tuple[str, MessageData] | None:
    match event:
        case TextChunk():
            return "text_chunk", {"text": event.text, "from_variable_selector": event.selector}
        case TextReplaced():
            return "text_replace", {"text": event.text}
        case NodeStarted():
            is_hidden = event.node_type in _CONTAINERS or event.icon is False
            return None if is_hidden else ("node_started", _node_started(event))
        case NodeFinished():
            return _node_finished(event)
        case NodeAttempted():
            return "node_retry", _node_retry(event)
        case RunStarted():
            return "workflow_started", run_started(record.identity, event, "initial")
        case RunFinished():
            ended = end_state(event, record.created_at)
            return "workflow_finished", _run_finished(record.identity, ended, event.outputs, event.exceptions_count)
        case ContainerStarted():
            return f"{event.node_type}_started", _container_started(event)
        case RoundStarted() if event.node_type == "iteration":
            return "iteration_next", {**_container(event), "index": event.round}
        case RoundFinished() if event.node_type == "loop" and event.error is None and not event.last:
            return "loop_next", {**_container(event), "index": event.round + 1, "pre_loop_output": {}}
        case ReasoningChunk() if not event.said:
            data = {"reasoning": event.text, "node_id": event.node_id, "is_final": event.final, "message_id": None}
            return "reasoning_chunk", data
        case AgentLogged():
            return "agent_log", _agent_log(event)
        case FormRequested():
            return "human_input_required", form_requested(event)
        case FormClosed():
            return _form_closed(event)
        case _:
            return None


def _agent_log(event: AgentLogged) -> dict[str, Any]:
    """Return an entry of an agent's log, which replaces an earlier one with the same ID."""
    own = ("label", "parent_id", "error", "status", "data", "metadata", "node_id")
    # Dify, too, has the node's ID in place of the execution's.
    return {"node_execution_id": event.node_id, "id": event.entry_id, **{name: getattr(event, name) for name in own}}


def form_requested(event: FormRequested) -> HumanInputRequired:
    return HumanInputRequired(*[*_form(event), event.form["form_token"] is not None])


def pause_reason(event: FormRequested) -> PauseReason:
    """Make an entry of ``reasons`` for a pause."""
    return PauseReason(*_form(event))


def _form(event: FormRequested) -> list[Any]:
    """Return the fields of ``OpenForm``, in order."""
    own = ("form_content", "inputs", "actions", "form_token", "approval_channels", "resolved_default_values")
    form = event.form
    return [event.form_id, event.node_id, event.title, *(form[name] for name in own), form["expiration_time"]]


def _form_closed(event: FormClosed) -> tuple[str, MessageData]:
    if event.action_id is None:
        form = {"node_id": event.node_id, "node_title": event.title, "expiration_time": event.expiration_time}
        return "human_input_form_timeout", form
    return "human_input_form_filled", submitted_form(event, event.action_id)


def submitted_form(event: FormClosed, action_id: str) -> SubmittedForm:
    """Make the data of ``human_input_form_filled``."""
    return SubmittedForm(event.node_id, event.title, event.rendered_content, action_id, event.action_text, event.data)


def run_paused(record: RunRecord, forms: Sequence[FormRequested]) -> stream_messages.WorkflowPaused:
    reasons = [pause_reason(form) for form in forms]
    nodes = [form.node_id for form in forms]
    paused = stream_messages.WorkflowPaused(*totals(record), record.identity.run_id, nodes, reasons, {})
    paused.status = "paused"
    return paused


def run_started(
    identity: RunIdentity, event: RunStarted, reason: Literal["initial", "resumption"], *, with_time: bool = False
) -> WorkflowStarted:
    system = {f"sys.{name}": value for name, value in event.system.items() if with_time or name != "timestamp"}
    return WorkflowStarted(identity.run_id, identity.workflow_id, {**event.inputs, **system}, int(event.at), reason)


def _run_finished(identity: RunIdentity, ended: State, outputs: dict[str, Json], exceptions: int) -> WorkflowFinished:
    by = CreatedBy(identity.end_user_id, identity.user)
    return WorkflowFinished(*ended, identity.run_id, identity.workflow_id, outputs, by, exceptions, files_in(outputs))


def _containers(rounds: RoundPath) -> tuple[str | None, str | None]:
    """Return the outermost iteration and loop around a node. Source: docs/dify-behaviour.md, “Messages of a stream”."""
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
        "index": 1,  # always in streams, without a predecessor; records have both
        "predecessor_node_id": None,
        "inputs": None,
        "created_at": int(event.at),
        "iteration_id": iteration_id,
        "loop_id": loop_id,
        "inputs_truncated": False,
        "extras": icon_of(event),
        "agent_strategy": event.icon if event.node_type == _AGENT else None,
    }


def icon_of(event: NodeStarted) -> dict[str, Json]:
    """Return the ``extras`` of a starting node. Source: docs/dify-behaviour.md, “Tool outputs”."""
    return {} if event.icon is None or event.node_type == _AGENT else {"icon": event.icon}


def _node_finished(event: NodeFinished) -> tuple[str, MessageData] | None:
    if event.node_type in _CONTAINERS:
        return (f"{event.node_type}_completed", _container_completed(event)) if event.announced else None
    # Dify's fixed text for a handled failure; the error itself is in the outputs. Source: docs/dify-behaviour.md,
    # “Error strategies”.
    error = "Unknown error" if event.status == "exception" else event.error
    metadata = execution_metadata(event.usage, event.rounds, event.strategy, event.metadata)
    return "node_finished", NodeState(**_ended(event), status=event.status, error=error, execution_metadata=metadata)


def _node_retry(event: NodeAttempted) -> stream_messages.NodeRetry:
    metadata = execution_metadata(event.usage, event.rounds, None, event.metadata)
    return stream_messages.NodeRetry(
        **_ended(event), error=event.error, execution_metadata=metadata, retry_index=event.attempt
    )


def _ended(event: NodeFinished | NodeAttempted) -> dict[str, Any]:
    """Return the common fields of the ends of executions and attempts."""
    iteration_id, loop_id = _containers(event.rounds)
    return {
        "id": event.execution_id,
        "node_id": event.node_id,
        "node_type": event.node_type,
        "title": event.title,
        "index": 1,
        "inputs": event.inputs,
        "process_data": event.process_data,
        "outputs": event.outputs,
        "elapsed_time": event.elapsed,
        "created_at": int(event.started_at),
        "finished_at": int(event.at),
        "files": files_in(event.outputs),
        "iteration_id": iteration_id,
        "loop_id": loop_id,
    }


def _container(event: NodeEvent) -> dict[str, Any]:
    """Return the common fields of an iteration's or loop's messages."""
    return {
        "id": event.node_id,  # rather than the execution's
        "node_id": event.node_id,
        "node_type": event.node_type,
        "title": event.title,
        "created_at": int(event.at),
        "extras": {},
    }


def _container_started(event: ContainerStarted) -> dict[str, Any]:
    length = {f"{event.node_type}_length": event.length}
    return {**_container(event), "metadata": length, "inputs": _plain(event.inputs), "inputs_truncated": False}


def _plain(inputs: dict[str, Json]) -> dict[str, Json]:
    """Return a container's inputs, files without ``related_id`` and ``url``: Dify sends its stored form. [QUIRK]"""
    if not files_in(inputs):
        return inputs
    return {
        name: [_kept(each) for each in value] if isinstance(value, list) else _kept(value)
        for name, value in inputs.items()
    }


def _kept(value: Json) -> Json:
    if not is_file(value):
        return value
    return {name: part for name, part in value.items() if name not in ("related_id", "url")}


def _container_completed(event: NodeFinished) -> dict[str, Any]:
    # The container's own end, even if its failure is handled: as recorded, it has the results so far.
    return {
        **_container(event),
        "outputs": event.outputs if event.strategy is None else event.own_outputs,
        "outputs_truncated": False,
        "inputs": _plain(event.inputs),
        "inputs_truncated": False,
        "status": "succeeded" if event.status == "succeeded" else "failed",
        "error": None,
        "elapsed_time": event.elapsed,
        "total_tokens": event.usage.total_tokens if event.usage else 0,
        "execution_metadata": execution_metadata(event.usage, (), None, event.metadata),
        "finished_at": int(event.at),
        "steps": event.steps,
    }
