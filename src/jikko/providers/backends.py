"""Backends by protocol: an explicit list. A backend is imported when the first is made."""

from collections.abc import Mapping
from functools import partial
from importlib import import_module
from typing import Final

from jikko.providers.backend import Backend
from jikko.providers.config import ProviderConfig
from jikko.providers.provider_connections import MakeBackend


def _backend(module: str, name: str, config: ProviderConfig) -> Backend:
    made: Backend = getattr(import_module(f"jikko.providers.{module}"), name)(config)
    return made


_OPENAI: Final = partial(_backend, "openai.compatible", "OpenAICompatible")
_ANTHROPIC: Final = partial(_backend, "anthropic_messages", "AnthropicMessages")
BACKENDS: Final[Mapping[str, MakeBackend]] = {
    "openai": _OPENAI,
    "azure": _OPENAI,
    "anthropic": _ANTHROPIC,
    "bedrock": _ANTHROPIC,
    "vertex": _ANTHROPIC,
    "llama_cpp": partial(_backend, "llama_cpp.model", "LlamaCpp"),
    # Their embeddings are OpenAI's wire, and what ranks texts is the same at both.
    "jina": _OPENAI,
    "cohere": _OPENAI,
    "wordllama": partial(_backend, "wordllama", "Wordllama"),
}
"""By the ``type`` of the providers file."""
