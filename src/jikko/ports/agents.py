"""Agents: a strategy calls a model and tools until it has an answer.

The node is the strategy's host: it makes all model and tool calls, so that answers are recorded, counted and limited in
one place, wherever the strategy runs. Source: docs/dify-behaviour.md, “Agent”.
"""

from collections.abc import Callable, Mapping
from typing import Final, Literal, Protocol, TypeAlias

from msgspec import Struct, field

from jikko.diagnostics.diagnostic import Phrase
from jikko.ports.models import Abilities, Chunk, Completion, Media, Mode, ModelRequest, PromptMessage
from jikko.ports.tools import Caller, Emit, Tool, ToolFailure, ToolMessage, ToolName, ToolNotFound, ToolParameter
from jikko.values import Json

AGENT_PROVIDER: Final = "langgenius/agent/agent"
"""Provider of the most common strategies."""
ParameterKind: TypeAlias = Literal["value", "model", "tools", "pictures"]


class StrategyName(Struct, frozen=True, kw_only=True):
    """Reference to a strategy in a workflow."""

    provider: str
    """``agent_strategy_provider_name``."""
    strategy: str
    """``agent_strategy_name``."""
    plugin: str = ""
    """``plugin_unique_identifier``, as in the file."""

    def __str__(self) -> str:
        return f"{self.provider}/{self.strategy}"


class StrategyParameter(Struct, frozen=True, kw_only=True):
    declared: ToolParameter
    kind: ParameterKind = "value"
    """``model``: a model selection. ``tools``: a list of tools. ``pictures``: given images for the model."""


class Strategy(Struct, frozen=True, kw_only=True):
    """Declaration of a strategy."""

    name: StrategyName
    parameters: tuple[StrategyParameter, ...] = ()
    takes_history: bool = False
    """True if it needs the conversation history."""
    plugin: str | None = None
    """Identifier of its plugin; ``None`` for Jikko's own strategies."""
    of_app: bool = False
    """True in an app without a workflow: missing tools are left out, the history includes the tool calls of earlier
    turns, and the outputs include ``ANSWER`` and ``CITATIONS``."""


class AgentModel(Struct, frozen=True, kw_only=True):
    provider: str
    model: str
    mode: Mode
    parameters: Mapping[str, Json]
    abilities: Abilities
    history: tuple[PromptMessage, ...] = ()
    """Conversation history, oldest first."""


class AgentTool(Struct, frozen=True, kw_only=True):
    tool: Tool
    label: str = ""
    description: str = ""
    """Description for the model: the node's, else the tool's own."""
    settings: Mapping[str, Json] = field(default_factory=dict)
    """Fixed values, hidden from the model."""
    credential_id: str = ""

    @property
    def open_parameters(self) -> tuple[ToolParameter, ...]:
        """Parameters that the model fills in."""
        return tuple(p for p in self.tool.parameters if p.form == "llm" and p.name not in self.settings)


class StrategyCall(Caller, frozen=True, kw_only=True):
    strategy: Strategy
    values: Mapping[str, Json]
    """Parameters of kind ``value``, converted to their types. A file is a file mapping."""
    models: Mapping[str, AgentModel]
    tools: Mapping[str, tuple[AgentTool, ...]]
    pictures: tuple[Media, ...] = ()
    """Images of parameters of kind ``pictures``."""


class AgentLimits(Struct, frozen=True, kw_only=True):
    """Limits for all agents of one run together. 0: no limit."""

    model_calls: int = 200
    """Model calls, which strategies call iterations."""
    tool_calls: int = 500
    tokens: int = 0
    """Tokens, including those of models behind tools."""
    price: float = 0.0
    """Price, including models behind tools, in the currency of the prices."""


class AgentFailure(ToolFailure):
    """An agent of an app without a workflow has no answer."""

    def __init__(self, message: str, *, kind: str = "") -> None:
        super().__init__(message, reported=False)
        self.kind = kind
        """``error_type`` of its node."""


class LimitReached(Exception):
    """An agent reached a limit on model or tool calls. The message names the limit and how to raise it."""


class AgentHost(Protocol):
    """Services of the node for its strategy."""

    async def complete(self, request: ModelRequest, emit: Callable[[Chunk], None] | None = None) -> Completion:
        """Call a model; see ``Models.complete``. An answer in the log from before a crash is not requested again, and
        emitted as one chunk.

        Raises:
            ModelFailure: There is no usable answer.
            LimitReached: The agent may not go on.
        """

    async def call_tool(self, name: ToolName, parameters: Mapping[str, Json], emit: Emit) -> None:
        """Call a tool; see ``Tools.call``. Answers in the log are reused, too.

        Raises:
            ToolNotFound: No tool of that name.
            ToolFailure: The tool failed.
            LimitReached: The agent may not go on.
        """


class NoStrategies:
    """Empty ``Strategies``."""

    def find(self, name: StrategyName) -> Strategy:
        raise ToolNotFound(Phrase("tool.no_strategies", {"name": str(name)}))

    async def invoke(self, call: StrategyCall, host: AgentHost, emit: Callable[[ToolMessage], None]) -> None:
        raise ToolFailure("no agent strategies here", reported=False)


class Strategies(Protocol):
    """Finds and invokes strategies. Contract: ``tests/contract/test_strategies.py``."""

    def find(self, name: StrategyName) -> Strategy:
        """Find a strategy. Raises ``ToolNotFound``, with the remedy, if there is none."""

    async def invoke(self, call: StrategyCall, host: AgentHost, emit: Callable[[ToolMessage], None]) -> None:
        """Run a strategy to its end. Cancelling ends it at once, with its requests. ``emit``: Called with each message,
        in order. An exception from it ends the call.

        Raises:
            ToolFailure: The strategy failed.
            LimitReached: Raised by the host, and passed on by the strategy.
        """
