"""Searching nodes and segments in SQLite."""

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Final

from jikko.ports.stores.knowledge.records import Document
from jikko.ports.stores.knowledge.segment_store import Found, Visible
from jikko.store.identifiers import StoredId, id_text, storable, stored_id
from jikko.store.sqlite.database import Database
from jikko.store.sqlite.knowledge.nodes import scope_of
from jikko.store.sqlite.knowledge.rows import DOCUMENTS
from jikko.store.sqlite.knowledge.segments import SqliteSegments
from jikko.store.sqlite.knowledge.vectors import VectorCache, similarities

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
_VISIBLE: Final = "WHERE dataset_id = ? AND version > 0 AND enabled AND NOT archived ORDER BY position"


class SqliteSegmentStore(SqliteSegments):
    """A ``SegmentStore`` in a SQLite file."""

    def __init__(self, database: Database, vectors: VectorCache) -> None:
        super().__init__(database)
        self._vectors = vectors

    async def visible(self, dataset_id: str) -> list[Document]:
        values = (stored_id(dataset_id),)
        return await self._database.read(lambda connection: DOCUMENTS.all(connection, _VISIBLE, values))

    async def search_vectors(
        self, dataset_id: str, embedded_by: str, vector: bytes, documents: Sequence[Visible], k: int
    ) -> list[Found]:
        if k <= 0 or not documents:
            return []
        search = partial(_search_vectors, self._vectors, stored_id(dataset_id), vector, documents, k)
        return await self._database.search(search)

    async def scores(self, embedded_by: str, vector: bytes, segment_ids: Collection[str]) -> dict[str, float]:
        def read(connection: sqlite3.Connection) -> dict[str, float]:
            best: dict[str, float] = {}
            for segment_id in segment_ids:
                query = """SELECT node.vector FROM node JOIN document ON document.id = node.document_id
                           WHERE node.segment_id = ? AND node.version = document.index_version"""
                rows = connection.execute(query, (stored_id(segment_id),)).fetchall()
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


def _search_vectors(
    cache: VectorCache,
    dataset_id: StoredId,
    vector: bytes,
    documents: Sequence[Visible],
    k: int,
    connection: sqlite3.Connection,
) -> list[Found]:
    places = {stored_id(each.document_id): (place, each.index_version) for place, each in enumerate(documents)}
    candidates = cache.nearest(connection, dataset_id, vector, documents, k)
    found = ((each, connection.execute(_NODE, (each,)).fetchone()) for each in candidates)
    rows = [
        (key, row)
        for key, row in found
        if row is not None and row[0] in places and places[row[0]][1] == row[1] and 2 * len(row[5]) == len(vector)
    ]
    scores = similarities(vector, [row[5] for _, row in rows])
    scored = [(-score, places[row[0]][0], row[4], key, row) for score, (key, row) in zip(scores, rows, strict=True)]
    return [_found(row, -score) for score, _, _, _, row in sorted(scored, key=lambda each: each[:4])][:k]


def _search_words(match: str, documents: Sequence[Visible], k: int, connection: sqlite3.Connection) -> list[Found]:
    places = {stored_id(each.document_id): (place, each.index_version) for place, each in enumerate(documents)}

    def scored() -> Iterator[tuple[Any, ...]]:
        for key, rank in connection.execute(_WORDS, (match,)):
            row = connection.execute(_NODE, (key,)).fetchone()
            if row is not None and row[0] in places and places[row[0]][1] == row[1]:
                yield (rank, places[row[0]][0], row[4], key, row)

    # bm25 is below 0, and lower for what fits better; the smaller the database, the nearer to 0.
    return [_found(row, -rank) for rank, _, _, _, row in _best(scored(), k)]


def _search_keywords(
    query: str, values: Any, documents: Sequence[Visible], k: int, connection: sqlite3.Connection
) -> list[Found]:
    places = {stored_id(each.document_id): (place, each.version) for place, each in enumerate(documents)}
    scored = (
        (-count, places[document_id][0], position, segment_id)
        for document_id, version, segment_id, position, count in connection.execute(query, values)
        if document_id in places and places[document_id][1] == version
    )
    return [Found(id_text(each[3]), None, float(-each[0])) for each in _best(scored, k)]


def _best(rows: Iterable[tuple[Any, ...]], k: int) -> list[tuple[Any, ...]]:
    """The first ``k`` rows in full order, of rows that come in the order of their first part."""
    taken: list[tuple[Any, ...]] = []
    for row in rows:
        if len(taken) >= k and row[0] != taken[-1][0]:
            break
        taken.append(row)
    return sorted(taken, key=lambda each: each[:4])[:k]


def _found(row: Any, score: float) -> Found:
    return Found(id_text(row[2]), None if row[3] is None else id_text(row[3]), score)
