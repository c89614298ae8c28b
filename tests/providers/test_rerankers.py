"""Good and bad responses of rerankers, over a real socket."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from jikko.ports.models import ModelFailure
from jikko.ports.other_models import RerankRequest
from jikko.providers.backends import BACKENDS
from jikko.providers.other_models import ProviderRerankers
from jikko.providers.provider_models import ProviderModels
from jikko.providers.providers_file import parse_providers
from tests.providers.fake_model import Exchange, FakeModel

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def answering(
    results: Any, *, kind: str = "jina", status: int = 200
) -> AsyncIterator[tuple[FakeModel, ProviderRerankers]]:
    async def answer(exchange: Exchange) -> None:
        await exchange.json(results, status)

    async with FakeModel(answer) as fake:
        models = models_of(f'{{"ranker": {{type: {kind}, base_url: "{fake.url}", api_key: rank-key-0123456789}}}}')
        try:
            yield fake, ProviderRerankers(models.connections)
        finally:
            await models.close()


def models_of(providers: str) -> ProviderModels:
    return ProviderModels(parse_providers(f"providers: {providers}", {}), BACKENDS)


def request(**fields: Any) -> RerankRequest:
    given: dict[str, Any] = {"query": "猫", "texts": ["犬", "猫 🐈", "鳥"], "top_n": 2, **fields}
    return RerankRequest(provider="ranker", model="rank-1", **given)


@pytest.mark.parametrize("kind", ["jina", "cohere", "openai"])
async def test_texts_come_back_best_first(kind: str) -> None:
    results = [{"index": 0, "relevance_score": 0.25}, {"index": 1, "relevance_score": 0.75}]
    async with answering({"results": results}, kind=kind) as (fake, rerankers):
        ranked = await rerankers.rerank(request())

    assert ranked == [(1, 0.75), (0, 0.25)]
    assert fake.exchanges[0].path == "/v1/rerank"
    assert fake.exchanges[0].headers["authorization"] == "Bearer rank-key-0123456789"
    assert fake.bodies[0] == {"model": "rank-1", "query": "猫", "documents": ["犬", "猫 🐈", "鳥"], "top_n": 2}


@pytest.mark.parametrize(
    "answer",
    [
        [],
        {"results": "none"},
        {"results": [{"index": 3, "relevance_score": 1.0}]},
        {"results": [{"index": "0", "relevance_score": 1.0}]},
        {"results": [{"index": 0, "relevance_score": "high"}]},
        {"results": [{"index": 0}]},
        {"results": [7]},
    ],
)
async def test_an_answer_that_is_no_ranking_of_the_texts_is_a_failure(answer: Any) -> None:
    async with answering(answer) as (_, rerankers):
        with pytest.raises(ModelFailure, match="cannot be used") as caught:
            await rerankers.rerank(request())

    assert caught.value.kind == "InvokeBadRequestError"


async def test_a_refusal_tells_its_reason_and_no_key() -> None:
    async with answering({"error": {"message": "bad key rank-key-0123456789"}}, status=401) as (_, rerankers):
        with pytest.raises(ModelFailure, match=r"401: bad key \*\*\*") as caught:
            await rerankers.rerank(request())

    assert caught.value.kind == "InvokeAuthorizationError"


async def test_a_provider_without_its_key_is_not_ready_and_one_that_ranks_nothing_is_none() -> None:
    entries = '{"a": {type: jina, api_key: "${MISSING}"}, "b": {type: jina, api_key: k}, "anthropic": {api_key: k}}'
    rerankers = ProviderRerankers(models_of(entries).connections)

    assert not rerankers.is_ready("a")
    assert rerankers.is_ready("b")
    for name in ("anthropic", "nobody"):
        with pytest.raises(ModelFailure) as caught:
            rerankers.is_ready(name)
        assert caught.value.kind == "ModelNotExistError"


def test_jina_and_cohere_are_known_by_their_type_alone() -> None:
    found = parse_providers('providers: {"a/b/c": {type: cohere, api_key: k}, jina: {api_key: k}}', {})

    assert found.entries["a/b/c"].base_url == "https://api.cohere.com/v2"
    assert (found.entries["langgenius/jina/jina"].type, found.entries["langgenius/jina/jina"].base_url) == (
        "jina",
        "https://api.jina.ai/v1",
    )
