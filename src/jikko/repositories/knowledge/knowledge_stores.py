"""Bundle of the repositories of datasets."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from jikko.repositories.knowledge.dataset_repository import DatasetStore
    from jikko.repositories.knowledge.document_repository import DocumentStore
    from jikko.repositories.knowledge.jobs import JobStore
    from jikko.repositories.knowledge.segment_repository import SegmentStore


class KnowledgeStores(NamedTuple):
    """Repositories of one data folder."""

    datasets: DatasetStore
    documents: DocumentStore
    segments: SegmentStore
    jobs: JobStore


class OpenKnowledge(Protocol):
    """Opens the stores on first use: a server without datasets has none.

    Both methods raise ``StoreUnavailable`` if the stores cannot be opened.
    """

    async def existing(self) -> KnowledgeStores | None:
        """Return the stores, if they exist."""

    async def made(self) -> KnowledgeStores:
        """Return the stores, creating them if necessary."""
