"""Where documents of datasets are kept, and their metadata."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

from jikko.ports.stores.knowledge.records import ChildChunk, Document, Job, JsonObject, MetadataField, Segment

MakeDocument = Callable[[Document | None, int], tuple[Document, Job]]
"""Makes a document of the one that has its name, if any, and of its position."""


CutDocument = Callable[[Document, Job], tuple[Sequence[Segment], Sequence[ChildChunk]]]
"""Makes the segments of the version that a job is to index."""


class SegmentCounts(NamedTuple):
    """The segments that a document shows."""

    total: int = 0
    completed: int = 0
    hits: int = 0
    """How often they were found."""
    words: int = 0
    """Characters of all of them."""


class DocumentStore(Protocol):
    """Keeps documents. All of them are scoped to their dataset. ``tests/contract/knowledge`` says what it must do."""

    async def put_document(
        self, dataset_id: str, name: str, make: MakeDocument, content: bytes, cut: CutDocument | None = None
    ) -> Document:
        """Add a document, or put it in the place of the one that has its name; with its source and the job to index it,
        in one transaction.

        Args:
            cut: Makes its segments, if the job has the stage ``embed``. No reader sees them before it is done.

        Raises:
            NotFound: The dataset is gone.
        """
        ...

    async def update_document(
        self,
        dataset_id: str,
        document_id: str,
        change: Callable[[Document], tuple[Document, Job]],
        content: bytes | None,
    ) -> Document | None:
        """Change a document and have it indexed anew, in one transaction; ``None`` if it is not there.

        Args:
            content: Its new source; ``None`` keeps the one that it has.

        Raises:
            InvalidParam: Another document of the dataset has the name that it would get.
        """
        ...

    async def document(self, dataset_id: str, document_id: str) -> Document | None: ...

    async def documents(self, ids: Collection[str]) -> dict[str, Document]:
        """Those that there are, by id, of any dataset."""
        ...

    async def list_documents(
        self, dataset_id: str, *, keyword: str = "", status: str = "", offset: int = 0, limit: int = 1 << 31
    ) -> tuple[list[Document], int]:
        """Some of the documents, the newest first, and how many fit in all.

        Args:
            keyword: A part of the name; case does not count.
            status: A display status; one that there is not filters nothing.
        """
        ...

    async def batch(self, dataset_id: str, batch: str) -> list[Document]:
        """The documents of a batch, by position."""
        ...

    async def last_rule(self, dataset_id: str) -> tuple[str, JsonObject] | None:
        """Id and process rule of the newest document, if there is one."""
        ...

    async def change_documents(
        self, dataset_id: str, ids: Sequence[str], change: Callable[[Document], Document]
    ) -> list[Document]:
        """Change those of some documents that are there, as they are at that moment. Returns them as they are then."""
        ...

    async def delete_document(self, dataset_id: str, document_id: str) -> bool:
        """Delete a document. Nothing of it is found from then on; rows go in slices (``sweep``).

        Returns whether it was there.
        """
        ...

    async def source(self, document_id: str) -> bytes | None:
        """What a document was made of."""
        ...

    async def document_of_file(self, file_id: str) -> Document | None:
        """The document that was made of a file."""
        ...

    async def segment_counts(self, documents: Sequence[Document]) -> Mapping[str, SegmentCounts]:
        """How many segments documents show, by document."""
        ...

    async def fields(self, dataset_id: str) -> list[tuple[MetadataField, int]]:
        """The metadata fields of a dataset, the oldest first, each with the number of documents that have it."""
        ...

    async def add_field(self, field: MetadataField) -> bool:
        """Returns whether the name was free; else nothing was written."""
        ...

    async def rename_field(self, dataset_id: str, field_id: str, name: str) -> bool:
        """Rename a field, and its values in documents. Returns whether the name was free; else nothing was written."""
        ...

    async def delete_field(self, dataset_id: str, field_id: str) -> MetadataField | None:
        """Delete a field and its values. Returns what it was."""
        ...

    async def set_metadata(
        self, dataset_id: str, document_id: str, metadata: JsonObject, field_ids: Collection[str], *, partial: bool
    ) -> Document | None:
        """Give a document values of metadata, in place of those that it has or (``partial``) beside the others.

        Args:
            field_ids: The fields that it has by that.
        """
        ...
