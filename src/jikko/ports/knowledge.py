"""Finding texts in datasets, as nodes do it.

Source: docs/dify-behaviour.md, “Searching one dataset”, “Searching several datasets”, “Knowledge retrieval”.
"""

from collections.abc import Collection, Sequence
from typing import Literal, NamedTuple, Protocol

from msgspec import Struct

from jikko.events import Usage
from jikko.values import Json


class SearchFailure(Exception):
    """A search failed. The message is for the user to read and holds no secret."""

    def __init__(self, message: str, *, kind: str) -> None:
        super().__init__(message)
        self.kind = kind
        """A class-like name: the ``error_type`` of a node."""


class FoundChild(Struct, frozen=True):
    """A child chunk that a segment was found by."""

    id: str
    content: str
    position: int
    score: float


class Hit(Struct, frozen=True, kw_only=True):
    """A text that was found: a segment, or a record of a service elsewhere."""

    dataset_id: str
    dataset_name: str
    document_id: str | None
    document_name: str
    data_source_type: Literal["upload_file", "external"] = "upload_file"
    segment_id: str | None = None
    content: str
    answer: str | None = None
    score: float
    children: tuple[FoundChild, ...] = ()
    """Best first."""
    words: int = 0
    position: int | None = None
    hash: str | None = None
    hits: int = 0
    metadata: Json = None
    """That of its document; of a record, its own."""


class SearchedDataset(NamedTuple):
    """A dataset that can be searched."""

    id: str
    name: str
    description: str
    technique: str
    """``high_quality``, ``economy`` or ``external``."""


class MetadataFilter(Struct, frozen=True):
    """Which documents are searched: those whose metadata meet conditions."""

    conditions: tuple[dict[str, Json], ...]
    """``name``, ``comparison_operator`` and ``value`` each."""
    any_of_them: bool = False
    """Whether one that is met is enough."""


class MergedRanking(Struct, frozen=True, kw_only=True):
    """How what several datasets have is put into one order."""

    top_k: int
    threshold: float | None = None
    enabled: bool = True
    """Whether hits of more than one dataset are ranked anew."""
    mode: str = "reranking_model"
    """``reranking_model`` or ``weighted_score``."""
    provider: str = ""
    model: str = ""
    """Of reranking; ``""``: none."""
    vector_weight: float | None = None
    keyword_weight: float | None = None


class SearchRequest(Struct, frozen=True, kw_only=True):
    """What is looked for."""

    query: str
    dataset_ids: tuple[str, ...]
    conditions: MetadataFilter | None = None
    ranking: MergedRanking | None = None
    """``None``: of one dataset, by its own retrieval model alone."""
    app_id: str = ""
    run_id: str = ""


class SearchResult(NamedTuple):
    """What was found, best first, and what models used for it."""

    hits: list[Hit]
    usage: Usage | None = None


class KnowledgeSearch(Protocol):
    """Searches datasets. What an implementation must do is in ``tests/knowledge/retrieval``."""

    async def usable(self, ids: Sequence[str]) -> list[SearchedDataset]:
        """Those of some datasets that are there and have something, in the order of the ids.
        ``ids``: as workflow files have them: an id of here, a text that is mapped to one, or either encrypted.
        Raises ``SearchFailure``: encrypted ids cannot be decrypted here."""

    async def missing(self, ids: Collection[str]) -> list[str]:
        """Those of some ids that neither are datasets nor mapped to one."""

    async def field_names(self, dataset_ids: Sequence[str]) -> list[str]:
        """The names of all metadata fields of some datasets."""

    async def search(self, request: SearchRequest) -> SearchResult:
        """What fits best. Raises ``SearchFailure``: something that it needs failed. Nothing found is no failure."""

    def count_hits(self, hits: Sequence[Hit]) -> None:
        """Note that segments were found. Written later, in the background."""
