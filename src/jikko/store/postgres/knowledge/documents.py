"""Documents of datasets in PostgreSQL. A transaction that changes a document and its job locks the document first."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from jikko.errors import InvalidParam, NotFound
from jikko.ports.stores.knowledge.document_store import CutDocument, MakeDocument, SegmentCounts
from jikko.ports.stores.knowledge.records import Document, Job, JsonObject
from jikko.store.document_statuses import BY_DISPLAY_STATUS
from jikko.store.postgres.columns import id_column, id_of, text
from jikko.store.postgres.database import Connection, Postgres
from jikko.store.postgres.knowledge.metadata import PostgresMetadata, document_in
from jikko.store.postgres.knowledge.rows import CHILDREN, DOCUMENTS, JOBS, SEGMENTS, contains, sought

_SEGMENT_COUNTS: Final = """
SELECT document.id, count(*), count(*) FILTER (WHERE segment.status = 'completed'), sum(segment.hits)::int8,
  sum(segment.words)::int8
FROM knowledge.document JOIN knowledge.segment ON segment.document_id = document.id
  AND (segment.version = document.version OR document.version = 0)
WHERE document.id = ANY($1::bytea[]) GROUP BY document.id
"""
_NEVER: Final = 1 << 60
_FORGET: Final = f"""
INSERT INTO knowledge.garbage (document_id, segments_below, nodes_below) VALUES ($1, {_NEVER}, {_NEVER})
ON CONFLICT (document_id) DO UPDATE SET segments_below = {_NEVER}, nodes_below = {_NEVER}
"""
_PUT_SOURCE: Final = """
INSERT INTO knowledge.source (document_id, file_id, content) VALUES ($1, $2, $3)
ON CONFLICT (document_id) DO UPDATE SET file_id = excluded.file_id, content = excluded.content
"""
_NAMED: Final = "WHERE dataset_id = $1 AND name = $2 FOR UPDATE"


class PostgresDocuments(PostgresMetadata):
    """A ``DocumentStore`` in PostgreSQL."""

    def __init__(self, database: Postgres) -> None:
        super().__init__(database)
        self._database = database

    async def put_document(
        self, dataset_id: str, name: str, make: MakeDocument, content: bytes, cut: CutDocument | None = None
    ) -> Document:
        async def put(connection: Connection) -> Document:
            key = id_column(dataset_id)
            # Documents of a dataset are put one after the other: each has a name and a position of its own.
            if await connection.fetchval("SELECT 1 FROM knowledge.dataset WHERE id = $1 FOR UPDATE", key) is None:
                raise NotFound("Dataset not found.")
            found = await DOCUMENTS.one(connection, _NAMED, key, text(name))
            query = "SELECT coalesce(max(position), 0) + 1 FROM knowledge.document WHERE dataset_id = $1"
            position = found.position if found else await connection.fetchval(query, key)
            document, job = make(found, position)
            if found is None:
                await DOCUMENTS.add(connection, [document])
            else:
                await DOCUMENTS.replace(connection, document)
            await _put_source(connection, document, content)
            await put_job(connection, job)
            if cut is not None:
                segments, children = cut(document, job)
                await SEGMENTS.add(connection, segments)
                await CHILDREN.add(connection, children)
            return document

        return await self._database.transact(put)

    async def update_document(
        self,
        dataset_id: str,
        document_id: str,
        change: Callable[[Document], tuple[Document, Job]],
        content: bytes | None,
    ) -> Document | None:
        async def update(connection: Connection) -> Document | None:
            await connection.execute("SELECT 1 FROM knowledge.dataset WHERE id = $1 FOR UPDATE", id_column(dataset_id))
            found = await document_in(connection, dataset_id, document_id)
            if found is None:
                return None
            document, job = change(found)
            other = await DOCUMENTS.one(connection, _NAMED, id_column(dataset_id), text(document.name))
            if other is not None and other.id != document.id:
                raise InvalidParam(f"There is another document called {document.name!r} in the dataset.")
            await DOCUMENTS.replace(connection, document)
            if content is not None:
                await _put_source(connection, document, content)
            await put_job(connection, job)
            return document

        return await self._database.transact(update)

    async def document(self, dataset_id: str, document_id: str) -> Document | None:
        select = DOCUMENTS.select("WHERE id = $1 AND dataset_id = $2")
        return DOCUMENTS.found(await self._database.row(select, id_column(document_id), id_column(dataset_id)))

    async def documents(self, ids: Collection[str]) -> dict[str, Document]:
        wanted = [id_column(each) for each in ids]
        rows = await self._database.fetch(DOCUMENTS.select("WHERE id = ANY($1::bytea[])"), wanted)
        return {each.id: each for each in DOCUMENTS.records(rows)}

    async def list_documents(
        self, dataset_id: str, *, keyword: str = "", status: str = "", offset: int = 0, limit: int = 1 << 31
    ) -> tuple[list[Document], int]:
        where = f"dataset_id = $1 AND {contains('name', 2)}"
        values = (id_column(dataset_id), *sought(keyword))
        if condition := BY_DISPLAY_STATUS.get(status):
            where += f" AND {condition}"
        total: int = await self._database.value(f"SELECT count(*) FROM knowledge.document WHERE {where}", *values)
        select = DOCUMENTS.select(f"WHERE {where} ORDER BY document.position DESC LIMIT $4 OFFSET $5")
        return DOCUMENTS.records(await self._database.fetch(select, *values, limit, offset)), total

    async def batch(self, dataset_id: str, batch: str) -> list[Document]:
        select = DOCUMENTS.select("WHERE dataset_id = $1 AND batch = $2 ORDER BY document.position")
        return DOCUMENTS.records(await self._database.fetch(select, id_column(dataset_id), text(batch)))

    async def last_rule(self, dataset_id: str) -> tuple[str, JsonObject] | None:
        select = DOCUMENTS.select("WHERE dataset_id = $1 ORDER BY document.position DESC LIMIT 1")
        found = DOCUMENTS.found(await self._database.row(select, id_column(dataset_id)))
        return None if found is None else (found.rule_id, found.rule)

    async def change_documents(
        self, dataset_id: str, ids: Sequence[str], change: Callable[[Document], Document]
    ) -> list[Document]:
        async def apply(connection: Connection) -> list[Document]:
            # In the order of their ids, so that two who change some of the same do not wait for each other.
            found = {each: await document_in(connection, dataset_id, each) for each in sorted(set(ids))}
            kept = [document for each in dict.fromkeys(ids) if (document := found[each]) is not None]
            changed = [change(each) for each in kept]
            for each in changed:
                await DOCUMENTS.replace(connection, each)
            return changed

        return await self._database.transact(apply)

    async def delete_document(self, dataset_id: str, document_id: str) -> bool:
        async def delete(connection: Connection) -> bool:
            if await document_in(connection, dataset_id, document_id) is None:
                return False
            key = id_column(document_id)
            await connection.execute("DELETE FROM knowledge.document WHERE id = $1", key)
            await connection.execute("DELETE FROM knowledge.source WHERE document_id = $1", key)
            await connection.execute("DELETE FROM knowledge.job WHERE document_id = $1", key)
            await connection.execute("DELETE FROM knowledge.field_use WHERE document_id = $1", key)
            await connection.execute(_FORGET, key)
            return True

        return await self._database.transact(delete)

    async def source(self, document_id: str) -> bytes | None:
        query = "SELECT content FROM knowledge.source WHERE document_id = $1"
        content: bytes | None = await self._database.value(query, id_column(document_id))
        return content

    async def document_of_file(self, file_id: str) -> Document | None:
        select = DOCUMENTS.select("WHERE id = (SELECT document_id FROM knowledge.source WHERE file_id = $1)")
        return DOCUMENTS.found(await self._database.row(select, id_column(file_id)))

    async def segment_counts(self, documents: Sequence[Document]) -> Mapping[str, SegmentCounts]:
        rows = await self._database.fetch(_SEGMENT_COUNTS, [id_column(document.id) for document in documents])
        counts = {id_of(row[0]): SegmentCounts(*list(row)[1:]) for row in rows}
        return {document.id: counts.get(document.id, SegmentCounts()) for document in documents}


async def put_job(connection: Connection, job: Job) -> None:
    """Have a job take the place of any older one of its document, which is locked."""
    await connection.execute("DELETE FROM knowledge.job WHERE document_id = $1", id_column(job.document_id))
    await JOBS.add(connection, [job])


async def _put_source(connection: Connection, document: Document, content: bytes) -> None:
    await connection.execute(_PUT_SOURCE, id_column(document.id), id_column(document.file.id), content)
