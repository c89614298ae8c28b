"""Datasets in a PostgreSQL database. Tables are created with the first dataset."""

import asyncio
from array import array
from collections.abc import Collection, Sequence
from typing import Final

from jikko.diagnostics.diagnostic import Phrase
from jikko.errors import InvalidParam, InvalidSettings, StoreUnavailable
from jikko.ports.stores.knowledge_records import Document
from jikko.repositories.knowledge.dataset_repository import DatasetStore
from jikko.repositories.knowledge.document_repository import DocumentStore
from jikko.repositories.knowledge.jobs import JobStore
from jikko.repositories.knowledge.knowledge_stores import KnowledgeStores
from jikko.repositories.knowledge.knowledge_tables import DOCUMENTS
from jikko.repositories.knowledge.segment_repository import Found, SegmentStore, Visible
from jikko.repositories.shared_sql import id_text
from jikko.store.known_datasets import KnownIds
from jikko.store.postgres.database import Postgres, Row
from jikko.store.postgres.knowledge.words import add_nodes, as_text, as_tsquery, keyword_of
from jikko.store.postgres.migrate import Schema
from jikko.store.postgres.schema_locks import DATASETS
from jikko.store.postgres.sql import id_column

_RESCORED: Final = 50
"""Minimum number of nodes rescored."""
_MAX_KEYWORDS: Final = 500
_VISIBLE: Final = DOCUMENTS.select(
    "WHERE dataset_id = :dataset_id AND version > 0 AND enabled AND NOT archived ORDER BY document.position"
)
_DOCUMENTS: Final = "unnest($2::bytea[], $3::int8[]) WITH ORDINALITY AS d (document_id, version, place)"
_NODES: Final = f"""
FROM {_DOCUMENTS} JOIN knowledge.node AS n ON n.document_id = d.document_id AND n.version = d.version
JOIN knowledge.segment AS s ON s.id = n.segment_id AND s.enabled AND s.status = 'completed'
WHERE n.dataset_id = $1
"""
_NEAR: Final = f"""
WITH near AS MATERIALIZED (
  SELECT n.key, n.segment_id, n.child_id, n.vector, d.place, s.position {_NODES} AND n.dimensions = $5
  ORDER BY n.vector <=> $4::text::halfvec LIMIT $6)
SELECT segment_id, child_id, -(vector::vector <#> $4::text::vector) AS score FROM near
ORDER BY score DESC, place, position, key LIMIT $7
"""
_OTHER_LENGTH: Final = f"SELECT n.dimensions {_NODES} AND n.dimensions NOT IN (0, $4) LIMIT 1"
_SCORES: Final = """
SELECT n.segment_id, max(-(n.vector::vector <#> $2::text::vector))
FROM knowledge.node AS n JOIN knowledge.document ON document.id = n.document_id AND n.version = document.index_version
WHERE n.segment_id = ANY($1::bytea[]) AND n.dimensions = $3 AND document.embedded_by = $4 GROUP BY n.segment_id
"""
# Matches are found once, not again per document.
_WORDS: Final = f"""
WITH n AS MATERIALIZED (
  SELECT key, dataset_id, document_id, version, segment_id, child_id, ts_rank(words, $4::text::tsquery) AS score
  FROM knowledge.node WHERE dataset_id = $1 AND words @@ $4::text::tsquery)
SELECT n.segment_id, n.child_id, n.score {_NODES.replace("knowledge.node AS n", "n")}
ORDER BY n.score DESC, d.place, s.position, n.key LIMIT $5
"""
_KEYWORDS: Final = f"""
SELECT s.id, NULL::bytea, count(*)::float8
FROM {_DOCUMENTS} JOIN knowledge.segment AS s ON s.document_id = d.document_id AND s.version = d.version
JOIN knowledge.posting AS p ON p.segment = s.key
WHERE p.dataset_id = $1 AND p.keyword = ANY($4::text[]) AND s.enabled AND s.status = 'completed'
GROUP BY s.id, d.place, s.position ORDER BY count(*) DESC, d.place, s.position LIMIT $5
"""


class PostgresSegmentStore(SegmentStore):
    """A ``SegmentStore`` in PostgreSQL."""

    def __init__(self, database: Postgres) -> None:
        super().__init__(database, add_nodes)
        self._database = database

    async def visible(self, dataset_id: str) -> list[Document]:
        return DOCUMENTS.records(await self._sql.rows(_VISIBLE, dataset_id=dataset_id))

    async def search_vectors(self, dataset_id: str, vector: bytes, documents: Sequence[Visible], k: int) -> list[Found]:
        if k <= 0 or not documents:
            return []
        within = (id_column(dataset_id), *_searched(documents, by_nodes=True))
        asked = array("f", vector)
        rows = await self._database.search(_NEAR, *within, as_text(asked), len(asked), max(_RESCORED, 2 * k), k)
        if not rows and (length := await self._database.value(_OTHER_LENGTH, *within, len(asked))):
            raise InvalidParam(
                f"The model gives vectors of {len(asked)} numbers, and the documents were indexed with {length}: "
                "reindex them."
            )
        return [_found(row) for row in rows]

    async def scores(self, embedded_by: str, vector: bytes, segment_ids: Collection[str]) -> dict[str, float]:
        asked = array("f", vector)
        ids = [id_column(each) for each in segment_ids]
        rows = await self._database.fetch(_SCORES, ids, as_text(asked), len(asked), embedded_by)
        return {id_text(row[0]): row[1] for row in rows}

    async def search_words(
        self, dataset_id: str, words: Sequence[str], documents: Sequence[Visible], k: int
    ) -> list[Found]:
        query = as_tsquery(words)
        if k <= 0 or query is None or not documents:
            return []
        within = (id_column(dataset_id), *_searched(documents, by_nodes=True))
        return [_found(row) for row in await self._database.search(_WORDS, *within, query, k)]

    async def search_keywords(
        self, dataset_id: str, keywords: Sequence[str], documents: Sequence[Visible], k: int
    ) -> list[Found]:
        if k <= 0 or not keywords or not documents:
            return []
        own = [keyword_of(keyword) for keyword in dict.fromkeys(keywords)][:_MAX_KEYWORDS]
        within = (id_column(dataset_id), *_searched(documents, by_nodes=False))
        return [_found(row) for row in await self._database.search(_KEYWORDS, *within, own, k)]


def _searched(documents: Sequence[Visible], *, by_nodes: bool) -> tuple[list[bytes], list[int]]:
    """Return documents, each with the version to search: of its nodes, or its segments."""
    versions = [each.index_version if by_nodes else each.version for each in documents]
    return [id_column(each.document_id) for each in documents], versions


def _found(row: Row) -> Found:
    return Found(id_text(row[0]), None if row[1] is None else id_text(row[1]), float(row[2]))


SCHEMA: Final = Schema("knowledge_schema", DATASETS)
_IS_THERE: Final = "SELECT to_regclass('knowledge.dataset') IS NOT NULL"
_NEEDED: Final = Phrase("servers.no_pgvector")
_OF_EXTENSION: Final = "SELECT installed_version, default_version FROM pg_available_extensions WHERE name = 'vector'"
_OLDEST: Final = (0, 7)
"""Oldest supported version of pgvector."""


async def extension_state(database: Postgres) -> tuple[Phrase, bool]:
    """Return the state of pgvector, and whether it suffices. Read-only. Raises ``StoreUnavailable``: unreachable."""
    row = await database.row(_OF_EXTENSION)
    if row is None:
        return _NEEDED, False
    version = row[0] or row[1]
    if tuple(int(part) for part in version.split(".")[:2] if part.isdigit()) < _OLDEST:
        return Phrase("servers.old_pgvector", {"needed": _NEEDED, "version": version}), False
    return Phrase("servers.pgvector" if row[0] else "servers.pgvector_new", {"version": version}), True


async def is_there(database: Postgres) -> bool:
    """Return whether the database has tables of datasets."""
    return bool(await database.value(_IS_THERE))


class PostgresKnowledge:
    """An ``OpenKnowledge`` in a database that is closed by its opener."""

    def __init__(self, database: Postgres) -> None:
        self._database = database
        segments = PostgresSegmentStore(database)
        self._stores = KnowledgeStores(
            DatasetStore(database), DocumentStore(database), segments, JobStore(database, segments.add_nodes)
        )
        self._opening = asyncio.Lock()
        self._is_open = False

    async def existing(self) -> KnowledgeStores | None:
        if not self._is_open and not await is_there(self._database):
            return None
        return await self.made()

    async def made(self) -> KnowledgeStores:
        if not self._is_open:
            async with self._opening:
                if not self._is_open:
                    try:
                        await SCHEMA.migrate(self._database)
                    except StoreUnavailable as error:
                        if "vec" in str(error.__cause__):
                            raise InvalidSettings(_NEEDED.text()) from None
                        raise
                    self._is_open = True
        return self._stores


async def known_ids(database: Postgres) -> KnownIds:
    """Return the dataset ids for workflow files. Raises ``StoreUnavailable``: the database is unreachable."""
    if not await is_there(database):
        return KnownIds()
    ids = await database.fetch("SELECT id FROM knowledge.dataset")
    texts = await database.fetch(
        "SELECT text FROM knowledge.alias WHERE dataset_id IN (SELECT id FROM knowledge.dataset)"
    )
    workspaces = await database.fetch("SELECT id FROM knowledge.workspace")
    return KnownIds(
        frozenset([*(id_text(row[0]) for row in ids), *(row[0] for row in texts)]),
        tuple(id_text(row[0]) for row in workspaces),
    )
