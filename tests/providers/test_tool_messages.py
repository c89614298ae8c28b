"""Conversations with tool calls: each provider's requests and responses, over real sockets."""

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from jikko.ports.models import Chunk, FunctionCall, FunctionTool, Media, ModelRequest, PromptMessage, ToolChoice
from jikko.providers.fake import FakeModels
from tests.providers import calling, test_anthropic_messages
from tests.providers.fake_model import Answer, delta, events, streamed

pytestmark = pytest.mark.anyio
Served = Callable[[Answer], AbstractAsyncContextManager[Any]]

WEATHER = FunctionTool("weather", "Tells the weather.", {"type": "object", "properties": {"city": {"type": "string"}}})
CLOCK = FunctionTool("clock", "Tells the time.", {"type": "object", "properties": {}})
PICTURE = Media("image", "image/png", data=b"\x89PNG")
CALLS = (FunctionCall("call-1", "weather", '{"city": "東京"}'), FunctionCall("call-2", "clock", ""))
CONVERSATION = (
    PromptMessage("system", ("Be brief.",)),
    PromptMessage("user", ("How is it? 🌦",)),
    PromptMessage("assistant", ("I look.",), tool_calls=CALLS),
    PromptMessage("tool", ("晴れ",), tool_call_id="call-1"),
    PromptMessage("tool", ("12:00", PICTURE), tool_call_id="call-2"),
    PromptMessage("assistant", ("Sunny.",)),
    PromptMessage("user", ("Thanks.",)),
)


def request(*messages: PromptMessage, provider: str = "openai", **fields: Any) -> ModelRequest:
    return ModelRequest(provider=provider, model="m", messages=messages or CONVERSATION, **fields)


async def test_openai_gets_calls_and_answers_of_tools_as_messages_of_their_own() -> None:
    async with calling.served(streamed("ok")) as (fake, models):
        await models.complete(request(tools=(WEATHER, CLOCK), tool_choice="auto"))
        [body] = fake.bodies
    assert body["tool_choice"] == "auto"
    assert [tool["function"]["name"] for tool in body["tools"]] == ["weather", "clock"]
    assert body["messages"][2] == {
        "role": "assistant",
        "content": "I look.",
        "tool_calls": [
            {"id": "call-1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "東京"}'}},
            {"id": "call-2", "type": "function", "function": {"name": "clock", "arguments": ""}},
        ],
    }
    assert body["messages"][3:5] == [
        {"role": "tool", "tool_call_id": "call-1", "content": "晴れ"},
        {"role": "tool", "tool_call_id": "call-2", "content": "12:00"},
    ]
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw==", "detail": "high"}}
    assert body["messages"][5] == {"role": "user", "content": [picture]}
    assert [message["role"] for message in body["messages"][6:]] == ["assistant", "user"]


async def test_openai_gets_no_text_where_an_assistant_only_calls() -> None:
    async with calling.served(streamed("ok")) as (fake, models):
        await models.complete(
            request(PromptMessage("user", ("x",)), PromptMessage("assistant", (), tool_calls=CALLS[:1]))
        )
        [body] = fake.bodies
    assert body["messages"][1]["content"] is None


async def test_anthropic_gets_answers_of_tools_as_parts_of_one_turn_of_the_user() -> None:
    answer = _anthropic_says(("text", "ok"))
    async with test_anthropic_messages.served(answer) as (fake, models):
        await models.complete(request(provider="anthropic", tools=(WEATHER, CLOCK), tool_choice="auto"))
        [body] = fake.bodies
    assert body["system"] == "Be brief."
    assert body["tool_choice"] == {"type": "auto"}
    roles = [message["role"] for message in body["messages"]]
    assert roles == ["user", "assistant", "user", "assistant", "user"]
    assert body["messages"][1]["content"] == [
        {"type": "text", "text": "I look."},
        {"type": "tool_use", "id": "call-1", "name": "weather", "input": {"city": "東京"}},
        {"type": "tool_use", "id": "call-2", "name": "clock", "input": {}},
    ]
    first, second = body["messages"][2]["content"]
    assert first == {"type": "tool_result", "tool_use_id": "call-1", "content": [{"type": "text", "text": "晴れ"}]}
    assert second["tool_use_id"] == "call-2"
    assert [part["type"] for part in second["content"]] == ["text", "image"]


async def test_anthropic_gets_pictures_of_system_messages_in_the_turn_of_the_user() -> None:
    answer = _anthropic_says(("text", "ok"))
    async with test_anthropic_messages.served(answer) as (fake, models):
        messages = (PromptMessage("system", ("Look.", PICTURE)), PromptMessage("user", ("What is it?",)))
        await models.complete(request(*messages, provider="anthropic"))
        [body] = fake.bodies
    assert body["system"] == "Look."
    [message] = body["messages"]
    assert [part["type"] for part in message["content"]] == ["image", "text"]


@pytest.mark.parametrize("written", ["no json", "[1]", '{"city": '])
async def test_anthropic_gets_what_a_model_wrote_instead_of_an_object_as_a_value(written: str) -> None:
    answer = _anthropic_says(("text", "ok"))
    call = PromptMessage("assistant", (), tool_calls=(FunctionCall("call-1", "weather", written),))
    async with test_anthropic_messages.served(answer) as (fake, models):
        await models.complete(request(PromptMessage("user", ("x",)), call, provider="anthropic"))
        [body] = fake.bodies
    assert body["messages"][1]["content"][0]["input"] == {"arguments": written}


@pytest.mark.parametrize(("choice", "openai", "anthropic"), [
    ("auto", "auto", "auto"), ("required", "required", "any"), ("none", "none", "none"),
])  # fmt: skip
async def test_whether_a_tool_may_be_called_is_said(choice: ToolChoice, openai: str, anthropic: str) -> None:
    async with calling.served(streamed("ok")) as (fake, models):
        await models.complete(request(tools=(CLOCK,), tool_choice=choice))
        assert fake.bodies[0]["tool_choice"] == openai
    async with test_anthropic_messages.served(_anthropic_says(("text", "ok"))) as (fake, models):
        await models.complete(request(provider="anthropic", tools=(CLOCK,), tool_choice=choice))
        assert fake.bodies[0]["tool_choice"] == {"type": anthropic}


async def test_openai_streams_text_and_several_calls_in_pieces() -> None:
    def calls(*pieces: dict[str, Any]) -> dict[str, Any]:
        return delta(tool_calls=list(pieces))

    answer = events([
        delta("I "),
        delta("look."),
        calls({"index": 0, "id": "a", "type": "function", "function": {"name": "weather", "arguments": '{"ci'}}),
        calls({"index": 1, "id": "b", "type": "function", "function": {"name": "clock", "arguments": "{"}}),
        calls({"index": 0, "function": {"arguments": 'ty": "京"}'}}, {"index": 1, "function": {"arguments": "}"}}),
        delta(finish="tool_calls"),
    ])  # fmt: skip
    chunks: list[Chunk] = []
    async with calling.served(answer) as (_, models):
        completion = await models.complete(request(tools=(WEATHER, CLOCK), tool_choice="auto"), chunks.append)
    assert "".join(chunk.text for chunk in chunks) == completion.text == "I look."
    assert completion.tool_calls == (FunctionCall("a", "weather", '{"city": "京"}'), FunctionCall("b", "clock", "{}"))
    assert completion.finish_reason == "tool_calls"


@pytest.mark.parametrize(
    ("sent", "arguments"),
    [({"city": "京 😀", "days": [1, 2.50]}, '{"city":"京 😀","days":[1,2.5]}'), (None, ""), ("", "")],
)
async def test_arguments_that_a_server_sends_as_an_object_are_its_text(sent: Any, arguments: str) -> None:
    function = {"name": "weather", "arguments": sent}
    answer = events([
        delta(tool_calls=[{"index": 0, "id": "a", "type": "function", "function": function}]),
        delta(finish="tool_calls"),
    ])  # fmt: skip
    async with calling.served(answer) as (_, models):
        completion = await models.complete(request(tools=(WEATHER,), tool_choice="auto"))
    assert completion.tool_calls == (FunctionCall("a", "weather", arguments),)


async def test_anthropic_streams_text_and_several_calls_in_pieces() -> None:
    answer = _anthropic_says(("text", "I look."), ("weather", '{"city": "京"}'), ("clock", "{}"), reason="tool_use")
    chunks: list[Chunk] = []
    async with test_anthropic_messages.served(answer) as (_, models):
        completion = await models.complete(request(provider="anthropic", tools=(WEATHER, CLOCK)), chunks.append)
    assert "".join(chunk.text for chunk in chunks) == completion.text == "I look."
    assert [(call.name, json.loads(call.arguments)) for call in completion.tool_calls] == [
        ("weather", {"city": "京"}),
        ("clock", {}),
    ]
    assert completion.finish_reason == "tool_calls"


async def test_a_fake_model_calls_a_tool_once_and_then_answers() -> None:
    asked = request(PromptMessage("user", ("x",)), tools=(CLOCK,), tool_choice="auto")
    first = await FakeModels().complete(asked)
    assert [call.name for call in first.tool_calls] == ["clock"]
    history = (
        PromptMessage("assistant", (), tool_calls=first.tool_calls),
        PromptMessage("tool", ("12",), tool_call_id="fake-call-1"),
    )
    second = await FakeModels().complete(request(*asked.messages, *history, tools=(CLOCK,), tool_choice="auto"))
    assert second.text
    assert not second.tool_calls


def _anthropic_says(*blocks: tuple[str, str], reason: str = "end_turn") -> Answer:
    """Each block a text, or a call by its tool; in two pieces."""
    chunks = [test_anthropic_messages.started(5)]
    for index, (kind, words) in enumerate(blocks):
        half = len(words) // 2
        if kind == "text":
            chunks.append(test_anthropic_messages.block(index, type="text", text=""))
            pieces = [{"type": "text_delta", "text": part} for part in (words[:half], words[half:])]
        else:
            call = {"type": "tool_use", "id": f"id-{index}", "name": kind, "input": {}}
            chunks.append(test_anthropic_messages.block(index, **call))
            pieces = [{"type": "input_json_delta", "partial_json": part} for part in (words[:half], words[half:])]
        chunks += [test_anthropic_messages.piece(index, **part) for part in pieces]
        chunks.append({"type": "content_block_stop", "index": index})
    return test_anthropic_messages.says(*chunks, *test_anthropic_messages.ended(reason, 3))
