"""Models beside those that answer: vectors of texts, ranking, moderation, speech."""

from array import array
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, TypeAlias

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


class RerankRequest(Struct, frozen=True, kw_only=True):
    """One call of a reranking model."""

    provider: str
    """As the DSL names it: ``jina`` and ``langgenius/jina/jina`` are the same."""
    model: str
    query: str
    texts: Sequence[str]
    top_n: int
    """How many of them are wanted at most, from 1."""
    app_id: str = ""
    run_id: str = ""
    """Requests that wait for a limit of the provider take turns by app, and by run within it."""


class Ranked(NamedTuple):
    """A text that was ranked."""

    place: int
    """Its place among the texts of the request, from 0."""
    score: float
    """How well it fits. Which scores are good ones depends on the model."""


class Reranker(Protocol):
    """Ranks texts. What an implementation must do is in ``tests/providers/test_rerankers.py``."""

    def is_ready(self, provider: str) -> bool:
        """Whether a provider can be called: not if its key is missing.
        Raises ``ModelFailure``: nothing says how to reach it (``ModelNotExistError``), or it ranks nothing."""

    async def rerank(self, request: RerankRequest) -> list[Ranked]:
        """The texts that fit best, best first; each at most once.
        Raises ``ModelFailure``: there is no usable answer."""


class ModerationRequest(Struct, frozen=True, kw_only=True):
    """One text that is to be looked at."""

    provider: str
    """As the DSL names it: ``openai`` and ``langgenius/openai/openai`` are the same."""
    model: str
    text: str
    """Of any length."""
    app_id: str = ""
    """Requests that wait for a limit of the provider take turns by app."""


class Moderator(Protocol):
    """Looks at texts. What an implementation must do is in ``tests/contract/test_moderator.py``."""

    async def flags(self, request: ModerationRequest) -> bool:
        """Whether a model finds anything in a text that must not be said. A text without any words is never flagged.
        Raises ``ModelFailure``: there is no usable answer."""


class TextGuard(Protocol):
    """Looks at the text of one run, and may put another in its place."""

    @property
    def every(self) -> int:
        """After how many characters it wants to look again, besides once at the end."""

    async def look(self, text: str, *, final: bool) -> str | None:
        """Look at all the text that was shown so far. The run goes on meanwhile, and waits for this only at its end.

        What it raises is logged, and the text stays.

        Args:
            final: Whether it is all that is shown. There is always such a look, unless there is no text.

        Returns:
            What is shown instead of it; nothing of the run is shown behind that. ``None``: it may stay.
        """


class Recording(Struct, frozen=True, kw_only=True):
    """Speech that is to become text."""

    provider: str
    """As the DSL names it: ``openai`` and ``langgenius/openai/openai`` are the same."""
    model: str
    data: bytes
    filename: str
    """With an extension, by which providers tell formats apart."""
    mime_type: str
    app_id: str = ""
    """Requests that wait for a limit of the provider take turns by app."""


class Script(Struct, frozen=True, kw_only=True):
    """Text that is to be spoken."""

    provider: str
    model: str
    text: str
    """Of any length: it is sent in pieces that the provider takes, one after the other."""
    voice: str = ""
    """``""``: the one that the providers file names for the model, or the usual one of the protocol."""
    app_id: str = ""


class Speech(Protocol):
    """Hears and speaks. It shares connections and limits with ``Models`` of the same process, and ends with them.

    What an implementation must do is in ``tests/contract/test_speech.py``.
    """

    async def transcribe(self, recording: Recording) -> str:
        """What is said in a recording. Cancelling ends the request at the provider at once.
        Raises ``ModelFailure``: there is no usable answer."""

    async def speak(self, script: Script, emit: Callable[[bytes], None]) -> None:
        """Have a text spoken. Returns when all of it was told. Cancelling as for ``transcribe``.

        Args:
            emit: Called with each piece of the audio as it comes; together they are MP3 (``audio/mpeg``). What it
                raises ends the call. A text without anything to say has none.

        Raises:
            ModelFailure: The audio is not whole; what was told is its beginning.
        """
