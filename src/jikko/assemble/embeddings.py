"""Picks what makes vectors of texts. It is made with the first text."""

from jikko.concurrency.later import later
from jikko.ports.embeddings import Embedder
from jikko.ports.models import Models
from jikko.providers.models import ProviderModels


def make_embedder(models: Models) -> Embedder:
    """What makes vectors beside these language models, over the same connections; without a model, if they are fake."""

    def made() -> Embedder:
        from jikko.providers.vectors.embedder import ProviderEmbedder
        from jikko.providers.vectors.fake import FakeEmbedder

        return ProviderEmbedder(models.connections) if isinstance(models, ProviderModels) else FakeEmbedder()

    return later(made)
