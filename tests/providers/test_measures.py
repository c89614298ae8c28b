"""Metrics of model calls."""

from typing import Any

import pytest

from jikko.ports.models import ModelFailure, ModelRequest, PromptMessage
from jikko.providers.config import ModelTraits, ProviderConfig, Providers
from jikko.providers.progress import AnswerCollector
from jikko.providers.provider_models import ProviderModels

pytestmark = pytest.mark.anyio


class Backend:
    """Says one word, or fails."""

    def __init__(self, config: ProviderConfig) -> None:
        self.fails = False

    async def complete(self, request: ModelRequest, progress: AnswerCollector) -> None:
        if self.fails:
            raise ModelFailure("no", kind="InvokeRateLimitError")
        progress.sent()
        progress.add("word")
        progress.count(3, 2)

    async def models(self) -> list[str]:
        return []

    async def close(self) -> None:
        pass


@pytest.fixture
def models() -> ProviderModels:
    config = ProviderConfig(id="langgenius/openai/openai", type="openai", models={"known": ModelTraits()})
    make: Any = Backend
    return ProviderModels(Providers({config.id: config}), {"openai": make})


def asked(model: str, *, stream: bool = True) -> ModelRequest:
    return ModelRequest(provider="openai", model=model, messages=(PromptMessage("user", ("hi",)),), stream=stream)


async def test_calls_and_tokens_are_counted_by_names_of_the_providers_file(models: ProviderModels) -> None:
    for model in ("known", "known", "whatever-a-workflow-says", "another"):
        await models.complete(asked(model))

    openai = "langgenius/openai/openai"
    assert models.measures.requests.values == {(openai, "known", "ok"): 2, (openai, "other", "ok"): 2}
    assert models.measures.tokens.values[openai, "known", "input"] == 6
    assert models.measures.tokens.values[openai, "known", "output"] == 4
    assert sum(models.measures.first_token.values[openai, "known"][:-1]) == 2
    await models.close()


async def test_only_what_is_streamed_has_a_first_token(models: ProviderModels) -> None:
    await models.complete(asked("known", stream=False))
    assert models.measures.first_token.values == {}
    await models.close()


async def test_one_that_fails_is_counted_by_why(models: ProviderModels) -> None:
    backend: Any = models.connections.backend(models.connections.config("openai", "known"))
    backend.fails = True
    with pytest.raises(ModelFailure):
        await models.complete(asked("known"))

    assert models.measures.requests.values == {("langgenius/openai/openai", "known", "InvokeRateLimitError"): 1}
    assert models.measures.tokens.values == {}
    await models.close()
