"""Which backend speaks which protocol: an explicit list. A backend is imported when the first is made."""

from collections.abc import Mapping
from typing import Final

from jikko.providers.backend import Backend
from jikko.providers.config import ProviderConfig
from jikko.providers.connections import MakeBackend


def _openai(config: ProviderConfig) -> Backend:
    from jikko.providers.openai.compatible import OpenAICompatible

    return OpenAICompatible(config)


def _anthropic(config: ProviderConfig) -> Backend:
    from jikko.providers.anthropic_messages import AnthropicMessages

    return AnthropicMessages(config)


def _llama_cpp(config: ProviderConfig) -> Backend:
    from jikko.providers.llama_cpp.model import LlamaCpp

    return LlamaCpp(config)


def _wordllama(config: ProviderConfig) -> Backend:
    from jikko.providers.wordllama import Wordllama

    return Wordllama(config)


BACKENDS: Final[Mapping[str, MakeBackend]] = {
    "openai": _openai,
    "azure": _openai,
    "anthropic": _anthropic,
    "bedrock": _anthropic,
    "vertex": _anthropic,
    "llama_cpp": _llama_cpp,
    # Their embeddings are OpenAI's wire, and what ranks texts is the same at both.
    "jina": _openai,
    "cohere": _openai,
    "wordllama": _wordllama,
}
"""By the ``type`` of the providers file."""
