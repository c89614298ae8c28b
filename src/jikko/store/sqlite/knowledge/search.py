"""Search of nodes and segments in SQLite."""

import sqlite3
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Final

from jikko.ports.stores.knowledge_records import Document, IndexEntry
from jikko.repositories.knowledge.dataset_repository import DatasetStore
from jikko.repositories.knowledge.document_repository import DocumentStore
from jikko.repositories.knowledge.jobs import JobStore
from jikko.repositories.knowledge.knowledge_stores import KnowledgeStores
from jikko.repositories.knowledge.knowledge_tables import DOCUMENTS
from jikko.repositories.knowledge.segment_repository import Found, SegmentStore, Visible
from jikko.repositories.shared_sql import Count, Operation, Row, StoredId, id_text, storable, stored_id
from jikko.store.sqlite.database import Database, perform
from jikko.store.sqlite.knowledge.cached_vectors import VectorCache, similarities

_NODE: Final = """
SELECT node.document_id, node.version, node.segment_id, node.child_id, segment.position, node.vector
FROM node JOIN segment ON segment.id = node.segment_id
WHERE node.key = ? AND segment.enabled AND segment.status = 'completed'
"""
_WORDS: Final = """
SELECT words.rowid, bm25(words, 0.0, 1.0) FROM words WHERE words MATCH ? ORDER BY bm25(words, 0.0, 1.0)
"""
_KEYWORDS: Final = """
SELECT segment.document_id, segment.version, segment.id, segment.position, count(*)
FROM posting JOIN segment ON segment.key = posting.segment
WHERE posting.dataset_id = ? AND posting.keyword IN ({}) AND segment.enabled AND segment.status = 'completed'
GROUP BY segment.key ORDER BY count(*) DESC
"""


_ADD_NODE: Final = """
INSERT INTO node (dataset_id, document_id, version, segment_id, child_id, digest, vector)
VALUES (:dataset_id, :document_id, :version, :segment_id, :child_id, :digest, :vector) RETURNING key
"""
_ADD_WORDS: Final = "INSERT INTO words (rowid, scope, text) VALUES (:key, :scope, :words)"


_VISIBLE: Final = "WHERE dataset_id = :dataset_id AND version > 0 AND enabled AND NOT archived ORDER BY position"
_CHANGES: Final = "SELECT changes FROM dataset WHERE id = ?"
_MAX_DOCUMENTS: Final = 20_000
"""Maximum cached documents of all datasets: 30 MB."""


class VisibleDocuments:
    """Cache of the visible documents of recently searched datasets. Thread-safe."""

    def __init__(self, most: int = _MAX_DOCUMENTS) -> None:
        """``most``: Maximum number of cached documents; those of the current search are always kept."""
        self._most = most
        self._known: OrderedDict[StoredId, tuple[int, list[Document]]] = OrderedDict()

    def of(self, connection: sqlite3.Connection, dataset_id: StoredId) -> list[Document]:
        """Return a dataset's documents, by position. The list is the caller's own."""
        row = connection.execute(_CHANGES, (dataset_id,)).fetchone()
        if row is None:
            return []
        known = self._known.pop(dataset_id, None)
        # Another thread may read an older or newer state: each uses what it sees itself.
        if known is None or known[0] != row[0]:
            known = row[0], perform(DOCUMENTS.all(_VISIBLE, dataset_id=id_text(dataset_id)), connection)
        self._known[dataset_id] = known
        kept = list(self._known.items())
        count = sum(len(documents) for _, (_, documents) in kept)
        for key, (_, documents) in kept[:-1]:
            if count <= self._most:
                break
            count -= len(documents)
            self._known.pop(key, None)
        return list(known[1])


def scope_of(dataset_id: StoredId) -> str:
    """Return the word that stands for a dataset in its nodes' text index."""
    return "d" + (dataset_id.hex() if isinstance(dataset_id, bytes) else dataset_id.encode().hex())


def add_nodes(dataset_id: str, document_id: str, version: int, nodes: Iterable[IndexEntry]) -> Operation[None]:
    scope = scope_of(stored_id(dataset_id))
    own = {"dataset_id": dataset_id, "document_id": document_id, "version": version}
    for node in nodes:
        values = {"segment_id": node.segment_id, "child_id": node.child_id, "digest": node.digest}
        row = yield Row(_ADD_NODE, vector=node.vector, **values, **own)
        if node.words:
            yield Count(_ADD_WORDS, key=row[0], scope=scope, words=node.words)


class SqliteSegmentStore(SegmentStore):
    """``SegmentStore`` in a SQLite file."""

    def __init__(self, database: Database, vectors: VectorCache) -> None:
        super().__init__(database, add_nodes)
        self._database = database
        self._vectors = vectors
        self._visible = VisibleDocuments()

    async def visible(self, dataset_id: str) -> list[Document]:
        return await self._database.read(lambda connection: self._visible.of(connection, stored_id(dataset_id)))

    async def search_vectors(self, dataset_id: str, vector: bytes, documents: Sequence[Visible], k: int) -> list[Found]:
        if k <= 0 or not documents:
            return []
        search = partial(_search_vectors, self._vectors, stored_id(dataset_id), vector, documents, k)
        return await self._database.search(search)

    async def scores(self, embedded_by: str, vector: bytes, segment_ids: Collection[str]) -> dict[str, float]:
        def read(connection: sqlite3.Connection) -> dict[str, float]:
            best: dict[str, float] = {}
            for segment_id in segment_ids:
                query = """SELECT node.vector FROM node JOIN document ON document.id = node.document_id
                           WHERE node.segment_id = ? AND node.version = document.index_version
                           AND document.embedded_by = ?"""
                rows = connection.execute(query, (stored_id(segment_id), embedded_by)).fetchall()
                fitting = [row[0] for row in rows if len(row[0]) * 2 == len(vector)]
                if fitting:
                    best[segment_id] = max(similarities(vector, fitting))
            return best

        return await self._database.read(read)

    async def search_words(
        self, dataset_id: str, words: Sequence[str], documents: Sequence[Visible], k: int
    ) -> list[Found]:
        if k <= 0 or not words or not documents:
            return []
        dataset = stored_id(dataset_id)
        quoted = (storable(word).replace('"', '""').replace("\x00", "") for word in words)
        match = f'scope : "{scope_of(dataset)}"' + "".join(f' AND text : "{word}"' for word in quoted)
        return await self._database.search(partial(_search_words, match, documents, k))

    async def search_keywords(
        self, dataset_id: str, keywords: Sequence[str], documents: Sequence[Visible], k: int
    ) -> list[Found]:
        if k <= 0 or not keywords or not documents:
            return []
        own = [storable(keyword) for keyword in dict.fromkeys(keywords)][:500]
        query = _KEYWORDS.format(", ".join("?" * len(own)))
        values = (stored_id(dataset_id), *own)
        return await self._database.search(partial(_search_keywords, query, values, documents, k))


class _Places:
    """Positions of documents among the searched ones, by their rows' columns."""

    def __init__(self, documents: Iterable[tuple[str, int]]) -> None:
        """``documents``: Ids, with the searched version of each."""
        self._places = {document_id: (place, version) for place, (document_id, version) in enumerate(documents)}

    def of(self, document_id: StoredId, version: int) -> int | None:
        """Return the position of a row's document; ``None``: this version is not searched."""
        found = self._places.get(id_text(document_id))
        return found[0] if found is not None and found[1] == version else None


def _search_vectors(
    cache: VectorCache,
    dataset_id: StoredId,
    vector: bytes,
    documents: Sequence[Visible],
    k: int,
    connection: sqlite3.Connection,
) -> list[Found]:
    candidates = cache.nearest(connection, dataset_id, vector, documents, k)
    found = ((each, connection.execute(_NODE, (each,)).fetchone()) for each in candidates)
    places = _Places((each.document_id, each.index_version) for each in documents)
    rows = [
        (place, key, row)
        for key, row in found
        if row is not None and (place := places.of(row[0], row[1])) is not None and 2 * len(row[5]) == len(vector)
    ]
    scores = similarities(vector, [row[5] for _, _, row in rows])
    scored = [(-score, place, row[4], key, row) for score, (place, key, row) in zip(scores, rows, strict=True)]
    return [_found(row, -score) for score, _, _, _, row in sorted(scored, key=lambda each: each[:4])][:k]


def _search_words(match: str, documents: Sequence[Visible], k: int, connection: sqlite3.Connection) -> list[Found]:
    places = _Places((each.document_id, each.index_version) for each in documents)

    def scored() -> Iterator[tuple[Any, ...]]:
        for key, rank in connection.execute(_WORDS, (match,)):
            row = connection.execute(_NODE, (key,)).fetchone()
            if row is not None and (place := places.of(row[0], row[1])) is not None:
                yield (rank, place, row[4], key, row)

    # bm25 is negative, and lower for better matches; the smaller the database, the nearer to 0.
    return [_found(row, -rank) for rank, _, _, _, row in _best(scored(), k)]


def _search_keywords(
    query: str, values: Any, documents: Sequence[Visible], k: int, connection: sqlite3.Connection
) -> list[Found]:
    places = _Places((each.document_id, each.version) for each in documents)
    scored = (
        (-count, place, position, segment_id)
        for document_id, version, segment_id, position, count in connection.execute(query, values)
        if (place := places.of(document_id, version)) is not None
    )
    return [Found(id_text(each[3]), None, float(-each[0])) for each in _best(scored, k)]


def _best(rows: Iterable[tuple[Any, ...]], k: int) -> list[tuple[Any, ...]]:
    """Return the first ``k`` rows in full order, of rows ordered by their first column."""
    taken: list[tuple[Any, ...]] = []
    for row in rows:
        if len(taken) >= k and row[0] != taken[-1][0]:
            break
        taken.append(row)
    return sorted(taken, key=lambda each: each[:4])[:k]


def _found(row: Any, score: float) -> Found:
    return Found(id_text(row[2]), None if row[3] is None else id_text(row[3]), score)


def knowledge_stores(database: Database, memory: int) -> KnowledgeStores:
    """Return all knowledge stores. ``memory``: Bytes for vectors of searched datasets."""
    segments = SqliteSegmentStore(database, VectorCache(memory))
    return KnowledgeStores(
        DatasetStore(database), DocumentStore(database), segments, JobStore(database, segments.add_nodes)
    )
