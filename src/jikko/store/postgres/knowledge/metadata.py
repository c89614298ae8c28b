"""Metadata of documents in PostgreSQL: the fields of a dataset, and the values that documents have."""

from collections.abc import Collection
from typing import Final

from msgspec.structs import replace

from jikko.ports.stores.knowledge.records import Document, JsonObject, MetadataField
from jikko.store.postgres.columns import id_column, text
from jikko.store.postgres.database import Connection, Postgres
from jikko.store.postgres.knowledge.datasets import in_turn
from jikko.store.postgres.knowledge.rows import DOCUMENTS, FIELDS

_FIELDS: Final = f"""
SELECT {FIELDS.columns}, (SELECT count(*) FROM knowledge.field_use WHERE field_id = field.id)
FROM knowledge.field WHERE dataset_id = $1 ORDER BY key
"""
_USE: Final = """
INSERT INTO knowledge.field_use (field_id, document_id) SELECT id, $2 FROM unnest($1::bytea[]) AS id
ON CONFLICT DO NOTHING
"""
_USERS: Final = """
WHERE id IN (SELECT document_id FROM knowledge.field_use WHERE field_id = $1) ORDER BY id FOR UPDATE
"""


class PostgresMetadata:
    """The part of a ``DocumentStore`` that is about metadata, in PostgreSQL."""

    def __init__(self, database: Postgres) -> None:
        self._database = database

    async def fields(self, dataset_id: str) -> list[tuple[MetadataField, int]]:
        rows = await self._database.fetch(_FIELDS, id_column(dataset_id))
        return [(FIELDS.record(list(row)[:-1]), row[-1]) for row in rows]

    async def add_field(self, field: MetadataField) -> bool:
        async def add(connection: Connection) -> bool:
            await in_turn(connection)
            if await _is_taken(connection, field.dataset_id, field.name):
                return False
            await FIELDS.add(connection, [field])
            return True

        return await self._database.transact(add)

    async def rename_field(self, dataset_id: str, field_id: str, name: str) -> bool:
        async def rename(connection: Connection) -> bool:
            await in_turn(connection)
            field = await _field(connection, dataset_id, field_id)
            if field is None or field.name == name:
                return True
            if await _is_taken(connection, dataset_id, name):
                return False
            for document in await _users(connection, field_id):
                values = {name if key == field.name else key: each for key, each in (document.metadata or {}).items()}
                await DOCUMENTS.replace(connection, replace(document, metadata=values))
            await FIELDS.replace(connection, replace(field, name=name))
            return True

        return await self._database.transact(rename)

    async def delete_field(self, dataset_id: str, field_id: str) -> MetadataField | None:
        async def delete(connection: Connection) -> MetadataField | None:
            await in_turn(connection)
            field = await _field(connection, dataset_id, field_id)
            if field is None:
                return None
            for document in await _users(connection, field_id):
                values = {key: each for key, each in (document.metadata or {}).items() if key != field.name}
                await DOCUMENTS.replace(connection, replace(document, metadata=values))
            await connection.execute("DELETE FROM knowledge.field_use WHERE field_id = $1", id_column(field_id))
            await connection.execute("DELETE FROM knowledge.field WHERE id = $1", id_column(field_id))
            return field

        return await self._database.transact(delete)

    async def set_metadata(
        self, dataset_id: str, document_id: str, metadata: JsonObject, field_ids: Collection[str], *, partial: bool
    ) -> Document | None:
        async def apply(connection: Connection) -> Document | None:
            found = await document_in(connection, dataset_id, document_id)
            if found is None:
                return None
            changed = replace(found, metadata={**(found.metadata or {}), **metadata} if partial else metadata)
            await DOCUMENTS.replace(connection, changed)
            key = id_column(document_id)
            if not partial:
                await connection.execute("DELETE FROM knowledge.field_use WHERE document_id = $1", key)
            await connection.execute(_USE, [id_column(each) for each in field_ids], key)
            return changed

        return await self._database.transact(apply)


async def document_in(connection: Connection, dataset_id: str, document_id: str) -> Document | None:
    """A document of a dataset, locked."""
    rest = "WHERE id = $1 AND dataset_id = $2 FOR UPDATE"
    return await DOCUMENTS.one(connection, rest, id_column(document_id), id_column(dataset_id))


async def _field(connection: Connection, dataset_id: str, field_id: str) -> MetadataField | None:
    return await FIELDS.one(connection, "WHERE id = $1 AND dataset_id = $2", id_column(field_id), id_column(dataset_id))


async def _is_taken(connection: Connection, dataset_id: str, name: str) -> bool:
    found = await FIELDS.one(connection, "WHERE dataset_id = $1 AND name = $2", id_column(dataset_id), text(name))
    return found is not None


async def _users(connection: Connection, field_id: str) -> list[Document]:
    return DOCUMENTS.records(await connection.fetch(DOCUMENTS.select(_USERS), id_column(field_id)))
