"""Segments and child chunks. A transaction that changes them locks their document first."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from msgspec.structs import replace

from jikko.errors import Conflict
from jikko.ports.stores.knowledge_records import ChildChunk, Document, IndexEntry, Segment
from jikko.repositories.knowledge.document_repository import begin_again
from jikko.repositories.knowledge.knowledge_tables import CHILDREN, DOCUMENTS, JOBS, SEGMENTS, contains, sought
from jikko.repositories.shared_sql import Count, Many, Operation, Row, Rows, SqlDatabase, id_text, written

AddNodes: TypeAlias = Callable[[str, str, int, Iterable[IndexEntry]], Operation[None]]
"""Adds nodes to a dataset, document and version; each database stores vectors and words in its own way."""
ALL: Final = 1 << 62
"""Unreachable limit."""
_SLICE: Final = 5000
"""Rows deleted per statement."""
_DELETE_NODES: Final = (
    "[sqlite: DELETE FROM words WHERE rowid IN :keys::int8]",
    "DELETE FROM knowledge.node WHERE key IN :keys::int8",
)
_NOTE_REMOVAL: Final = "[sqlite: UPDATE dataset SET removals = removals + 1 WHERE id = :id]"
_DELETE_SEGMENTS: Final = (
    "DELETE FROM knowledge.posting WHERE segment IN :keys::int8",
    "DELETE FROM knowledge.child WHERE segment_id IN (SELECT id FROM knowledge.segment WHERE key IN :keys::int8)",
    "DELETE FROM knowledge.segment WHERE key IN :keys::int8",
)
_FORGET_KEYWORDS: Final = (
    "DELETE FROM knowledge.posting WHERE segment = (SELECT key FROM knowledge.segment WHERE id = :id)"
)
# An index entry of PostgreSQL is limited to 2,704 bytes.
_ADD_KEYWORDS: Final = """
WITH given (keyword) AS (VALUES :keywords)
INSERT INTO knowledge.posting (dataset_id, keyword, segment)
SELECT :dataset_id::bytea, [sqlite: keyword][postgres: left(keyword, 500)],
  (SELECT key FROM knowledge.segment WHERE id = :id)
FROM given WHERE TRUE ON CONFLICT DO NOTHING
"""


def delete_nodes(where: str, /, limit: int = ALL, **values: Any) -> Operation[int]:
    """Delete nodes. Returns their number."""
    query = f"SELECT key, dataset_id FROM knowledge.node WHERE {where} LIMIT :limit"
    rows = yield Rows(query, limit=limit, **values)
    for keys in _slices(rows):
        for statement in _DELETE_NODES:
            yield Count(statement, keys=keys)
    for dataset_id in {row[1] for row in rows}:
        yield Count(_NOTE_REMOVAL, id=id_text(dataset_id))
    return len(rows)


def delete_segments(where: str, /, limit: int = ALL, **values: Any) -> Operation[int]:
    """Delete segments with child chunks and keywords, but not their nodes. Returns their number."""
    rows = yield Rows(f"SELECT key FROM knowledge.segment WHERE {where} LIMIT :limit", limit=limit, **values)
    for keys in _slices(rows):
        for statement in _DELETE_SEGMENTS:
            yield Count(statement, keys=keys)
    return len(rows)


def put_keywords(dataset_id: str, segment_id: str, keywords: Iterable[str] | None) -> Operation[None]:
    """Replace the keywords of a segment."""
    yield Count(_FORGET_KEYWORDS, id=segment_id)
    if own := list(dict.fromkeys(keywords or ())):
        yield Count(_ADD_KEYWORDS, dataset_id=dataset_id, keywords=own, id=segment_id)


def _slices(rows: Sequence[Any]) -> Iterator[list[int]]:
    for first in range(0, len(rows), _SLICE):
        yield [row[0] for row in rows[first : first + _SLICE]]


_SHOWN: Final = """
document_id = :id AND version = CASE :version::int8 WHEN 0
  THEN (SELECT max(version) FROM knowledge.segment WHERE document_id = :id) ELSE :version END
"""
_LAST: Final = f"SELECT coalesce(max(position), 0) FROM knowledge.segment WHERE {_SHOWN}"
_LAST_CHILD: Final = "SELECT coalesce(max(position), 0) FROM knowledge.child WHERE segment_id = :id"
_OWN: Final = "WHERE id = :id AND dataset_id = :dataset_id"
_CHILDREN: Final = CHILDREN.select("WHERE segment_id IN :segment_ids ORDER BY child.position")
_ADD_HITS: Final = "UPDATE knowledge.segment SET hits = hits + :count WHERE id = :id"


class SegmentChanged(Conflict):
    """The segment, or the model or version of its document, was changed meanwhile; nothing was written."""

    def __init__(self) -> None:
        super().__init__("The segment or its document was changed meanwhile; send the request again.")


class Found(NamedTuple):
    """Node found by a search."""

    segment_id: str
    child_id: str | None
    score: float


class Visible(NamedTuple):
    """Searchable document, with what a search needs."""

    document_id: str
    version: int
    index_version: int


class SegmentStore(ABC):
    """Segments. Contract: ``tests/contract/knowledge``.

    ``embedded_by`` is the model of the given nodes, as in ``Document.embedded_by``; by default that of the document. A
    job that is indexing the changed segments begins again.
    """

    def __init__(self, database: SqlDatabase, add_nodes: AddNodes) -> None:
        self._sql = database.sql
        self.add_nodes: Final = add_nodes
        """Adds search nodes in the database's format."""

    async def segment(self, dataset_id: str, segment_id: str) -> Segment | None:
        return SEGMENTS.found(await self._sql.row(SEGMENTS.select(_OWN), id=segment_id, dataset_id=dataset_id))

    async def segments(self, ids: Collection[str]) -> dict[str, Segment]:
        """Return the existing segments, by id."""
        rows = await self._sql.rows(SEGMENTS.select("WHERE id IN :ids"), ids=ids)
        return {each.id: each for each in SEGMENTS.records(rows)}

    async def list_segments(
        self, document: Document, *, keyword: str = "", statuses: Collection[str] = (), offset: int, limit: int
    ) -> tuple[list[Segment], int]:
        """Return a slice of a document's visible segments that match, by position, and their total."""
        wanted = [_SHOWN] + [contains("content")] * bool(keyword) + ["status IN :statuses"] * bool(statuses)
        where = f"WHERE {' AND '.join(wanted)}"
        own = {"id": document.id, "version": document.version, "statuses": statuses}
        values = {**own, **sought(keyword), "offset": offset, "limit": limit}
        return await self._sql.read(lambda: SEGMENTS.page(where, "segment.position", **values))

    @written
    def add_segments(
        self,
        segments: Sequence[Segment],
        children: Sequence[ChildChunk],
        nodes: Sequence[IndexEntry],
        document: Callable[[Document], Document],
        embedded_by: str | None = None,
    ) -> Operation[bool]:
        """Add segments with their search nodes to an indexed document, and change the document. Returns whether the
        document still exists, in the segments' version, with that model; otherwise nothing is written."""
        first = segments[0]
        found = yield from _locked(first.document_id)
        if found is None or found.version != first.version or embedded_by not in (None, found.embedded_by):
            return False
        last: int = (yield Row(_LAST, id=found.id, version=found.version))[0]
        placed = [replace(each, position=last + number) for number, each in enumerate(segments, 1)]
        yield from SEGMENTS.add(placed)
        yield from CHILDREN.add(children)
        for each in placed:
            if each.keywords:
                yield from put_keywords(each.dataset_id, each.id, each.keywords)
        yield from self.add_nodes(first.dataset_id, first.document_id, found.index_version, nodes)
        found = yield from _indexed_again(found, first.version)
        yield from DOCUMENTS.replace(document(found))
        return True

    @written
    def change_segment(
        self,
        segment_id: str,
        change: Callable[[Segment], Segment],
        *,
        children: Sequence[ChildChunk] | None = None,
        nodes: Sequence[IndexEntry] | None = None,
        document: Callable[[Document], Document] | None = None,
        expected: Segment | None = None,
        embedded_by: str | None = None,
    ) -> Operation[Segment | None]:
        """Apply ``change`` to a segment, in one transaction with its child chunks and nodes.

        Args:
            children: New child chunks; ``None`` keeps them.
            nodes: New nodes; ``None`` keeps them.
            document: Changes the document.
            expected: The segment that the change is based on.

        Raises:
            SegmentChanged: It is not as ``expected``, except for its hits; or see ``SegmentStore``.
        """
        found, owner = yield from _with_owner(segment_id, embedded_by)
        if found is None or owner is None:
            return None
        if expected is not None and replace(found, hits=expected.hits) != expected:
            raise SegmentChanged
        changed = change(found)
        yield from SEGMENTS.replace(changed)
        if changed.keywords != found.keywords:
            yield from put_keywords(changed.dataset_id, changed.id, changed.keywords)
        if children is not None:
            yield Count("DELETE FROM knowledge.child WHERE segment_id = :id", id=segment_id)
            yield from CHILDREN.add(children)
        if nodes is not None:
            version = owner.index_version
            yield from delete_nodes("segment_id = :id AND version = :version", id=segment_id, version=version)
            yield from self.add_nodes(changed.dataset_id, changed.document_id, version, nodes)
            owner = yield from _indexed_again(owner, found.version)
        if document is not None:
            yield from DOCUMENTS.replace(document(owner))
        return changed

    @written
    def delete_segment(
        self, dataset_id: str, segment_id: str, document: Callable[[Document, Segment], Document]
    ) -> Operation[bool]:
        """Delete a segment with all its data. Returns whether it existed."""
        found, owner = yield from _with_owner(segment_id)
        if found is None or found.dataset_id != dataset_id:
            return False
        yield from delete_nodes("segment_id = :id", id=segment_id)
        yield from delete_segments("id = :id", id=segment_id)
        if owner is not None:
            owner = yield from _indexed_again(owner, found.version)
            yield from DOCUMENTS.replace(document(owner, found))
        return True

    async def child(self, dataset_id: str, child_id: str) -> ChildChunk | None:
        return CHILDREN.found(await self._sql.row(CHILDREN.select(_OWN), id=child_id, dataset_id=dataset_id))

    async def children(self, segment_ids: Collection[str]) -> Mapping[str, list[ChildChunk]]:
        """Return all child chunks of some segments, by segment, in order of position."""
        found: dict[str, list[ChildChunk]] = {each: [] for each in segment_ids}
        for child in CHILDREN.records(await self._sql.rows(_CHILDREN, segment_ids=segment_ids)):
            found[child.segment_id].append(child)
        return found

    async def list_children(
        self, segment_id: str, *, keyword: str = "", offset: int, limit: int
    ) -> tuple[list[ChildChunk], int]:
        """Return a slice of a segment's matching child chunks, by position, and their total."""
        where = " AND ".join(["WHERE segment_id = :id"] + [contains("content")] * bool(keyword))
        values = {"id": segment_id, **sought(keyword), "offset": offset, "limit": limit}
        return await self._sql.read(lambda: CHILDREN.page(where, "child.position", **values))

    @written
    def add_child(
        self,
        segment_id: str,
        make: Callable[[int], ChildChunk],
        node: Callable[[ChildChunk], IndexEntry] | None,
        embedded_by: str | None = None,
    ) -> Operation[ChildChunk | None]:
        """Append a child chunk. ``make``: Makes it from its position. Raises ``SegmentChanged``: see
        ``SegmentStore``."""
        found, owner = yield from _with_owner(segment_id, embedded_by)
        if found is None or owner is None:
            return None
        child = make((yield Row(_LAST_CHILD, id=segment_id))[0] + 1)
        yield from CHILDREN.add([child])
        if node is not None:
            yield from self.add_nodes(child.dataset_id, child.document_id, owner.index_version, [node(child)])
            yield from _indexed_again(owner, found.version)
        return child

    @written
    def change_child(
        self, child: ChildChunk, node: IndexEntry | None, embedded_by: str | None = None
    ) -> Operation[bool]:
        """Replace a child chunk, and its node if a new one is given. Returns whether it exists. Raises
        ``SegmentChanged``: see ``SegmentStore``."""
        found, owner = yield from _with_owner(child.segment_id, embedded_by)
        if found is None or owner is None or (yield from CHILDREN.one("WHERE id = :id", id=child.id)) is None:
            return False
        yield from CHILDREN.replace(child)
        if node is not None:
            yield from _delete_node_of(child)
            yield from self.add_nodes(child.dataset_id, child.document_id, owner.index_version, [node])
            yield from _indexed_again(owner, found.version)
        return True

    @written
    def delete_child(self, child: ChildChunk) -> Operation[None]:
        found, owner = yield from _with_owner(child.segment_id)
        yield from _delete_node_of(child)
        yield Count("DELETE FROM knowledge.child WHERE id = :id", id=child.id)
        if found is not None and owner is not None:
            yield from _indexed_again(owner, found.version)

    @written
    def add_hits(self, hits: Mapping[str, int]) -> Operation[None]:
        """Add to the hit counts of segments, by id."""
        # Sorted, so that two servers do not deadlock.
        yield Many(_ADD_HITS, [{"id": each, "count": hits[each]} for each in sorted(hits)])

    @abstractmethod
    async def search_keywords(
        self, dataset_id: str, keywords: Sequence[str], documents: Sequence[Visible], k: int
    ) -> list[Found]:
        """Return the ``k`` segments with the most matching keywords, at least one, and their number."""

    @abstractmethod
    async def search_words(
        self, dataset_id: str, words: Sequence[str], documents: Sequence[Visible], k: int
    ) -> list[Found]:
        """Return the ``k`` best nodes that contain all words (a word with spaces is a phrase), best first, with a score
        above 0 that grows with relevance. Otherwise as ``search_vectors``."""

    @abstractmethod
    async def scores(self, embedded_by: str, vector: bytes, segment_ids: Collection[str]) -> dict[str, float]:
        """Return the best cosine similarity among the nodes of each segment; only of documents of this model."""

    @abstractmethod
    async def search_vectors(self, dataset_id: str, vector: bytes, documents: Sequence[Visible], k: int) -> list[Found]:
        """Return the ``k`` nodes nearest to a vector (32-bit floats of length 1), best first, with their cosine
        similarity.

        Only nodes of enabled, completed segments in these documents. Ties: in the order of documents, then of segments.
        Raises ``InvalidParam``: the nodes have vectors of another length.
        """

    @abstractmethod
    async def visible(self, dataset_id: str) -> list[Document]:
        """Return the searchable documents, by position."""


def _locked(document_id: str) -> Operation[Document | None]:
    return DOCUMENTS.one("WHERE id = :id FOR UPDATE", id=document_id)


def _with_owner(segment_id: str, embedded_by: str | None = None) -> Operation[tuple[Segment | None, Document | None]]:
    """Lock a segment's document, and return both. Raises ``SegmentChanged``: its model is not ``embedded_by``."""
    found = yield from SEGMENTS.one("WHERE id = :id", id=segment_id)
    if found is None:
        return None, None
    owner = yield from _locked(found.document_id)
    if owner is not None and embedded_by not in (None, owner.embedded_by):
        raise SegmentChanged
    return (yield from SEGMENTS.one("WHERE id = :id", id=segment_id)), owner


def _indexed_again(document: Document, version: int) -> Operation[Document]:
    """Begin the job again that indexes the segments of a version, if there is one: it may have read them already.
    Returns the document."""
    job = yield from JOBS.one("WHERE document_id = :id FOR UPDATE", id=document.id)
    if job is None or job.stage != "embed" or job.segments_version != version:
        return document
    return (yield from begin_again(document, job))


def _delete_node_of(child: ChildChunk) -> Operation[Any]:
    return delete_nodes("segment_id = :segment_id AND child_id = :id", segment_id=child.segment_id, id=child.id)
