"""The backend of a provider that makes vectors."""

from typing import Protocol, runtime_checkable

from msgspec import Struct

from jikko.ports.other_models import Vector


class EmbeddedBatch(Struct, frozen=True):
    vectors: tuple[Vector, ...]
    """In the order of the texts, of the length that the model gave them."""
    tokens: int | None
    """As the provider counted; ``None`` if it did not."""


@runtime_checkable
class EmbeddingBackend(Protocol):
    """A ``Backend`` whose protocol has vectors, too."""

    async def embed(self, model: str, texts: tuple[str, ...], dimensions: int) -> EmbeddedBatch:
        """Send one request. Raises ``ModelFailure``: there is no usable answer.

        ``dimensions``: What the model is asked for; 0 for what it has by itself.
        """
