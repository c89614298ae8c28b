"""Datasets in SQLite, and what belongs to all of them."""

import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

from jikko.ports.stores.knowledge.dataset_store import DatasetIdTaken, DatasetNameTaken
from jikko.ports.stores.knowledge.records import Dataset, DatasetCounts, DatasetKey, ExternalApi, Tag
from jikko.store.identifiers import StoredId, id_text, storable, stored_id
from jikko.store.sqlite.database import Database
from jikko.store.sqlite.knowledge.rows import DATASETS, EXTERNAL_APIS, KEYS, TAGS

_COUNTS: Final = """
SELECT dataset_id, count(*), sum(version > 0 AND status = 'completed' AND enabled AND NOT archived), sum(words)
FROM document WHERE dataset_id IN ({}) GROUP BY dataset_id
"""
_TAGS: Final = f"""
SELECT {TAGS.columns}, (SELECT count(*) FROM tag_use WHERE tag_id = tag.id) FROM tag {{}} ORDER BY key DESC
"""
_FORGET: Final = (
    """INSERT INTO garbage (document_id, segments_below, nodes_below)
       SELECT id, 1 << 60, 1 << 60 FROM document WHERE dataset_id = ?1
       ON CONFLICT DO UPDATE SET segments_below = 1 << 60, nodes_below = 1 << 60""",
    "DELETE FROM source WHERE document_id IN (SELECT id FROM document WHERE dataset_id = ?1)",
    "DELETE FROM job WHERE dataset_id = ?1",
    "DELETE FROM field_use WHERE field_id IN (SELECT id FROM field WHERE dataset_id = ?1)",
    "DELETE FROM field WHERE dataset_id = ?1",
    "DELETE FROM tag_use WHERE dataset_id = ?1",
    "DELETE FROM alias WHERE dataset_id = ?1",
    "DELETE FROM document WHERE dataset_id = ?1",
)


class SqliteDatasets:
    """A ``DatasetStore`` in a SQLite file."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create_dataset(self, dataset: Dataset) -> None:
        def create(connection: sqlite3.Connection) -> None:
            if connection.execute("SELECT 1 FROM dataset WHERE id = ?", (stored_id(dataset.id),)).fetchone():
                raise DatasetIdTaken(dataset.id)
            _require_free_name(connection, dataset)
            DATASETS.add(connection, [dataset])

        await self._database.submit(create)

    async def dataset(self, dataset_id: str) -> Dataset | None:
        values = (stored_id(dataset_id),)
        return self._database.quick(lambda connection: DATASETS.one(connection, "id = ?", values))

    async def datasets(self, ids: Collection[str]) -> dict[str, Dataset]:
        found = [await self.dataset(each) for each in ids]
        return {each.id: each for each in found if each is not None}

    async def all_datasets(self) -> list[Dataset]:
        return await self._database.read(lambda connection: DATASETS.all(connection, "ORDER BY key DESC"))

    async def list_datasets(
        self, *, keyword: str = "", tag_ids: Collection[str] = (), offset: int, limit: int
    ) -> tuple[list[Dataset], int]:
        where, values = "1", list[Any]()
        if keyword:
            where, values = "instr(lowercase(name), ?) > 0", [storable(keyword.lower())]
        for tag_id in tag_ids:
            where += " AND EXISTS (SELECT 1 FROM tag_use WHERE dataset_id = dataset.id AND tag_id = ?)"
            values.append(stored_id(tag_id))

        def read(connection: sqlite3.Connection) -> tuple[list[Dataset], int]:
            total: int = connection.execute(f"SELECT count(*) FROM dataset WHERE {where}", values).fetchone()[0]
            rest = f"WHERE {where} ORDER BY key DESC LIMIT ? OFFSET ?"
            return DATASETS.all(connection, rest, (*values, limit, offset)), total

        return await self._database.read(read)

    async def change_dataset(self, dataset_id: str, change: Callable[[Dataset], Dataset]) -> Dataset | None:
        def apply(connection: sqlite3.Connection) -> Dataset | None:
            found = DATASETS.one(connection, "id = ?", (stored_id(dataset_id),))
            if found is None:
                return None
            changed = change(found)
            if changed.name != found.name:
                _require_free_name(connection, changed)
            DATASETS.replace(connection, changed)
            return changed

        changed: Dataset | None = await self._database.submit(apply)
        return changed

    async def delete_dataset(self, dataset_id: str) -> bool:
        values = (stored_id(dataset_id),)

        def delete(connection: sqlite3.Connection) -> bool:
            if not connection.execute("DELETE FROM dataset WHERE id = ?", values).rowcount:
                return False
            for statement in _FORGET:
                connection.execute(statement, values)
            return True

        deleted: bool = await self._database.submit(delete)
        return deleted

    async def counts(self, ids: Collection[str]) -> Mapping[str, DatasetCounts]:
        rows = await self._rows(_COUNTS.format(_marks(ids)), _stored(ids))
        return {id_text(row[0]): DatasetCounts(row[1], row[2], row[3]) for row in rows}

    async def add_key(self, key: DatasetKey) -> None:
        await self._database.submit(lambda connection: KEYS.add(connection, [key]))

    async def keys(self) -> list[DatasetKey]:
        return await self._database.read(lambda connection: KEYS.all(connection, "ORDER BY key"))

    async def delete_key(self, key_id: str) -> bool:
        return await self._delete("DELETE FROM api_key WHERE id = ?", stored_id(key_id))

    async def has_key(self, digest: bytes) -> bool:
        query = "SELECT 1 FROM api_key WHERE digest = ?"
        return self._database.quick_once(
            digest, lambda connection: connection.execute(query, (digest,)).fetchone() is not None
        )

    async def tags(self) -> list[tuple[Tag, int]]:
        return [_tag(row) for row in await self._rows(_TAGS.format(""), ())]

    async def tag(self, tag_id: str) -> tuple[Tag, int] | None:
        rows = await self._rows(_TAGS.format("WHERE id = ?"), (stored_id(tag_id),))
        return _tag(rows[0]) if rows else None

    async def add_tag(self, tag: Tag) -> bool:
        return await self._unless_taken("tag", tag.name, lambda connection: TAGS.add(connection, [tag]))

    async def rename_tag(self, tag_id: str, name: str) -> bool:
        values = (storable(name), stored_id(tag_id))
        update = "UPDATE tag SET name = ? WHERE id = ?"
        return await self._unless_taken("tag", name, lambda connection: connection.execute(update, values).rowcount)

    async def delete_tag(self, tag_id: str) -> None:
        await self._delete("DELETE FROM tag_use WHERE tag_id = ?", stored_id(tag_id))
        await self._delete("DELETE FROM tag WHERE id = ?", stored_id(tag_id))

    async def bind_tags(self, tag_ids: Sequence[str], dataset_id: str) -> None:
        insert = """INSERT INTO tag_use (tag_id, dataset_id) SELECT id, ?2 FROM tag WHERE id = ?1
                    ON CONFLICT DO NOTHING"""
        values = [(stored_id(each), stored_id(dataset_id)) for each in tag_ids]
        await self._database.submit(lambda connection: connection.executemany(insert, values).rowcount)

    async def unbind_tags(self, tag_ids: Sequence[str], dataset_id: str) -> None:
        delete = "DELETE FROM tag_use WHERE tag_id = ? AND dataset_id = ?"
        values = [(stored_id(each), stored_id(dataset_id)) for each in tag_ids]
        await self._database.submit(lambda connection: connection.executemany(delete, values).rowcount)

    async def tags_of(self, ids: Collection[str]) -> Mapping[str, list[Tag]]:
        query = f"""SELECT tag_use.dataset_id, {TAGS.columns} FROM tag_use JOIN tag ON tag.id = tag_use.tag_id
                    WHERE dataset_id IN ({_marks(ids)}) ORDER BY tag.key"""
        found: dict[str, list[Tag]] = {}
        for row in await self._rows(query, _stored(ids)):
            found.setdefault(id_text(row[0]), []).append(TAGS.record(row[1:]))
        return found

    async def add_external_api(self, api: ExternalApi) -> bool:
        add = EXTERNAL_APIS.add
        return await self._unless_taken("external_api", api.name, lambda connection: add(connection, [api]))

    async def external_apis(self) -> list[ExternalApi]:
        return await self._database.read(lambda connection: EXTERNAL_APIS.all(connection, "ORDER BY key"))

    async def external_api(self, api_id: str) -> ExternalApi | None:
        values = (stored_id(api_id),)
        return self._database.quick(lambda connection: EXTERNAL_APIS.one(connection, "id = ?", values))

    async def delete_external_api(self, api_id: str) -> bool:
        return await self._delete("DELETE FROM external_api WHERE id = ?", stored_id(api_id))

    async def set_alias(self, text: str, dataset_id: str | None) -> None:
        def apply(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM alias WHERE text = ?", (storable(text),))
            if dataset_id is not None:
                connection.execute(
                    "INSERT INTO alias (text, dataset_id) VALUES (?, ?)", (storable(text), stored_id(dataset_id))
                )

        await self._database.submit(apply)

    async def aliases(self) -> dict[str, str]:
        return {row[0]: id_text(row[1]) for row in await self._rows("SELECT text, dataset_id FROM alias", ())}

    async def add_workspace(self, workspace_id: str) -> None:
        insert = "INSERT INTO workspace (id) VALUES (?) ON CONFLICT DO NOTHING"
        await self._database.submit(lambda connection: connection.execute(insert, (stored_id(workspace_id),)).rowcount)

    async def delete_workspace(self, workspace_id: str) -> bool:
        return await self._delete("DELETE FROM workspace WHERE id = ?", stored_id(workspace_id))

    async def workspaces(self) -> list[str]:
        return [id_text(row[0]) for row in await self._rows("SELECT id FROM workspace ORDER BY id", ())]

    async def _rows(self, sql: str, values: Any) -> list[Any]:
        return await self._database.read(lambda connection: connection.execute(sql, values).fetchall())

    async def _delete(self, sql: str, key: StoredId) -> bool:
        count: int = await self._database.submit(lambda connection: connection.execute(sql, (key,)).rowcount)
        return count > 0

    async def _unless_taken(self, table: str, name: str, write: Callable[[sqlite3.Connection], object]) -> bool:
        def apply(connection: sqlite3.Connection) -> bool:
            if connection.execute(f"SELECT 1 FROM {table} WHERE name = ?", (storable(name),)).fetchone():
                return False
            write(connection)
            return True

        done: bool = await self._database.submit(apply)
        return done


def _require_free_name(connection: sqlite3.Connection, dataset: Dataset) -> None:
    query = "SELECT 1 FROM dataset WHERE name = ? AND id <> ?"
    if connection.execute(query, (storable(dataset.name), stored_id(dataset.id))).fetchone():
        raise DatasetNameTaken


def _tag(row: Sequence[Any]) -> tuple[Tag, int]:
    return TAGS.record(row[:-1]), row[-1]


def _marks(ids: Collection[str]) -> str:
    return ", ".join("?" * len(ids))


def _stored(ids: Collection[str]) -> list[StoredId]:
    return [stored_id(each) for each in ids]
