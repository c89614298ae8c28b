"""Good and bad responses in OpenAI's protocol, over a real socket."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from jikko.log_context import LogContext, log_context
from jikko.ports.models import Chunk, Media, PromptMessage
from jikko.providers.progress import MAX_TOKENS
from jikko.settings import Settings
from jikko.trace_context import traceparent_of
from tests.effort import PATIENCE
from tests.providers.calling import KEY, TOOL, request, served
from tests.providers.fake_model import (
    Exchange,
    delta,
    events,
    silence,
    streamed,
    whole,
)

pytestmark = pytest.mark.anyio

RUN = "0199a1b2-0000-7000-8000-00000000abcd"


async def test_a_streamed_answer_comes_piece_by_piece_and_as_a_whole() -> None:
    pieces: list[Chunk] = []
    async with served(streamed("Hel", "lo")) as (fake, models):
        completion = await models.complete(request(), pieces.append)

    assert [piece.text for piece in pieces] == ["Hel", "lo"]
    assert completion.text == "Hello"
    assert completion.finish_reason == "stop"
    assert (completion.usage.prompt_tokens, completion.usage.completion_tokens, completion.usage.total_tokens) == (
        5,
        2,
        7,
    )
    assert fake.exchanges[0].path == "/v1/chat/completions"
    assert fake.exchanges[0].headers["authorization"] == f"Bearer {KEY}"
    assert fake.bodies[0]["stream_options"] == {"include_usage": True}


async def test_a_provider_is_told_the_trace_of_the_run_that_calls_it() -> None:
    token = log_context.set(LogContext(run=RUN))
    try:
        async with served(streamed("x")) as (fake, models):
            await models.complete(request())
    finally:
        log_context.reset(token)

    assert fake.exchanges[0].headers["traceparent"] == traceparent_of("", RUN)


@pytest.mark.parametrize(
    ("busy", "joined", "reported"),
    [
        (True, True, ["abc", "d"]),
        (True, False, ["a", "b", "c", "d"]),
        (False, True, ["a", "b", "c", "d"]),
    ],
)
async def test_texts_that_come_together_are_told_together_when_there_is_much_to_do(
    busy: bool, joined: bool, reported: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jikko.providers.provider_models._BUSY_REQUESTS", 1 if busy else 2)
    came = asyncio.Event()

    async def answer(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.raw(b"".join(b"data: " + json.dumps(delta(word)).encode() + b"\n\n" for word in "abc"))
        await came.wait()
        await exchange.event(delta("d", finish="stop"))
        await exchange.end_stream()

    pieces: list[str] = []

    def emit(chunk: Chunk) -> None:
        pieces.append(chunk.text)
        came.set()

    async with served(answer) as (_, models):
        completion = await models.complete(request(joined=joined), emit)

    assert pieces == reported
    assert completion.text == "abcd"


async def test_latency_and_time_to_the_first_token_are_told() -> None:
    async with served(streamed("a")) as (_, models):
        counted = (await models.complete(request())).usage

    assert counted.time_to_first_token is not None
    assert counted.time_to_generate is not None
    assert 0 <= counted.time_to_first_token <= counted.latency
    assert counted.time_to_generate <= counted.latency


async def test_an_answer_that_is_not_streamed_has_no_time_to_the_first_token() -> None:
    async with served(whole({"content": "Hi"})) as (fake, models):
        completion = await models.complete(request(stream=False))

    assert completion.text == "Hi"
    assert completion.usage.time_to_first_token is None
    assert "stream" not in fake.bodies[0]


@pytest.mark.parametrize("reported", [10**19, 1e300])
async def test_a_count_that_no_answer_can_have_is_told_as_the_largest_that_is_believed(reported: float) -> None:
    counts = {"prompt_tokens": reported, "completion_tokens": reported, "total_tokens": reported}
    async with served(events([delta("a", finish="stop"), {"choices": [], "usage": counts}])) as (_, models):
        counted = (await models.complete(request())).usage

    assert counted.prompt_tokens == counted.completion_tokens == counted.total_tokens == MAX_TOKENS
    assert MAX_TOKENS * Settings(home=Path()).max_steps < 2**63  # or the sum of a run could not be stored


async def test_prices_come_from_the_price_list() -> None:
    async with served(streamed("a", counts=(1_000_000, 1_000_000))) as (_, models):
        counted = (await models.complete(request(model="gpt-4o"))).usage

    assert counted.as_json()["prompt_unit_price"] == "2.5"
    assert counted.as_json()["prompt_price"] == "2.5"
    assert counted.as_json()["completion_price"] == "10.0"
    assert counted.as_json()["total_price"] == "12.5"
    assert counted.as_json()["prompt_price_unit"] == "0.000001"


async def test_prices_of_the_providers_file_win() -> None:
    price = {"prompt": "1.5", "completion": 3, "currency": "EUR"}
    async with served(streamed("a", counts=(100, 10)), price=price) as (_, models):
        counted = (await models.complete(request())).usage

    assert counted.currency == "EUR"
    assert counted.as_json()["total_price"] == "0.00018"


async def test_tokens_are_estimated_if_the_provider_does_not_count() -> None:
    async with served(streamed("eight ch", counts=None)) as (_, models):
        counted = (await models.complete(request("four" * 4))).usage

    assert (counted.prompt_tokens, counted.completion_tokens) == (4, 2)


async def test_tool_calls_come_in_pieces() -> None:
    def call(**fields: Any) -> dict[str, Any]:
        return delta(tool_calls=[{"index": 0, **fields}])

    pieces = [
        call(id="c1", type="function", function={"name": "extract", "arguments": ""}),
        call(function={"arguments": '{"n": '}),
        call(function={"arguments": "4"}),
        call(function={"arguments": "2}"}),
        delta(tool_calls=[{"index": 1, "id": "c2", "function": {"name": "extract", "arguments": "{}"}}]),
        delta(finish="tool_calls"),
    ]
    async with served(events(pieces)) as (fake, models):
        completion = await models.complete(request(tools=(TOOL,)))

    assert [(call.id, call.arguments) for call in completion.tool_calls] == [("c1", '{"n": 42}'), ("c2", "{}")]
    assert completion.finish_reason == "tool_calls"
    assert fake.bodies[0]["tools"][0]["function"]["name"] == "extract"


async def test_a_tool_call_whose_pieces_repeat_its_name_without_its_id_is_one_call() -> None:
    named = [{"index": 0, "function": {"name": "extract", "arguments": part}} for part in ('{"語": ', '"🙂"}')]
    pieces = [delta(tool_calls=[{**named[0], "id": "c1"}]), delta(tool_calls=[named[1]]), delta(finish="tool_calls")]
    async with served(events(pieces)) as (_, models):
        completion = await models.complete(request(tools=(TOOL,)))

    assert [(call.id, call.arguments) for call in completion.tool_calls] == [("c1", '{"語": "🙂"}')]


async def test_reasoning_that_is_told_apart_is_kept_apart() -> None:
    answer = events([delta(reasoning_content="hm"), delta(reasoning="ok"), delta("yes", finish="stop")])
    async with served(answer) as (_, models):
        completion = await models.complete(request())

    assert (completion.text, completion.reasoning) == ("yes", "hmok")


async def test_content_in_parts_is_text_and_reasoning() -> None:
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "yes"}]
    async with served(whole({"content": parts})) as (_, models):
        completion = await models.complete(request(stream=False))

    assert (completion.text, completion.reasoning) == ("yes", "hm")


@pytest.mark.parametrize("field", ["images", "content"])
@pytest.mark.parametrize(
    ("link", "picture"),
    [
        ({"url": "data:image/webp;base64,aGk="}, Media("image", "image/webp", data=b"hi")),
        ("data:image/jpeg;name=猫;base64,aGk=", Media("image", "image/jpeg", data=b"hi")),
        ("data:;base64,aGk=", Media("image", "image/png", data=b"hi")),
        ({"url": "https://x.test/猫.png"}, Media("image", "image/png", url="https://x.test/猫.png")),
        ("data:image/png;base64,a*k=", None),
        ("data:image/png,hi", None),
        ({"url": ""}, None),
    ],
)
async def test_pictures_that_a_model_made_come_with_their_content_or_address(
    field: str, link: Any, picture: Media | None
) -> None:
    parts = ["no part", {"type": "image_url", "image_url": link}]
    async with served(whole({"content": "", field: parts})) as (_, models):
        completion = await models.complete(request())

    assert completion.media == (() if picture is None else (picture,))


async def test_a_server_that_answers_a_streaming_request_at_once_is_understood() -> None:
    async with served(whole({"content": "all of it"})) as (_, models):
        assert (await models.complete(request())).text == "all of it"


async def test_completion_models_get_one_text() -> None:
    pieces = [{"choices": [{"text": "on"}]}, {"choices": [{"text": "e", "finish_reason": "stop"}]}]
    async with served(events(pieces)) as (fake, models):
        completion = await models.complete(request("count", mode="completion"))

    assert completion.text == "one"
    assert fake.exchanges[0].path == "/v1/completions"
    assert fake.bodies[0]["prompt"] == "count"


async def test_the_mode_of_the_providers_file_wins() -> None:
    async with served(streamed("a"), models={"gpt-4o": {"mode": "chat"}}) as (fake, models):
        await models.complete(request(mode="completion"))

    assert fake.exchanges[0].path == "/v1/chat/completions"


async def test_models_are_renamed_by_the_providers_file() -> None:
    async with served(streamed("a"), models={"gpt-4o": "my-deployment"}) as (fake, models):
        await models.complete(request())

    assert fake.bodies[0]["model"] == "my-deployment"


async def test_pictures_go_by_address_or_with_their_content() -> None:
    message = PromptMessage(
        "user",
        (
            Media("image", "image/png", url="https://x.test/a.png", detail="low"),
            Media("image", "image/png", data=b"hi"),
            Media("document", "application/pdf", data=b"%PDF", filename="a.pdf"),
            Media("audio", "audio/mpeg", data=b"mp3"),
            Media("video", "video/mp4", url="https://x.test/a.mp4"),
            "Look",
        ),
    )
    async with served(streamed("a")) as (fake, models):
        await models.complete(request(messages=(message,)))

    parts = fake.bodies[0]["messages"][0]["content"]
    assert parts[0] == {"type": "image_url", "image_url": {"url": "https://x.test/a.png", "detail": "low"}}
    assert parts[1]["image_url"]["url"] == "data:image/png;base64,aGk="
    assert parts[2]["file"] == {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg=="}
    assert parts[3]["input_audio"] == {"data": "bXAz", "format": "mp3"}
    assert parts[4]["video_url"] == {"url": "https://x.test/a.mp4"}
    assert parts[5] == {"type": "text", "text": "Look"}


async def test_cancelling_ends_the_request_at_the_server_at_once() -> None:
    async def answer(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.event(delta("first"))
        await exchange.gone.wait()

    came = asyncio.Event()
    async with served(answer) as (fake, models):
        call = asyncio.create_task(models.complete(request(), lambda chunk: came.set()))
        await came.wait()
        call.cancel()
        async with asyncio.timeout(PATIENCE):
            await fake.exchanges[0].gone.wait()
        assert call.cancelled() or call.cancelling()
        await asyncio.gather(call, return_exceptions=True)


async def test_cancelling_before_the_answer_ends_the_request_too() -> None:
    async with served(silence) as (fake, models):
        call = asyncio.create_task(models.complete(request()))
        await fake.requests(1)
        call.cancel()
        async with asyncio.timeout(PATIENCE):
            await fake.exchanges[0].gone.wait()
        await asyncio.gather(call, return_exceptions=True)


async def test_a_connection_that_the_server_closed_meanwhile_is_replaced() -> None:
    async def answer(exchange: Exchange) -> None:
        await streamed("ok")(exchange)
        exchange.writer.close()

    async with served(answer) as (fake, models):
        for _ in range(3):
            assert (await models.complete(request())).text == "ok"

    assert len(fake.bodies) == 3


async def test_nothing_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "of-the-environment")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("OPENAI_ORG_ID", "of-the-environment")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "of-the-environment")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Evil: of-the-environment")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    async with served(streamed("a"), headers={"X-Mine": "yes"}) as (fake, models):
        await models.complete(request())

    headers = fake.exchanges[0].headers
    assert headers["x-mine"] == "yes"
    assert "of-the-environment" not in str(headers)
    assert "openai-organization" not in headers
