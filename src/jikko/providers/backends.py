"""Which backend speaks which protocol: an explicit list."""

from collections.abc import Mapping
from typing import Final

from jikko.providers.anthropic_messages import AnthropicMessages
from jikko.providers.connections import MakeBackend
from jikko.providers.llama_cpp.model import LlamaCpp
from jikko.providers.openai.compatible import OpenAICompatible
from jikko.providers.wordllama import Wordllama

BACKENDS: Final[Mapping[str, MakeBackend]] = {
    "openai": OpenAICompatible,
    "azure": OpenAICompatible,
    "anthropic": AnthropicMessages,
    "bedrock": AnthropicMessages,
    "vertex": AnthropicMessages,
    "llama_cpp": LlamaCpp,
    # Their embeddings are OpenAI's wire, and what ranks texts is the same at both.
    "jina": OpenAICompatible,
    "cohere": OpenAICompatible,
    "wordllama": Wordllama,
}
"""By the ``type`` of the providers file."""
