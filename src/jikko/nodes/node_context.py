"""The context of a node: all that it may touch while it runs."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Literal, Protocol

from jikko.events import FormClosed, StepRecorded, Turn, Usage
from jikko.nodes.contract import RoundOutcome, RunInfo, Values
from jikko.ports.node_ports import NodePorts
from jikko.ports.tools import LogMessage
from jikko.values import Json


class Variables(Values, Protocol):
    """The variables that a node can read, and make texts of."""

    def spend(self, characters: int) -> None:
        """See ``Readable.spend``. All that one node makes counts together; of a container, what it makes each round."""


class AgentCounts(Protocol):
    """What agents asked for."""

    @property
    def model_calls(self) -> int: ...
    @property
    def tool_calls(self) -> int: ...
    @property
    def usage(self) -> Usage | None:
        """What the answers of models, and of models behind tools, used."""


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

    @property
    def secrets(self) -> Collection[str]:
        """The values of the secret environment variables that are texts; without empty ones."""

    @property
    def run(self) -> RunInfo: ...
    @property
    def node_id(self) -> str: ...
    @property
    def execution_id(self) -> str:
        """Stays the same when the node is retried or runs again after a crash."""

    @property
    def idempotency_key(self) -> str:
        """Names this execution towards other systems: the same in every attempt. Of run, node and round."""

    @property
    def ports(self) -> NodePorts: ...

    @property
    def form(self) -> FormClosed | None:
        """What became of the form that this execution paused for; ``None`` before it is closed."""

    @property
    def turn(self) -> Turn | None:
        """The message that the run answers; ``None`` if it answers none."""

    @property
    def depth(self) -> int:
        """How many workflows that were called as tools the run is within; 0 for a run that a client started."""

    def now(self) -> float:
        """Seconds since the Unix epoch."""

    def say(self, name: str, text: str, *, soon: bool = False, by_model: bool = False) -> None:
        """Stream a piece of the output variable ``name`` before the node ends.

        Args:
            soon: Whether with what comes next: for a node that ends, or says more, before it waits.
            by_model: Whether a model says it, so that the page of the run tells it also where the run does not show it.
        """

    def think(self, text: str, *, final: bool = False) -> None:
        """Stream a piece of a model's reasoning."""


class AgentContext(Context, Protocol):
    """What an agent may do besides: tell what it does, and keep what it was answered."""

    def log(self, entry: LogMessage) -> None:
        """Show what an agent does, while it does it."""

    @property
    def steps(self) -> Sequence[StepRecorded]:
        """What models and tools answered this execution before it was broken off; empty unless it runs again."""

    @property
    def agents(self) -> AgentCounts:
        """What all agents of the run asked for so far."""

    def record_step(
        self, kind: Literal["model", "tool"], request: str, answer: Json, *, usage: Usage | None = None
    ) -> None:
        """Keep what a model or a tool answered, for when the execution runs again."""

    async def durability_barrier(self) -> None:
        """Wait until all that was kept is durable, before anything is done outside. Raises ``JikkoError`` if it never
        will be: the run is another process's.
        """


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
        are recorded. Returns the inputs that it began with: ``inputs``, or those in the log.
        """

    @property
    def has_rounds(self) -> bool:
        """Whether a round has begun already: before a crash, if asked before the first ``run_round``."""

    def announce_round(self, index: int, variables: Mapping[str, Json] | None = None) -> None:
        """Announce a round ahead of its run, which else announces it as it begins. At most once each."""

    async def give_way(self) -> None:
        """Let others have the event loop if this run has had it for a while, and wait if much of its log is not
        written. To be called before each round: rounds may all be over without ever waiting."""

    async def run_round(
        self,
        index: int,
        variables: Mapping[str, Json] | None,
        collect: Callable[[Values], Mapping[str, Json]],
        is_last: Callable[[Values, bool], bool] | None = None,
    ) -> RoundOutcome:
        """Run the body once. Returns how it ended. A failing body is an outcome, not an exception.

        Args:
            index: Counted from 0.
            variables: Written under the container's id for this round.
            collect: Reads what the container keeps of the round, from the variables as they are at its end.
            is_last: Decides, from the same variables and whether a ``loop-end`` ran, if no further round follows.
                May raise ``NodeFailure``.
        """
