"""Context of a node: its access to the run and the outside."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Literal, Protocol

from jikko.events import FormClosed, StepRecorded, Turn, Usage
from jikko.nodes.contract import RoundOutcome, RunInfo, Values
from jikko.ports.node_ports import NodePorts
from jikko.ports.tools import LogMessage
from jikko.values import Json


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
