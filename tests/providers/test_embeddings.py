"""Good and bad responses of embedding servers, over a real socket."""

import asyncio
import base64
import json
import math
import random
import struct
from typing import Any

import pytest
import yaml

from jikko.errors import InvalidSettings
from jikko.ports.extensions import Extension
from jikko.ports.models import ModelFailure, ModelName
from jikko.ports.other_models import EmbeddingRequest, Purpose
from jikko.providers.backends import BACKENDS
from jikko.providers.embedder import ProviderEmbedder
from jikko.providers.openai.openai_vectors import MAX_BYTES, embedded
from jikko.providers.provider_models import ProviderModels
from jikko.providers.providers_file import parse_providers
from tests.effort import longest_turn
from tests.providers.calling import KEY, served
from tests.providers.fake_model import Answer, Exchange, refusal, silence

pytestmark = pytest.mark.anyio

MODEL = "text-embedding-3-small"


def asked(*texts: str, **fields: Any) -> EmbeddingRequest:
    return EmbeddingRequest(provider="openai", model=MODEL, texts=texts, **fields)


def answering(*vectors: Any, **fields: Any) -> Answer:
    """Each request is answered with the next of these vectors, one for each text."""
    left = list(vectors)

    async def answer(exchange: Exchange) -> None:
        count = len(exchange.body["input"])
        data = [{"index": index, "embedding": left.pop(0)} for index in range(count)]
        await exchange.json({"data": data, **fields})

    return answer


async def failure_of(answer: Answer, **fields: Any) -> ModelFailure:
    async with served(answer, **fields) as (_, models):
        with pytest.raises(ModelFailure) as caught:
            await ProviderEmbedder(models.connections).embed(asked("a", "b"))
    return caught.value


async def test_others_have_the_event_loop_between_two_vectors() -> None:
    turns = 0

    def turn() -> None:
        nonlocal turns
        turns += 1
        asyncio.get_running_loop().call_soon(turn)

    body = json.dumps({"data": [{"embedding": [0.5, None, 2], "index": 63 - place} for place in range(64)]})
    turn()
    found = await embedded(body.encode(), 64)

    assert turns >= 64
    assert all(vector[0] == 0.5 and math.isnan(vector[1]) and vector[2] == 2 for vector in found.vectors)


async def test_one_vector_may_not_be_as_long_as_those_of_all_texts() -> None:
    failure = await failure_of(answering([0] * (MAX_BYTES // 2), [1.0]))

    assert failure.kind == "InvokeBadRequestError"
    assert "no vectors of OpenAI's protocol" in str(failure)


@pytest.mark.serial
async def test_a_large_answer_holds_the_event_loop_no_longer_than_one_vector_does() -> None:
    data = [{"embedding": [random.random() for _ in range(768)], "index": place} for place in range(512)]
    body = json.dumps({"data": data, "usage": {"total_tokens": 5}}).encode()

    longest, whole = min([await longest_turn(embedded(body, 512)) for _ in range(3)])

    assert longest < whole / 20


async def test_an_answer_with_much_beside_its_vectors_is_refused() -> None:
    async with served(answering([1.0], more=["x"] * 30_000)) as (_, models):
        with pytest.raises(ModelFailure, match="no vectors of OpenAI's protocol"):
            await ProviderEmbedder(models.connections).embed(asked("a"))


async def test_names_and_texts_like_that_of_vectors_are_none() -> None:
    entry = {"embedding": [1.0, 2.0], "note": 'an "embedding": [1]', 'an "embedding': [7.0], "embeddings": [8.0]}
    body = json.dumps({"embedded": "embedding", "data": [entry, {"embedding": "AACAPw=="}]}, indent=1)

    vectors = (await embedded(body.encode(), 2)).vectors

    assert [list(vector) for vector in vectors] == [[1.0, 2.0], [1.0]]


async def test_a_request_is_of_openais_protocol() -> None:
    async with served(answering([3.0, 4.0]), models={MODEL: {"name": "mine", "dimensions": 2}}) as (fake, models):
        [vector] = (await ProviderEmbedder(models.connections).embed(asked("hello"))).vectors

    assert list(vector) == pytest.approx([0.6, 0.8])
    assert fake.exchanges[0].path == "/v1/embeddings"
    assert fake.exchanges[0].headers["authorization"] == f"Bearer {KEY}"
    assert fake.bodies[0] == {"model": "mine", "input": ["hello"], "dimensions": 2}


async def test_texts_are_sent_in_batches_and_their_tokens_add_up() -> None:
    usage = {"prompt_tokens": 3, "total_tokens": 3}
    vectors = [[1.0, float(number)] for number in range(5)]
    async with served(answering(*vectors, usage=usage), models={MODEL: {"batch": 2}}) as (fake, models):
        embedder = ProviderEmbedder(models.connections)
        made = await embedder.embed(asked(*"abcde"))

    assert embedder.batch_size("openai", MODEL) == 2
    assert [body["input"] for body in fake.bodies] == [["a", "b"], ["c", "d"], ["e"]]
    assert [round(vector[1] / vector[0]) for vector in made.vectors] == [0, 1, 2, 3, 4]
    assert made.usage.total_tokens == 9
    assert made.usage.total_price > 0


async def test_tokens_that_are_not_counted_are_estimated() -> None:
    async with served(answering([1.0])) as (_, models):
        made = await ProviderEmbedder(models.connections).embed(asked("eight wo"))

    assert made.usage.total_tokens == 2


@pytest.mark.parametrize(("purpose", "sent"), [("query", "Q: x"), ("document", "D: x")])
async def test_what_is_kept_and_what_is_looked_for_get_the_prefixes_of_the_model(purpose: Purpose, sent: str) -> None:
    prefixes = {"query_prefix": "Q: ", "document_prefix": "D: "}
    async with served(answering([1.0]), models={MODEL: prefixes}) as (fake, models):
        await ProviderEmbedder(models.connections).embed(asked("x", purpose=purpose))

    assert fake.bodies[0]["input"] == [sent]


async def test_packed_numbers_are_read() -> None:
    packed = base64.b64encode(struct.pack("<2f", 0.6, 0.8)).decode()
    async with served(answering(packed)) as (_, models):
        [vector] = (await ProviderEmbedder(models.connections).embed(asked("x"))).vectors

    assert list(vector) == pytest.approx([0.6, 0.8])


@pytest.mark.parametrize("unusable", [[None, 1.0], [0.0, 0.0], [1e39, 1.0]])
async def test_a_vector_that_is_none_is_all_zeros_and_costs_no_other(unusable: list[Any]) -> None:
    async with served(answering(unusable, [1.0, 0.0])) as (_, models):
        first, second = (await ProviderEmbedder(models.connections).embed(asked("a", "b"))).vectors

    assert (list(first), list(second)) == ([0, 0], [1, 0])


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        [{"embedding": [1.0]}],
        [{"embedding": []}, {"embedding": []}],
        [{"index": 0, "embedding": [1.0]}, {"index": 0, "embedding": [1.0]}],
        [{"index": 1, "embedding": [1.0]}, {"index": 2, "embedding": [1.0]}],
        [{"embedding": "not base64"}, {"embedding": "AAAAAA=="}],
        [{"embedding": "AAA="}, {"embedding": "AAAAAA=="}],
        [{"embedding": [1.0]}, {"embedding": [1.0, 2.0]}],
        [{"embedding": ["a"]}, {"embedding": [1.0]}],
        [{"embedding": 0}, {"embedding": 1}],
        [{"embedding": [1.0], "more": {"embedding": [1.0]}}, {"embedding": [1.0]}],
    ],
)
async def test_an_answer_without_a_vector_for_each_text_is_a_failure(data: Any) -> None:
    async def answer(exchange: Exchange) -> None:
        await exchange.json({"data": data} if data is not None else ["nothing"])

    assert (await failure_of(answer)).kind == "InvokeBadRequestError"


async def test_an_answer_that_is_far_too_large_is_not_read_to_its_end() -> None:
    async def endless(exchange: Exchange) -> None:
        await exchange.head(200, "Content-Type: application/json", "Transfer-Encoding: chunked")
        while True:
            await exchange.raw(b" " * 65_536)

    assert "bytes" in str(await failure_of(endless))


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, "InvokeAuthorizationError"), (429, "InvokeRateLimitError"), (500, "InvokeServerUnavailableError")],
)
async def test_a_refusal_is_a_failure_of_its_kind_and_shows_no_key(status: int, kind: str) -> None:
    failure = await failure_of(refusal(status, f"not with {KEY}", "Retry-After: 7"))

    assert failure.kind == kind
    assert KEY not in str(failure)
    assert failure.retry_after == (7 if status == 429 else None)


async def test_cancelling_closes_the_connection() -> None:
    async with served(silence) as (fake, models):
        task = asyncio.create_task(ProviderEmbedder(models.connections).embed(asked("x")))
        await fake.requests(1)
        task.cancel()
        await asyncio.wait([task])
        await fake.exchanges[0].gone.wait()

    assert task.cancelled()


async def test_vectors_and_answers_of_a_provider_share_its_limit() -> None:
    async with served(silence, max_concurrent=1) as (fake, models):
        embedder = ProviderEmbedder(models.connections)
        first, second = (asyncio.create_task(embedder.embed(asked(text))) for text in "ab")
        await fake.requests(1)
        waiting = models.connections.limiter(models.connections.config("openai", MODEL)).waiting
        first.cancel()
        await fake.requests(2)
        second.cancel()
        await asyncio.wait([first, second])

    assert waiting == 1
    assert [body["input"] for body in fake.bodies] == [["a"], ["b"]]


async def test_a_provider_without_such_models_says_so() -> None:
    models = ProviderModels(parse_providers('providers: {anthropic: {api_key: "k"}}', {}), BACKENDS)
    with pytest.raises(ModelFailure, match="no models that make vectors") as caught:
        await ProviderEmbedder(models.connections).embed(
            EmbeddingRequest(provider="anthropic", model="claude", texts=("x",))
        )

    assert caught.value.kind == "ModelNotExistError"


def test_extensions_are_read_with_their_secrets_and_these_are_not_shown() -> None:
    file = 'providers: {}\nextensions: {"g-1": {url: "https://guard.test/hook", api_key: "${KEY}"}}'
    extensions = parse_providers(file, {"KEY": "hidden"}).for_worker(2).extensions

    assert extensions == {"g-1": Extension("https://guard.test/hook", "hidden")}
    assert "hidden" not in repr(extensions)


@pytest.mark.parametrize(
    "wrong", ["{}", "{url: ftp://x}", "{url: https://me:pw@x.test}", "{url: https://x.test, k: 1}", "5"]
)
def test_an_extension_that_cannot_be_used_is_told(wrong: str) -> None:
    with pytest.raises(InvalidSettings, match=r"extensions\.g"):
        parse_providers(f"providers: {{}}\nextensions: {{g: {wrong}}}", {})


def test_default_models_are_those_of_the_file_else_the_usual_ones_of_its_first_provider() -> None:
    chosen = {"embedding": {"provider": "ollama", "model": "nomic-embed-text"}}
    file = {"providers": {"ollama": {}, "openai": {"api_key": "k"}}, "defaults": chosen}
    defaults = parse_providers(yaml.safe_dump(file), {}).for_worker(2).defaults

    assert defaults["embedding"] == ModelName("langgenius/ollama/ollama", "nomic-embed-text")
    assert defaults["llm"] == ModelName("langgenius/openai/openai", "gpt-4o-mini")
    assert "rerank" not in defaults
