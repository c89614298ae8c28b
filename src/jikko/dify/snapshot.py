"""The snapshot of a run that is still open: what happened so far, for a client that comes late.

Source: Dify 1.15, spec/service-api.md §4.3, recordings human_input__approve.
"""

from typing import Any

import msgspec

from jikko.dify import events as dify_events
from jikko.dify.messages import Message, NodeFinishedBefore, NodeStartedBefore
from jikko.events import Event, FormClosed, FormRequested, RunStarted
from jikko.record import NodeExecution, RunRecord, node_executions


def snapshot(record: RunRecord, log: list[Event]) -> list[Message]:
    """The messages: the start, the nodes without their details, and, if the run is paused, why."""
    owner = record.owner
    messages: list[tuple[str, msgspec.Struct]] = []
    if log and isinstance(log[0], RunStarted):
        messages.append(("workflow_started", dify_events.run_started(owner, log[0], "initial", with_time=True)))
    waiting = _waiting(log)
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
    return [dify_events.message(owner, name, data) for name, data in messages]


def _waiting(log: list[Event]) -> dict[str, FormRequested]:
    waiting: dict[str, FormRequested] = {}
    for event in log:
        if isinstance(event, FormRequested):
            waiting[event.execution_id] = event
        elif isinstance(event, FormClosed):
            waiting.pop(event.execution_id, None)
    return waiting


def _as_written(form: FormRequested) -> FormRequested:
    return msgspec.structs.replace(form, form={**form.form, "form_content": form.source})


def _node(execution: NodeExecution) -> dict[str, Any]:
    """The fields of ``NodeBegin``."""
    return {
        "id": execution.id,
        "node_id": execution.node_id,
        "node_type": execution.node_type,
        "title": execution.title,
        "index": execution.index,
        "created_at": execution.created_at,
        "iteration_id": execution.iteration_id,
        "loop_id": execution.loop_id,
    }


def _finished(execution: NodeExecution, status: str) -> NodeFinishedBefore:
    return NodeFinishedBefore(
        **_node(execution),
        status=status,
        elapsed_time=execution.elapsed_time,
        finished_at=execution.finished_at or execution.created_at,
    )
