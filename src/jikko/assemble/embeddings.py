"""Picks what makes vectors of texts."""

from jikko.ports.embeddings import Embedder
from jikko.ports.models import Models
from jikko.providers.models import ProviderModels
from jikko.providers.vectors.embedder import ProviderEmbedder
from jikko.providers.vectors.fake import FakeEmbedder


def make_embedder(models: Models) -> Embedder:
    """What makes vectors beside these language models, over the same connections; without a model, if they are fake."""
    return ProviderEmbedder(models.connections) if isinstance(models, ProviderModels) else FakeEmbedder()
