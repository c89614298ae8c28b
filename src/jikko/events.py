"""Events of a run: the vocabulary that engine, log, API and CLI share.

A run's log is a list of events, numbered from 0; everything else is a fold over it. Events are immutable, without
cycles: a new field needs a default. A new event raises ``LOG_FORMAT`` and ``RunRecord.format``.
"""

from typing import Final, Literal, TypeAlias

from msgspec import Struct

from jikko.event_parts import Exceptions, FailedNode
from jikko.values import Json

LOG_FORMAT: Final = 3
NodeStatus: TypeAlias = Literal["succeeded", "failed", "exception"]
"""``exception``: failed, but its error strategy let the run continue."""
RunStatus: TypeAlias = Literal["running", "succeeded", "failed", "stopped", "partial-succeeded", "paused"]


class Round(Struct, frozen=True, array_like=True, gc=False):
    """One round of a container's body. Node events carry the path of their rounds, outermost first."""

    execution_id: str
    """The container's execution id."""
    node_id: str
    """The container's node id."""
    kind: Literal["iteration", "loop"]
    index: int
    """Position, from 0."""


RoundPath: TypeAlias = tuple[Round, ...]
"""Position in nested containers. ``()`` is the top level."""


class Update(Struct, frozen=True, array_like=True, gc=False):
    """A node's change to a variable other than its own outputs."""

    selector: tuple[str, ...]
    """Two parts: node id (or ``conversation``, ``env``, …) and name."""
    value: Json


class Usage(Struct, frozen=True, omit_defaults=True, gc=False):
    """Token usage of the language models of a node, or of a container with its rounds."""

    total_tokens: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_price: str = "0"
    """Decimal number, as all prices."""
    currency: str = "USD"
    prompt_price: str = "0"
    completion_price: str = "0"
    prompt_unit_price: str = "0"
    """Price per million tokens, from the last call that had one; so is the completion's."""
    completion_unit_price: str = "0"
    latency: float = 0.0
    """Total seconds of all calls."""


class Turn(Struct, frozen=True, omit_defaults=True, gc=False):
    """The message that a run answers: the app's mode, and the conversation's state at the start."""

    conversation_id: str
    message_id: str
    variables: dict[str, Json] = {}
    """Values of the conversation's variables."""
    cites: bool = False
    """Whether the answer cites its passages."""
    streamed: bool = False
    """Whether the client requested a stream."""
    mode: str = "advanced-chat"
    is_trial: bool = False  # Whether its message and conversation stay unchanged: it uses replaced values.


class RunStarted(Struct, tag_field="event", tag="run_started", kw_only=True, omit_defaults=True, gc=False):
    """First event of every log."""

    at: float
    """Seconds since the Unix epoch, as in all events."""
    inputs: dict[str, Json]
    """Prepared inputs, in the order of the start node's variables."""
    system: dict[str, Json]
    """``sys.*`` variables, without the prefix, in Dify's order."""
    turn: Turn | None = None
    """Set if the run answers a message."""
    depth: int = 0
    """Nesting depth of workflows called as tools: 0 for a run that a client started."""
    trace: str = ""
    """``traceparent`` (W3C) of the request or the calling run, a space, and its ``tracestate``; or empty."""
    entry: str = ""  # The trigger node at which it starts; empty: the first entry of the workflow.
    mocks: dict[str, dict[str, Json]] = {}  # Outputs of mocked nodes, by node id; see `with_mocks`.


class RunRecovered(Struct, tag_field="event", tag="run_recovered", kw_only=True, omit_defaults=True, gc=False):
    """A process took over the run of a dead process. Nodes in flight run again."""

    at: float
    epoch: int
    """2 for the first takeover, 3 for the next; the accepting process has 1."""
    in_flight: list[str] = []
    """Executions started and not finished."""
    ready: list[str] = []
    """Nodes due and not started."""
    elapsed: float = 0.0
    """Seconds of execution before the takeover, up to the last event in the log."""


class RunParked(Struct, tag_field="event", tag="run_parked", kw_only=True, omit_defaults=True, gc=False):
    """The process was told to shut down, and leaves the run to the next one. Nodes in flight run again."""

    at: float
    elapsed: float
    """Seconds of execution, without pauses."""


class NodeEvent(Struct, kw_only=True, omit_defaults=True, gc=False):
    """Base of all events of a node execution."""

    at: float
    execution_id: str
    node_id: str
    node_type: str
    title: str = ""
    index: int
    """Order of start within the run, from 1. Nodes in containers count too."""
    predecessor: str | None = None
    """The node that made this one ready."""
    rounds: RoundPath = ()


class NodeStarted(NodeEvent, tag_field="event", tag="node_started", kw_only=True, omit_defaults=True):
    """A node started. One that runs again after a crash starts again with the same execution id."""

    icon: Json = None
    """Icon of a tool's provider: ``{"content", "background"}``, or an address. ``False``: omitted (decisions/0029)."""


class NodeAttempted(NodeEvent, tag_field="event", tag="node_attempted", kw_only=True, omit_defaults=True):
    """An attempt of a node failed and is retried."""

    started_at: float
    """Start of the node's first attempt."""
    elapsed: float
    """Seconds since ``started_at``, including waits between attempts."""
    attempt: int
    """Number of failed attempts so far."""
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
    """Handle of the outgoing edges taken."""
    error: str | None = None
    """Reason of the failure, as shown to the user; ``None`` if it succeeded."""
    error_type: str = ""
    strategy: Literal["fail-branch", "default-value"] | None = None
    """Error strategy that handled the failure."""
    updates: tuple[Update, ...] = ()
    usage: Usage | None = None
    metadata: dict[str, Json] = {}
    """Other entries of ``execution_metadata`` (tool and agent nodes, ``completed_reason``, …)."""
    steps: int = 0
    """For a container: the ``steps`` of its completed event."""
    resources: tuple[dict[str, Json], ...] = ()
    """Passages of knowledge behind the node's result, in Dify's form (``retriever_resources``)."""
    announced: bool = True
    """For a container: whether it had a ``ContainerStarted``. Source: docs/dify-behaviour.md, “Iteration”."""
    own_outputs: dict[str, Json] = {}
    """For a container whose failure was handled: its own outputs so far. ``outputs`` are the strategy's."""


class ContainerStarted(NodeEvent, tag_field="event", tag="container_started", kw_only=True, omit_defaults=True):
    """An iteration or loop has evaluated its items, and starts."""

    length: int
    """Planned number of rounds."""
    inputs: dict[str, Json] = {}
    hides_failed_rounds: bool = False
    """Whether rounds run in parallel and the first failure ends all: Dify then never shows the failed ones."""
    variables: dict[str, Json] = {}
    """Variables shared by all rounds: a loop's own variables with their initial values."""


class RoundStarted(NodeEvent, tag_field="event", tag="round_started", kw_only=True, omit_defaults=True):
    """A round of a container starts. ``execution_id`` and ``node_id`` are the container's."""

    round: int
    variables: dict[str, Json] = {}
    """The container's variables for this round: an iteration's ``item`` and ``index``."""


class RoundFinished(NodeEvent, tag_field="event", tag="round_finished", kw_only=True, omit_defaults=True):
    """A round of a container ended."""

    round: int
    elapsed: float
    outputs: dict[str, Json] = {}
    """Values that the container keeps of the round."""
    error: str | None = None
    """Set if a node failed without a strategy."""
    usage: Usage | None = None
    ended: bool = False
    """Whether a ``loop-end`` node ran."""
    last: bool = False
    """Whether it ends the container early (break condition, loop-end)."""


class TextChunk(Struct, tag_field="event", tag="text_chunk", kw_only=True, omit_defaults=True, gc=False):
    """A piece of streamed text. Source: docs/dify-behaviour.md, “Order of streamed text”."""

    at: float
    text: str
    selector: tuple[str, ...]


class TextReplaced(Struct, tag_field="event", tag="text_replaced", kw_only=True, omit_defaults=True, gc=False):
    """Replaces all text streamed so far."""

    at: float
    text: str
    reason: str = ""
    """``output_moderation``, or empty: a node was interrupted and streamed different text in its second run."""


class ReasoningChunk(Struct, tag_field="event", tag="reasoning_chunk", kw_only=True, omit_defaults=True, gc=False):
    """A piece of a model's reasoning. Source: docs/dify-behaviour.md, “Order of streamed text”.

    Or of model output that the run does not show: then ``node_id`` and ``text`` are empty, and 0.1.1 skips it.
    """

    at: float
    node_id: str
    text: str
    final: bool = False
    execution_id: str = ""
    """Execution of the model behind ``said``; else empty."""
    said: str = ""
    """May lack the end of the text: the outputs are complete."""


class AgentLogged(Struct, tag_field="event", tag="agent_logged", kw_only=True, omit_defaults=True, gc=False):
    """A log entry of an agent. One with an earlier entry's id replaces it."""

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
    """Answer of a model or a tool to an agent: an agent that runs again after a crash reuses it."""

    at: float
    execution_id: str
    kind: Literal["model", "tool"]
    request: str
    """Digest of the request."""
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
    """The form as sent to clients: ``form_content``, ``inputs``, ``actions``, ``resolved_default_values``,
    ``form_token``, ``approval_channels``, ``expiration_time``, …"""
    source: str = ""
    """The form's text in the file."""
    expires_at: float = 0.0


class FormClosed(Struct, tag_field="event", tag="form_closed", kw_only=True, omit_defaults=True, gc=False):
    """A form was submitted, or expired."""

    at: float
    execution_id: str
    node_id: str
    title: str
    form_id: str
    action_id: str | None
    """The user's action; ``None`` if the form expired."""
    action_text: str = ""
    rendered_content: str = ""
    data: dict[str, Json] = {}
    expiration_time: int = 0  # when it expired, in whole seconds


class RunPaused(Struct, tag_field="event", tag="run_paused", kw_only=True, omit_defaults=True, gc=False):
    """No node is running, and at least one waits for a human."""

    at: float
    paused_nodes: list[str]
    """Nodes with open forms; their ``FormRequested`` precede this event."""
    elapsed: float
    """Seconds of execution so far."""
    total_tokens: int = 0
    total_steps: int = 0
    wake_at: float | None = None  # when the first of its forms expires


class RunResumed(Struct, tag_field="event", tag="run_resumed", kw_only=True, omit_defaults=True, gc=False):
    """A paused run continues."""

    at: float


class RunBegan(Struct, tag_field="event", tag="run_began", kw_only=True, omit_defaults=True, gc=False):
    """A run starts whose log was written earlier: it was queued, or retries another run."""

    at: float


class RunRetried(Struct, tag_field="event", tag="run_retried", kw_only=True, omit_defaults=True, gc=False):
    """Boundary between the events copied from another run and this run's own."""

    at: float
    run_id: str
    from_nodes: list[str]
    """Nodes that run again, with everything downstream."""
    replaced: dict[str, list[str]] = {}  # Names of replaced outputs, by node or ``sys``.


class RunFinished(Struct, tag_field="event", tag="run_finished", kw_only=True, omit_defaults=True, gc=False):
    """The run ended, for good. Last event of its log."""

    at: float
    status: Literal["succeeded", "failed", "stopped", "partial-succeeded"]
    outputs: dict[str, Json] = {}
    error: str | None = None
    elapsed: float
    total_tokens: int = 0
    total_steps: int = 0
    exceptions_count: int = 0
    price: str = ""
    """Cost of its models, as a decimal number; empty if there was none, as is ``currency``."""
    currency: str = ""
    failed_node: FailedNode | None = None
    """``None`` if it did not fail, or not at a node, as with a timeout. ``exceptions``: ``None`` without any."""
    exceptions: Exceptions | None = None


class UnknownEvent(Struct, tag_field="event", tag="unknown_event", kw_only=True, gc=False):
    """Placeholder for an event of a newer version of Jikko. Never written."""

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
