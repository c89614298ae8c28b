"""Events of a run: the one vocabulary that engine, log, API and CLI share.

A run's log is a list of these, numbered from 0; all else is a fold over it. They never change, nor form cycles: a field
that is added needs a default. A new event raises ``LOG_FORMAT`` and ``RunRecord.format``.
"""

from typing import Final, Literal, TypeAlias

from msgspec import Struct

from jikko.event_parts import Exceptions, FailedNode
from jikko.values import Json

LOG_FORMAT: Final = 3
NodeStatus: TypeAlias = Literal["succeeded", "failed", "exception"]
"""``exception``: failed, and its error strategy let the run go on."""
RunStatus: TypeAlias = Literal["running", "succeeded", "failed", "stopped", "partial-succeeded", "paused"]


class Round(Struct, frozen=True, array_like=True, gc=False):
    """One round of a container's body. Node events carry the path of rounds they belong to, outermost first."""

    execution_id: str
    """The container's execution."""
    node_id: str
    """The container."""
    kind: Literal["iteration", "loop"]
    index: int
    """Counted from 0."""


RoundPath: TypeAlias = tuple[Round, ...]
"""Where in the nesting of containers something happens. ``()`` is the top level."""


class Update(Struct, frozen=True, array_like=True, gc=False):
    """A node changed a variable that is not its own output."""

    selector: tuple[str, ...]
    """Two parts: node id (or ``conversation``, ``env``, …) and name."""
    value: Json


class Usage(Struct, frozen=True, omit_defaults=True, gc=False):
    """What the language models behind a node, or behind a container with its rounds, used."""

    total_tokens: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_price: str = "0"
    """Decimal number, as all prices."""
    currency: str = "USD"
    prompt_price: str = "0"
    completion_price: str = "0"
    prompt_unit_price: str = "0"
    """Per million tokens, of the last call that had one; so is that of the completion."""
    completion_unit_price: str = "0"
    latency: float = 0.0
    """Seconds that the calls took, all together."""


class Turn(Struct, frozen=True, omit_defaults=True, gc=False):
    """That a run answers a message, of an app of which mode, and what it saw of the conversation when it began."""

    conversation_id: str
    message_id: str
    variables: dict[str, Json] = {}
    """The values of the conversation's variables."""
    cites: bool = False
    """Whether the answer tells which passages it is based on."""
    streamed: bool = False
    """Whether its client asked for a stream."""
    mode: str = "advanced-chat"
    is_trial: bool = False  # Whether its message and conversation stay as they are: it has values from outside.


class RunStarted(Struct, tag_field="event", tag="run_started", kw_only=True, omit_defaults=True, gc=False):
    """The first event of every log."""

    at: float
    """Seconds since the Unix epoch; so in all events."""
    inputs: dict[str, Json]
    """The prepared inputs, in the order of the start node's variables."""
    system: dict[str, Json]
    """The ``sys.*`` variables, names without the prefix, in the order in which Dify shows them."""
    turn: Turn | None = None
    """Of a run that answers a message."""
    depth: int = 0
    """How many workflows called as tools the run is within: 0 for one that a client started."""
    trace: str = ""
    """The ``traceparent`` (W3C) of its request, or of the run that called it, a blank, its ``tracestate``; or empty."""
    entry: str = ""  # The trigger node at which it begins; empty: the first entry of the workflow.
    mocks: dict[str, dict[str, Json]] = {}  # Outputs of nodes that do not run, by their ids; see `with_mocks`.


class RunRecovered(Struct, tag_field="event", tag="run_recovered", kw_only=True, omit_defaults=True, gc=False):
    """A process took over a run whose process died. The nodes that were in flight run again."""

    at: float
    epoch: int
    """2 for the first takeover of a run, 3 for the next; the process that accepted it has 1."""
    in_flight: list[str] = []
    """Executions that had started and not finished."""
    ready: list[str] = []
    """Nodes that were due and had not started."""
    elapsed: float = 0.0
    """Seconds that the run was running before, as far as the log tells: until its last event."""


class RunParked(Struct, tag_field="event", tag="run_parked", kw_only=True, omit_defaults=True, gc=False):
    """The process got a signal to end, and leaves the run to the next one. Nodes that were under way run again."""

    at: float
    elapsed: float
    """Seconds that the run was running, pauses left out."""


class NodeEvent(Struct, kw_only=True, omit_defaults=True, gc=False):
    """What all events about a node execution carry."""

    at: float
    execution_id: str
    node_id: str
    node_type: str
    title: str = ""
    index: int
    """Order of start within the run, counted from 1. A node in a container counts too."""
    predecessor: str | None = None
    """The node whose end made this one ready."""
    rounds: RoundPath = ()


class NodeStarted(NodeEvent, tag_field="event", tag="node_started", kw_only=True, omit_defaults=True):
    """A node began to run. A node that runs again after a crash starts again under the same execution id."""

    icon: Json = None
    """Of a tool's provider: ``{"content", "background"}``, or an address. ``False``: not told (decisions/0029)."""


class NodeAttempted(NodeEvent, tag_field="event", tag="node_attempted", kw_only=True, omit_defaults=True):
    """An attempt of a node failed and another begins."""

    started_at: float
    """When the node started: that of its first attempt."""
    elapsed: float
    """Seconds since ``started_at``, waits between attempts included."""
    attempt: int
    """How many attempts have failed so far."""
    error: str
    error_type: str = ""
    inputs: dict[str, Json] = {}
    process_data: dict[str, Json] = {}
    outputs: dict[str, Json] = {}
    usage: Usage | None = None
    metadata: dict[str, Json] = {}


class NodeFinished(NodeEvent, tag_field="event", tag="node_finished", kw_only=True, omit_defaults=True):
    """A node ended, for good."""

    started_at: float
    elapsed: float
    status: NodeStatus
    inputs: dict[str, Json] = {}
    process_data: dict[str, Json] = {}
    outputs: dict[str, Json] = {}
    handle: str = "source"
    """The outgoing edges that are taken."""
    error: str | None = None
    """Why it failed, as shown to the user. ``None`` if it succeeded."""
    error_type: str = ""
    strategy: Literal["fail-branch", "default-value"] | None = None
    """The error strategy that handled the failure."""
    updates: tuple[Update, ...] = ()
    usage: Usage | None = None
    metadata: dict[str, Json] = {}
    """Further entries of ``execution_metadata`` (tool and agent nodes, ``completed_reason``, …)."""
    steps: int = 0
    """For a container: the ``steps`` of its completed event."""
    resources: tuple[dict[str, Json], ...] = ()
    """Passages of knowledge that the node's work is based on, in Dify's form (``retriever_resources``)."""
    announced: bool = True
    """For a container: whether it had a ``ContainerStarted``. Source: docs/dify-behaviour.md, “Iteration”."""
    own_outputs: dict[str, Json] = {}
    """For a container whose failure was handled: what it had come to by then. ``outputs`` are those of the strategy."""


class ContainerStarted(NodeEvent, tag_field="event", tag="container_started", kw_only=True, omit_defaults=True):
    """An iteration or loop knows what it will go over, and begins."""

    length: int
    """Number of rounds planned."""
    inputs: dict[str, Json] = {}
    hides_failed_rounds: bool = False
    """Whether rounds run side by side and the first failure ends them all: Dify then never shows the failed ones."""
    variables: dict[str, Json] = {}
    """Variables of the container that its rounds share: a loop's own variables with their first values."""


class RoundStarted(NodeEvent, tag_field="event", tag="round_started", kw_only=True, omit_defaults=True):
    """A round of a container begins. ``execution_id`` and ``node_id`` are the container's."""

    round: int
    variables: dict[str, Json] = {}
    """Variables of the container for this round: an iteration's ``item`` and ``index``."""


class RoundFinished(NodeEvent, tag_field="event", tag="round_finished", kw_only=True, omit_defaults=True):
    """A round of a container ended."""

    round: int
    elapsed: float
    outputs: dict[str, Json] = {}
    """What the container keeps of the round."""
    error: str | None = None
    """Set if a node of the round failed without a strategy."""
    usage: Usage | None = None
    ended: bool = False
    """Whether a ``loop-end`` node ran in it."""
    last: bool = False
    """Whether the container ends with it by decision (break condition, loop-end), before its planned length."""


class TextChunk(Struct, tag_field="event", tag="text_chunk", kw_only=True, omit_defaults=True, gc=False):
    """A piece of the text that the run streams. Source: docs/dify-behaviour.md, “Order of streamed text”."""

    at: float
    text: str
    selector: tuple[str, ...]


class TextReplaced(Struct, tag_field="event", tag="text_replaced", kw_only=True, omit_defaults=True, gc=False):
    """All the text that the run has shown so far is replaced by this."""

    at: float
    text: str
    reason: str = ""
    """``output_moderation``, or empty: a node was interrupted and streamed something else when it ran again."""


class ReasoningChunk(Struct, tag_field="event", tag="reasoning_chunk", kw_only=True, omit_defaults=True, gc=False):
    """A piece of a model's reasoning. Source: docs/dify-behaviour.md, “Order of streamed text”.

    Or of what it says and the run does not show: ``node_id`` and ``text`` are empty then, and 0.1.1 passes it over.
    """

    at: float
    node_id: str
    text: str
    final: bool = False
    execution_id: str = ""
    """Of the model that says ``said``; else empty."""
    said: str = ""
    """The last of it may be missing: the outputs have it all."""


class AgentLogged(Struct, tag_field="event", tag="agent_logged", kw_only=True, omit_defaults=True, gc=False):
    """An agent tells what it does. An entry with the id of an earlier one takes its place."""

    at: float
    execution_id: str
    node_id: str
    entry_id: str
    label: str
    parent_id: str | None = None
    status: Literal["start", "success", "error"] = "success"
    error: str | None = None
    data: dict[str, Json] = {}
    metadata: dict[str, Json] = {}


class StepRecorded(Struct, tag_field="event", tag="step_recorded", kw_only=True, omit_defaults=True, gc=False):
    """A model or a tool answered an agent: should the agent run again after a crash, it is not asked again."""

    at: float
    execution_id: str
    kind: Literal["model", "tool"]
    request: str
    """A digest of what was asked."""
    answer: Json
    usage: Usage | None = None


class FormRequested(Struct, tag_field="event", tag="form_requested", kw_only=True, omit_defaults=True, gc=False):
    """A human-input node waits for its form. Source: docs/dify-behaviour.md, “Messages of a stream”."""

    at: float
    execution_id: str
    node_id: str
    title: str
    form_id: str
    form: dict[str, Json]
    """As clients see it: ``form_content``, ``inputs``, ``actions``, ``resolved_default_values``, ``form_token``,
    ``approval_channels``, ``expiration_time``, …"""
    source: str = ""
    """The form's text as the file has it."""
    expires_at: float = 0.0


class FormClosed(Struct, tag_field="event", tag="form_closed", kw_only=True, omit_defaults=True, gc=False):
    """A form was submitted, or ran out of time."""

    at: float
    execution_id: str
    node_id: str
    title: str
    form_id: str
    action_id: str | None
    """The user's action; ``None`` if the form ran out of time."""
    action_text: str = ""
    rendered_content: str = ""
    data: dict[str, Json] = {}
    expiration_time: int = 0  # when it ran out of time, in whole seconds


class RunPaused(Struct, tag_field="event", tag="run_paused", kw_only=True, omit_defaults=True, gc=False):
    """Nothing runs any more, and at least one node waits for a human."""

    at: float
    paused_nodes: list[str]
    """Nodes whose forms are open; their ``FormRequested`` precede it."""
    elapsed: float
    """Seconds that the run was running so far."""
    total_tokens: int = 0
    total_steps: int = 0
    wake_at: float | None = None  # when the first of its forms runs out of time


class RunResumed(Struct, tag_field="event", tag="run_resumed", kw_only=True, omit_defaults=True, gc=False):
    """A paused run goes on."""

    at: float


class RunBegan(Struct, tag_field="event", tag="run_began", kw_only=True, omit_defaults=True, gc=False):
    """A run whose log was written before it could run begins: it waited for its turn, or repeats another one."""

    at: float


class RunRetried(Struct, tag_field="event", tag="run_retried", kw_only=True, omit_defaults=True, gc=False):
    """What stands before is taken over from another run; what comes is this run's own."""

    at: float
    run_id: str
    from_nodes: list[str]
    """Nodes that run again, with all that is behind them."""
    replaced: dict[str, list[str]] = {}  # Names of outputs given from outside, by node or ``sys``.


class RunFinished(Struct, tag_field="event", tag="run_finished", kw_only=True, omit_defaults=True, gc=False):
    """The run ended, for good. The last event of its log."""

    at: float
    status: Literal["succeeded", "failed", "stopped", "partial-succeeded"]
    outputs: dict[str, Json] = {}
    error: str | None = None
    elapsed: float
    total_tokens: int = 0
    total_steps: int = 0
    exceptions_count: int = 0
    price: str = ""
    """What its models cost, as a decimal number; empty for nothing. So is ``currency``."""
    currency: str = ""
    failed_node: FailedNode | None = None
    """``None``: it did not fail, or at no node: it took too long, say. ``exceptions``: nothing went wrong."""
    exceptions: Exceptions | None = None


class UnknownEvent(Struct, tag_field="event", tag="unknown_event", kw_only=True, gc=False):
    """Stands for an event that a newer version of Jikko wrote. Never written."""

    at: float
    kind: str


Event: TypeAlias = (
    RunStarted
    | RunRecovered
    | RunParked
    | NodeStarted
    | NodeAttempted
    | NodeFinished
    | ContainerStarted
    | RoundStarted
    | RoundFinished
    | TextChunk
    | TextReplaced
    | ReasoningChunk
    | AgentLogged
    | StepRecorded
    | FormRequested
    | FormClosed
    | RunPaused
    | RunResumed
    | RunBegan
    | RunRetried
    | RunFinished
    | UnknownEvent
)
