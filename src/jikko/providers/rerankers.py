"""Calls the reranking models of all providers: the implementation of ``ports.rerank.Reranker``."""

from typing import Protocol, runtime_checkable

from jikko.ports.models import ModelFailure
from jikko.ports.rerank import Ranked, RerankRequest
from jikko.providers.config import ProviderConfig
from jikko.providers.masking import masked
from jikko.providers.models import ProviderModels


@runtime_checkable
class Ranking(Protocol):
    """A backend that can rank texts."""

    async def rerank(self, request: RerankRequest) -> list[Ranked]:
        """See ``Reranker.rerank``; ``model`` is what the provider calls it."""
        ...


class ProviderRerankers:
    """Finds the provider of a request, waits for its limits, and calls it."""

    def __init__(self, models: ProviderModels) -> None:
        self._models = models

    def is_ready(self, provider: str) -> bool:
        """See ``Reranker.is_ready``."""
        config = self._models.config(provider, "*")
        self._backend(config)
        return not config.unset

    async def rerank(self, request: RerankRequest) -> list[Ranked]:
        """See ``Reranker.rerank``."""
        config = self._models.ready(request.provider, request.model)
        backend = self._backend(config)
        async with self._models.limiter(config).slot(request.app_id, request.run_id):
            try:
                return await backend.rerank(request)
            except ModelFailure as failure:
                raise ModelFailure(
                    masked(str(failure), config.secrets), kind=failure.kind, retry_after=failure.retry_after
                ) from None

    def _backend(self, config: ProviderConfig) -> Ranking:
        backend = self._models.backend(config)
        if not isinstance(backend, Ranking):
            raise ModelFailure(
                f"The provider {config.id!r} is of type {config.type}, which ranks nothing: use one of type jina, "
                "cohere or openai.",
                kind="ModelNotExistError",
            )
        return backend
