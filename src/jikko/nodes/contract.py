"""Contract of nodes: their classes, what a run gives to one, and its result."""

from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import msgspec

from jikko.events import FormClosed, StepRecorded, Turn, Update, Usage
from jikko.ports.node_ports import NodePorts
from jikko.ports.tools import LogMessage
from jikko.values import Json, Selector, Unset


class Result(msgspec.Struct, frozen=True, gc=False):
    """Result of a successful node."""

    outputs: Mapping[str, Json] = {}
    """Output variables, also recorded."""
    inputs: Mapping[str, Json] = {}
    """Recorded only."""
    process_data: Mapping[str, Json] = {}
    """Recorded only."""
    handle: str = "source"
    """Outgoing edges to take; for branch nodes only."""
    updates: tuple[Update, ...] = ()
    """Changes to variables of other nodes."""
    usage: Usage | None = None
    metadata: Mapping[str, Json] = {}
    """Entries of ``execution_metadata``."""
    steps: int = 0
    """Containers only: ``steps`` of the completed event."""
    resources: tuple[dict[str, Json], ...] = ()
    """Knowledge passages used by the node, in Dify's form: see ``NodeFinished.resources``."""


class NodeFailure(Exception):
    """A node failed: it is retried, handled by a strategy, or fails the run. The message is for the user."""

    def __init__(
        self,
        message: str,
        *,
        kind: str = "",
        inputs: Mapping[str, Json] | None = None,
        process_data: Mapping[str, Json] | None = None,
        outputs: Mapping[str, Json] | None = None,
        usage: Usage | None = None,
        metadata: Mapping[str, Json] | None = None,
        steps: int = 0,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        """``error_type``: a class-like name, as in docs/dify-behaviour.md, “Node types”, or ``""``."""
        self.inputs = inputs or {}
        self.process_data = process_data or {}
        self.outputs = outputs or {}
        """Recorded outputs of a failure that no strategy handles."""
        self.usage = usage
        self.metadata = metadata or {}
        self.steps = steps


class NodePaused(Exception):
    """A node waits for a human, and runs again once its form is closed."""

    def __init__(self, form: Mapping[str, Json], *, source: str, expires_at: float) -> None:
        """``form``: For clients, without ``form_id``, ``node_id`` and ``node_title``. ``source``: Its text in the file.
        ``expires_at``: Deadline in seconds since the Unix epoch."""
        super().__init__("waits for a human")
        self.form = dict(form)
        self.source = source
        self.expires_at = expires_at


class Values(Protocol):
    """Readable variables."""

    def get(self, selector: Selector) -> Json | Unset:
        """Return the selected value, or ``UNSET`` if there is none. Never modify it in place."""

    def declared_type(self, selector: Selector) -> str | None:
        """Return the declared type of a loop or conversation variable, if it has one."""


class RunInfo(Protocol):
    @property
    def run_id(self) -> str: ...
    @property
    def app_id(self) -> str: ...
    @property
    def workflow_id(self) -> str: ...
    @property
    def end_user_id(self) -> str: ...
    @property
    def user(self) -> str: ...


class RoundOutcome(msgspec.Struct, frozen=True, gc=False):
    outputs: Mapping[str, Json]
    """Result of ``collect``."""
    error: str | None
    """Error of the node that failed the round, if any."""
    ended: bool
    """Whether a ``loop-end`` node ran."""
    last: bool
    """Result of ``is_last``."""
    usage: Usage | None
    elapsed: float


class Node(Protocol):
    """Node of a compiled graph: configured, immutable, shared by all runs.

    Classes also have ``from_dsl(cls, data: Fields) -> Self``, which reports problems in ``data`` instead of raising.
    """

    type: ClassVar[str]
    immediate: ClassVar[bool]
    """Whether ``run`` rarely suspends; the engine then runs it inline, without a task. If it suspends, it is dropped
    and restarted in a task: so it must be free of side effects until then."""
    branching: ClassVar[bool]
    """Whether only edges with the result's handle are taken."""

    # Classes with external side effects (HTTP requests, paid models) also have ``has_effects: ClassVar[bool] = True``.

    def run(self, ctx: Any) -> Coroutine[Any, Any, Result]:
        """Run the node, with a ``ContainerContext`` for containers. Raises ``NodeFailure`` if it fails."""


class NodeConfig(msgspec.Struct, frozen=True):
    """Base of nodes that are structs: by default neither ``immediate`` nor ``branching``."""

    immediate: ClassVar[bool] = False
    branching: ClassVar[bool] = False


@runtime_checkable
class Container(Protocol):
    """Node that runs a body."""

    start_node_id: str
    isolated: ClassVar[bool]
    """Whether each round has its own variables."""


@runtime_checkable
class Illustrated(Protocol):
    """Node with an icon in its start event."""

    def icon(self, ports: NodePorts) -> Json | None:
        """See ``NodeStarted.icon``. Must neither block nor raise."""


@runtime_checkable
class Responder(Protocol):
    """Node whose template is streamed as text: ``end`` and ``answer``."""

    def parts(self) -> tuple[str | Selector, ...]:
        """Texts and references, in display order."""


@runtime_checkable
class VariableWriter(Protocol):
    """Node that changes variables of other nodes."""

    def writes(self) -> tuple[Selector, ...]:
        """Variables that it may change."""


def total(usages: Iterable[Usage | None]) -> Usage | None:
    """Return the sum, or ``None`` without any usage."""
    present = [usage for usage in usages if usage is not None]
    if not present:
        return None
    return Usage(
        total_tokens=sum(usage.total_tokens for usage in present),
        prompt_tokens=sum(usage.prompt_tokens for usage in present),
        completion_tokens=sum(usage.completion_tokens for usage in present),
        total_price=_sum(usage.total_price for usage in present),
        currency=next((usage.currency for usage in reversed(present) if usage.currency), ""),
        prompt_price=_sum(usage.prompt_price for usage in present),
        completion_price=_sum(usage.completion_price for usage in present),
        prompt_unit_price=_last(usage.prompt_unit_price for usage in present),
        completion_unit_price=_last(usage.completion_unit_price for usage in present),
        latency=sum(usage.latency for usage in present),
    )


def _sum(prices: Iterable[str]) -> str:
    return f"{sum(map(Decimal, prices), Decimal(0)):f}"


def _last(prices: Iterable[str]) -> str:
    last = "0"
    for price in prices:
        last = price if Decimal(price) else last
    return last


def container_metadata(usage: Usage | None) -> dict[str, Json]:
    """Return the metadata of a container, which includes its usage even if it is zero."""
    return {} if usage is not None else {"total_tokens": 0, "total_price": "0", "currency": "USD"}


class Variables(Values, Protocol):
    """Variables that a node can read, and render."""

    def spend(self, characters: int) -> None:
        """See ``Readable.spend``. The budget is per node execution; for a container, per round."""


class AgentCounts(Protocol):
    @property
    def model_calls(self) -> int: ...
    @property
    def tool_calls(self) -> int: ...
    @property
    def usage(self) -> Usage | None:
        """Usage of models, including those behind tools."""


class Context(Protocol):
    """Everything that a node may access while it runs."""

    @property
    def variables(self) -> Variables: ...

    @property
    def recorded(self) -> Variables:
        """Variables for inputs, process data and messages, with secret environment variables masked.

        What a node records of its configuration, it renders from these; what it does, and returns, from ``variables``.
        The same object if the workflow has no secrets.
        """

    @property
    def secrets(self) -> Collection[str]:
        """Non-empty string values of secret environment variables."""

    @property
    def run(self) -> RunInfo: ...
    @property
    def node_id(self) -> str: ...
    @property
    def execution_id(self) -> str:
        """Constant over retries and restarts after a crash."""

    @property
    def idempotency_key(self) -> str:
        """Idempotency key of this execution for other systems, by run, node and round: constant over all attempts."""

    @property
    def ports(self) -> NodePorts: ...

    @property
    def form(self) -> FormClosed | None:
        """The closed form that this execution paused for; ``None`` until then."""

    @property
    def turn(self) -> Turn | None:
        """The message that the run answers; ``None`` if there is none."""

    @property
    def depth(self) -> int:
        """Nesting depth of workflows called as tools; 0 for a client's run."""

    def now(self) -> float:
        """Seconds since the Unix epoch."""

    def say(self, name: str, text: str, *, soon: bool = False, by_model: bool = False) -> None:
        """Stream a chunk of the output ``name`` before the node ends.

        Args:
            soon: Whether to batch it with what follows: for a node that ends, or says more, before it waits.
            by_model: Whether it is a model's text, which the run's page shows even where the run does not stream it.
        """

    def think(self, text: str, *, final: bool = False) -> None:
        """Stream a chunk of a model's reasoning."""


class AgentContext(Context, Protocol):
    """Additional access for agents: their log, and recorded answers."""

    def log(self, entry: LogMessage) -> None:
        """Show a log entry of an agent."""

    @property
    def steps(self) -> Sequence[StepRecorded]:
        """Recorded answers of models and tools from before an interruption; empty in a first run."""

    @property
    def agents(self) -> AgentCounts:
        """Counts of all agents of the run so far."""

    def record_step(
        self, kind: Literal["model", "tool"], request: str, answer: Json, *, usage: Usage | None = None
    ) -> None:
        """Record the answer of a model or a tool, for a restart of the execution."""

    async def durability_barrier(self) -> None:
        """Wait until all records are durable, before any external effect. Raises ``JikkoError`` if they never will be:
        another process owns the run."""


class ContainerContext(Context, Protocol):
    """Additional access for containers: running the body.

    After a crash a container's coroutine is restarted from its beginning. ``begin`` and ``run_round`` then return
    results from the log, without running anything twice; so the coroutine's decisions may depend only on their results.
    """

    def begin(
        self,
        inputs: Mapping[str, Json],
        *,
        length: int,
        variables: Mapping[str, Json] | None = None,
        hides_failed_rounds: bool = False,
    ) -> Mapping[str, Json]:
        """Announce the container. ``variables`` are written under the container's id, for all rounds; ``inputs`` are
        recorded. Returns the original inputs: ``inputs``, or those in the log."""

    @property
    def has_rounds(self) -> bool:
        """Whether a round has already begun: before a crash, if asked before the first ``run_round``."""

    def announce_round(self, index: int, variables: Mapping[str, Json] | None = None) -> None:
        """Announce a round before it runs; otherwise it is announced as it begins. At most once each."""

    async def give_way(self) -> None:
        """Yield to others after a time slice, and wait while much of the log is unwritten. Call it before each round:
        rounds may complete without ever waiting."""

    async def run_round(
        self,
        index: int,
        variables: Mapping[str, Json] | None,
        collect: Callable[[Values], Mapping[str, Json]],
        is_last: Callable[[Values, bool], bool] | None = None,
    ) -> RoundOutcome:
        """Run the body once. Returns its outcome: a failing body is not an exception.

        Args:
            index: From 0.
            variables: Written under the container's id for this round.
            collect: Reads the round's result from its final variables.
            is_last: Decides, from the same variables and whether a ``loop-end`` ran, whether this was the last round.
                May raise ``NodeFailure``.
        """
