"""A model that answers faster than it can be taken in: others have the event loop all the same. Counted, not timed."""

import asyncio
import gzip
import json

import pytest
import yaml

from jikko.concurrency.scheduler import SLICE, Scheduler
from jikko.ports.models import Chunk
from jikko.providers.backends import BACKENDS
from jikko.providers.provider_models import ProviderModels
from jikko.providers.providers_file import parse_providers
from tests.effort import PATIENCE
from tests.providers.calling import request
from tests.providers.fake_model import Exchange, FakeModel, delta

pytestmark = pytest.mark.anyio

TOKENS = 20_000
LOOKS = 4
"""How often the clock is looked at in a slice."""
STREAMS = 3


async def flood(exchange: Exchange) -> None:
    await exchange.begin_stream()
    for _ in range(TOKENS // 1000):
        one = b"data: " + json.dumps(delta("界")).encode() + b"\n\n"
        await exchange.raw(one * 1000)
    await exchange.event(delta(finish="stop"))
    await exchange.end_stream()


async def test_streams_that_never_wait_let_others_have_the_loop() -> None:
    readings = 0.0

    def clock() -> float:
        nonlocal readings
        readings += SLICE / LOOKS
        return readings

    reported = most = before = 0
    going_by = True

    def emit(chunk: Chunk) -> None:
        nonlocal reported
        reported += len(chunk.text)

    def look() -> None:
        nonlocal before, most
        most, before = max(most, reported - before), reported
        if going_by:
            asyncio.get_running_loop().call_soon(look)

    async with FakeModel(flood) as fake:
        entry = {"type": "openai", "base_url": fake.url, "api_key": "k", "timeout": PATIENCE}
        providers = parse_providers(yaml.safe_dump({"providers": {"openai": entry}}), {})
        models = ProviderModels(providers, BACKENDS, app_share=1, share=Scheduler(clock))
        try:
            look()
            answers = await asyncio.gather(
                *(models.complete(request(stream=True, app_id=f"app {index}"), emit) for index in range(STREAMS))
            )
        finally:
            going_by = False
            await models.close()

    assert [len(answer.text) for answer in answers] == [TOKENS] * STREAMS
    # In a turn one of them has a slice; the others ask for one behind at most as many tokens as are taken unasked.
    assert most <= 50 * (LOOKS + 1 + STREAMS)


async def test_a_compressed_stream_of_line_breaks_asks_for_turns_as_one_of_tokens_does() -> None:
    pieces = 2_000
    answer = b"data: " + json.dumps(delta("界 🌸", finish="stop")).encode() + b"\n\ndata: [DONE]\n\n"
    packed = gzip.compress(b"\n" * (2048 * pieces) + answer)

    async def bomb(exchange: Exchange) -> None:
        await exchange.head(200, "Content-Type: text/event-stream", "Content-Encoding: gzip", "Connection: close")
        await exchange.send(packed)
        exchange.writer.close()

    readings = 0.0

    def clock() -> float:
        nonlocal readings
        readings += SLICE
        return readings

    async with FakeModel(bomb) as fake:
        entry = {"type": "openai", "base_url": fake.url, "api_key": "k", "timeout": PATIENCE}
        providers = parse_providers(yaml.safe_dump({"providers": {"openai": entry}}), {})
        models = ProviderModels(providers, BACKENDS, app_share=1, share=Scheduler(clock))
        try:
            answered = await models.complete(request(stream=True), lambda chunk: None)
        finally:
            await models.close()

    assert answered.text == "界 🌸"
    assert readings / SLICE > pieces / 100
