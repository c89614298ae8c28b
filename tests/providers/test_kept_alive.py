"""Answers that never end and never come: comments, pings, empty pieces, interim answers, a byte now and then."""

import asyncio
import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from jikko.ports.models import ModelFailure
from jikko.ports.other_models import EmbeddingRequest
from jikko.providers.backends import BACKENDS
from jikko.providers.embedder import ProviderEmbedder
from jikko.providers.other_models import ProviderRerankers, ProviderSpeech
from jikko.providers.progress import AnswerCollector
from jikko.providers.provider_models import ProviderModels
from jikko.providers.providers_file import parse_providers
from tests.providers.calling import request
from tests.providers.fake_model import Answer, Exchange, FakeModel, delta
from tests.providers.test_anthropic_messages import says
from tests.providers.test_rerankers import request as ranking
from tests.providers.test_speech import RECORDING, script

pytestmark = pytest.mark.anyio

IDLE = {
    "comments": b": ping \xf0\x9f\x8f\x93\n\n",
    "empty pieces": b"data: " + json.dumps(delta("")).encode() + b"\n\n",
    "pings": b'event: ping\ndata: {"type": "ping"}\n\n',
}
CALLS: dict[str, Callable[[ProviderModels], Any]] = {
    "embeddings": lambda models: ProviderEmbedder(models.connections).embed(
        EmbeddingRequest(provider="openai", model="e", texts=("猫",))
    ),
    "rerank": lambda models: ProviderRerankers(models.connections).rerank(ranking()),
    "transcript": lambda models: ProviderSpeech(models.connections).transcribe(RECORDING),
    "speech": lambda models: ProviderSpeech(models.connections).speak(script("Hello."), lambda piece: None),
    "whole answer": lambda models: models.complete(request(stream=False)),
}


def kept_alive(piece: bytes, *, pause: float) -> Answer:
    async def answer(exchange: Exchange) -> None:
        await exchange.begin_stream()
        while True:
            await exchange.raw(piece)
            await asyncio.sleep(pause)

    return answer


async def failure(answer: Answer, call: Callable[[ProviderModels], Any], **fields: Any) -> ModelFailure:
    async with FakeModel(answer) as fake:
        at = {"base_url": fake.url, "api_key": "k", **fields}
        entries = {"openai": at, "ranker": {"type": "jina", **at}}
        entries["anthropic"] = {**at, "base_url": fake.url.removesuffix("/v1")}
        models = ProviderModels(parse_providers(yaml.safe_dump({"providers": entries}), {}), BACKENDS)
        try:
            with pytest.raises(ModelFailure) as caught:
                await call(models)
        finally:
            await models.close()
    return caught.value


def asked(provider: str) -> Callable[[ProviderModels], Any]:
    return lambda models: models.complete(request(provider=provider, stream=True))


STREAMS = [("openai", "comments"), ("openai", "empty pieces"), ("anthropic", "comments"), ("anthropic", "pings")]


@pytest.mark.parametrize(("provider", "idle"), STREAMS)
async def test_a_stream_that_is_only_kept_alive_ends(provider: str, idle: str) -> None:
    failed = await failure(kept_alive(IDLE[idle], pause=0.02), asked(provider), timeout=0.1)
    assert failed.kind == "InvokeConnectionError"
    assert "no part of its answer for 0.3 s" in str(failed)


@pytest.mark.parametrize(("provider", "idle"), STREAMS)
async def test_a_flood_without_an_answer_ends_by_its_size(provider: str, idle: str) -> None:
    failed = await failure(kept_alive(IDLE[idle] * 1000, pause=0), asked(provider), max_answer=20_000)
    assert "max_answer" in str(failed)


@pytest.mark.parametrize("what", CALLS)
async def test_a_whole_answer_that_trickles_ends(what: str) -> None:
    failed = await failure(kept_alive(b" ", pause=0.02), CALLS[what], timeout=0.1)
    assert failed.kind == "InvokeConnectionError"
    assert "no part of its answer for 0.3 s" in str(failed)


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
async def test_interim_answers_without_end_are_refused_as_by_http_nodes(provider: str) -> None:
    async def interim(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 100 Continue\r\n\r\n" * 100_000)
        await says({"type": "message_stop"})(exchange)

    failed = await failure(interim, asked(provider))
    assert failed.kind == "InvokeConnectionError"
    assert "interim answers" in str(failed)


def test_comments_extend_the_silence_to_three_times_the_timeout_from_the_last_part(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seconds = itertools.count()
    monkeypatch.setattr("jikko.providers.progress.time.monotonic", lambda: float(next(seconds)))
    answer = AnswerCollector(None, 1000, patience=9.0)

    def comments() -> None:
        for _ in range(10):  # the clock is read with the second and all later ones
            answer.took(1, 8)

    for text in ("今", "日", "🌸"):
        answer.add(text)
        comments()
    with pytest.raises(ModelFailure, match="no part of its answer for 9 s"):
        comments()
    assert answer.text == "今日🌸"
