"""Models of all providers that classify texts: those that rank them, and those that look for what must not be said."""

from typing import Final, Protocol, runtime_checkable

from jikko.ports.other_models import ModerationRequest, Moderator, Ranked, RerankRequest
from jikko.providers.config import ProviderConfig
from jikko.providers.provider_connections import ProviderBackends, unable

FLAGGED: Final = "[flag me]"
"""What a text has that is to be flagged."""


class FakeModerator:
    async def flags(self, request: ModerationRequest) -> bool:
        return FLAGGED in request.text


@runtime_checkable
class Moderating(Protocol):
    """A backend that can look at texts."""

    async def flags(self, model: str, text: str) -> bool:
        """See ``Moderator.flags``; ``model`` is what the provider calls it."""


class ProviderModerators:
    """Finds the provider of a request, waits for its limits, and calls it. Implements ``Moderator``."""

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
    """What looks at texts. ``connections``: ``None`` if models are fake."""
    return FakeModerator() if connections is None else ProviderModerators(connections)


@runtime_checkable
class Ranking(Protocol):
    """A backend that can rank texts."""

    async def rerank(self, request: RerankRequest) -> list[Ranked]:
        """See ``Reranker.rerank``; ``model`` is what the provider calls it."""


class ProviderRerankers:
    """Finds the provider of a request, waits for its limits, and calls it. Implements ``Reranker``."""

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
