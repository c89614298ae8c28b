"""Search in datasets, for nodes.

Source: docs/dify-behaviour.md, “Searching one dataset”, “Searching several datasets”, “Knowledge retrieval”.
"""

from collections.abc import Collection, Sequence
from typing import Literal, NamedTuple, Protocol

from msgspec import Struct

from jikko.events import Usage
from jikko.values import Json


class SearchFailure(Exception):
    """A search failed. The message is for the user and contains no secret."""

    def __init__(self, message: str, *, kind: str) -> None:
        super().__init__(message)
        self.kind = kind
        """``error_type`` of a node, like a class name."""


class FoundChild(Struct, frozen=True):
    """Child chunk that matched a segment."""

    id: str
    content: str
    position: int
    score: float


class Hit(Struct, frozen=True, kw_only=True):
    """Search result: a segment, or a record of an external service."""

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
    """Metadata of the document or external record."""


class SearchedDataset(NamedTuple):
    id: str
    name: str
    description: str
    technique: str
    """``high_quality``, ``economy`` or ``external``."""


class MetadataFilter(Struct, frozen=True):
    """Metadata conditions on the documents to search."""

    conditions: tuple[dict[str, Json], ...]
    """Each with ``name``, ``comparison_operator`` and ``value``."""
    any_of_them: bool = False
    """True if one condition suffices."""


class MergedRanking(Struct, frozen=True, kw_only=True):
    """How to rank hits of several datasets together."""

    top_k: int
    threshold: float | None = None
    enabled: bool = True
    """Rerank the hits of several datasets together."""
    mode: str = "reranking_model"
    """``reranking_model`` or ``weighted_score``."""
    provider: str = ""
    model: str = ""
    """Reranking model; ``""`` for none."""
    vector_weight: float | None = None
    keyword_weight: float | None = None


class SearchRequest(Struct, frozen=True, kw_only=True):
    query: str
    dataset_ids: tuple[str, ...]
    conditions: MetadataFilter | None = None
    ranking: MergedRanking | None = None
    """``None``: one dataset, ranked by its own retrieval model."""
    app_id: str = ""
    run_id: str = ""


class SearchResult(NamedTuple):
    """Hits, best first, and the usage of models."""

    hits: list[Hit]
    usage: Usage | None = None


class KnowledgeSearch(Protocol):
    """Searches datasets. Contract: ``tests/knowledge/retrieval``."""

    async def usable(self, ids: Sequence[str]) -> list[SearchedDataset]:
        """Return the existing, non-empty datasets, in the order of the ids.
        ``ids``: As in workflow files: an id of this server, a text mapped to one, or either encrypted.
        Raises ``SearchFailure`` if encrypted ids cannot be decrypted here."""

    async def missing(self, ids: Collection[str]) -> list[str]:
        """Return the ids that neither are datasets nor are mapped to one."""

    async def field_names(self, dataset_ids: Sequence[str]) -> list[str]:
        """Return the names of all metadata fields of some datasets."""

    async def search(self, request: SearchRequest) -> SearchResult:
        """Return the best hits, possibly none. Raises ``SearchFailure`` if a required service fails."""

    def count_hits(self, hits: Sequence[Hit]) -> None:
        """Count segments as hit. Written later, in the background."""
