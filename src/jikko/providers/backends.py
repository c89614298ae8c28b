"""Backends of models and embeddings, and their registry by protocol: an explicit list. One is imported with its first
use."""

from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from typing import Final, Protocol, TypeAlias, runtime_checkable

from msgspec import Struct

from jikko.ports.models import ModelRequest
from jikko.ports.other_models import Vector
from jikko.providers.config import ProviderConfig
from jikko.providers.progress import AnswerCollector


class Backend(Protocol):
    """Client of one provider, in one protocol.

    It has no limits, prices or fallbacks; its caller masks secrets in its messages.
    """

    async def complete(self, request: ModelRequest, progress: AnswerCollector) -> None:
        """Add the answer to ``progress``, which keeps what has arrived even if this raises ``ModelFailure``.

        ``request``: ``model`` is the provider's name, ``mode`` the providers file's.
        """

    async def models(self) -> list[str]:
        """Return the available models: the cheapest test of a key. Raises ``ModelFailure`` without an answer."""

    async def close(self) -> None:
        """Close its connections. Idempotent."""


MakeBackend: TypeAlias = Callable[[ProviderConfig], Backend]


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
    # Their embeddings use OpenAI's protocol, and their rerank endpoints are alike.
    "jina": _OPENAI,
    "cohere": _OPENAI,
    "wordllama": partial(_backend, "wordllama", "Wordllama"),
}
"""By ``type`` in the providers file."""


class EmbeddedBatch(Struct, frozen=True):
    vectors: tuple[Vector, ...]
    """In the order of the texts, with the model's own length."""
    tokens: int | None
    """The provider's count; ``None`` if missing."""


@runtime_checkable
class EmbeddingBackend(Protocol):
    async def embed(self, model: str, texts: tuple[str, ...], dimensions: int) -> EmbeddedBatch:
        """Send one request. Raises ``ModelFailure`` without a usable answer.

        ``dimensions``: Requested size; 0 for the model's own.
        """
