"""Backend of embedding models."""

from typing import Protocol, runtime_checkable

from msgspec import Struct

from jikko.ports.other_models import Vector


class EmbeddedBatch(Struct, frozen=True):
    vectors: tuple[Vector, ...]
    """In the order of the texts, with the model's own length."""
    tokens: int | None
    """The provider's count; ``None`` if missing."""


@runtime_checkable
class EmbeddingBackend(Protocol):
    """``Backend`` with embeddings."""

    async def embed(self, model: str, texts: tuple[str, ...], dimensions: int) -> EmbeddedBatch:
        """Send one request. Raises ``ModelFailure`` without a usable answer.

        ``dimensions``: Requested size; 0 for the model's own.
        """
