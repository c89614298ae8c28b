"""Built-in function calling, used if the plugin named in a file is not installed.

It writes the same log and gives the same results without a process, and resumes after a crash. Texts for the model and
labels are the plugin's, since prompts and readers rely on them.
"""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final

from msgspec.structs import replace

from jikko.concurrency.json_in_pieces import decode_json
from jikko.ports.agents import (
    AGENT_PROVIDER,
    AgentHost,
    AgentModel,
    AgentTool,
    LimitReached,
    Strategy,
    StrategyCall,
    StrategyName,
    StrategyParameter,
)
from jikko.ports.models import (
    Completion,
    FunctionCall,
    FunctionTool,
    ModelFailure,
    ModelRequest,
    ModelUsage,
    PromptMessage,
)
from jikko.ports.models import FunctionTool as Function
from jikko.ports.tools import (
    BlobMessage,
    FileMessage,
    ImageMessage,
    JsonMessage,
    LinkMessage,
    TextMessage,
    ToolFailure,
    ToolMessage,
    ToolNotFound,
    ToolParameter,
)
from jikko.strategies.agent_log import AgentLog, metadata_of, times
from jikko.values import Json, is_too_deep, json_value

NAME: Final = "function_calling"
_ROUNDS: Final = 3
_MAX_ROUNDS: Final = 500
_SHOWN: Final = (
    "image has been created and sent to user already, you do not need to create it, just tell the user to check it now."
)

PARAMETERS: Final = (
    StrategyParameter(declared=ToolParameter(name="model", type="model-selector", required=True), kind="model"),
    StrategyParameter(declared=ToolParameter(name="tools", type="array[tools]"), kind="tools"),
    StrategyParameter(declared=ToolParameter(name="allowed_tools", type="any")),
    StrategyParameter(declared=ToolParameter(name="instruction", type="string")),
    StrategyParameter(declared=ToolParameter(name="context", type="any")),
    StrategyParameter(declared=ToolParameter(name="query", type="string", required=True)),
    StrategyParameter(declared=ToolParameter(name="files", type="any"), kind="pictures"),
    StrategyParameter(declared=ToolParameter(name="maximum_iterations", type="number", default=_ROUNDS)),
)


def strategy(name: StrategyName) -> Strategy:
    return Strategy(name=name, parameters=PARAMETERS, takes_history=True)


def is_meant(name: StrategyName) -> bool:
    """Return whether a node names it: the strategy of the plugin that Dify recommends."""
    return name.strategy == NAME and name.provider in (AGENT_PROVIDER, "langgenius/agent", "agent")


class FunctionCalling:
    """One invocation."""

    def __init__(self, call: StrategyCall, host: AgentHost, emit: Callable[[ToolMessage], None]) -> None:
        self._host = host
        self._emit = emit
        self._call = call
        self._model: AgentModel = call.models["model"]
        names = _names(call.values.get("allowed_tools"))
        listed = [tool for tool in call.tools.get("tools", ()) if not names or tool.tool.name.tool in names]
        self._tools: Mapping[str, AgentTool] = {tool.tool.name.tool: tool for tool in listed}
        self._functions: tuple[Function, ...] = functions(listed)
        self._rounds = _rounds(call.values.get("maximum_iterations"))
        self._messages = _opening(call, self._model)
        self._asks = len(self._messages) - 1
        """Index of the question among the messages."""
        self._log = AgentLog(call.key, emit)
        self._usages: list[ModelUsage] = []

    async def run(self) -> None:
        """Loop until the model calls no tool. Raises ``ToolFailure``: no answer; ``LimitReached``."""
        for number in range(1, self._rounds + 1):
            if not await self._round(number):
                break
            # Few models accept pictures together with tool answers: from now on a word stands for each.
            self._messages[self._asks] = _without_pictures(self._messages[self._asks])
        self._emit(JsonMessage({"execution_metadata": metadata_of(self._usages)}))

    async def _round(self, number: int) -> bool:
        """One request to the model, with its tool calls. Returns whether there were any."""
        began = time.perf_counter()
        entry = self._log.begin(f"ROUND {number}", started_at=began)
        completion, calls = await self._asked(entry.id)
        if calls:
            made = tuple(
                FunctionCall(call.id, call.name, _shown_arguments(call, arguments)) for call, arguments in calls
            )
            self._messages.append(PromptMessage("assistant", (completion.text,) if completion.text else (), made))
        elif completion.text.strip():
            self._messages.append(PromptMessage("assistant", (completion.text,)))
        answers = []
        for call, arguments in calls:
            answer = await self._called(call, arguments, entry.id, number)
            answers.append(answer)
            self._messages.append(PromptMessage("tool", (str(answer["tool_response"]),), tool_call_id=call.id))
        if calls:
            self._emit(TextMessage("\n"))
        output: Json = {"llm_response": completion.text, "tool_responses": answers}
        self._log.finish(entry, {"output": output}, times(began), completion.usage)
        if answers and self._rounds == 1:
            for answer in answers:
                self._emit(TextMessage(str(answer["tool_response"])))
        return bool(calls)

    async def _asked(self, parent: str) -> tuple[Completion, list[tuple[FunctionCall, dict[str, Json] | None]]]:
        model, began = self._model, time.perf_counter()
        entry = self._log.begin(f"{model.model} Thought", parent=parent, started_at=began, provider=model.provider)
        tools = self._functions if model.abilities.tools else ()
        request = request_of(self._call, model, self._messages, tools, model.parameters)
        shown = 0

        def show(text: str) -> None:
            nonlocal shown
            shown += len(text)
            if text:
                self._emit(TextMessage(text))

        try:
            completion = await self._host.complete(request, lambda chunk: show(chunk.text))
        except ModelFailure as failure:
            self._log.fail(entry, str(failure), began)
            raise ToolFailure(f"{failure.kind}: {failure}", reported=False) from None
        except LimitReached as failure:
            self._log.fail(entry, str(failure), began)
            raise
        show(completion.text[shown:])
        self._usages.append(completion.usage)
        calls = [(call, await arguments_of(call)) for call in completion.tool_calls]
        named = [{"name": call.name, "args": arguments or {}} for call, arguments in calls]
        data: dict[str, Json] = {
            "output": completion.text,
            "tool_name": ";".join(call.name for call in completion.tool_calls),
            "tool_input": named,
        }
        self._log.finish(entry, data, {**times(began), "provider": model.provider}, completion.usage)
        return completion, calls

    async def _called(
        self, call: FunctionCall, arguments: dict[str, Json] | None, parent: str, number: int
    ) -> dict[str, Json]:
        tool, began = self._tools.get(call.name), time.perf_counter()
        provider = "" if tool is None else tool.tool.name.provider
        entry = self._log.begin(f"CALL {call.name}", parent=parent, started_at=began, provider=provider)
        answer: dict[str, Json] = {"tool_call_id": call.id, "tool_call_name": call.name}
        if number == self._rounds > 1:
            answer["tool_response"] = (
                f"Maximum iteration limit ({self._rounds}) reached. Cannot call tool '{call.name}'. Please consider "
                "increasing the iteration limit."
            )
        elif tool is None:
            answer["tool_response"] = error = f"there is not a tool named {call.name}"
            answer["meta"] = {"time_cost": 0.0, "error": error, "tool_config": {}}
        elif arguments is None:
            answer["tool_response"] = "tool invoke error: the arguments of the call are not a JSON object"
        else:
            given = {**arguments, **tool.settings}
            answer["tool_call_input"] = given
            try:
                answer["tool_response"] = await self._answered(tool, given)
            except LimitReached as failure:
                self._log.fail(entry, str(failure), began)
                raise
        self._log.finish(entry, {"output": answer}, {**times(began), "provider": provider})
        return answer

    async def _answered(self, tool: AgentTool, given: Mapping[str, Json]) -> str:
        """Call a tool, and return its answer for the model. Files go to the user."""
        messages: list[ToolMessage] = []
        try:
            await self._host.call_tool(tool.tool.name, given, messages.append)
        except (ToolFailure, ToolNotFound) as failure:
            return f"tool invoke error: {failure}"
        is_workflow = tool.tool.name.provider_type == "workflow"
        return "".join(self._as_observation(message, is_workflow=is_workflow) for message in messages)

    def _as_observation(self, message: ToolMessage, *, is_workflow: bool) -> str:
        match message:
            case TextMessage(text):
                return text
            case LinkMessage(url):
                return f"result link: {url}. please tell user to check it."
            case JsonMessage(value):
                # A workflow repeats it as text.
                return "" if is_workflow else f"tool response: {json.dumps(value, ensure_ascii=False)}."
            case ImageMessage():
                self._emit(message)
                return _SHOWN
            case FileMessage(file):
                self._emit(message)
                return _SHOWN if file.get("type") == "image" else "Generated file ... "
            case BlobMessage():
                self._emit(message)
                return "Generated file ... "
            case _:
                return ""


def request_of(
    call: StrategyCall,
    model: AgentModel,
    messages: Iterable[PromptMessage],
    tools: tuple[Function, ...],
    parameters: Mapping[str, Json],
) -> ModelRequest:
    """Return a request of an agent, which leaves it to the model whether to call ``tools``."""
    return ModelRequest(
        provider=model.provider,
        model=model.model,
        mode=model.mode,
        messages=tuple(messages),
        parameters=parameters,
        tools=tools,
        tool_choice="auto",
        app_id=call.app_id,
        run_id=call.run_id,
        key=call.key,
    )


def _opening(call: StrategyCall, model: AgentModel) -> list[PromptMessage]:
    instruction, query = str(call.values.get("instruction") or ""), str(call.values.get("query") or "")
    messages = [PromptMessage("system", (instruction,))] if instruction else []
    asked = PromptMessage("user", (*call.pictures, query))
    return [*messages, *model.history, asked if "image" in model.abilities.media else _without_pictures(asked)]


def _without_pictures(message: PromptMessage) -> PromptMessage:
    if all(isinstance(part, str) for part in message.parts):
        return message
    return replace(message, parts=("\n".join(part if isinstance(part, str) else "[image]" for part in message.parts),))


def _names(allowed: Json) -> set[str]:
    """Return the tools in an allow-list, which may be JSON text or a single name; empty: all."""
    if isinstance(allowed, str):
        allowed = json_value(allowed, [allowed])
    listed = allowed if isinstance(allowed, list) else []
    return {name.strip() for name in listed if isinstance(name, str) and name.strip()}


async def arguments_of(call: FunctionCall) -> dict[str, Json] | None:
    """Parse the arguments of a call; ``None`` unless they are a JSON object that can be passed on and recorded."""
    try:
        value = await decode_json(call.arguments or "{}", _decode)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and not is_too_deep(value) else None


def _refused(constant: str) -> Json:
    raise ValueError(f"{constant} is not JSON")


_decode: Final = partial(json.loads, parse_constant=_refused)


def _shown_arguments(call: FunctionCall, arguments: dict[str, Json] | None) -> str:
    """Return a call's arguments for the model: always an object, since many servers parse them."""
    if arguments is None:
        return json.dumps({"arguments": call.arguments}, ensure_ascii=False)
    return call.arguments or "{}"


def _rounds(value: Json) -> int:
    if not isinstance(value, (int, float)) or value != value:
        return _ROUNDS
    return int(min(max(1, value), _MAX_ROUNDS))


# Tools of an agent as functions that a model may call.

_TYPES: Final = {
    "number": "number",
    "integer": "integer",
    "boolean": "boolean",
    "checkbox": "boolean",
    "object": "object",
    "array": "array",
}
_FILES: Final = frozenset({"file", "files", "system-files"})


def functions(tools: Iterable[AgentTool]) -> tuple[FunctionTool, ...]:
    """Return a function per tool, by the tool's name; of equal names the last."""
    return tuple({tool.tool.name.tool: _function(tool) for tool in tools}.values())


def _function(tool: AgentTool) -> FunctionTool:
    # A model cannot make files.
    parameters = [parameter for parameter in tool.open_parameters if parameter.type not in _FILES]
    schema = {
        "type": "object",
        "properties": {parameter.name: _schema(parameter) for parameter in parameters},
        "required": [parameter.name for parameter in parameters if parameter.required],
    }
    return FunctionTool(tool.tool.name.tool, tool.description or tool.tool.description, schema)


def _schema(parameter: ToolParameter) -> dict[str, Any]:
    if parameter.schema is not None:
        # An array must declare its items: otherwise some providers reject all tools.
        return {"items": {}, **parameter.schema} if parameter.type == "array" else dict(parameter.schema)
    schema: dict[str, Any] = {"type": _TYPES.get(parameter.type, "string"), "description": parameter.description}
    if schema["type"] == "array":
        schema["items"] = {}
    if parameter.type == "select" and parameter.options:
        schema["enum"] = list(parameter.options)
    return schema
