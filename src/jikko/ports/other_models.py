"""Models beyond text generation: embeddings, reranking, moderation, speech."""

from array import array
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, TypeAlias

from msgspec import Struct, field

from jikko.ports.models import ModelUsage, ProviderRequest

Purpose: TypeAlias = Literal["document", "query"]
"""Some models need a different prefix for documents and queries, set in the providers file."""
if TYPE_CHECKING:
    Vector: TypeAlias = array[float]
else:
    # Not subscriptable before Python 3.12.
    Vector = array
"""32-bit floats (typecode ``f``), normalised to length 1: the similarity of two texts is their dot product. All 0 for a
text that the model cannot embed."""


class EmbeddingRequest(ProviderRequest, frozen=True, kw_only=True):
    texts: tuple[str, ...]
    """Any number. More than ``Embedder.batch_size`` are sent as consecutive requests."""
    purpose: Purpose = "document"


class Embeddings(Struct, frozen=True, kw_only=True):
    vectors: tuple[Vector, ...]
    """One per text, in order, all with the same number of dimensions."""
    usage: ModelUsage = field(default_factory=ModelUsage)
    """Of all requests together, without completion tokens."""


class Embedder(Protocol):
    """Embeds texts. It shares connections and limits with ``Models`` of the same process, and closes with them.

    Contract: ``tests/contract/test_embedder.py``.
    """

    def batch_size(self, provider: str, model: str) -> int:
        """Return how many texts one request takes, at least 1: a good size for a commit.
        Raises ``ModelFailure`` if the provider is not configured."""

    async def embed(self, request: EmbeddingRequest) -> Embeddings:
        """Embed texts. Cancelling ends the provider's request at once.
        Raises ``ModelFailure`` if there is no usable answer, with kind and ``retry_after`` as in ``Models.complete``.
        If one of several requests fails, the results of the others are lost."""


class RerankRequest(ProviderRequest, frozen=True, kw_only=True):
    query: str
    texts: Sequence[str]
    top_n: int
    """Maximum number of results, from 1."""


class Ranked(NamedTuple):
    place: int
    """Index among the request's texts, from 0."""
    score: float
    """Relevance. The scale depends on the model."""


class Reranker(Protocol):
    """Ranks texts. Contract: ``tests/providers/test_rerankers.py``."""

    def is_ready(self, provider: str) -> bool:
        """Return True unless the provider's key is missing.
        Raises ``ModelFailure``: not configured (``ModelNotExistError``), or it does not rerank."""

    async def rerank(self, request: RerankRequest) -> list[Ranked]:
        """Return the best texts, best first, each at most once. Raises ``ModelFailure``: no usable answer."""


class ModerationRequest(ProviderRequest, frozen=True, kw_only=True):
    text: str
    """Of any length."""


class Moderator(Protocol):
    """Moderates texts. Contract: ``tests/contract/test_moderator.py``."""

    async def flags(self, request: ModerationRequest) -> bool:
        """Return True if the model finds forbidden content. A text without words is never flagged. Raises
        ``ModelFailure`` if there is no usable answer."""


class TextGuard(Protocol):
    """Moderates the streamed text of one run, and may replace it."""

    @property
    def every(self) -> int:
        """Characters between two checks; there is one more at the end."""

    async def look(self, text: str, *, final: bool) -> str | None:
        """Check all text shown so far. The run goes on meanwhile, and waits for the check only at its end.

        An exception is logged, and the text stays.

        Args:
            final: True for the last check, which is always made unless there is no text.

        Returns:
            The replacement, after which no more text of the run is shown, or ``None`` to keep the text.
        """


class Recording(ProviderRequest, frozen=True, kw_only=True):
    """Speech to transcribe."""

    data: bytes
    filename: str
    """With an extension, from which providers detect the format."""
    mime_type: str


class Script(ProviderRequest, frozen=True, kw_only=True):
    """Text to speak."""

    text: str
    """Of any length: it is sent in consecutive parts of the provider's size."""
    voice: str = ""
    """``""``: the model's voice in the providers file, else the protocol's default."""


class Speech(Protocol):
    """Transcribes and speaks. It shares connections and limits with ``Models``, and closes with them.

    Contract: ``tests/contract/test_speech.py``.
    """

    async def transcribe(self, recording: Recording) -> str:
        """Transcribe a recording. Cancelling ends the provider's request at once.
        Raises ``ModelFailure`` if there is no usable answer."""

    async def speak(self, script: Script, emit: Callable[[bytes], None]) -> None:
        """Speak a text. Returns once all audio was emitted. Cancelling as for ``transcribe``.

        Args:
            emit: Called with each chunk of audio; together they are MP3 (``audio/mpeg``). A text without anything to
                speak has none. An exception from it ends the call.

        Raises:
            ModelFailure: The audio is incomplete; the emitted part is its beginning.
        """
