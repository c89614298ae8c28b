"""Agents of apps: rounds and tool calls. Source: docs/dify-behaviour.md, “Agents of apps without a workflow”.

A round is one log entry, updated as more is known. Its data are a ``Thought``, and ``is_told``: whether clients see it.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final, Literal
from uuid import UUID, uuid5

from msgspec.structs import asdict, replace

from jikko.diagnostics.diagnostic import Phrase
from jikko.ports.agents import (
    AgentFailure,
    AgentHost,
    AgentModel,
    AgentTool,
    Strategy,
    StrategyCall,
    StrategyName,
    StrategyParameter,
)
from jikko.ports.models import Chunk, Completion, ModelFailure, PromptMessage
from jikko.ports.models import FunctionTool as Function
from jikko.ports.stores.messages import Thought
from jikko.ports.tools import (
    ANSWER,
    CITATIONS,
    BlobMessage,
    FileMessage,
    ImageMessage,
    JsonMessage,
    LinkMessage,
    LogMessage,
    TextMessage,
    ToolFailure,
    ToolMessage,
    ToolNotFound,
    ToolParameter,
    VariableMessage,
)
from jikko.strategies.function_calling import functions, request_of
from jikko.values import Json

PROVIDER: Final = "app"
FUNCTION_CALLING: Final = "function_call"
REACT: Final = "react"
_IDS: Final = UUID("2b0c7f5e-9a41-5d0f-8f6e-54c1d3a9e7b2")
"""Ids of rounds derive from the node execution: after a crash they are the same."""
_OF_ENTRY: Final = ("id", "created_at")
"""Fields of the log entry itself."""
_ROUNDS: Final = 10
_GIVEN: Final = "A file was made and is shown to the user already. Do not make it again; tell them to look at it."

PARAMETERS: Final = (
    StrategyParameter(declared=ToolParameter(name="model", type="model-selector", required=True), kind="model"),
    StrategyParameter(declared=ToolParameter(name="tools", type="array[tools]"), kind="tools"),
    StrategyParameter(declared=ToolParameter(name="instruction", type="string")),
    StrategyParameter(declared=ToolParameter(name="query", type="string", required=True)),
    StrategyParameter(declared=ToolParameter(name="files", type="any"), kind="pictures"),
    StrategyParameter(declared=ToolParameter(name="maximum_iterations", type="number", default=_ROUNDS)),
    StrategyParameter(declared=ToolParameter(name="prompt", type="any")),
)


def strategy(name: StrategyName) -> Strategy:
    """Return the strategy's declaration. Raises ``ToolNotFound`` if the app's file names none."""
    if name.strategy not in (FUNCTION_CALLING, REACT):
        raise ToolNotFound(Phrase("tool.no_app_strategy"), Phrase("remedy.agent_strategy"))
    return Strategy(name=name, parameters=PARAMETERS, takes_history=True, of_app=True)


class AgentRound:
    """One round: the model's thought, its tool calls, and their answers."""

    def __init__(self, key: str, number: int, emit: Callable[[ToolMessage], None]) -> None:
        self._emit = emit
        self.thought = Thought(id=str(uuid5(_IDS, f"{key}/{number}")), position=number, created_at=0.0)

    def tell(self, *, is_over: bool = False, is_told: bool = True, **known: Json) -> None:
        """Update the round's log entry. ``known``: New fields of its ``Thought``."""
        self.thought = thought = replace(self.thought, **known)
        data: dict[str, Json] = {name: each for name, each in asdict(thought).items() if name not in _OF_ENTRY}
        status: Literal["start", "success"] = "success" if is_over else "start"
        label = f"ROUND {thought.position}"
        self._emit(LogMessage(id=thought.id, label=label, status=status, data={**data, "is_told": is_told}))


class AppAgent:
    """One invocation."""

    def __init__(self, call: StrategyCall, host: AgentHost, emit: Callable[[ToolMessage], None]) -> None:
        self._call = call
        self._host = host
        self._emit = emit
        self.model: AgentModel = call.models["model"]
        listed = call.tools.get("tools", ())
        self.tools: Mapping[str, AgentTool] = {tool.tool.name.tool: tool for tool in listed}
        self.functions: tuple[Function, ...] = functions(listed)
        given = call.values.get("maximum_iterations")
        self.rounds = (int(given) if isinstance(given, (int, float)) else _ROUNDS) + 1
        """The last one offers no tools."""
        self.instruction = str(call.values.get("instruction") or "")
        self.query = str(call.values.get("query") or "")
        self.prompt = str(call.values.get("prompt") or "")
        self._citations: list[Json] = []

    @property
    def pictures(self) -> Sequence[object]:
        """Pictures of the question, if the model supports vision."""
        return self._call.pictures if "image" in self.model.abilities.media else ()

    def round(self, number: int) -> AgentRound:
        return AgentRound(self._call.key, number, self._emit)

    def say(self, text: str) -> None:
        if text:
            self._emit(TextMessage(text))

    def end(self, answer: str) -> None:
        """Finish. ``answer``: The final answer to store."""
        self._emit(VariableMessage(CITATIONS, self._citations))
        self._emit(VariableMessage(ANSWER, answer))

    async def ask(
        self,
        messages: Sequence[PromptMessage],
        show: Callable[[Chunk], None],
        *,
        tools: tuple[Function, ...] = (),
        stop: Sequence[str] = (),
    ) -> Completion:
        model, parameters = self.model, dict(self.model.parameters)
        if stop:
            given = parameters.get("stop")
            parameters["stop"] = [*(given if isinstance(given, list) else ()), *stop]
        try:
            return await self._host.complete(request_of(self._call, model, messages, tools, parameters), show)
        except ModelFailure as failure:
            raise AgentFailure(str(failure), kind=failure.kind) from None

    async def called(self, name: str, given: Mapping[str, Json], files: list[Json]) -> str:
        """Call a tool, and return its answer for the model. ``files``: Collects mappings of files that it makes."""
        tool = self.tools.get(name)
        if tool is None:
            return f"there is not a tool named {name}"
        missing = [each.name for each in tool.open_parameters if each.required and given.get(each.name) is None]
        if missing:
            return f"tool parameters validation error: {', '.join(missing)} is required"
        messages: list[ToolMessage] = []
        try:
            await self._host.call_tool(tool.tool.name, {**given, **tool.settings}, messages.append)
        except (ToolFailure, ToolNotFound) as failure:
            return f"tool invoke error: {failure}"
        return self._observed(messages, files)

    def exceeded(self) -> AgentFailure:
        """Return the failure of an agent that calls a tool after its last round."""
        return AgentFailure(
            f"The agent called a tool in its last round. It may have {self.rounds - 1} rounds with tools: raise "
            "agent_mode.max_iteration, or ask for less at once."
        )

    def _observed(self, messages: Sequence[ToolMessage], files: list[Json]) -> str:
        texts: list[str] = []
        said: list[Json] | None = None
        for message in messages:
            match message:
                case TextMessage(text):
                    texts.append(text)
                case LinkMessage(url):
                    texts.append(f"Result: {url}. Tell the user to open it.")
                case JsonMessage(value):
                    # Many tools repeat their JSON as text.
                    if said is None:
                        said = _said(messages)
                    if value not in said:
                        texts.append(json.dumps(value, ensure_ascii=False))
                case FileMessage(file):
                    files.append(dict(file))
                    self._emit(message)
                    texts.append(_GIVEN)
                case ImageMessage() | BlobMessage():
                    self._emit(message)
                    texts.append(_GIVEN)
                case VariableMessage(name, value) if name == CITATIONS and isinstance(value, list):
                    self._citations += value
        return "".join(texts)


def _said(messages: Sequence[ToolMessage]) -> list[Json]:
    """Return the JSON repeated as text, by one message or by all together."""
    texts = [message.text for message in messages if isinstance(message, TextMessage)]
    values: list[Json] = []
    for text in {*texts, "".join(texts)}:
        with suppress(ValueError, RecursionError):
            values.append(json.loads(text))
    return values


def labels(names: Sequence[str]) -> dict[str, Json]:
    """Return the labels of tools for clients."""
    return {name: {"en_US": name, "zh_Hans": name} for name in names}


def as_json(value: Mapping[str, Json]) -> str:
    """Return parameters or answers of tools, by name, as JSON."""
    return json.dumps(value, ensure_ascii=False)
