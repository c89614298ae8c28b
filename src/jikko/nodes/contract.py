"""What a node is to the engine, and what the engine is to a node."""

from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import msgspec

from jikko.events import FormClosed, StepRecorded, Turn, Update, Usage
from jikko.ports.node_ports import NodePorts
from jikko.ports.tools import LogMessage
from jikko.values import Json, Selector, Unset


class Result(msgspec.Struct, frozen=True, gc=False):
    """What a node hands back when it succeeds."""

    outputs: Mapping[str, Json] = {}
    """The variables it writes; also what is recorded."""
    inputs: Mapping[str, Json] = {}
    """Recorded only."""
    process_data: Mapping[str, Json] = {}
    """Recorded only."""
    handle: str = "source"
    """The outgoing edges to take; only looked at for branch nodes."""
    updates: tuple[Update, ...] = ()
    """Changes to variables of other nodes."""
    usage: Usage | None = None
    metadata: Mapping[str, Json] = {}
    """Entries of ``execution_metadata``."""
    steps: int = 0
    """Containers only: the ``steps`` of the completed event."""
    resources: tuple[dict[str, Json], ...] = ()
    """Passages of knowledge that the node's work is based on, in Dify's form: see ``NodeFinished.resources``."""


class NodeFailure(Exception):
    """A node failed. The message is shown to the user and may end the run.

    Raised by ``Node.run``; the engine retries, applies the error strategy, or fails the run.
    """

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
        """The ``error_type``: a class-like name of spec/nodes.md, or ``""``."""
        self.inputs = inputs or {}
        self.process_data = process_data or {}
        self.outputs = outputs or {}
        """What is recorded of a failure that no strategy handles."""
        self.usage = usage
        self.metadata = metadata or {}
        self.steps = steps


class NodePaused(Exception):
    """A node waits for a human. Raised by ``Node.run``; the node runs again once its form is closed.

    In the body of a container it fails the node: only a run as a whole can wait.
    """

    def __init__(self, form: Mapping[str, Json], *, source: str, expires_at: float) -> None:
        """Args:
        form: As clients see it, without ``form_id``, ``node_id`` and ``node_title``.
        source: Its text as the file has it.
        expires_at: When it runs out of time, in seconds since the Unix epoch.
        """
        super().__init__("waits for a human")
        self.form = dict(form)
        self.source = source
        self.expires_at = expires_at


class Values(Protocol):
    """Variables that can be looked up."""

    def get(self, selector: Selector) -> Json | Unset:
        """The value a selector points at, or ``UNSET`` if there is none. Never to be changed in place."""
        ...

    def declared_type(self, selector: Selector) -> str | None:
        """The type that the variable was declared with (loop and conversation variables), if it was."""
        ...


class Variables(Values, Protocol):
    """The variables that a node can read, and make texts of."""

    def spend(self, characters: int) -> None:
        """See ``Readable.spend``. All that one node makes counts together; of a container, what it makes each round."""
        ...


class AgentCounts(Protocol):
    """What agents asked for."""

    @property
    def model_calls(self) -> int: ...
    @property
    def tool_calls(self) -> int: ...
    @property
    def usage(self) -> Usage | None:
        """What the answers of models, and of models behind tools, used."""
        ...


class RunInfo(Protocol):
    """The run that a node belongs to."""

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
    """How a round of a container ended."""

    outputs: Mapping[str, Json]
    """What ``collect`` found."""
    error: str | None
    """The error of the node that failed the round, if one did."""
    ended: bool
    """Whether a ``loop-end`` node ran."""
    last: bool
    """What ``is_last`` decided."""
    usage: Usage | None
    elapsed: float


class Context(Protocol):
    """Everything that a node may touch while it runs."""

    @property
    def variables(self) -> Variables: ...

    @property
    def recorded(self) -> Variables:
        """The variables as inputs, process data and messages show them: secret environment variables as their masks.

        What a node records of its configuration, it renders from these; what it does, and hands on, from
        ``variables``. The same object where the workflow has no secrets.
        """
        ...

    @property
    def secrets(self) -> Collection[str]:
        """The values of the secret environment variables that are texts; without empty ones."""
        ...

    @property
    def run(self) -> RunInfo: ...
    @property
    def node_id(self) -> str: ...
    @property
    def execution_id(self) -> str:
        """Stays the same when the node is retried or runs again after a crash."""
        ...

    @property
    def idempotency_key(self) -> str:
        """Names this execution towards other systems: the same in every attempt. Of run, node and round."""
        ...

    @property
    def ports(self) -> NodePorts: ...

    @property
    def form(self) -> FormClosed | None:
        """What became of the form that this execution paused for; ``None`` before it is closed."""
        ...

    @property
    def turn(self) -> Turn | None:
        """The message that the run answers; ``None`` if it answers none."""
        ...

    @property
    def is_nested(self) -> bool:
        """Whether the node is in the body of a container."""
        ...

    @property
    def depth(self) -> int:
        """How many workflows that were called as tools the run is within; 0 for a run that a client started."""
        ...

    def now(self) -> float:
        """Seconds since the Unix epoch."""
        ...

    def say(self, name: str, text: str, *, soon: bool = False) -> None:
        """Stream a piece of the output variable ``name`` before the node ends.

        Args:
            soon: Whether it may be shown with what comes next: for a node that ends, or says more, before it waits.
        """
        ...

    def think(self, text: str, *, final: bool = False) -> None:
        """Stream a piece of a model's reasoning."""
        ...


class AgentContext(Context, Protocol):
    """What an agent may do besides: tell what it does, and keep what it was answered."""

    def log(self, entry: LogMessage) -> None:
        """Show what an agent does, while it does it."""
        ...

    @property
    def steps(self) -> Sequence[StepRecorded]:
        """What models and tools answered this execution before it was broken off; empty unless it runs again."""
        ...

    @property
    def agents(self) -> AgentCounts:
        """What all agents of the run asked for so far."""
        ...

    def record_step(
        self, kind: Literal["model", "tool"], request: str, answer: Json, *, usage: Usage | None = None
    ) -> None:
        """Keep what a model or a tool answered, for when the execution runs again."""
        ...

    async def durability_barrier(self) -> None:
        """Wait until all that was kept is durable. To be called before anything else is done to the world outside.

        Raises:
            JikkoError: It never will be: the run is another process's.
        """
        ...


class ContainerContext(Context, Protocol):
    """What a container may do besides: run its body.

    A container's coroutine is run again from its start after a crash. ``begin`` and ``run_round`` then answer what is
    in the log, without running anything twice; so what the coroutine decides may depend only on their answers.
    """

    def begin(
        self,
        inputs: Mapping[str, Json],
        *,
        length: int,
        variables: Mapping[str, Json] | None = None,
        hides_failed_rounds: bool = False,
    ) -> Mapping[str, Json]:
        """Announce the container. ``variables`` are written under the container's id, for all its rounds; ``inputs``
        are recorded.

        Returns:
            The inputs that the container began with: ``inputs``, or those in the log.
        """
        ...

    @property
    def has_rounds(self) -> bool:
        """Whether a round has begun already: before a crash, if asked before the first ``run_round``."""
        ...

    def announce_round(self, index: int, variables: Mapping[str, Json] | None = None) -> None:
        """Announce a round ahead of its run, which else announces it as it begins. At most once each."""
        ...

    async def give_way(self) -> None:
        """Let others have the event loop if this run has had it for a while. To be called before each round: rounds may
        all be over without ever waiting."""
        ...

    async def run_round(
        self,
        index: int,
        variables: Mapping[str, Json] | None,
        collect: Callable[[Values], Mapping[str, Json]],
        is_last: Callable[[Values, bool], bool] | None = None,
    ) -> RoundOutcome:
        """Run the body once.

        Args:
            index: Counted from 0.
            variables: Written under the container's id for this round.
            collect: Reads what the container keeps of the round, from the variables as they are at its end.
            is_last: Decides, from the same variables and whether a ``loop-end`` ran, if no further round follows.
                May raise ``NodeFailure``.

        Returns:
            How it ended. A failing body is an outcome, not an exception.
        """
        ...


class Node(Protocol):
    """A node of a compiled graph: configured, immutable, shared by all runs.

    Classes also have ``from_dsl(cls, data: Fields) -> Self``, which notes problems in ``data`` instead of raising.
    """

    type: ClassVar[str]
    immediate: ClassVar[bool]
    """Whether ``run`` hardly ever suspends; the engine then runs it in place, without a task. Should it suspend, it is
    dropped there and run from its beginning in a task: so it must not have done anything before."""
    branching: ClassVar[bool]
    """Whether only the edges with the result's handle are taken."""

    # Classes that act on the world outside (an HTTP request, a model that costs money) also have
    # ``has_effects: ClassVar[bool] = True``.

    def run(self, ctx: Any) -> Coroutine[Any, Any, Result]:
        """Do the work. ``ctx`` is a ``Context``, for containers a ``ContainerContext``.

        Raises:
            NodeFailure: The node failed.
        """
        ...


@runtime_checkable
class Container(Protocol):
    """A node that runs a body."""

    start_node_id: str
    isolated: ClassVar[bool]
    """Whether each round has variables of its own."""

    def declared(self, node_id: str) -> Mapping[Selector, str]:
        """Types of the variables that it declares, by selector."""
        ...


@runtime_checkable
class Illustrated(Protocol):
    """A node whose start tells clients an icon."""

    def icon(self, ports: NodePorts) -> Json | None:
        """See ``NodeStarted.icon``. Must not wait, nor raise."""
        ...


@runtime_checkable
class Responder(Protocol):
    """A node whose template is shown as text while the run goes on: ``end`` and ``answer``."""

    def parts(self) -> tuple[str | Selector, ...]:
        """Texts and references, in the order in which they are shown."""
        ...


@runtime_checkable
class Writer(Protocol):
    """A node that changes variables of other nodes."""

    def writes(self) -> tuple[Selector, ...]:
        """The variables that it may change."""
        ...
