"""Models that turn texts into vectors."""

from array import array
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from msgspec import Struct, field

from jikko.ports.models import ModelUsage

Purpose: TypeAlias = Literal["document", "query"]
"""Some models read what is kept and what is looked for differently: the providers file gives each its prefix."""
if TYPE_CHECKING:
    Vector: TypeAlias = array[float]
else:
    # It takes no parameters before Python 3.12.
    Vector = array
"""32-bit floats (typecode ``f``), of length 1 together: the similarity of two texts is the product of their vectors. Of
a text that the model makes nothing of, all are 0."""


class EmbeddingRequest(Struct, frozen=True, kw_only=True):
    """Texts that are to become vectors."""

    provider: str
    """As the DSL names it: ``openai`` and ``langgenius/openai/openai`` are the same."""
    model: str
    texts: tuple[str, ...]
    """Any number. More than ``Embedder.batch_size`` are sent in several requests, one after the other."""
    purpose: Purpose = "document"
    app_id: str = ""
    run_id: str = ""
    """Requests that wait for a limit of the provider take turns by app, and by run within it."""


class Embeddings(Struct, frozen=True, kw_only=True):
    """The vectors of texts."""

    vectors: tuple[Vector, ...]
    """One for each text, in their order; all have the same number of dimensions."""
    usage: ModelUsage = field(default_factory=ModelUsage)
    """Of all requests together. There are no completion tokens."""


class Embedder(Protocol):
    """Makes vectors. It shares connections and limits with ``Models`` of the same process, and ends with them.

    What an implementation must do is in ``tests/contract/test_embedder.py``.
    """

    def batch_size(self, provider: str, model: str) -> int:
        """How many texts one request to the provider takes, at least 1: a good size of what is committed at once.
        Raises ``ModelFailure``: nothing says how to reach the provider."""

    async def embed(self, request: EmbeddingRequest) -> Embeddings:
        """The vectors of texts. Cancelling ends the request at the provider at once.
        Raises ``ModelFailure``: there is no usable answer: kinds and ``retry_after`` as of ``Models.complete``. Of
        several requests, those before the one that failed are lost."""
