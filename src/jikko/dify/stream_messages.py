"""Contents of stream messages that are made in several places, or are in the API's description. The others are objects
made by ``dify_events``. Source: docs/dify-behaviour.md, “Messages of a stream”, “Run records”.

Times are whole seconds since the Unix epoch, durations are seconds. Fields with a default always have it in Dify.
"""

from typing import Any, Literal, TypeAlias

from msgspec import Struct

from jikko.events import RunFinished, RunStatus
from jikko.record import DetailRecord, RunRecord
from jikko.runs.reading.node_executions import NodeState
from jikko.values import Json, Seconds, Uuid


class RunTotals(Struct):
    """Status and totals of a run. ``elapsed_time`` is in seconds, 0 until it ends or pauses."""

    status: RunStatus
    elapsed_time: float
    total_tokens: int
    total_steps: int
    created_at: Seconds


class RunOutcome(RunTotals):
    """Status of a run, its end and its error."""

    error: str | None
    finished_at: Seconds | None


class RunSummary(RunOutcome):
    """Run without inputs and outputs."""

    id: Uuid
    workflow_id: Uuid


Totals: TypeAlias = tuple[RunStatus, float, int, int, int]
State: TypeAlias = tuple[RunStatus, float, int, int, int, str | None, int | None]


def totals(run: RunRecord | DetailRecord) -> Totals:
    """Return the fields of ``RunTotals``, in order."""
    return run.status, run.elapsed, run.total_tokens, run.total_steps, int(run.created_at)


def state(run: RunRecord | DetailRecord) -> State:
    """Return the fields of ``RunOutcome``, in order; the elapsed time in whole microseconds."""
    return (
        run.status,
        round(run.elapsed, 6),
        run.total_tokens,
        run.total_steps,
        int(run.created_at),
        run.error,
        None if run.finished_at is None else int(run.finished_at),
    )


def end_state(end: RunFinished, created_at: float) -> State:
    """Return the fields of ``RunOutcome``, in order, from a run's end."""
    return end.status, end.elapsed, end.total_tokens, end.total_steps, int(created_at), end.error, int(end.at)


class StreamMessage(Struct):
    event: str
    workflow_run_id: str
    task_id: str
    data: Any


class ErrorMessage(Struct, tag_field="event", tag="error"):
    """Error that ends a stream before its run."""

    workflow_run_id: str
    code: str
    status: int
    message: str


class WorkflowStarted(Struct):
    """Start of a run, or resumption after a pause."""

    id: str
    workflow_id: str
    inputs: dict[str, Json]
    """Inputs, including ``sys.*`` variables."""
    created_at: int
    reason: Literal["initial", "resumption"]


class CreatedBy(Struct):
    """End user of the run."""

    id: str
    user: str


class WorkflowFinished(RunSummary):
    """End of a run."""

    outputs: dict[str, Json] | None
    created_by: CreatedBy | dict[str, Json]
    exceptions_count: int
    files: list[dict[str, Json]]


class WorkflowPaused(RunTotals):
    """Pause of a run until a form is submitted."""

    workflow_run_id: str
    paused_nodes: list[str]
    reasons: list["PauseReason"]
    outputs: dict[str, Json]


class NodeRetry(NodeState, kw_only=True):
    """Failed attempt of a node, followed by a retry."""

    status: str = "retry"
    retry_index: int


class FormPrompt(Struct):
    """Form for an end user."""

    form_id: str
    node_id: str
    node_title: str
    form_content: str
    inputs: list[dict[str, Json]]
    actions: list[dict[str, Json]]
    form_token: str | None
    approval_channels: list[str]
    resolved_default_values: dict[str, Json]
    expiration_time: Seconds


class HumanInputRequired(FormPrompt):
    """Node waiting for its form."""

    display_in_ui: bool
    """Whether it can be submitted over the API, where a page would send it."""


class PauseReason(FormPrompt, tag_field="TYPE", tag="human_input_required"):
    """Open form of a paused run."""


class SubmittedForm(Struct):
    """Submission of a form."""

    node_id: str
    node_title: str
    rendered_content: str
    action_id: str
    action_text: str
    submitted_data: dict[str, Json]
