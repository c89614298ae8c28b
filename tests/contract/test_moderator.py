"""Contract of moderators. See ``jikko.ports.other_models``."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from jikko.assemble.build_models import make_moderator
from jikko.ports.models import ModelFailure
from jikko.ports.other_models import ModerationRequest, Moderator
from jikko.providers.backends import BACKENDS
from jikko.providers.fake import FakeModels
from jikko.providers.other_models import FLAGGED
from jikko.providers.provider_models import ProviderModels
from jikko.providers.providers_file import parse_providers
from tests.providers.calling import KEY, models_at, served
from tests.providers.fake_model import Exchange, FakeModel

pytestmark = pytest.mark.anyio


async def by_what_it_says(exchange: Exchange) -> None:
    """A server of OpenAI's protocol: flags what asks for it."""
    results = [{"flagged": FLAGGED in text, "categories": {}} for text in exchange.body["input"]]
    await exchange.json({"id": "modr-1", "model": exchange.body["model"], "results": results})


@pytest.fixture(params=["fake", "openai"])
async def moderator(request: pytest.FixtureRequest) -> AsyncIterator[Moderator]:
    if request.param == "fake":
        yield make_moderator(FakeModels())
        return
    async with FakeModel(by_what_it_says) as server:
        models = models_at(server.url)
        yield make_moderator(models)
        await models.close()


def request(text: str, provider: str = "openai") -> ModerationRequest:
    return ModerationRequest(provider=provider, model="omni-moderation-latest", text=text)


@pytest.mark.parametrize("text", ["good", "善い 🙂", "", "  \n", "\x00", "\ud800", "x" * 100_000])
async def test_what_is_harmless_is_not_flagged(moderator: Moderator, text: str) -> None:
    assert await moderator.flags(request(text)) is False


@pytest.mark.parametrize("place", [0, 1, 7_795, 7_990, 8_000, 40_000])
async def test_what_is_bad_is_flagged_wherever_it_stands(moderator: Moderator, place: int) -> None:
    text = "x" * place + FLAGGED + "x" * (40_000 - place)

    assert await moderator.flags(request(text)) is True


# What holds for providers only


async def test_no_text_is_sent_where_there_is_none() -> None:
    async with served(by_what_it_says) as (server, models):
        await make_moderator(models).flags(request(" \n"))
        await make_moderator(models).flags(request("one"))

    assert server.bodies == [{"model": "omni-moderation-latest", "input": ["one"]}]
    assert server.exchanges[0].path == "/v1/moderations"
    assert server.exchanges[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("answer", [{}, {"results": []}, {"results": [{}]}, [], {"results": [{"flagged": "no"}]}, "x"])
async def test_an_answer_that_says_nothing_is_a_failure(answer: Any) -> None:
    async def say(exchange: Exchange) -> None:
        await exchange.json(answer)

    async with served(say) as (_, models):
        with pytest.raises(ModelFailure, match="has no results"):
            await make_moderator(models).flags(request("one"))


async def test_a_refusal_is_told_without_the_key() -> None:
    async def refuse(exchange: Exchange) -> None:
        await exchange.json({"error": {"message": f"no such key: {KEY}"}}, 401)

    async with served(refuse) as (_, models):
        with pytest.raises(ModelFailure) as caught:
            await make_moderator(models).flags(request("one"))

    assert caught.value.kind == "InvokeAuthorizationError"
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(("provider", "reason"), [("nobody", "is not set up"), ("claude", "moderates nothing")])
async def test_a_provider_that_cannot_is_named(provider: str, reason: str) -> None:
    file = json.dumps({"providers": {"claude": {"type": "anthropic", "api_key": "k"}}})
    models = ProviderModels(parse_providers(file, {}), BACKENDS)
    try:
        with pytest.raises(ModelFailure, match=reason):
            await make_moderator(models).flags(request("one", provider))
    finally:
        await models.close()
