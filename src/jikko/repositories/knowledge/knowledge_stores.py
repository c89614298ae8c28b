"""All that is kept of datasets, in one bundle."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from jikko.repositories.knowledge.dataset_repository import DatasetStore
    from jikko.repositories.knowledge.document_repository import DocumentStore
    from jikko.repositories.knowledge.jobs import JobStore
    from jikko.repositories.knowledge.segment_repository import SegmentStore


class KnowledgeStores(NamedTuple):
    """The stores of one data folder."""

    datasets: DatasetStore
    documents: DocumentStore
    segments: SegmentStore
    jobs: JobStore


class OpenKnowledge(Protocol):
    """Opens the stores when they are needed first: a server without datasets has none of it.

    Both methods raise ``StoreUnavailable`` if the stores cannot be opened.
    """

    async def existing(self) -> KnowledgeStores | None:
        """The stores, if there are any."""

    async def made(self) -> KnowledgeStores:
        """The stores, which are made if there are none."""
