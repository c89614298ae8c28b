"""Models that say how well texts fit a query."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from msgspec import Struct


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
