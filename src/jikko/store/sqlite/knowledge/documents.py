"""Documents of datasets in SQLite."""

import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

from msgspec.structs import replace

from jikko.errors import InvalidParam, NotFound
from jikko.ports.stores.knowledge.document_store import CutDocument, MakeDocument, SegmentCounts
from jikko.ports.stores.knowledge.records import Document, Job, JsonObject, MetadataField
from jikko.store.document_statuses import BY_DISPLAY_STATUS
from jikko.store.identifiers import id_text, storable, stored_id
from jikko.store.sqlite.database import Database
from jikko.store.sqlite.knowledge.rows import CHILDREN, DOCUMENTS, FIELDS, JOBS, SEGMENTS

_SEGMENT_COUNTS: Final = """
SELECT document.id, count(*), sum(segment.status = 'completed'), sum(segment.hits), sum(segment.words) FROM document
JOIN segment ON segment.document_id = document.id
  AND (segment.version = document.version OR document.version = 0)
WHERE document.id IN ({}) GROUP BY document.id
"""
_FORGET: Final = """
INSERT INTO garbage (document_id, segments_below, nodes_below) VALUES (?, 1 << 60, 1 << 60)
ON CONFLICT DO UPDATE SET segments_below = 1 << 60, nodes_below = 1 << 60
"""


class SqliteDocuments:
    """A ``DocumentStore`` in a SQLite file."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put_document(
        self, dataset_id: str, name: str, make: MakeDocument, content: bytes, cut: CutDocument | None = None
    ) -> Document:
        def put(connection: sqlite3.Connection) -> Document:
            key = stored_id(dataset_id)
            if connection.execute("SELECT 1 FROM dataset WHERE id = ?", (key,)).fetchone() is None:
                raise NotFound("Dataset not found.")
            found = DOCUMENTS.one(connection, "dataset_id = ? AND name = ?", (key, storable(name)))
            query = "SELECT coalesce(max(position), 0) + 1 FROM document WHERE dataset_id = ?"
            position = found.position if found else connection.execute(query, (key,)).fetchone()[0]
            document, job = make(found, position)
            if found is None:
                DOCUMENTS.add(connection, [document])
            else:
                DOCUMENTS.replace(connection, document)
            _put_source(connection, document, content)
            put_job(connection, job)
            if cut is not None:
                segments, children = cut(document, job)
                SEGMENTS.add(connection, segments)
                CHILDREN.add(connection, children)
            return document

        document: Document = await self._database.submit(put)
        return document

    async def update_document(
        self,
        dataset_id: str,
        document_id: str,
        change: Callable[[Document], tuple[Document, Job]],
        content: bytes | None,
    ) -> Document | None:
        def update(connection: sqlite3.Connection) -> Document | None:
            found = _document(connection, dataset_id, document_id)
            if found is None:
                return None
            document, job = change(found)
            other = DOCUMENTS.one(
                connection, "dataset_id = ? AND name = ?", (stored_id(dataset_id), storable(document.name))
            )
            if other is not None and other.id != document.id:
                raise InvalidParam(f"There is another document called {document.name!r} in the dataset.")
            DOCUMENTS.replace(connection, document)
            if content is not None:
                _put_source(connection, document, content)
            put_job(connection, job)
            return document

        document: Document | None = await self._database.submit(update)
        return document

    async def document(self, dataset_id: str, document_id: str) -> Document | None:
        return self._database.quick(lambda connection: _document(connection, dataset_id, document_id))

    async def documents(self, ids: Collection[str]) -> dict[str, Document]:
        values = [stored_id(each) for each in ids]
        rest = f"WHERE id IN ({', '.join('?' * len(values))})"
        found = await self._database.read(lambda connection: DOCUMENTS.all(connection, rest, values))
        return {each.id: each for each in found}

    async def list_documents(
        self, dataset_id: str, *, keyword: str = "", status: str = "", offset: int = 0, limit: int = 1 << 31
    ) -> tuple[list[Document], int]:
        where, values = "dataset_id = ?", [stored_id(dataset_id)]
        if keyword:
            where += " AND instr(lowercase(name), ?) > 0"
            values.append(storable(keyword.lower()))
        if condition := BY_DISPLAY_STATUS.get(status):
            where += f" AND {condition}"

        def read(connection: sqlite3.Connection) -> tuple[list[Document], int]:
            total: int = connection.execute(f"SELECT count(*) FROM document WHERE {where}", values).fetchone()[0]
            rest = f"WHERE {where} ORDER BY position DESC LIMIT ? OFFSET ?"
            return DOCUMENTS.all(connection, rest, (*values, limit, offset)), total

        return await self._database.read(read)

    async def batch(self, dataset_id: str, batch: str) -> list[Document]:
        values = (stored_id(dataset_id), storable(batch))
        rest = "WHERE dataset_id = ? AND batch = ? ORDER BY position"
        return await self._database.read(lambda connection: DOCUMENTS.all(connection, rest, values))

    async def last_rule(self, dataset_id: str) -> tuple[str, JsonObject] | None:
        rest = "WHERE dataset_id = ? ORDER BY position DESC LIMIT 1"
        found = self._database.quick(lambda connection: DOCUMENTS.all(connection, rest, (stored_id(dataset_id),)))
        return (found[0].rule_id, found[0].rule) if found else None

    async def change_documents(
        self, dataset_id: str, ids: Sequence[str], change: Callable[[Document], Document]
    ) -> list[Document]:
        def apply(connection: sqlite3.Connection) -> list[Document]:
            found = (_document(connection, dataset_id, each) for each in dict.fromkeys(ids))
            changed = [change(each) for each in found if each is not None]
            for each in changed:
                DOCUMENTS.replace(connection, each)
            return changed

        changed: list[Document] = await self._database.submit(apply)
        return changed

    async def delete_document(self, dataset_id: str, document_id: str) -> bool:
        def delete(connection: sqlite3.Connection) -> bool:
            if _document(connection, dataset_id, document_id) is None:
                return False
            key = (stored_id(document_id),)
            connection.execute("DELETE FROM document WHERE id = ?", key)
            connection.execute("DELETE FROM source WHERE document_id = ?", key)
            connection.execute("DELETE FROM job WHERE document_id = ?", key)
            connection.execute("DELETE FROM field_use WHERE document_id = ?", key)
            connection.execute(_FORGET, key)
            return True

        deleted: bool = await self._database.submit(delete)
        return deleted

    async def source(self, document_id: str) -> bytes | None:
        query, values = "SELECT content FROM source WHERE document_id = ?", (stored_id(document_id),)
        row = await self._database.read(lambda connection: connection.execute(query, values).fetchone())
        return None if row is None else row[0]

    async def document_of_file(self, file_id: str) -> Document | None:
        where = "id = (SELECT document_id FROM source WHERE file_id = ?)"
        return self._database.quick(lambda connection: DOCUMENTS.one(connection, where, (stored_id(file_id),)))

    async def segment_counts(self, documents: Sequence[Document]) -> Mapping[str, SegmentCounts]:
        values = [stored_id(document.id) for document in documents]
        query = _SEGMENT_COUNTS.format(", ".join("?" * len(values)))
        rows = await self._database.read(lambda connection: connection.execute(query, values).fetchall())
        counts = {id_text(row[0]): SegmentCounts(*row[1:]) for row in rows}
        return {document.id: counts.get(document.id, SegmentCounts()) for document in documents}

    async def fields(self, dataset_id: str) -> list[tuple[MetadataField, int]]:
        query = f"""SELECT {FIELDS.columns}, (SELECT count(*) FROM field_use WHERE field_id = field.id)
                    FROM field WHERE dataset_id = ? ORDER BY key"""
        values = (stored_id(dataset_id),)
        rows = await self._database.read(lambda connection: connection.execute(query, values).fetchall())
        return [(FIELDS.record(row[:-1]), row[-1]) for row in rows]

    async def add_field(self, field: MetadataField) -> bool:
        def add(connection: sqlite3.Connection) -> bool:
            if _field_named(connection, field.dataset_id, field.name):
                return False
            FIELDS.add(connection, [field])
            return True

        added: bool = await self._database.submit(add)
        return added

    async def rename_field(self, dataset_id: str, field_id: str, name: str) -> bool:
        def rename(connection: sqlite3.Connection) -> bool:
            field = _field(connection, dataset_id, field_id)
            if field is None or field.name == name:
                return True
            if _field_named(connection, dataset_id, name):
                return False
            for document in _documents_with(connection, field_id):
                values = {name if key == field.name else key: each for key, each in (document.metadata or {}).items()}
                DOCUMENTS.replace(connection, replace(document, metadata=values))
            FIELDS.replace(connection, replace(field, name=name))
            return True

        renamed: bool = await self._database.submit(rename)
        return renamed

    async def delete_field(self, dataset_id: str, field_id: str) -> MetadataField | None:
        def delete(connection: sqlite3.Connection) -> MetadataField | None:
            field = _field(connection, dataset_id, field_id)
            if field is None:
                return None
            for document in _documents_with(connection, field_id):
                values = {key: each for key, each in (document.metadata or {}).items() if key != field.name}
                DOCUMENTS.replace(connection, replace(document, metadata=values))
            connection.execute("DELETE FROM field_use WHERE field_id = ?", (stored_id(field_id),))
            connection.execute("DELETE FROM field WHERE id = ?", (stored_id(field_id),))
            return field

        deleted: MetadataField | None = await self._database.submit(delete)
        return deleted

    async def set_metadata(
        self, dataset_id: str, document_id: str, metadata: JsonObject, field_ids: Collection[str], *, partial: bool
    ) -> Document | None:
        def apply(connection: sqlite3.Connection) -> Document | None:
            found = _document(connection, dataset_id, document_id)
            if found is None:
                return None
            changed = replace(found, metadata={**(found.metadata or {}), **metadata} if partial else metadata)
            DOCUMENTS.replace(connection, changed)
            key = stored_id(document_id)
            if not partial:
                connection.execute("DELETE FROM field_use WHERE document_id = ?", (key,))
            use = "INSERT INTO field_use (field_id, document_id) VALUES (?, ?) ON CONFLICT DO NOTHING"
            connection.executemany(use, [(stored_id(each), key) for each in field_ids])
            return changed

        changed: Document | None = await self._database.submit(apply)
        return changed


def put_job(connection: sqlite3.Connection, job: Job) -> None:
    """Have a job take the place of any older one of its document."""
    connection.execute("DELETE FROM job WHERE document_id = ?", (stored_id(job.document_id),))
    JOBS.add(connection, [job])


def _put_source(connection: sqlite3.Connection, document: Document, content: bytes) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO source (document_id, file_id, content) VALUES (?, ?, ?)",
        (stored_id(document.id), stored_id(document.file.id), content),
    )


def _document(connection: sqlite3.Connection, dataset_id: str, document_id: str) -> Document | None:
    return DOCUMENTS.one(connection, "id = ? AND dataset_id = ?", (stored_id(document_id), stored_id(dataset_id)))


def _field(connection: sqlite3.Connection, dataset_id: str, field_id: str) -> MetadataField | None:
    return FIELDS.one(connection, "id = ? AND dataset_id = ?", (stored_id(field_id), stored_id(dataset_id)))


def _field_named(connection: sqlite3.Connection, dataset_id: str, name: str) -> Any:
    query = "SELECT 1 FROM field WHERE dataset_id = ? AND name = ?"
    return connection.execute(query, (stored_id(dataset_id), storable(name))).fetchone()


def _documents_with(connection: sqlite3.Connection, field_id: str) -> list[Document]:
    rest = "WHERE id IN (SELECT document_id FROM field_use WHERE field_id = ?)"
    return DOCUMENTS.all(connection, rest, (stored_id(field_id),))
