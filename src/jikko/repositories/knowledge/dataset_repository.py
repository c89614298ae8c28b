"""Datasets, with their tags, keys and external APIs."""

from __future__ import annotations  # operations are functions created per call

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final, TypeVar

from msgspec.structs import replace

from jikko.errors import Conflict
from jikko.ports.stores.knowledge_records import Dataset, DatasetCounts, DatasetKey, ExternalApi, Tag
from jikko.repositories.knowledge.knowledge_tables import DATASETS, EXTERNAL_APIS, IN_TURN, KEYS, TAGS, contains, sought
from jikko.repositories.record_table import RecordTable
from jikko.repositories.shared_sql import Count, Operation, Record, Row, SqlDatabase, id_text, written

_COUNTS: Final = """
SELECT dataset_id, count(*), count(*) FILTER (WHERE version > 0 AND status = 'completed' AND enabled AND NOT archived),
  sum(words)::int8
FROM knowledge.document WHERE dataset_id IN :ids GROUP BY dataset_id
"""
_TAGS: Final = f"""
SELECT {TAGS.columns}, (SELECT count(*) FROM knowledge.tag_use WHERE tag_id = tag.id)
FROM knowledge.tag {{}} ORDER BY key DESC
"""
_ALL_TAGS: Final = _TAGS.format("")
_TAG: Final = _TAGS.format("WHERE id = :id")
_TAGS_OF: Final = f"""
SELECT tag_use.dataset_id, {TAGS.columns} FROM knowledge.tag_use JOIN knowledge.tag ON tag.id = tag_use.tag_id
WHERE dataset_id IN :ids ORDER BY tag.key
"""
_HAS_DOCUMENTS: Final = "SELECT 1 FROM knowledge.document WHERE dataset_id = :id LIMIT 1"
_HAS_TAGS: Final = """
(SELECT count(*) FROM knowledge.tag_use WHERE dataset_id = dataset.id AND tag_id IN :tag_ids) = :tags
"""
_NEVER: Final = 1 << 60
_FORGET: Final = (
    f"""INSERT INTO knowledge.garbage (document_id, segments_below, nodes_below)
        SELECT id, {_NEVER}, {_NEVER} FROM knowledge.document WHERE dataset_id = :id
        ON CONFLICT (document_id) DO UPDATE SET segments_below = {_NEVER}, nodes_below = {_NEVER}""",
    "DELETE FROM knowledge.source WHERE document_id IN (SELECT id FROM knowledge.document WHERE dataset_id = :id)",
    "DELETE FROM knowledge.field_use WHERE field_id IN (SELECT id FROM knowledge.field WHERE dataset_id = :id)",
    "DELETE FROM knowledge.field WHERE dataset_id = :id",
    "DELETE FROM knowledge.tag_use WHERE dataset_id = :id",
    "DELETE FROM knowledge.alias WHERE dataset_id = :id",
    "DELETE FROM knowledge.document WHERE dataset_id = :id",
    "DELETE FROM knowledge.job WHERE dataset_id = :id",
)
_BIND: Final = """
INSERT INTO knowledge.tag_use (tag_id, dataset_id) SELECT tag.id, dataset.id FROM knowledge.tag, knowledge.dataset
WHERE tag.id IN :tag_ids AND dataset.id = :dataset_id FOR SHARE ON CONFLICT DO NOTHING
"""
_UNBIND: Final = "DELETE FROM knowledge.tag_use WHERE tag_id IN :tag_ids AND dataset_id = :dataset_id"
_SET_ALIAS: Final = """
INSERT INTO knowledge.alias (text, dataset_id) VALUES (:text, :dataset_id)
ON CONFLICT (text) DO UPDATE SET dataset_id = excluded.dataset_id
"""

T = TypeVar("T", Tag, ExternalApi)


class DatasetNameTaken(Conflict):
    """Another dataset has the name; nothing was written."""

    code = "dataset_name_duplicate"

    def __init__(self) -> None:
        super().__init__("The dataset name already exists. Please modify your dataset name.")


class DatasetStore:
    """Datasets, tags, keys and external knowledge APIs. Contract: ``tests/contract/knowledge``."""

    def __init__(self, database: SqlDatabase) -> None:
        self._sql = database.sql

    @written
    def create_dataset(self, dataset: Dataset) -> Operation[None]:
        """Raises ``DatasetNameTaken``, or ``Conflict`` if the id is taken; nothing is written then."""
        yield Row(IN_TURN)
        if (yield from DATASETS.one("WHERE id = :id", id=dataset.id)) is not None:
            raise Conflict(f"A dataset with the id {dataset.id} already exists.")
        yield from _require_free_name(dataset)
        yield from DATASETS.add([dataset])

    async def dataset(self, dataset_id: str) -> Dataset | None:
        return DATASETS.found(await self._sql.row(DATASETS.select("WHERE id = :id"), id=dataset_id))

    async def datasets(self, ids: Collection[str]) -> dict[str, Dataset]:
        """Return the existing datasets, by id."""
        found = await self._sql.quick(lambda: DATASETS.all("WHERE id IN :ids", ids=ids))
        return {each.id: each for each in found}

    async def all_datasets(self) -> list[Dataset]:
        """Return all datasets, newest first."""
        return DATASETS.records(await self._sql.rows(DATASETS.select("ORDER BY key DESC")))

    async def list_datasets(
        self, *, keyword: str = "", tag_ids: Collection[str] = (), offset: int, limit: int
    ) -> tuple[list[Dataset], int]:
        """Return a slice of the matching datasets, newest first, and their total.

        Args:
            keyword: Substring of the name, ignoring case.
            tag_ids: Tags that a dataset must have, all of them.
        """
        wanted = [contains("name")] * bool(keyword) + [_HAS_TAGS] * bool(tag_ids)
        where = f"WHERE {' AND '.join(wanted)}" if wanted else ""
        tags = set(tag_ids)
        values = {**sought(keyword), "tag_ids": tags, "tags": len(tags), "offset": offset, "limit": limit}
        return await self._sql.read(lambda: DATASETS.page(where, "key DESC", **values))

    @written
    def change_dataset(self, dataset_id: str, change: Callable[[Dataset], Dataset]) -> Operation[Dataset | None]:
        """Apply ``change`` to a dataset in a transaction; its form stays while it has documents. Returns the changed
        dataset, or ``None`` if it does not exist.

        Raises ``DatasetNameTaken``, and any ``JikkoError`` of ``change``; nothing is changed then.
        """
        found = yield from DATASETS.one("WHERE id = :id FOR UPDATE", id=dataset_id)
        if found is None:
            return None
        changed = change(found)
        if found.doc_form not in (None, changed.doc_form) and (yield Row(_HAS_DOCUMENTS, id=dataset_id)):
            changed = replace(changed, doc_form=found.doc_form)
        if changed.name != found.name:
            yield Row(IN_TURN)
            yield from _require_free_name(changed)
        yield from DATASETS.replace(changed)
        return changed

    @written
    def delete_dataset(self, dataset_id: str) -> Operation[bool]:
        """Delete a dataset with its contents. They are hidden at once; rows are deleted in slices (``sweep``). Returns
        whether it existed."""
        if not (yield Count("DELETE FROM knowledge.dataset WHERE id = :id", id=dataset_id)):
            return False
        for statement in _FORGET:
            yield Count(statement, id=dataset_id)
        return True

    async def counts(self, ids: Collection[str]) -> Mapping[str, DatasetCounts]:
        rows = await self._sql.rows(_COUNTS, ids=ids)
        return {id_text(row[0]): DatasetCounts(row[1], row[2], row[3]) for row in rows}

    async def add_key(self, key: DatasetKey) -> None:
        await self._sql.write(lambda: KEYS.add([key]))

    async def keys(self) -> list[DatasetKey]:
        """Return all keys, oldest first."""
        return KEYS.records(await self._sql.rows(KEYS.select("ORDER BY key")))

    async def delete_key(self, key_id: str) -> bool:
        return await self._sql.count("DELETE FROM knowledge.api_key WHERE id = :id", id=key_id) > 0

    async def has_key(self, digest: bytes) -> bool:
        """Return whether a key has that SHA-256."""

        def look() -> Operation[bool]:
            return (yield Row("SELECT 1 FROM knowledge.api_key WHERE digest = :digest", digest=digest)) is not None

        return await self._sql.once(digest, look)

    async def tags(self) -> list[tuple[Tag, int]]:
        """Return all tags, newest first, each with its number of datasets."""
        return [_tag(row) for row in await self._sql.rows(_ALL_TAGS)]

    async def tag(self, tag_id: str) -> tuple[Tag, int] | None:
        row = await self._sql.row(_TAG, id=tag_id)
        return None if row is None else _tag(row)

    async def add_tag(self, tag: Tag) -> bool:
        """Add a tag unless the name is taken. Returns whether it was added."""
        return await self._add_named(TAGS, tag)

    @written
    def rename_tag(self, tag_id: str, name: str) -> Operation[bool]:
        """Rename a tag unless the name is taken. Returns whether it was free."""
        yield Row("SELECT 1 FROM knowledge.tag WHERE id = :id FOR UPDATE", id=tag_id)
        yield Row(IN_TURN)
        if (yield from TAGS.one("WHERE name = :name", name=name)) is not None:
            return False
        yield Count("UPDATE knowledge.tag SET name = :name WHERE id = :id", name=name, id=tag_id)
        return True

    @written
    def delete_tag(self, tag_id: str) -> Operation[None]:
        yield Count("DELETE FROM knowledge.tag WHERE id = :id", id=tag_id)
        yield Count("DELETE FROM knowledge.tag_use WHERE tag_id = :id", id=tag_id)

    async def bind_tags(self, tag_ids: Sequence[str], dataset_id: str) -> None:
        """Add tags to a dataset; unknown ones are ignored. No-op if the dataset was deleted."""
        await self._sql.count(_BIND, tag_ids=tag_ids, dataset_id=dataset_id)

    async def unbind_tags(self, tag_ids: Sequence[str], dataset_id: str) -> None:
        await self._sql.count(_UNBIND, tag_ids=tag_ids, dataset_id=dataset_id)

    async def tags_of(self, ids: Collection[str]) -> Mapping[str, list[Tag]]:
        found: dict[str, list[Tag]] = {}
        for row in await self._sql.rows(_TAGS_OF, ids=ids):
            found.setdefault(id_text(row[0]), []).append(TAGS.record(row[1:]))
        return found

    async def add_external_api(self, api: ExternalApi) -> bool:
        """Add an API unless the name is taken. Returns whether it was added."""
        return await self._add_named(EXTERNAL_APIS, api)

    async def external_apis(self) -> list[ExternalApi]:
        """Return all external APIs, oldest first."""
        return EXTERNAL_APIS.records(await self._sql.rows(EXTERNAL_APIS.select("ORDER BY key")))

    async def external_api(self, api_id: str) -> ExternalApi | None:
        return EXTERNAL_APIS.found(await self._sql.row(EXTERNAL_APIS.select("WHERE id = :id"), id=api_id))

    async def delete_external_api(self, api_id: str) -> bool:
        return await self._sql.count("DELETE FROM knowledge.external_api WHERE id = :id", id=api_id) > 0

    async def set_alias(self, text: str, dataset_id: str | None) -> None:
        """Map a dataset reference of workflow files to a dataset; ``None`` removes the alias."""
        if dataset_id is None:
            await self._sql.count("DELETE FROM knowledge.alias WHERE text = :text", text=text)
        else:
            await self._sql.count(_SET_ALIAS, text=text, dataset_id=dataset_id)

    async def aliases(self) -> dict[str, str]:
        """Return the dataset id of each alias."""
        rows = await self._sql.rows("SELECT text, dataset_id FROM knowledge.alias")
        return {row[0]: id_text(row[1]) for row in rows}

    async def add_workspace(self, workspace_id: str) -> None:
        """Register a workspace of Dify, whose encrypted ids are then understood. Idempotent."""
        insert = "INSERT INTO knowledge.workspace (id) VALUES (:id) ON CONFLICT DO NOTHING"
        await self._sql.count(insert, id=workspace_id)

    async def delete_workspace(self, workspace_id: str) -> bool:
        """Delete a workspace. Returns whether it existed."""
        return await self._sql.count("DELETE FROM knowledge.workspace WHERE id = :id", id=workspace_id) > 0

    async def workspaces(self) -> list[str]:
        """Return the ids of all workspaces, sorted."""
        return [id_text(row[0]) for row in await self._sql.rows("SELECT id FROM knowledge.workspace ORDER BY id")]

    @written
    def _add_named(self, table: RecordTable[T], record: T) -> Operation[bool]:
        yield Row(IN_TURN)
        if (yield from table.one("WHERE name = :name", name=record.name)) is not None:
            return False
        yield from table.add([record])
        return True


def _require_free_name(dataset: Dataset) -> Operation[None]:
    query = "SELECT 1 FROM knowledge.dataset WHERE name = :name AND id <> :id"
    if (yield Row(query, name=dataset.name, id=dataset.id)) is not None:
        raise DatasetNameTaken


def _tag(row: Record) -> tuple[Tag, int]:
    *own, count = row
    return TAGS.record(own), count
