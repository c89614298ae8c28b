"""Datasets in PostgreSQL, and what belongs to all of them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final, TypeVar

from jikko.ports.stores.knowledge.dataset_store import DatasetIdTaken, DatasetNameTaken
from jikko.ports.stores.knowledge.records import Dataset, DatasetCounts, DatasetKey, ExternalApi, Tag
from jikko.store.postgres.columns import id_column, id_of
from jikko.store.postgres.columns import text as column_text
from jikko.store.postgres.database import Connection, Postgres, Row
from jikko.store.postgres.knowledge.rows import DATASETS, EXTERNAL_APIS, KEYS, TAGS, Table, contains, sought

_COUNTS: Final = """
SELECT dataset_id, count(*), count(*) FILTER (WHERE version > 0 AND status = 'completed' AND enabled AND NOT archived),
  sum(words)::int8
FROM knowledge.document WHERE dataset_id = ANY($1::bytea[]) GROUP BY dataset_id
"""
_TAGS: Final = f"""
SELECT {TAGS.columns}, (SELECT count(*) FROM knowledge.tag_use WHERE tag_id = tag.id)
FROM knowledge.tag {{}} ORDER BY key DESC
"""
_TAGS_OF: Final = f"""
SELECT tag_use.dataset_id, {TAGS.columns} FROM knowledge.tag_use JOIN knowledge.tag ON tag.id = tag_use.tag_id
WHERE dataset_id = ANY($1::bytea[]) ORDER BY tag.key
"""
_NEVER: Final = 1 << 60
_FORGET: Final = (
    f"""INSERT INTO knowledge.garbage (document_id, segments_below, nodes_below)
        SELECT id, {_NEVER}, {_NEVER} FROM knowledge.document WHERE dataset_id = $1
        ON CONFLICT (document_id) DO UPDATE SET segments_below = {_NEVER}, nodes_below = {_NEVER}""",
    """DELETE FROM knowledge.source
       WHERE document_id IN (SELECT id FROM knowledge.document WHERE dataset_id = $1)""",
    "DELETE FROM knowledge.field_use WHERE field_id IN (SELECT id FROM knowledge.field WHERE dataset_id = $1)",
    "DELETE FROM knowledge.field WHERE dataset_id = $1",
    "DELETE FROM knowledge.tag_use WHERE dataset_id = $1",
    "DELETE FROM knowledge.alias WHERE dataset_id = $1",
    "DELETE FROM knowledge.document WHERE dataset_id = $1",
    "DELETE FROM knowledge.job WHERE dataset_id = $1",
)

T = TypeVar("T", Tag, ExternalApi)


class PostgresDatasets:
    """A ``DatasetStore`` in PostgreSQL."""

    def __init__(self, database: Postgres) -> None:
        self._database = database

    async def create_dataset(self, dataset: Dataset) -> None:
        async def create(connection: Connection) -> None:
            await in_turn(connection)
            if await DATASETS.one(connection, "WHERE id = $1", id_column(dataset.id)) is not None:
                raise DatasetIdTaken(dataset.id)
            await _require_free_name(connection, dataset)
            await DATASETS.add(connection, [dataset])

        await self._database.transact(create)

    async def dataset(self, dataset_id: str) -> Dataset | None:
        row = await self._database.row(DATASETS.select("WHERE id = $1"), id_column(dataset_id))
        return DATASETS.found(row)

    async def datasets(self, ids: Collection[str]) -> dict[str, Dataset]:
        rows = await self._database.fetch(DATASETS.select("WHERE id = ANY($1::bytea[])"), _stored(ids))
        return {each.id: each for each in DATASETS.records(rows)}

    async def all_datasets(self) -> list[Dataset]:
        return DATASETS.records(await self._database.fetch(DATASETS.select("ORDER BY key DESC")))

    async def list_datasets(
        self, *, keyword: str = "", tag_ids: Collection[str] = (), offset: int, limit: int
    ) -> tuple[list[Dataset], int]:
        where = f"""{contains("name", 2)} AND (SELECT count(*) FROM knowledge.tag_use
                   WHERE dataset_id = dataset.id AND tag_id = ANY($1::bytea[])) = cardinality($1::bytea[])"""
        values = (list(dict.fromkeys(_stored(tag_ids))), *sought(keyword))
        total: int = await self._database.value(f"SELECT count(*) FROM {DATASETS.name} WHERE {where}", *values)
        rest = f"WHERE {where} ORDER BY key DESC LIMIT $4 OFFSET $5"
        return DATASETS.records(await self._database.fetch(DATASETS.select(rest), *values, limit, offset)), total

    async def change_dataset(self, dataset_id: str, change: Callable[[Dataset], Dataset]) -> Dataset | None:
        async def apply(connection: Connection) -> Dataset | None:
            await in_turn(connection)
            found = await DATASETS.one(connection, "WHERE id = $1 FOR UPDATE", id_column(dataset_id))
            if found is None:
                return None
            changed = change(found)
            if changed.name != found.name:
                await _require_free_name(connection, changed)
            await DATASETS.replace(connection, changed)
            return changed

        return await self._database.transact(apply)

    async def delete_dataset(self, dataset_id: str) -> bool:
        key = id_column(dataset_id)

        async def delete(connection: Connection) -> bool:
            if await connection.fetchval("DELETE FROM knowledge.dataset WHERE id = $1 RETURNING 1", key) is None:
                return False
            for statement in _FORGET:
                await connection.execute(statement, key)
            return True

        return await self._database.transact(delete)

    async def counts(self, ids: Collection[str]) -> Mapping[str, DatasetCounts]:
        rows = await self._database.fetch(_COUNTS, _stored(ids))
        return {id_of(row[0]): DatasetCounts(row[1], row[2], row[3]) for row in rows}

    async def add_key(self, key: DatasetKey) -> None:
        await self._database.transact(lambda connection: KEYS.add(connection, [key]))

    async def keys(self) -> list[DatasetKey]:
        return KEYS.records(await self._database.fetch(KEYS.select("ORDER BY key")))

    async def delete_key(self, key_id: str) -> bool:
        return await self._database.execute("DELETE FROM knowledge.api_key WHERE id = $1", id_column(key_id)) > 0

    async def has_key(self, digest: bytes) -> bool:
        return await self._database.value("SELECT 1 FROM knowledge.api_key WHERE digest = $1", digest) is not None

    async def tags(self) -> list[tuple[Tag, int]]:
        return [_tag(row) for row in await self._database.fetch(_TAGS.format(""))]

    async def tag(self, tag_id: str) -> tuple[Tag, int] | None:
        row = await self._database.row(_TAGS.format("WHERE id = $1"), id_column(tag_id))
        return None if row is None else _tag(row)

    async def add_tag(self, tag: Tag) -> bool:
        return await self._add_named(TAGS, tag)

    async def rename_tag(self, tag_id: str, name: str) -> bool:
        async def rename(connection: Connection) -> bool:
            await in_turn(connection)
            if await TAGS.one(connection, "WHERE name = $1", column_text(name)) is not None:
                return False
            await connection.execute(
                "UPDATE knowledge.tag SET name = $1 WHERE id = $2", column_text(name), id_column(tag_id)
            )
            return True

        return await self._database.transact(rename)

    async def delete_tag(self, tag_id: str) -> None:
        await self._database.execute("DELETE FROM knowledge.tag_use WHERE tag_id = $1", id_column(tag_id))
        await self._database.execute("DELETE FROM knowledge.tag WHERE id = $1", id_column(tag_id))

    async def bind_tags(self, tag_ids: Sequence[str], dataset_id: str) -> None:
        insert = """INSERT INTO knowledge.tag_use (tag_id, dataset_id)
                    SELECT id, $2 FROM knowledge.tag WHERE id = ANY($1::bytea[]) ON CONFLICT DO NOTHING"""
        await self._database.execute(insert, _stored(tag_ids), id_column(dataset_id))

    async def unbind_tags(self, tag_ids: Sequence[str], dataset_id: str) -> None:
        delete = "DELETE FROM knowledge.tag_use WHERE tag_id = ANY($1::bytea[]) AND dataset_id = $2"
        await self._database.execute(delete, _stored(tag_ids), id_column(dataset_id))

    async def tags_of(self, ids: Collection[str]) -> Mapping[str, list[Tag]]:
        found: dict[str, list[Tag]] = {}
        for row in await self._database.fetch(_TAGS_OF, _stored(ids)):
            found.setdefault(id_of(row[0]), []).append(TAGS.record(list(row)[1:]))
        return found

    async def add_external_api(self, api: ExternalApi) -> bool:
        return await self._add_named(EXTERNAL_APIS, api)

    async def external_apis(self) -> list[ExternalApi]:
        return EXTERNAL_APIS.records(await self._database.fetch(EXTERNAL_APIS.select("ORDER BY key")))

    async def external_api(self, api_id: str) -> ExternalApi | None:
        row = await self._database.row(EXTERNAL_APIS.select("WHERE id = $1"), id_column(api_id))
        return EXTERNAL_APIS.found(row)

    async def delete_external_api(self, api_id: str) -> bool:
        return await self._database.execute("DELETE FROM knowledge.external_api WHERE id = $1", id_column(api_id)) > 0

    async def set_alias(self, text: str, dataset_id: str | None) -> None:
        alias = column_text(text)
        if dataset_id is None:
            await self._database.execute("DELETE FROM knowledge.alias WHERE text = $1", alias)
            return
        put = """INSERT INTO knowledge.alias (text, dataset_id) VALUES ($1, $2)
                 ON CONFLICT (text) DO UPDATE SET dataset_id = excluded.dataset_id"""
        await self._database.execute(put, alias, id_column(dataset_id))

    async def aliases(self) -> dict[str, str]:
        rows = await self._database.fetch("SELECT text, dataset_id FROM knowledge.alias")
        return {row[0]: id_of(row[1]) for row in rows}

    async def add_workspace(self, workspace_id: str) -> None:
        insert = "INSERT INTO knowledge.workspace (id) VALUES ($1) ON CONFLICT DO NOTHING"
        await self._database.execute(insert, id_column(workspace_id))

    async def delete_workspace(self, workspace_id: str) -> bool:
        delete = "DELETE FROM knowledge.workspace WHERE id = $1"
        return await self._database.execute(delete, id_column(workspace_id)) > 0

    async def workspaces(self) -> list[str]:
        return [id_of(row[0]) for row in await self._database.fetch("SELECT id FROM knowledge.workspace ORDER BY id")]

    async def _add_named(self, table: Table[T], record: T) -> bool:
        async def add(connection: Connection) -> bool:
            await in_turn(connection)
            if await table.one(connection, "WHERE name = $1", column_text(record.name)) is not None:
                return False
            await table.add(connection, [record])
            return True

        return await self._database.transact(add)


async def in_turn(connection: Connection) -> None:
    """Wait for others that look at names before they write: of two that want one name, the second sees the first."""
    await connection.execute("SELECT pg_advisory_xact_lock(5021873360)")


async def _require_free_name(connection: Connection, dataset: Dataset) -> None:
    query = "WHERE name = $1 AND id <> $2"
    if await DATASETS.one(connection, query, column_text(dataset.name), id_column(dataset.id)) is not None:
        raise DatasetNameTaken


def _tag(row: Row) -> tuple[Tag, int]:
    *own, count = row
    return TAGS.record(own), count


def _stored(ids: Collection[str]) -> list[bytes]:
    return [id_column(each) for each in ids]
