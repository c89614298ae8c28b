"""Calls to models of a fake server, without a workflow."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import yaml

from jikko.ports.models import FunctionTool, ModelRequest, PromptMessage
from jikko.providers.backends import BACKENDS
from jikko.providers.provider_models import ProviderModels
from jikko.providers.providers_file import parse_providers
from tests.effort import PATIENCE
from tests.providers.fake_model import Answer, FakeModel

KEY = "sk-test-0123456789abcdef"
TOOL = FunctionTool("extract", "Extracts.", {"type": "object", "properties": {"n": {"type": "number"}}})
SCHEMA = {"type": "object", "properties": {"n": {"type": "number"}}}


def models_at(url: str, **fields: Any) -> ProviderModels:
    """Return the provider ``openai`` at a URL."""
    entry = {"type": "openai", "base_url": url, "api_key": "${KEY}", "timeout": PATIENCE, **fields}
    return ProviderModels(parse_providers(yaml.safe_dump({"providers": {"openai": entry}}), {"KEY": KEY}), BACKENDS)


def request(text: str = "hello", **fields: Any) -> ModelRequest:
    """Return a chat request with one message."""
    given: dict[str, Any] = {
        "provider": "openai",
        "model": "gpt-4o",
        "messages": (PromptMessage("user", (text,)),),
        **fields,
    }
    return ModelRequest(**given)


@asynccontextmanager
async def served(answer: Answer, **fields: Any) -> AsyncIterator[tuple[FakeModel, ProviderModels]]:
    """Fake server, and the provider that calls it."""
    async with FakeModel(answer) as fake:
        models = models_at(fake.url, **fields)
        try:
            yield fake, models
        finally:
            await models.close()
