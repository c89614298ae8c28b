"""Where segments and child chunks are kept, and what they are found by."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

from jikko.ports.stores.knowledge.records import ChildChunk, Document, IndexEntry, Segment


class Found(NamedTuple):
    """A node that a search found."""

    segment_id: str
    child_id: str | None
    score: float


class Visible(NamedTuple):
    """A document whose segments may be found, as a search needs it."""

    document_id: str
    version: int
    index_version: int


class SegmentStore(Protocol):
    """Keeps segments. ``tests/contract/knowledge`` says what it must do."""

    async def segment(self, dataset_id: str, segment_id: str) -> Segment | None: ...

    async def segments(self, ids: Collection[str]) -> dict[str, Segment]:
        """Those that there are, by id."""
        ...

    async def list_segments(
        self, document: Document, *, keyword: str = "", statuses: Collection[str] = (), offset: int, limit: int
    ) -> tuple[list[Segment], int]:
        """Some of the segments that a document shows, by position, and how many fit in all."""
        ...

    async def add_segments(
        self,
        segments: Sequence[Segment],
        children: Sequence[ChildChunk],
        nodes: Sequence[IndexEntry],
        document: Callable[[Document], Document],
    ) -> bool:
        """Add segments to a document that is indexed, with what they are found by, and change the document.

        Returns:
            Whether the document is still there, with the versions that the segments have; else nothing was written.
        """
        ...

    async def change_segment(
        self,
        segment_id: str,
        change: Callable[[Segment], Segment],
        *,
        children: Sequence[ChildChunk] | None = None,
        nodes: Sequence[IndexEntry] | None = None,
        document: Callable[[Document], Document] | None = None,
    ) -> Segment | None:
        """Change a segment as it is at that moment, in one transaction with what it is found by.

        Args:
            children: What replaces its child chunks; ``None`` keeps them.
            nodes: What replaces all its nodes; ``None`` keeps them.
            document: Changes the document.
        """
        ...

    async def delete_segment(self, dataset_id: str, segment_id: str, document: Callable[[Document], Document]) -> bool:
        """Delete a segment with all that belongs to it. Returns whether it was there."""
        ...

    async def child(self, dataset_id: str, child_id: str) -> ChildChunk | None: ...

    async def children(self, segment_ids: Collection[str]) -> Mapping[str, list[ChildChunk]]:
        """All child chunks of some segments, by segment, each by position."""
        ...

    async def list_children(
        self, segment_id: str, *, keyword: str = "", offset: int, limit: int
    ) -> tuple[list[ChildChunk], int]:
        """Some of the child chunks of a segment, by position, and how many fit in all."""
        ...

    async def add_child(
        self, segment_id: str, make: Callable[[int], ChildChunk], node: Callable[[ChildChunk], IndexEntry] | None
    ) -> ChildChunk | None:
        """Add a child chunk behind the others.

        Args:
            make: Makes it of its position.
        """
        ...

    async def change_child(self, child: ChildChunk, node: IndexEntry | None) -> None:
        """Replace a child chunk, and its node if there is a new one."""
        ...

    async def delete_child(self, child: ChildChunk) -> None: ...

    async def add_hits(self, hits: Mapping[str, int]) -> None:
        """Count how often segments were found, by id."""
        ...

    async def visible(self, dataset_id: str) -> list[Document]:
        """The documents whose segments may be found, by position."""
        ...

    async def search_vectors(
        self, dataset_id: str, embedded_by: str, vector: bytes, documents: Sequence[Visible], k: int
    ) -> list[Found]:
        """The ``k`` nodes nearest to a vector (32-bit floats of length 1), best first, with their cosine similarity.

        Only nodes of segments that are enabled and completed, in these documents. Equal scores: in the order of the
        documents, then of the segments.

        Raises:
            InvalidParam: The nodes have vectors of another length.
        """
        ...

    async def scores(self, embedded_by: str, vector: bytes, segment_ids: Collection[str]) -> dict[str, float]:
        """The best cosine similarity of the nodes of each of some segments."""
        ...

    async def search_words(
        self, dataset_id: str, words: Sequence[str], documents: Sequence[Visible], k: int
    ) -> list[Found]:
        """The ``k`` nodes that have all of some words (a word with blanks in it is a phrase), best first, with a score
        above 0 that grows with how well they fit. As ``search_vectors`` otherwise."""
        ...

    async def search_keywords(
        self, dataset_id: str, keywords: Sequence[str], documents: Sequence[Visible], k: int
    ) -> list[Found]:
        """The ``k`` segments that have the most of some keywords, and their number; at least one."""
        ...
