"""Backends by protocol: an explicit list. A backend is imported when the first is made."""

from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from typing import Final, Protocol, TypeAlias

from jikko.ports.models import ModelRequest
from jikko.providers.config import ProviderConfig
from jikko.providers.progress import AnswerCollector


class Backend(Protocol):
    """Speaks one protocol to one provider.

    It knows no limits, prices and fallbacks; secrets in its messages are masked by its caller.
    """

    async def complete(self, request: ModelRequest, progress: AnswerCollector) -> None:
        """Put the whole answer into ``progress``, which holds what came also when this raises ``ModelFailure``.

        ``request``: ``model`` is what the provider calls it, ``mode`` what the providers file says.
        """

    async def models(self) -> list[str]:
        """The names of the models offered: the cheapest way to try a key. Raises ``ModelFailure``: no answer."""

    async def close(self) -> None:
        """Close its connections. May be called twice."""


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
    # Their embeddings are OpenAI's wire, and what ranks texts is the same at both.
    "jina": _OPENAI,
    "cohere": _OPENAI,
    "wordllama": partial(_backend, "wordllama", "Wordllama"),
}
"""By the ``type`` of the providers file."""
