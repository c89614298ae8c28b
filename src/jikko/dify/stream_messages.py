"""Messages of a run's stream, field by field, and the fields that they share with other answers about a run. Source:
docs/dify-behaviour.md, “Messages of a stream”, “Run records”.

Times are whole seconds since the Unix epoch, durations seconds. Where a default stands, Dify never tells anything else.
"""

from typing import Any, Literal, TypeAlias

from msgspec import Struct

from jikko.events import RunFinished, RunStatus
from jikko.record import DetailRecord, RunRecord
from jikko.runs.reading.node_executions import NodeState
from jikko.values import Json, Seconds, Selector, Uuid


class RunTotals(Struct):
    """How a run stands, and what it took: ``elapsed_time`` in seconds, 0 until it ends or pauses."""

    status: RunStatus
    elapsed_time: float
    total_tokens: int
    total_steps: int
    created_at: Seconds


class RunOutcome(RunTotals):
    """How a run stands, whether it has ended and why."""

    error: str | None
    finished_at: Seconds | None


class RunSummary(RunOutcome):
    """A run, without what went in and came out."""

    id: Uuid
    workflow_id: Uuid


Totals: TypeAlias = tuple[RunStatus, float, int, int, int]
State: TypeAlias = tuple[RunStatus, float, int, int, int, str | None, int | None]


def totals(run: RunRecord | DetailRecord) -> Totals:
    """The fields of ``RunTotals``, in their order."""
    return run.status, run.elapsed, run.total_tokens, run.total_steps, int(run.created_at)


def state(run: RunRecord | DetailRecord) -> State:
    """The fields of ``RunOutcome``, in their order; the elapsed time in whole microseconds."""
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
    """The fields of ``RunOutcome``, in their order, as the end of a run tells them."""
    return end.status, end.elapsed, end.total_tokens, end.total_steps, int(created_at), end.error, int(end.at)


class StreamMessage(Struct):
    """A message of the stream."""

    event: str
    workflow_run_id: str
    task_id: str
    data: Any


class ErrorMessage(Struct, tag_field="event", tag="error"):
    """Why a stream ends before its run."""

    workflow_run_id: str
    code: str
    status: int
    message: str


class WorkflowStarted(Struct):
    """A run began, or goes on behind a pause."""

    id: str
    workflow_id: str
    inputs: dict[str, Json]
    """``sys.*`` variables among them."""
    created_at: int
    reason: Literal["initial", "resumption"]


class CreatedBy(Struct):
    """The end user whose run it is."""

    id: str
    user: str


class WorkflowFinished(RunSummary):
    """A run ended."""

    outputs: dict[str, Json] | None
    created_by: CreatedBy | dict[str, Json]
    exceptions_count: int
    files: list[dict[str, Json]]


class WorkflowPaused(RunTotals):
    """Nothing of a run goes on until a form is submitted."""

    workflow_run_id: str
    paused_nodes: list[str]
    reasons: list["PauseReason"]
    outputs: dict[str, Json]


class TextChunkData(Struct):
    """A piece of an output."""

    text: str
    from_variable_selector: Selector


class TextReplacedData(Struct):
    """All that was shown is replaced by this."""

    text: str


class ReasoningData(Struct):
    """A piece of what a model thought."""

    reasoning: str
    node_id: str
    is_final: bool
    message_id: None = None


class NodeBegin(Struct, kw_only=True):
    """A node execution, as the message of its start shows it."""

    id: str
    node_id: str
    node_type: str
    title: str
    index: int = 1
    """The stream does not count, nor does it know the predecessor; records tell both."""
    predecessor_node_id: str | None = None
    inputs: dict[str, Json] | None = None
    created_at: int
    iteration_id: str | None = None
    """The iteration, and the loop, around the node. Of several the outermost."""
    loop_id: str | None = None


class NodeStartedData(NodeBegin, kw_only=True):
    """A node started."""

    inputs_truncated: bool = False
    extras: dict[str, Json] = {}
    agent_strategy: dict[str, Json] | None = None


class NodeRetry(NodeState, kw_only=True):
    """An attempt of a node failed, and is followed by another."""

    status: str = "retry"
    retry_index: int


class NodeStartedBefore(NodeBegin, kw_only=True):
    """A node had started before the client came."""

    extras: dict[str, Json] = {}


class NodeFinishedBefore(NodeBegin, kw_only=True):
    """A node had finished, or waits for a form, before the client came. What came of it is not in the message."""

    process_data: None = None
    outputs: None = None
    status: str
    error: None = None
    elapsed_time: float
    execution_metadata: None = None
    finished_at: int
    files: list[Json] = []


class ContainerMessage(Struct, kw_only=True):
    """An iteration or a loop."""

    id: str
    """Its node, and not its execution."""
    node_id: str
    node_type: str
    title: str
    created_at: int
    extras: dict[str, Json] = {}


class ContainerStartedData(ContainerMessage, kw_only=True):
    """Its first round is about to begin."""

    metadata: dict[str, Json]
    inputs: dict[str, Json]
    inputs_truncated: bool = False


class AgentLogEntry(Struct):
    """An entry of an agent's log; one with the id of an earlier one takes its place."""

    node_execution_id: str
    """The id of the node, as Dify has it."""
    id: str
    label: str
    parent_id: str | None
    error: str | None
    status: Literal["start", "success", "error"]
    data: dict[str, Json]
    metadata: dict[str, Json]
    node_id: str


class NextRound(ContainerMessage, kw_only=True):
    """A round of an iteration begins."""

    index: int


class NextLoopRound(NextRound, kw_only=True):
    """A round of a loop begins, other than the first."""

    pre_loop_output: dict[str, Json] = {}


class ContainerCompleted(ContainerMessage, kw_only=True):
    """It ended, well or not."""

    outputs: dict[str, Json] | None
    outputs_truncated: bool = False
    inputs: dict[str, Json] | None
    inputs_truncated: bool = False
    status: Literal["succeeded", "failed"]
    error: None = None
    elapsed_time: float
    total_tokens: int
    execution_metadata: dict[str, Json] | None
    finished_at: int
    steps: int


class FormPrompt(Struct):
    """A form for an end user to fill in."""

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
    """A node waits for its form."""

    display_in_ui: bool
    """Whether it can be submitted over the API, which is where a page would send it."""


class PauseReason(FormPrompt, tag_field="TYPE", tag="human_input_required"):
    """A form that a paused run waits for."""


class FormTimeout(Struct):
    """A form was not submitted in time."""

    node_id: str
    node_title: str
    expiration_time: int


class FormFilled(Struct):
    """A form was submitted."""

    node_id: str
    node_title: str
    rendered_content: str
    action_id: str
    action_text: str
    submitted_data: dict[str, Json]
