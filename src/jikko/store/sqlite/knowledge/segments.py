"""Segments and child chunks in SQLite."""

import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

from msgspec.structs import replace

from jikko.ports.stores.knowledge.records import ChildChunk, Document, Node, Segment
from jikko.store.identifiers import storable, stored_id
from jikko.store.sqlite.database import Database
from jikko.store.sqlite.knowledge.nodes import add_nodes, delete_nodes, delete_segments, put_keywords
from jikko.store.sqlite.knowledge.rows import CHILDREN, DOCUMENTS, SEGMENTS

_SHOWN: Final = """
document_id = ?1 AND version = CASE ?2 WHEN 0
  THEN (SELECT max(version) FROM segment WHERE document_id = ?1) ELSE ?2 END
"""


class SqliteSegments:
    """The part of a ``SegmentStore`` that keeps segments, in a SQLite file."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def segment(self, dataset_id: str, segment_id: str) -> Segment | None:
        values = (stored_id(segment_id), stored_id(dataset_id))
        where = "id = ? AND dataset_id = ?"
        return self._database.quick(lambda connection: SEGMENTS.one(connection, where, values))

    async def segments(self, ids: Collection[str]) -> dict[str, Segment]:
        def read(connection: sqlite3.Connection) -> dict[str, Segment]:
            found = (SEGMENTS.one(connection, "id = ?", (stored_id(each),)) for each in ids)
            return {each.id: each for each in found if each is not None}

        return await self._database.read(read)

    async def list_segments(
        self, document: Document, *, keyword: str = "", statuses: Collection[str] = (), offset: int, limit: int
    ) -> tuple[list[Segment], int]:
        where, values = _SHOWN, [stored_id(document.id), document.version]
        if keyword:
            where += " AND instr(lowercase(content), ?) > 0"
            values.append(storable(keyword.lower()))
        if statuses:
            where += f" AND status IN ({', '.join('?' * len(statuses))})"
            values += [storable(each) for each in statuses]

        def read(connection: sqlite3.Connection) -> tuple[list[Segment], int]:
            total: int = connection.execute(f"SELECT count(*) FROM segment WHERE {where}", values).fetchone()[0]
            rest = f"WHERE {where} ORDER BY position LIMIT ? OFFSET ?"
            return SEGMENTS.all(connection, rest, (*values, limit, offset)), total

        return await self._database.read(read)

    async def add_segments(
        self,
        segments: Sequence[Segment],
        children: Sequence[ChildChunk],
        nodes: Sequence[Node],
        document: Callable[[Document], Document],
    ) -> bool:
        def add(connection: sqlite3.Connection) -> bool:
            first = segments[0]
            found = DOCUMENTS.one(connection, "id = ?", (stored_id(first.document_id),))
            if found is None or found.version != first.version:
                return False
            last = connection.execute(
                f"SELECT coalesce(max(position), 0) FROM segment WHERE {_SHOWN}", (stored_id(found.id), found.version)
            ).fetchone()[0]
            placed = [replace(each, position=last + number) for number, each in enumerate(segments, 1)]
            SEGMENTS.add(connection, placed)
            CHILDREN.add(connection, children)
            for each in placed:
                if each.keywords:
                    put_keywords(connection, each.dataset_id, _key(connection, each.id), each.keywords)
            add_nodes(connection, first.dataset_id, first.document_id, found.index_version, nodes)
            DOCUMENTS.replace(connection, document(found))
            return True

        added: bool = await self._database.submit(add)
        return added

    async def change_segment(
        self,
        segment_id: str,
        change: Callable[[Segment], Segment],
        *,
        children: Sequence[ChildChunk] | None = None,
        nodes: Sequence[Node] | None = None,
        document: Callable[[Document], Document] | None = None,
    ) -> Segment | None:
        def apply(connection: sqlite3.Connection) -> Segment | None:
            key = stored_id(segment_id)
            found = SEGMENTS.one(connection, "id = ?", (key,))
            if found is None:
                return None
            owner = DOCUMENTS.one(connection, "id = ?", (stored_id(found.document_id),))
            if owner is None:
                return None
            changed = change(found)
            SEGMENTS.replace(connection, changed)
            if changed.keywords != found.keywords:
                put_keywords(connection, changed.dataset_id, _key(connection, changed.id), changed.keywords)
            if children is not None:
                connection.execute("DELETE FROM child WHERE segment_id = ?", (key,))
                CHILDREN.add(connection, children)
            if nodes is not None:
                delete_nodes(connection, "segment_id = ? AND version = ?", (key, owner.index_version))
                add_nodes(connection, changed.dataset_id, changed.document_id, owner.index_version, nodes)
            if document is not None:
                DOCUMENTS.replace(connection, document(owner))
            return changed

        changed: Segment | None = await self._database.submit(apply)
        return changed

    async def delete_segment(self, dataset_id: str, segment_id: str, document: Callable[[Document], Document]) -> bool:
        def delete(connection: sqlite3.Connection) -> bool:
            values = (stored_id(segment_id), stored_id(dataset_id))
            found = SEGMENTS.one(connection, "id = ? AND dataset_id = ?", values)
            if found is None:
                return False
            delete_nodes(connection, "segment_id = ?", values[:1])
            delete_segments(connection, "id = ?", values[:1])
            owner = DOCUMENTS.one(connection, "id = ?", (stored_id(found.document_id),))
            if owner is not None:
                DOCUMENTS.replace(connection, document(owner))
            return True

        deleted: bool = await self._database.submit(delete)
        return deleted

    async def child(self, dataset_id: str, child_id: str) -> ChildChunk | None:
        values = (stored_id(child_id), stored_id(dataset_id))
        where = "id = ? AND dataset_id = ?"
        return self._database.quick(lambda connection: CHILDREN.one(connection, where, values))

    async def children(self, segment_ids: Collection[str]) -> Mapping[str, list[ChildChunk]]:
        rest = "WHERE segment_id = ? ORDER BY position"

        def read(connection: sqlite3.Connection) -> Mapping[str, list[ChildChunk]]:
            return {each: CHILDREN.all(connection, rest, (stored_id(each),)) for each in segment_ids}

        return await self._database.read(read)

    async def list_children(
        self, segment_id: str, *, keyword: str = "", offset: int, limit: int
    ) -> tuple[list[ChildChunk], int]:
        where, values = "segment_id = ?", [stored_id(segment_id)]
        if keyword:
            where += " AND instr(lowercase(content), ?) > 0"
            values.append(storable(keyword.lower()))

        def read(connection: sqlite3.Connection) -> tuple[list[ChildChunk], int]:
            total: int = connection.execute(f"SELECT count(*) FROM child WHERE {where}", values).fetchone()[0]
            rest = f"WHERE {where} ORDER BY position LIMIT ? OFFSET ?"
            return CHILDREN.all(connection, rest, (*values, limit, offset)), total

        return await self._database.read(read)

    async def add_child(
        self, segment_id: str, make: Callable[[int], ChildChunk], node: Callable[[ChildChunk], Node] | None
    ) -> ChildChunk | None:
        def add(connection: sqlite3.Connection) -> ChildChunk | None:
            key = (stored_id(segment_id),)
            found = SEGMENTS.one(connection, "id = ?", key)
            if found is None:
                return None
            owner = DOCUMENTS.one(connection, "id = ?", (stored_id(found.document_id),))
            if owner is None:
                return None
            query = "SELECT coalesce(max(position), 0) + 1 FROM child WHERE segment_id = ?"
            child = make(connection.execute(query, key).fetchone()[0])
            CHILDREN.add(connection, [child])
            if node is not None:
                add_nodes(connection, child.dataset_id, child.document_id, owner.index_version, [node(child)])
            return child

        added: ChildChunk | None = await self._database.submit(add)
        return added

    async def change_child(self, child: ChildChunk, node: Node | None) -> None:
        def change(connection: sqlite3.Connection) -> None:
            CHILDREN.replace(connection, child)
            owner = DOCUMENTS.one(connection, "id = ?", (stored_id(child.document_id),))
            if node is not None and owner is not None:
                _delete_node_of(connection, child)
                add_nodes(connection, child.dataset_id, child.document_id, owner.index_version, [node])

        await self._database.submit(change)

    async def delete_child(self, child: ChildChunk) -> None:
        def delete(connection: sqlite3.Connection) -> None:
            _delete_node_of(connection, child)
            connection.execute("DELETE FROM child WHERE id = ?", (stored_id(child.id),))

        await self._database.submit(delete)

    async def add_hits(self, hits: Mapping[str, int]) -> None:
        values = [(count, stored_id(segment_id)) for segment_id, count in hits.items()]
        add = "UPDATE segment SET hits = hits + ? WHERE id = ?"
        await self._database.submit(lambda connection: connection.executemany(add, values).rowcount)


def _delete_node_of(connection: sqlite3.Connection, child: ChildChunk) -> None:
    delete_nodes(connection, "segment_id = ? AND child_id = ?", (stored_id(child.segment_id), stored_id(child.id)))


def _key(connection: sqlite3.Connection, segment_id: str) -> Any:
    return connection.execute("SELECT key FROM segment WHERE id = ?", (stored_id(segment_id),)).fetchone()[0]
