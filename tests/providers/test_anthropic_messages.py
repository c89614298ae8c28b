"""Anthropic's protocol, over a real socket."""

import asyncio
import base64
import json
import struct
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import yaml

from jikko.ports.models import Chunk, FunctionTool, Media, ModelFailure, ModelRequest, PromptMessage
from jikko.providers.backends import BACKENDS
from jikko.providers.progress import MAX_TOKENS
from jikko.providers.provider_models import ProviderModels
from jikko.providers.providers_file import parse_providers
from tests.effort import PATIENCE
from tests.providers.fake_model import Answer, Exchange, FakeModel, silence

pytestmark = pytest.mark.anyio


def started(tokens: int) -> dict[str, Any]:
    message: dict[str, Any] = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": tokens, "output_tokens": 0, "cache_read_input_tokens": 2},
    }
    return {"type": "message_start", "message": message}


def block(index: int, **content: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": content}


def piece(index: int, **delta: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": delta}


def ended(reason: str, tokens: int) -> list[dict[str, Any]]:
    delta = {"stop_reason": reason, "stop_sequence": None}
    return [
        {"type": "message_delta", "delta": delta, "usage": {"output_tokens": tokens}},
        {"type": "message_stop"},
    ]


def says(*events: dict[str, Any]) -> Answer:
    async def answer(exchange: Exchange) -> None:
        await exchange.begin_stream()
        for event in events:
            await exchange.raw(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
        await exchange.send(b"0\r\n\r\n")

    return answer


@asynccontextmanager
async def served(answer: Answer, **fields: Any) -> AsyncIterator[tuple[FakeModel, ProviderModels]]:
    async with FakeModel(answer) as fake:
        entry = {
            "base_url": fake.url.removesuffix("/v1"),
            "api_key": "sk-ant-0123456789abcdef",
            "timeout": PATIENCE,
            **fields,
        }
        models = ProviderModels(parse_providers(yaml.safe_dump({"providers": {"anthropic": entry}}), {}), BACKENDS)
        try:
            yield fake, models
        finally:
            await models.close()


def request(*messages: PromptMessage, **fields: Any) -> ModelRequest:
    return ModelRequest(
        provider="anthropic", model="claude", messages=messages or (PromptMessage("user", ("hi",)),), **fields
    )


@pytest.mark.slow
async def test_counts_that_no_answer_can_have_are_bounded() -> None:
    answer = says(
        started(10**20),
        block(0, type="text", text=""),
        piece(0, type="text_delta", text="a"),
        *ended("end_turn", 10**20),
    )
    async with served(answer) as (_, models):
        counted = (await models.complete(request())).usage

    assert (counted.prompt_tokens, counted.completion_tokens) == (MAX_TOKENS, MAX_TOKENS)
    assert counted.total_tokens == 2 * MAX_TOKENS


async def test_text_and_thinking_come_piece_by_piece() -> None:
    pieces: list[Chunk] = []
    answer = says(
        started(5),
        block(0, type="thinking", thinking="", signature=""),
        piece(0, type="thinking_delta", thinking="hm"),
        block(1, type="text", text=""),
        piece(1, type="text_delta", text="Hel"),
        piece(1, type="text_delta", text="lo"),
        *ended("end_turn", 3),
    )
    async with served(answer) as (fake, models):
        completion = await models.complete(request(), pieces.append)

    assert pieces == [Chunk("", "hm"), Chunk("Hel", ""), Chunk("lo", "")]
    assert (completion.text, completion.reasoning, completion.finish_reason) == ("Hello", "hm", "stop")
    assert (completion.usage.prompt_tokens, completion.usage.completion_tokens) == (7, 3)
    assert fake.exchanges[0].path == "/v1/messages"
    assert "sk-ant-0123456789abcdef" in str(fake.exchanges[0].headers)


async def test_system_messages_files_and_parameters_are_put_as_the_protocol_wants() -> None:
    picture = Media("image", "image/png", data=b"hi")
    messages = (PromptMessage("system", ("Be kind.",)), PromptMessage("user", (picture, "Look")))
    parameters = {"max_completion_tokens": 9, "stop": "x", "temperature": 1, "odd": 1, "seed": None}
    async with served(says(started(1), *ended("end_turn", 1))) as (fake, models):
        await models.complete(request(*messages, parameters=parameters))

    body = fake.bodies[0]
    assert body["system"] == "Be kind."
    assert body["messages"][0]["content"][0]["source"] == {"type": "base64", "media_type": "image/png", "data": "aGk="}
    assert (body["max_tokens"], body["stop_sequences"], body["temperature"], body["odd"]) == (9, ["x"], 1, 1)
    assert "seed" not in body


async def test_a_turn_that_failed_is_no_empty_text() -> None:
    said = (PromptMessage("user", ("一",)), PromptMessage("assistant", ("",)), PromptMessage("user", ("二",)))
    async with served(says(started(1), *ended("end_turn", 1))) as (fake, models):
        await models.complete(request(*said))

    [only] = fake.bodies[0]["messages"]
    assert [part["text"] for part in only["content"]] == ["一", "二"]


async def test_vertex_is_asked_for_the_model_of_its_project_and_region(monkeypatch: pytest.MonkeyPatch) -> None:
    import anthropic  # takes a second, which every process of tests would spend

    # Google's library would ask Google for a token.
    vertex = partial(anthropic.AsyncAnthropicVertex, access_token="of-google")
    monkeypatch.setattr(anthropic, "AsyncAnthropicVertex", vertex)
    entry = {"type": "vertex", "project": "my-project", "region": "asia-northeast1"}
    async with served(says(started(1), *ended("end_turn", 1)), **entry) as (fake, models):
        await models.complete(request())

    assert fake.exchanges[0].path.startswith("/projects/my-project/locations/asia-northeast1/publishers/anthropic/")


def frame(event: dict[str, Any]) -> bytes:
    """An event in Amazon's binary format: lengths, headers, payload, and two checksums."""
    payload = json.dumps({"bytes": base64.b64encode(json.dumps(event).encode()).decode()}).encode()
    headers = b""
    for name, value in ((b":event-type", b"chunk"), (b":message-type", b"event")):
        headers += struct.pack(f">B{len(name)}sBH{len(value)}s", len(name), name, 7, len(value), value)
    begin = struct.pack(">II", len(headers) + len(payload) + 16, len(headers))
    message = begin + struct.pack(">I", zlib.crc32(begin)) + headers + payload
    return message + struct.pack(">I", zlib.crc32(message))


@pytest.mark.parametrize("pings", [0, 1_000_000])
async def test_bedrock_streams_in_amazons_format_and_is_kept_alive_within_bounds(
    pings: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "of-amazon")

    async def answer(exchange: Exchange) -> None:
        await exchange.head(200, "Content-Type: application/vnd.amazon.eventstream", "Transfer-Encoding: chunked")
        text = (piece(0, type="text_delta", text=text) for text in ("こんに", "ちは 🌸"))
        for event in (started(5), block(0, type="text", text=""), *text):
            await exchange.raw(frame(event))
        for _ in range(pings):
            await exchange.raw(frame({"type": "ping"}) * 100)
        for event in ended("end_turn", 3):
            await exchange.raw(frame(event))
        await exchange.send(b"0\r\n\r\n")

    pieces: list[Chunk] = []
    entry = {"type": "bedrock", "region": "ap-northeast-1", "max_answer": 20_000}
    async with served(answer, **entry) as (fake, models):
        asked = models.complete(request(), pieces.append)
        if pings:
            with pytest.raises(ModelFailure, match="max_answer"):
                await asked
        else:
            assert (await asked).text == "こんにちは 🌸"

    assert pieces == [Chunk("こんに", ""), Chunk("ちは 🌸", "")]
    assert fake.exchanges[0].path == "/model/claude/invoke-with-response-stream"
    assert fake.exchanges[0].headers["authorization"] == "Bearer of-amazon"


async def test_tool_calls_come_in_pieces() -> None:
    tool = FunctionTool("extract", "Extracts.", {"type": "object", "properties": {}})
    answer = says(
        started(1),
        block(0, type="tool_use", id="t1", name="extract", input={}),
        piece(0, type="input_json_delta", partial_json='{"n"'),
        piece(0, type="input_json_delta", partial_json=": 1}"),
        *ended("tool_use", 1),
    )
    async with served(answer) as (fake, models):
        completion = await models.complete(request(tools=(tool,)))

    [call] = completion.tool_calls
    assert (call.id, call.name, call.arguments) == ("t1", "extract", '{"n": 1}')
    assert completion.finish_reason == "tool_calls"
    assert fake.bodies[0]["tool_choice"] == {"type": "any"}


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "InvokeBadRequestError"),
        (401, "InvokeAuthorizationError"),
        (429, "InvokeRateLimitError"),
        (529, "InvokeServerUnavailableError"),
    ],
)
async def test_a_status_is_an_error_type(status: int, kind: str) -> None:
    async def answer(exchange: Exchange) -> None:
        error = {"type": "some_error", "message": "no: sk-ant-0123456789abcdef"}
        await exchange.json({"type": "error", "error": error}, status)

    async with served(answer) as (_, models):
        with pytest.raises(ModelFailure) as caught:
            await models.complete(request())

    assert caught.value.kind == kind
    assert "sk-ant" not in str(caught.value)


async def test_an_answer_that_breaks_off_is_counted() -> None:
    async def answer(exchange: Exchange) -> None:
        await exchange.begin_stream()
        for event in (started(5), block(0, type="text", text=""), piece(0, type="text_delta", text="half")):
            await exchange.raw(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
        exchange.cut()

    async with served(answer) as (_, models):
        with pytest.raises(ModelFailure) as caught:
            await models.complete(request())

    assert caught.value.kind == "InvokeConnectionError"
    assert caught.value.usage is not None
    assert caught.value.usage.prompt_tokens == 7


async def test_cancelling_ends_the_request() -> None:
    async with served(silence) as (fake, models):
        call = asyncio.create_task(models.complete(request()))
        await fake.requests(1)
        call.cancel()
        async with asyncio.timeout(PATIENCE):
            await fake.exchanges[0].gone.wait()
        await asyncio.gather(call, return_exceptions=True)


async def test_nothing_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL", "ANTHROPIC_PROFILE"):
        monkeypatch.setenv(name, "of-the-environment")
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "X-Evil: of-the-environment")
    async with served(says(started(1), *ended("end_turn", 1))) as (fake, models):
        await models.complete(request())

    assert "of-the-environment" not in str(fake.exchanges[0].headers)
