"""Reranking and moderation by the models of all providers."""

from typing import Final, Protocol, runtime_checkable

from jikko.ports.other_models import ModerationRequest, Moderator, Ranked, RerankRequest
from jikko.providers.config import ProviderConfig
from jikko.providers.provider_connections import ProviderBackends, unable

FLAGGED: Final = "[flag me]"
"""Marks a text that the fake moderator flags."""


class FakeModerator:
    async def flags(self, request: ModerationRequest) -> bool:
        return FLAGGED in request.text


@runtime_checkable
class Moderating(Protocol):
    """Backend with moderation."""

    async def flags(self, model: str, text: str) -> bool:
        """See ``Moderator.flags``; ``model`` is the provider's name."""


class ProviderModerators:
    """Routes requests to their provider, within its limits. Implements ``Moderator``."""

    def __init__(self, connections: ProviderBackends) -> None:
        self._connections = connections

    async def flags(self, request: ModerationRequest) -> bool:
        if not request.text.strip():
            return False
        config = self._connections.ready(request.provider, request.model)
        backend = self._connections.backend(config)
        if not isinstance(backend, Moderating):
            raise unable(config, "moderates nothing: use type openai")
        async with self._connections.calling(config, request.app_id):
            return await backend.flags(config.model_name(request.model), request.text)


def moderator_over(connections: ProviderBackends | None) -> Moderator:
    """Return the moderator. ``connections``: ``None`` for fake models."""
    return FakeModerator() if connections is None else ProviderModerators(connections)


@runtime_checkable
class Ranking(Protocol):
    """Backend with reranking."""

    async def rerank(self, request: RerankRequest) -> list[Ranked]:
        """See ``Reranker.rerank``; ``model`` is the provider's name."""


class ProviderRerankers:
    """Routes requests to their provider, within its limits. Implements ``Reranker``."""

    def __init__(self, connections: ProviderBackends) -> None:
        self._connections = connections

    def is_ready(self, provider: str) -> bool:
        config = self._connections.config(provider, "*")
        self._backend(config)
        return not config.unset

    async def rerank(self, request: RerankRequest) -> list[Ranked]:
        config = self._connections.ready(request.provider, request.model)
        backend = self._backend(config)
        async with self._connections.calling(config, request.app_id, request.run_id):
            return await backend.rerank(request)

    def _backend(self, config: ProviderConfig) -> Ranking:
        backend = self._connections.backend(config)
        if not isinstance(backend, Ranking):
            raise unable(config, "ranks nothing: use one of type jina, cohere, openai or plugin")
        return backend
