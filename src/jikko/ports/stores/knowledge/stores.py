"""All that is kept of datasets, in one bundle."""

from typing import NamedTuple, Protocol

from jikko.ports.stores.knowledge.dataset_store import DatasetStore
from jikko.ports.stores.knowledge.document_store import DocumentStore
from jikko.ports.stores.knowledge.job_store import JobStore
from jikko.ports.stores.knowledge.segment_store import SegmentStore


class KnowledgeStores(NamedTuple):
    """The stores of one data folder."""

    datasets: DatasetStore
    documents: DocumentStore
    segments: SegmentStore
    jobs: JobStore


class OpenKnowledge(Protocol):
    """Opens the stores when they are needed first: a server without datasets has none of it."""

    async def existing(self) -> KnowledgeStores | None:
        """The stores, if there are any.

        Raises:
            StoreUnavailable: They cannot be opened.
        """
        ...

    async def made(self) -> KnowledgeStores:
        """The stores, which are made if there are none.

        Raises:
            StoreUnavailable: They cannot be opened.
        """
        ...
