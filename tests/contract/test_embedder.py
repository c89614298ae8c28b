"""Contract of embedders. See ``jikko.ports.other_models``."""

import asyncio
import hashlib
import math
import operator
import re
import sys
from collections.abc import AsyncIterator

import pytest
import yaml

from jikko.assemble import make_embedder
from jikko.ports.other_models import Embedder, EmbeddingRequest, Vector
from jikko.providers.backends import BACKENDS
from jikko.providers.fake import FakeModels
from jikko.providers.provider_models import ProviderModels
from jikko.providers.providers_file import parse_providers
from tests.effort import PATIENCE
from tests.providers.calling import models_at
from tests.providers.fake_model import Exchange, FakeModel
from tests.providers.tiny_model import write_tiny_model

pytestmark = pytest.mark.anyio

TEXTS = ("a red apple", "", "日本語 🍎 \ue000", "x" * 1000)


async def bag_of_words(exchange: Exchange) -> None:
    """A server of OpenAI's protocol: texts of the same words have the same vector."""
    data = []
    for index, text in enumerate(exchange.body["input"]):
        numbers = [0.1] * 64
        for word in re.findall(r"\w+", text):
            numbers[hashlib.sha256(word.encode()).digest()[0] % 64] += 3.0
        data.append({"object": "embedding", "index": index, "embedding": numbers})
    usage = {"prompt_tokens": 7, "total_tokens": 7}
    await exchange.json({"object": "list", "data": data[::-1], "model": exchange.body["model"], "usage": usage})


@pytest.fixture(scope="module", params=["fake", "openai", "llama.cpp", "wordllama"])
async def embedder(
    anyio_backend: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Embedder]:
    match request.param:
        case "fake":
            yield make_embedder(FakeModels())
        case "openai":
            async with FakeModel(bag_of_words) as server:
                models = models_at(server.url)
                yield make_embedder(models)
                await models.close()
        case "wordllama":
            models = ProviderModels(parse_providers("providers: {openai: {type: wordllama}}", {}), BACKENDS)
            yield make_embedder(models)
            await models.close()
        case _:
            if sys.platform != "linux":
                pytest.skip("the extra 'local' is for Linux only")
            model = tmp_path_factory.mktemp("model") / "tiny.gguf"
            write_tiny_model(model)
            entry = {"type": "llama_cpp", "path": str(model), "context": 4096, "pooling": "mean"}
            models = ProviderModels(parse_providers(yaml.safe_dump({"providers": {"openai": entry}}), {}), BACKENDS)
            yield make_embedder(models)
            await models.close()


async def vectors(embedder: Embedder, *texts: str) -> tuple[Vector, ...]:
    request = EmbeddingRequest(provider="openai", model="text-embedding-3-small", texts=texts)
    async with asyncio.timeout(PATIENCE):
        return (await embedder.embed(request)).vectors


def likeness(one: Vector, other: Vector) -> float:
    return math.fsum(map(operator.mul, one, other))


async def test_each_text_has_a_vector_of_length_one_and_all_have_the_same_dimensions(embedder: Embedder) -> None:
    made = await vectors(embedder, *TEXTS)

    assert len(made) == len(TEXTS)
    assert len({len(vector) for vector in made}) == 1
    for text, vector in zip(TEXTS, made, strict=True):
        assert vector.typecode == "f"
        assert math.hypot(*vector) == pytest.approx(1, abs=1e-5) or (text == "" and not any(vector))


async def test_vectors_stand_in_the_order_of_their_texts(embedder: Embedder) -> None:
    one, two, three = await vectors(embedder, "first", "second thing", "third 日本")

    moved = await vectors(embedder, "third 日本", "first", "second thing")

    assert list(map(likeness, moved, (three, one, two))) == pytest.approx([1, 1, 1], abs=1e-4)
    assert likeness(moved[0], one) < 1


async def test_a_text_is_nearest_to_itself(embedder: Embedder) -> None:
    first, other, again = await vectors(embedder, "when is it open", "zebra", "when is it open")

    assert likeness(first, again) == pytest.approx(1, abs=1e-4)
    assert likeness(first, other) < likeness(first, again)


@pytest.mark.slow
async def test_more_texts_than_a_request_takes_have_their_vectors_too(embedder: Embedder) -> None:
    count = 2 * embedder.batch_size("openai", "text-embedding-3-small") + 1
    texts = [f"number {index}" for index in range(count)]

    made = await vectors(embedder, *texts)

    assert len(made) == count
    [last] = await vectors(embedder, texts[-1])
    assert likeness(made[-1], last) == pytest.approx(1, abs=1e-4)


async def test_no_texts_have_no_vectors(embedder: Embedder) -> None:
    assert await vectors(embedder) == ()


async def test_tokens_are_counted(embedder: Embedder) -> None:
    request = EmbeddingRequest(provider="openai", model="text-embedding-3-small", texts=("a few words",))

    usage = (await embedder.embed(request)).usage

    assert usage.prompt_tokens == usage.total_tokens > 0
    assert usage.completion_tokens == 0
