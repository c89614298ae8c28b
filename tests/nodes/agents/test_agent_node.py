"""Agent node alone: its strategy's input, and the handling of its output."""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from jikko.events import StepRecorded, Turn
from jikko.nodes.agents.agent import AgentNode
from jikko.nodes.agents.host import NodeHost, kept_completion, kept_messages, messages_of, model_digest
from jikko.nodes.contract import NodeFailure, Result
from jikko.ports.agents import AgentLimits, Strategy, StrategyName, StrategyParameter
from jikko.ports.models import Abilities, Completion, FunctionCall, ModelRequest, ModelUsage, PromptMessage
from jikko.ports.node_ports import ValueLimits
from jikko.ports.stores.messages import Message as Stored
from jikko.ports.stores.messages import MessageAnswer
from jikko.ports.tools import (
    BlobMessage,
    FileMessage,
    ImageMessage,
    JsonMessage,
    LinkMessage,
    LogMessage,
    TextMessage,
    ToolFailure,
    ToolMessage,
    ToolName,
    ToolParameter,
    VariableMessage,
)
from jikko.values import Json
from tests.nodes.context import FakeContext, FilesOfOneUser, fields, file
from tests.nodes.models import ScriptedModels
from tests.nodes.tools import ScriptedTools

pytestmark = pytest.mark.anyio
MODEL = {
    "type": "constant",
    "value": {"provider": "openai", "model": "m", "mode": "chat", "completion_params": {"t": 1}},
}


class Says:
    """A strategy that says what a test wants, and keeps what it was invoked with."""

    def __init__(self, *messages: ToolMessage) -> None:
        self.messages = messages
        self.calls: list[Any] = []

    def find(self, name: StrategyName) -> Strategy:
        kinds = {"model": "model", "tools": "tools"}
        declared = [
            StrategyParameter(declared=ToolParameter(name=each, type=kind), kind=kinds.get(each, "value"))  # type: ignore[arg-type]
            for each, kind in (("model", ""), ("tools", ""), ("query", "string"), ("rounds", "number"), ("data", "any"))
        ]
        return Strategy(name=name, parameters=tuple(declared), takes_history=True)

    async def invoke(self, call: Any, host: Any, emit: Any) -> None:
        self.calls.append(call)
        for message in self.messages:
            emit(message)

    async def close(self) -> None:
        """Nothing to close."""


class History:
    def __init__(self, turns: Sequence[tuple[str, str]]) -> None:
        about: Any = {"conversation_id": "c", "app_id": "a", "end_user_id": "u", "run_id": None, "created_at": 0.0}
        self.turns = [
            Stored(id=str(number), query=query, answer=MessageAnswer(text=answer), **about)
            for number, (query, answer) in enumerate(turns)
        ][::-1]

    async def messages(self, conversation_id: str, *, before: str | None = None, limit: int = 20) -> list[Stored]:
        return [message for message in self.turns if before is None or message.id < before][:limit]


def context(strategies: Any = None, **ports: Any) -> Any:
    ctx = FakeContext({"n": {"text": 'say "日本"\n', "list": [1], "number": 3}}, files=FilesOfOneUser())
    given = {
        "strategies": strategies or Says(),
        "models": ScriptedModels([Completion(text="")]),
        "tools": ScriptedTools(),
    }
    replaced: Any = {**given, "agent_limits": AgentLimits(), **ports}
    ctx.ports = msgspec.structs.replace(ctx.ports, **replaced)
    return ctx


async def ran(ctx: Any, **data: Any) -> Result:
    parameters = {"model": MODEL, **data.pop("parameters", {})}
    given = {
        "agent_strategy_provider_name": "a/b/c",
        "agent_strategy_name": "s",
        "agent_parameters": parameters,
        **data,
    }
    return await AgentNode.from_dsl(fields({"type": "agent", **given})).run(ctx)


async def test_values_are_expanded_and_converted_to_their_types() -> None:
    says = Says()
    await ran(
        context(says),
        parameters={
            "query": {"type": "constant", "value": "{{#n.text#}}!"},
            "rounds": {"type": "mixed", "value": "{{#n.number#}}"},
            "data": {"type": "constant", "value": {"deep": ["{{#n.text#}}", 1], "l": "{{#n.list#}}"}},
        },
    )
    [call] = says.calls
    assert call.values == {"query": 'say "日本"\n!', "rounds": 3, "data": {"deep": ['say "日本"\n', 1], "l": "[1]"}}
    model = call.models["model"]
    assert (model.provider, model.model, model.parameters) == ("openai", "m", {"t": 1})


async def test_a_variable_is_handed_on_as_it_is_and_must_be_there() -> None:
    says = Says()
    await ran(context(says), parameters={"data": {"type": "variable", "value": ["n", "list"]}})
    assert says.calls[0].values == {"data": [1]}
    with pytest.raises(NodeFailure, match=r"Variable n\.none does not exist"):
        await ran(context(), parameters={"data": {"type": "variable", "value": ["n", "none"]}})


async def test_in_a_conversation_the_model_gets_what_was_said_as_far_as_the_memory_goes() -> None:
    turns = [("one", "1"), ("two", "2"), ("now", "")]
    for memory, expected in (
        ({"window": {"enabled": False, "size": 10}}, ["one", "1", "two", "2"]),
        ({"window": {"enabled": True, "size": 2}}, ["two", "2"]),
        (None, []),
    ):
        says = Says()
        ctx = context(says, history=History(turns))
        ctx.turn = Turn(conversation_id="c", message_id="2")
        await ran(ctx, **({} if memory is None else {"memory": memory}))
        history = says.calls[0].models["model"].history
        assert [message.text for message in history] == expected
        assert [message.role for message in history] == ["user", "assistant"] * (len(expected) // 2)


async def test_what_a_strategy_says_is_folded_into_outputs() -> None:
    used = {
        "total_tokens": 5,
        "prompt_tokens": 3,
        "completion_tokens": 2,
        "prompt_price": 0.15,
        "total_price": 0.25,
        "currency": "JPY",
        "latency": 1,
    }
    stored = file("a.png")
    says = Says(
        TextMessage("a"),
        LogMessage(id="1", label="ROUND 1", status="start", metadata={"provider": "id"}),
        JsonMessage({"k": 1}),
        JsonMessage({"execution_metadata": {"total_tokens": 1}}),
        LogMessage(id="1", label="ROUND 1", data={"done": True}),
        LogMessage(id="2", label="CALL x", parent_id="1", status="error", error="no"),
        TextMessage("b"),
        VariableMessage("own", [1]),
        FileMessage(stored),
        JsonMessage({"execution_metadata": used, "more": 2}),
    )
    ctx = context(says)
    result = await ran(ctx)
    outputs: Any = result.outputs
    assert outputs["text"] == "ab"
    assert outputs["files"] == [stored]
    assert outputs["own"] == [1]
    assert [entry.get("label", entry) for entry in outputs["json"]] == ["ROUND 1", "CALL x", {"k": 1}, {"more": 2}]
    assert outputs["json"][0]["data"] == {"done": True}
    assert (outputs["usage"]["total_tokens"], outputs["usage"]["total_price"]) == (5, "0.25")
    assert result.usage is not None
    usage = result.usage
    assert (usage.total_tokens, usage.total_price, usage.prompt_price, usage.currency) == (5, "0.25", "0.15", "JPY")
    log: Any = result.metadata["agent_log"]
    assert [(entry["id"], entry["status"], entry["error"]) for entry in log] == [
        ("1", "success", None),
        ("2", "error", "no"),
    ]
    assert [entry.status for entry in ctx.logged] == ["start", "success", "error"]


@pytest.mark.parametrize("reported", [
    {"total_tokens": "many", "total_price": "much", "latency": None}, {"total_tokens": -1, "total_price": float("nan")},
    {"total_tokens": 1 << 80, "total_price": "1e999", "currency": None}, {},
])  # fmt: skip
async def test_usage_that_is_none_counts_as_nothing(reported: dict[str, Any]) -> None:
    result = await ran(context(Says(JsonMessage({"execution_metadata": reported}))))
    assert result.usage is not None
    assert (result.usage.total_tokens, result.usage.total_price) == (0, "0")


async def test_a_strategy_that_says_too_much_fails_the_node() -> None:
    deep: Any = 1
    for _ in range(400):
        deep = [deep]
    for message in (JsonMessage(deep), LogMessage(id="1", label="x", data={"deep": deep})):
        with pytest.raises(NodeFailure, match=r"Failed to invoke agent: .*nested too deeply"):
            await ran(context(Says(message)))


# What is kept of answers.

REQUEST = ModelRequest(provider="p", model="m", messages=(PromptMessage("user", ("日本 🗻",)),), key="one", run_id="1")
USED = ModelUsage(prompt_tokens=3, completion_tokens=2, total_tokens=5)
ANSWER = Completion(
    text="a\ue000", reasoning="r", tool_calls=(FunctionCall("1", "t", "{}"),), finish_reason="stop", usage=USED
)


def test_the_same_question_has_the_same_digest_for_every_caller_and_another_has_another() -> None:
    again = msgspec.structs.replace(REQUEST, key="two", run_id="2", stream=False, joined=False)
    assert model_digest(REQUEST) == model_digest(again)
    assert model_digest(REQUEST) != model_digest(msgspec.structs.replace(REQUEST, model="n"))
    assert model_digest(REQUEST) != model_digest(msgspec.structs.replace(REQUEST, parameters={"t": 1}))
    called = PromptMessage("assistant", (), (FunctionCall("1", "t", "{}"),))
    assert model_digest(REQUEST) != model_digest(msgspec.structs.replace(REQUEST, messages=(*REQUEST.messages, called)))


def test_what_a_tool_said_is_kept_but_for_content_of_files() -> None:
    emitted: list[ToolMessage] = [
        TextMessage("日本"), LinkMessage("u"), JsonMessage({"a": [1]}), VariableMessage("v", 1, True),
        ImageMessage("i"),
        FileMessage({"related_id": "1"}), LogMessage(id="1", label="x", data={"a": 1}),
    ]  # fmt: skip
    assert messages_of(kept_messages(emitted)) == emitted
    assert kept_messages([BlobMessage(b"x")]) == []


async def test_an_answer_of_the_log_is_taken_once_and_then_the_model_is_asked() -> None:
    models = ScriptedModels([Completion(text="new")])
    ctx = context(models=models)
    step = StepRecorded(
        at=0.0, execution_id="e", kind="model", request=model_digest(REQUEST), answer=kept_completion(ANSWER)
    )
    ctx.steps = (step,)
    host, reported = NodeHost(ctx), list[str]()
    assert await host.complete(REQUEST, lambda chunk: reported.append(chunk.text)) == ANSWER
    assert reported == ["a\ue000"]
    assert models.requests == []
    assert (await host.complete(REQUEST)).text == "new"
    assert host.usage is not None
    assert host.usage.total_tokens == 5


async def test_a_file_of_a_tool_is_stored_at_once() -> None:
    ctx = context(tools=ScriptedTools(says=[BlobMessage(b"png", "image/png", "a.png")]))
    emitted: list[ToolMessage] = []
    await NodeHost(ctx).call_tool(
        ToolName(provider_type="api", provider="id", tool="say"), {"text": "x"}, emitted.append
    )
    [message] = emitted
    assert isinstance(message, FileMessage)
    assert message.file["filename"] == "a.png"
    assert ctx.ports.files.made[0]["content"] == b"png"


async def test_files_of_a_tool_that_take_too_long_fail_its_call() -> None:
    class Stuck(FilesOfOneUser):
        async def make(self, content: bytes, **about: Any) -> dict[str, Json]:
            await asyncio.Event().wait()
            raise AssertionError

    ctx = context(tools=ScriptedTools(says=[BlobMessage(b"png")]))
    ctx.ports = msgspec.structs.replace(ctx.ports, files=Stuck(), limits=ValueLimits(tool_seconds=0.01))
    with pytest.raises(ToolFailure, match="JIKKO_TOOL_SECONDS"):
        await NodeHost(ctx).call_tool(ToolName(provider_type="api", provider="id", tool="say"), {}, print)


async def test_a_model_that_calls_no_functions_is_not_offered_any() -> None:
    from jikko.strategies.strategy_service import StrategyService

    models = ScriptedModels([Completion(text="plain")], able=Abilities(tools=False))
    ctx = context(StrategyService(Says()), models=models)
    ctx.ports.strategies._plugins.find = _missing
    data = {"agent_strategy_provider_name": "langgenius/agent/agent", "agent_strategy_name": "function_calling"}
    entry = {"enabled": True, "type": "api", "provider_name": "id", "tool_name": "say"}
    parameters = {"query": {"type": "constant", "value": "x"}, "tools": {"type": "constant", "value": [entry]}}
    result = await ran(ctx, parameters=parameters, **data)
    assert result.outputs["text"] == "plain"
    assert models.requests[0].tools == ()


def _missing(name: StrategyName) -> Strategy:
    from jikko.diagnostics.diagnostic import Phrase
    from jikko.ports.tools import ToolNotFound

    raise ToolNotFound(Phrase("tool.missing", {"name": "none"}))
