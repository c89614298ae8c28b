"""Agents, as their node runs them: a strategy asks a model and calls tools until it has an answer.

The node is the strategy's host: models and tools are asked through it, so that what they answered is kept, counted and
bounded in one place, wherever the strategy runs. Source: docs/dify-behaviour.md, “Agent”.
"""

from collections.abc import Callable, Mapping
from typing import Final, Literal, Protocol, TypeAlias

from msgspec import Struct, field

from jikko.diagnostics.diagnostic import Phrase
from jikko.ports.models import Abilities, Chunk, Completion, Media, Mode, ModelRequest, PromptMessage
from jikko.ports.tools import Emit, Tool, ToolFailure, ToolMessage, ToolName, ToolNotFound, ToolParameter
from jikko.values import Json

AGENT_PROVIDER: Final = "langgenius/agent/agent"
"""The provider of the strategies that most files name."""
ParameterKind: TypeAlias = Literal["value", "model", "tools", "pictures"]


class StrategyName(Struct, frozen=True, kw_only=True):
    """How a node names its strategy."""

    provider: str
    """``agent_strategy_provider_name``."""
    strategy: str
    """``agent_strategy_name``."""
    plugin: str = ""
    """``plugin_unique_identifier``, as the file has it."""

    def __str__(self) -> str:
        return f"{self.provider}/{self.strategy}"


class StrategyParameter(Struct, frozen=True, kw_only=True):
    """One parameter of a strategy."""

    declared: ToolParameter
    kind: ParameterKind = "value"
    """``model``: a model is chosen. ``tools``: a list of tools. ``pictures``: those among the files that are given,
    to be shown to the model."""


class Strategy(Struct, frozen=True, kw_only=True):
    """What is known of a strategy before it is invoked."""

    name: StrategyName
    parameters: tuple[StrategyParameter, ...] = ()
    takes_history: bool = False
    """Whether it wants the conversation so far."""
    plugin: str | None = None
    """The identifier of the plugin that has it; ``None``: it is Jikko's own."""
    of_app: bool = False
    """Whether it is that of an app without a workflow: tools that are not there are left out, the history has the calls
    of earlier turns, and the outputs have ``ANSWER`` and ``CITATIONS``."""


class AgentModel(Struct, frozen=True, kw_only=True):
    """The model of an agent."""

    provider: str
    model: str
    mode: Mode
    parameters: Mapping[str, Json]
    abilities: Abilities
    history: tuple[PromptMessage, ...] = ()
    """The conversation so far, oldest first."""


class AgentTool(Struct, frozen=True, kw_only=True):
    """A tool of an agent."""

    tool: Tool
    label: str = ""
    description: str = ""
    """For the model; as the node has it, else the tool's own."""
    settings: Mapping[str, Json] = field(default_factory=dict)
    """Values that are fixed, and that the model is not told of."""
    credential_id: str = ""

    @property
    def open_parameters(self) -> tuple[ToolParameter, ...]:
        """Those that the model fills in."""
        return tuple(p for p in self.tool.parameters if p.form == "llm" and p.name not in self.settings)


class StrategyCall(Struct, frozen=True, kw_only=True):
    """One invocation of a strategy."""

    strategy: Strategy
    values: Mapping[str, Json]
    """Parameters of kind ``value``, converted to their types. A file is a file mapping."""
    models: Mapping[str, AgentModel]
    tools: Mapping[str, tuple[AgentTool, ...]]
    pictures: tuple[Media, ...] = ()
    """Of a parameter of kind ``pictures``."""
    app_id: str = ""
    run_id: str = ""
    end_user_id: str = ""
    user: str = ""
    key: str = ""
    """Names the execution of the node: the same in every attempt, and after a crash."""


class AgentLimits(Struct, frozen=True, kw_only=True):
    """What all agents of one run may ask for together. 0: no limit."""

    model_calls: int = 200
    """Iterations, as strategies call them: each asks the model once."""
    tool_calls: int = 500
    tokens: int = 0
    """Of the models that they ask, and of those behind tools."""
    price: float = 0.0
    """Of the same, in the currency of the prices."""


class AgentFailure(ToolFailure):
    """An agent of an app without a workflow has no answer."""

    def __init__(self, message: str, *, kind: str = "") -> None:
        super().__init__(message, reported=False)
        self.kind = kind
        """The ``error_type`` of its node."""


class LimitReached(Exception):
    """An agent may ask no further model, or call no further tool. The message says which limit, and how to raise it."""


class AgentHost(Protocol):
    """What a strategy may ask of its node."""

    async def complete(self, request: ModelRequest, emit: Callable[[Chunk], None] | None = None) -> Completion:
        """Ask a model; see ``Models.complete``. An answer that the log has from before a crash is not asked for again,
        and told as one piece.

        Raises:
            ModelFailure: There is no usable answer.
            LimitReached: The agent may not go on.
        """

    async def call_tool(self, name: ToolName, parameters: Mapping[str, Json], emit: Emit) -> None:
        """Call a tool; see ``Tools.call``. Likewise.

        Raises:
            ToolNotFound: There is none of that name.
            ToolFailure: It failed.
            LimitReached: The agent may not go on.
        """


class NoStrategies:
    """``Strategies`` of a place where there are none."""

    def icon(self, name: StrategyName) -> Json | None:
        return None

    def find(self, name: StrategyName) -> Strategy:
        raise ToolNotFound(Phrase("tool.no_strategies", {"name": str(name)}))

    async def invoke(self, call: StrategyCall, host: AgentHost, emit: Callable[[ToolMessage], None]) -> None:
        raise ToolFailure("there are no agent strategies here", reported=False)

    async def close(self) -> None:
        """See ``Strategies.close``."""


class Strategies(Protocol):
    """Finds and invokes strategies. What an implementation must do is in ``tests/contract/test_strategies.py``."""

    def icon(self, name: StrategyName) -> Json | None:
        """What ``node_started`` shows; ``None`` if there is no icon or no such strategy. Never an error."""

    def find(self, name: StrategyName) -> Strategy:
        """A strategy. Raises ``ToolNotFound``: there is none here; the message says what to do."""

    async def invoke(self, call: StrategyCall, host: AgentHost, emit: Callable[[ToolMessage], None]) -> None:
        """Run a strategy to its end. Cancelling ends it at once, with what it asked for. ``emit``: called with each
        message as it comes, in order. What it raises ends the call.

        Raises:
            ToolFailure: It failed.
            LimitReached: As it was raised by the host, where the strategy hands it on.
        """

    async def close(self) -> None:
        """End processes. May be called twice."""
