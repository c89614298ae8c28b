"""Calls models of a fake server without a workflow around it."""

from typing import Any

import yaml

from jikko.ports.models import Message, ModelRequest
from jikko.providers.backends import BACKENDS
from jikko.providers.file import parse_providers
from jikko.providers.models import ProviderModels

KEY = "sk-test-0123456789abcdef"


def models_at(url: str, **fields: Any) -> ProviderModels:
    """The provider ``openai`` at an address."""
    entry = {"type": "openai", "base_url": url, "api_key": "${KEY}", "timeout": 5, **fields}
    return ProviderModels(parse_providers(yaml.safe_dump({"providers": {"openai": entry}}), {"KEY": KEY}), BACKENDS)


def request(text: str = "hello", **fields: Any) -> ModelRequest:
    """A chat of one message."""
    given: dict[str, Any] = {
        "provider": "openai",
        "model": "gpt-4o",
        "messages": (Message("user", (text,)),),
        **fields,
    }
    return ModelRequest(**given)
