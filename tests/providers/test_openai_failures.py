"""Failures of OpenAI-compatible servers, and their handling."""

import asyncio
import email.utils
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from jikko.ports.models import ModelFailure
from tests.effort import PATIENCE
from tests.providers.calling import KEY, models_at, request, served
from tests.providers.fake_model import (
    Answer,
    Exchange,
    delta,
    events,
    refusal,
    silence,
    streamed,
    usage,
    whole,
)

pytestmark = pytest.mark.anyio


async def failure_of(answer: Answer, **fields: Any) -> ModelFailure:
    async with served(answer, **fields) as (_, models):
        with pytest.raises(ModelFailure) as caught:
            await models.complete(request())
    return caught.value


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "InvokeBadRequestError"),
        (401, "InvokeAuthorizationError"),
        (403, "InvokeAuthorizationError"),
        (404, "InvokeBadRequestError"),
        (408, "InvokeConnectionError"),
        (422, "InvokeBadRequestError"),
        (429, "InvokeRateLimitError"),
        (500, "InvokeServerUnavailableError"),
        (503, "InvokeServerUnavailableError"),
    ],
)
async def test_a_status_is_an_error_type(status: int, kind: str) -> None:
    failure = await failure_of(refusal(status, "no"))

    assert failure.kind == kind
    assert str(status) in str(failure)
    assert failure.usage is None


async def test_an_error_page_that_is_no_json_is_an_error_all_the_same() -> None:
    async def answer(exchange: Exchange) -> None:
        await exchange.head(502, "Content-Type: text/html", "Content-Length: 13")
        await exchange.send(b"<html></html>")

    assert (await failure_of(answer)).kind == "InvokeServerUnavailableError"


async def test_a_rate_limit_tells_when_to_come_again() -> None:
    failure = await failure_of(refusal(429, "slow down", "Retry-After: 7"))

    assert failure.retry_after == 7
    assert str(failure) == "The provider answered 429: slow down (try again after 7 s)"


@pytest.mark.parametrize(("hours", "seconds"), [(1, 3600), (-1, 0)])
async def test_a_rate_limit_may_tell_a_date(hours: int, seconds: int) -> None:
    date = email.utils.format_datetime(datetime.now(UTC) + timedelta(hours=hours), usegmt=True)
    failure = await failure_of(refusal(429, "slow down", f"Retry-After: {date}"))

    assert failure.retry_after == pytest.approx(seconds, abs=PATIENCE)


@pytest.mark.parametrize("headers", [(), ("Retry-After: soon",), ("Retry-After: Mon, 01 Jan 99999999 00:00:00 GMT",)])
async def test_a_rate_limit_without_a_time_is_one_too(headers: tuple[str, ...]) -> None:
    failure = await failure_of(refusal(429, "slow down", *headers))

    assert (failure.kind, failure.retry_after) == ("InvokeRateLimitError", None)


async def test_the_next_attempt_of_a_node_waits_as_long_as_the_provider_said() -> None:
    async with served(refusal(429, "slow down", "Retry-After: 1.5")) as (fake, models):
        began = time.monotonic()
        with pytest.raises(ModelFailure):
            await models.complete(request(key="run/node"))
        fake.answer = streamed("ok")
        waits = asyncio.create_task(models.complete(request(key="run/node")))
        await models.complete(request(key="another"))

        assert not waits.done()
        await waits
        assert time.monotonic() - began >= 1.5


async def test_a_key_that_the_provider_quotes_is_masked() -> None:
    failure = await failure_of(refusal(401, f"Incorrect API key provided: {KEY}; also {KEY[:9]}****cdef."))

    assert KEY[:9] not in str(failure)
    assert "cdef" not in str(failure)
    assert "Incorrect API key provided" in str(failure)


async def test_a_stream_that_is_cut_in_the_middle_is_a_failure_with_what_was_counted() -> None:
    async def answer(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.event({**delta("half"), "usage": usage(9, 1)})
        exchange.cut()

    failure = await failure_of(answer)

    assert failure.kind == "InvokeConnectionError"
    assert str(failure) == "The connection to the provider at 127.0.0.1 failed: its answer broke off"
    assert failure.usage is not None
    assert (failure.usage.prompt_tokens, failure.usage.total_tokens) == (9, 10)


@pytest.mark.parametrize(
    "piece",
    [
        delta(tool_calls=[{"index": 0, "id": "c1", "function": {"name": "extract", "arguments": '{"city": "京'}}]),
        delta(reasoning_content="Let me see"),
        delta(images=[{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]),
    ],
    ids=["tool call", "reasoning", "picture"],
)
async def test_what_an_answer_cost_that_breaks_off_is_counted_though_no_text_came(piece: dict[str, Any]) -> None:
    async def answer(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.event(piece)
        exchange.cut()

    async with served(answer) as (fake, models):
        with pytest.raises(ModelFailure) as caught:
            await models.complete(request(parameters={"seed": 3}))

    assert caught.value.usage is not None
    assert caught.value.usage.total_tokens > 0
    assert [body["seed"] for body in fake.bodies] == [3]


async def test_a_stream_that_ends_properly_but_too_early_is_a_failure_too() -> None:
    async def answer(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.event(delta("half of it"))
        await exchange.send(b"0\r\n\r\n")

    failure = await failure_of(answer)

    assert failure.kind == "InvokeConnectionError"
    assert failure.usage is not None
    assert failure.usage.completion_tokens == 3


async def test_invalid_json_in_a_stream_is_a_failure() -> None:
    async def answer(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.event(delta("a"))
        await exchange.raw(b"data: {broken\n\n")
        await exchange.end_stream()

    failure = await failure_of(answer)

    assert failure.kind == "InvokeBadRequestError"
    assert "broken" in str(failure)
    assert failure.usage is not None


async def test_an_answer_that_is_no_json_is_a_failure() -> None:
    async def answer(exchange: Exchange) -> None:
        await exchange.head(200, "Content-Type: application/json", "Content-Length: 5")
        await exchange.send(b"hello")

    assert (await failure_of(answer)).kind == "InvokeBadRequestError"


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        ({"type": "overloaded_error"}, "InvokeServerUnavailableError"),
        ({"type": "server_error"}, "InvokeServerUnavailableError"),
        ({"status": "UNAVAILABLE", "code": 1}, "InvokeServerUnavailableError"),
        ({"status": "INTERNAL"}, "InvokeServerUnavailableError"),
        *(({"code": code}, "InvokeServerUnavailableError") for code in (500, 502, "503")),
        ({"type": "rate_limit_exceeded"}, "InvokeRateLimitError"),
        ({"code": 429, "type": "server_error"}, "InvokeRateLimitError"),
        ({"status": "RESOURCE_EXHAUSTED"}, "InvokeRateLimitError"),
        ({"type": "authentication_error"}, "InvokeAuthorizationError"),
        ({"status": "PERMISSION_DENIED"}, "InvokeAuthorizationError"),
        *(({"code": code}, "InvokeAuthorizationError") for code in ("401", 403)),
        ({"type": "invalid_request_error", "code": None}, "InvokeBadRequestError"),
    ],
)
async def test_an_error_within_a_stream_is_a_failure(names: dict[str, Any], kind: str) -> None:
    failure = await failure_of(events([delta("a"), {"error": {"message": "今は無理 500", **names}}]))

    assert (failure.kind, str(failure)) == (kind, "The provider broke off its answer: 今は無理 500")


async def test_silence_ends_after_the_timeout() -> None:
    failure = await failure_of(silence, timeout=0.2)

    assert failure.kind == "InvokeConnectionError"
    assert "silent" in str(failure)


async def test_silence_in_the_middle_ends_after_the_timeout() -> None:
    async def answer(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.event(delta("half"))
        await exchange.gone.wait()

    failure = await failure_of(answer, timeout=0.2)

    assert failure.kind == "InvokeConnectionError"
    assert failure.usage is not None


async def test_no_server_is_a_failure_to_connect() -> None:
    models = models_at("http://127.0.0.1:9/v1")
    with pytest.raises(ModelFailure) as caught:
        await models.complete(request())
    await models.close()

    assert caught.value.kind == "InvokeConnectionError"
    assert str(caught.value).startswith("The connection to the provider at 127.0.0.1 failed: ")


async def test_an_answer_may_have_as_much_as_max_answer_says_and_128_tool_calls() -> None:
    call = {"function": {"name": "extract", "arguments": "{}"}}
    calls = [delta(tool_calls=[{**call, "index": number}]) for number in range(129)]
    async with served(streamed("x" * 500, "x" * 500), max_answer=1000) as (_, models):
        assert len((await models.complete(request())).text) == 1000
    async with served(events([*calls[:128], delta(finish="tool_calls")])) as (_, models):
        assert len((await models.complete(request())).tool_calls) == 128

    failures = [await failure_of(streamed("x" * 500, "x" * 501), max_answer=1000), await failure_of(events(calls))]

    assert ["1000 characters" in str(failures[0]), "128 tool calls" in str(failures[1])] == [True, True]


@pytest.mark.parametrize("is_streamed", [True, False])
async def test_an_answer_of_10_megabytes_is_refused(is_streamed: bool) -> None:
    answer = streamed(*["x" * 100_000] * 100) if is_streamed else whole({"content": "x" * 10_000_000})

    failure = await failure_of(answer, max_answer=1_000_000)

    assert failure.kind == "InvokeBadRequestError"
    assert "max_answer" in str(failure)


async def test_one_event_of_10_megabytes_is_refused() -> None:
    assert (await failure_of(streamed("x" * 10_000_000), max_answer=1_000_000)).kind == "InvokeBadRequestError"


async def test_pictures_of_10_megabytes_in_many_events_are_refused() -> None:
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{'A' * 400_000}"}}

    failure = await failure_of(events([delta(images=[image])] * 34 + [delta(finish="stop")]), max_answer=1_000_000)

    assert failure.kind == "InvokeBadRequestError"
    assert "has more than 4000000 bytes of pictures" in str(failure)


@pytest.mark.parametrize("is_streamed", [True, False])
async def test_an_answer_whose_compression_is_broken_cannot_be_read(is_streamed: bool) -> None:
    async def answer(exchange: Exchange) -> None:
        kind = "text/event-stream" if is_streamed else "application/json"
        await exchange.head(200, f"Content-Type: {kind}", "Content-Encoding: gzip", "Content-Length: 8")
        await exchange.send(b"no gzip!")

    failure = await failure_of(answer)

    assert failure.kind == "InvokeBadRequestError"
    assert str(failure).startswith("The provider's answer cannot be read: ")


async def test_half_a_character_in_a_prompt_is_a_failure() -> None:
    async with served(streamed("ok")) as (_, models):
        with pytest.raises(ModelFailure, match="surrogates not allowed") as caught:
            await models.complete(request("日本 a\ud800b"))

    assert caught.value.kind == "InvokeConnectionError"


@pytest.mark.parametrize("host", ["a..b", f"{'a' * 64}.example"], ids=["empty label", "long label"])
async def test_a_host_that_no_name_can_be_is_a_failure(host: str) -> None:
    models = models_at(f"http://{host}/v1")
    with pytest.raises(ModelFailure) as caught:
        await models.complete(request())
    await models.close()

    assert str(caught.value).startswith(f"The connection to the provider at {host} failed: ")


async def test_a_header_of_two_lines_is_a_failure_and_is_not_sent() -> None:
    async with served(streamed("ok"), headers={"X-Team": "a\r\nb: c"}) as (fake, models):
        with pytest.raises(ModelFailure) as caught:
            await models.complete(request())

    assert caught.value.kind == "InvokeConnectionError"
    assert fake.exchanges == []


@pytest.mark.parametrize("status", [300, 302, 304])
async def test_a_redirect_that_leads_nowhere_is_a_failure(status: int) -> None:
    async def answer(exchange: Exchange) -> None:
        await exchange.head(status, "Content-Length: 0")

    failure = await failure_of(answer)

    assert (failure.kind, str(status) in str(failure)) == ("InvokeBadRequestError", True)


async def test_redirects_without_end_are_a_failure_that_says_so() -> None:
    async def answer(exchange: Exchange) -> None:
        await exchange.head(307, "Location: /v1/elsewhere", "Content-Length: 0")

    assert str(await failure_of(answer)).endswith("failed: it redirects without end (see base_url of the provider)")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_a_key_and_a_question_are_not_sent_to_another_server_that_a_redirect_names(host: str) -> None:
    async with served(streamed("ok")) as (elsewhere, _):
        other = f"http://{host}:{urlsplit(elsewhere.url).port}"

        async def answer(exchange: Exchange) -> None:
            await exchange.head(307, f"Location: {other}/v1", "Content-Length: 0")

        assert str(await failure_of(answer)).endswith(f"failed: it redirects to {other} (see base_url of the provider)")
        assert elsewhere.exchanges == []


async def test_a_question_follows_a_redirect_at_its_own_host() -> None:
    answered = streamed("ok")

    async def answer(exchange: Exchange) -> None:
        if exchange.path.endswith("/moved"):
            await answered(exchange)
        else:
            await exchange.head(308, "Location: moved", "Content-Length: 0")

    async with served(answer) as (fake, models):
        assert (await models.complete(request())).text == "ok"
    first, second = fake.exchanges
    assert first.body == second.body


@pytest.mark.parametrize(
    ("name", "value"),
    [("temperature", float("nan")), ("top_p", float("inf")), ("logit_bias", {"50256": float("-inf")})],
)
async def test_a_parameter_that_json_does_not_have_is_named_and_nothing_is_sent(name: str, value: Any) -> None:
    async with served(streamed("ok")) as (fake, models):
        with pytest.raises(ModelFailure, match=f"The completion parameter {name} ") as caught:
            await models.complete(request(parameters={name: value}))

    assert caught.value.kind == "InvokeBadRequestError"
    assert fake.exchanges == []


@pytest.mark.parametrize(
    "body",
    [
        b'{"detail": [{"type": "missing", "input": "my secret prompt", "key": "sk\\u002dtest-0123456789abcdef"}]}',
        b"my secret prompt is not what we want",
        b'"my secret prompt"',
    ],
    ids=["JSON", "text", "JSON text"],
)
async def test_of_a_refusal_in_another_form_only_the_status_is_told(body: bytes) -> None:
    async def answer(exchange: Exchange) -> None:
        await exchange.head(422, "Content-Type: application/json", f"Content-Length: {len(body)}")
        await exchange.send(body)

    assert str(await failure_of(answer)) == "The provider answered 422: Error code: 422"
