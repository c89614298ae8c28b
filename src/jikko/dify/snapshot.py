"""The snapshot of a run that is still open: what happened so far, for a client that comes late.
Source: docs/dify-behaviour.md, “Rejoining a stream”, recordings human_input__approve."""

from typing import Any, Final

import msgspec

from jikko.dify import dify_events
from jikko.dify.stream_messages import NodeFinishedBefore, NodeStartedBefore
from jikko.dify.turn_events import TurnEvents, events_of
from jikko.events import Event, FormRequested, NodeFinished, RunStarted
from jikko.record import RunForms, RunRecord
from jikko.runs.reading.node_executions import NodeExecution, node_executions
from jikko.values import Json

_OF_NODE: Final = ("id", "node_id", "node_type", "title", "index", "created_at", "iteration_id", "loop_id")


def snapshot(record: RunRecord, log: list[Event]) -> list[msgspec.Struct]:
    """The messages: the start, the nodes without their details, and, if the run is paused, why."""
    identity = record.identity
    began = log[0] if log and isinstance(log[0], RunStarted) else None
    messages: list[tuple[str, msgspec.Struct]] = []
    if began is not None:
        messages.append(("workflow_started", dify_events.run_started(identity, began, "initial", with_time=True)))
    waiting = RunForms.of(log).open
    for execution in node_executions(log):
        messages.append(("node_started", NodeStartedBefore(**_node(execution))))
        if execution.id in waiting:
            messages.append(("node_finished", _finished(execution, "paused")))
        elif execution.finished_at is not None:
            messages.append(("node_finished", _finished(execution, execution.status)))
    if record.status == "paused":
        # Dify tells the form as the file has it here, references and all.
        forms = [_as_written(form) for form in waiting.values()]
        messages += [("human_input_required", dify_events.form_requested(form)) for form in forms]
        messages.append(("workflow_paused", dify_events.run_paused(record, forms)))
    if began is None or began.turn is None:
        return [dify_events.message(identity, name, data) for name, data in messages]
    turn = events_of(identity, began)
    for event in log:
        turn.note(event)
    if not isinstance(turn, TurnEvents):
        return [turn.replaced()]
    if record.status == "paused":
        messages[-1][1].outputs = _gathered(log)  # type: ignore[attr-defined]  # of the pause
    shown: list[msgspec.Struct] = [turn.run_message(name, data) for name, data in messages]
    return [shown[0], turn.replaced(), *shown[1:]]


def _gathered(log: list[Event]) -> dict[str, Json]:
    """The outputs of the answers so far, in which files are told with their type. [QUIRK]"""
    texts = [event for event in log if isinstance(event, NodeFinished) and event.node_type == "answer"]
    if not texts:
        return {}
    files = [file for event in texts for file in event.outputs.get("files") or []]
    answer = "".join(str(event.outputs.get("answer") or "") for event in texts)
    return {"answer": answer, "files": {"value_type": "array[file]", "value": files}}


def _as_written(form: FormRequested) -> FormRequested:
    return msgspec.structs.replace(form, form={**form.form, "form_content": form.source})


def _node(execution: NodeExecution) -> dict[str, Any]:
    """The fields of ``NodeBegin``."""
    return {name: getattr(execution, name) for name in _OF_NODE}


def _finished(execution: NodeExecution, status: str) -> NodeFinishedBefore:
    return NodeFinishedBefore(
        **_node(execution),
        status=status,
        elapsed_time=execution.elapsed_time,
        finished_at=execution.finished_at or execution.created_at,
    )
