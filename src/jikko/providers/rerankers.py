"""Calls the reranking models of all providers: the implementation of ``ports.rerank.Reranker``."""

from typing import Protocol, runtime_checkable

from jikko.ports.models import ModelFailure
from jikko.ports.rerank import Ranked, RerankRequest
from jikko.providers.config import ProviderConfig
from jikko.providers.provider_connections import ProviderBackends


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
            raise ModelFailure(
                f"The provider {config.id!r} is of type {config.type}, which ranks nothing: use one of type jina, "
                "cohere, openai or plugin.",
                kind="ModelNotExistError",
            )
        return backend
