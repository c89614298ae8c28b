"""Segments and child chunks in PostgreSQL. A transaction that changes them locks their document first."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

from msgspec.structs import replace

from jikko.ports.stores.knowledge.records import ChildChunk, Document, Node, Segment
from jikko.store.postgres.columns import id_column, text
from jikko.store.postgres.database import Connection, Postgres
from jikko.store.postgres.knowledge.nodes import add_nodes, delete_nodes, delete_segments, put_keywords
from jikko.store.postgres.knowledge.rows import CHILDREN, DOCUMENTS, SEGMENTS, contains, sought

_SHOWN: Final = """
document_id = $1 AND version = CASE $2::int8 WHEN 0
  THEN (SELECT max(version) FROM knowledge.segment WHERE document_id = $1) ELSE $2 END
"""
_LAST: Final = f"SELECT coalesce(max(position), 0) FROM knowledge.segment WHERE {_SHOWN}"
_ADD_HITS: Final = """
UPDATE knowledge.segment SET hits = hits + u.count FROM unnest($1::bytea[], $2::int8[]) AS u (id, count)
WHERE segment.id = u.id
"""


class PostgresSegments:
    """The part of a ``SegmentStore`` that keeps segments, in PostgreSQL."""

    def __init__(self, database: Postgres) -> None:
        self._database = database

    async def segment(self, dataset_id: str, segment_id: str) -> Segment | None:
        select = SEGMENTS.select("WHERE id = $1 AND dataset_id = $2")
        return SEGMENTS.found(await self._database.row(select, id_column(segment_id), id_column(dataset_id)))

    async def segments(self, ids: Collection[str]) -> dict[str, Segment]:
        select = SEGMENTS.select("WHERE id = ANY($1::bytea[])")
        rows = await self._database.fetch(select, [id_column(each) for each in ids])
        return {each.id: each for each in SEGMENTS.records(rows)}

    async def list_segments(
        self, document: Document, *, keyword: str = "", statuses: Collection[str] = (), offset: int, limit: int
    ) -> tuple[list[Segment], int]:
        where = f"{_SHOWN} AND {contains('content', 3)}"
        values: list[Any] = [id_column(document.id), document.version, *sought(keyword)]
        if statuses:
            where += " AND status = ANY($5::text[])"
            values.append([text(each) for each in statuses])
        total: int = await self._database.value(f"SELECT count(*) FROM knowledge.segment WHERE {where}", *values)
        last = len(values)
        select = SEGMENTS.select(f"WHERE {where} ORDER BY segment.position LIMIT ${last + 1} OFFSET ${last + 2}")
        return SEGMENTS.records(await self._database.fetch(select, *values, limit, offset)), total

    async def add_segments(
        self,
        segments: Sequence[Segment],
        children: Sequence[ChildChunk],
        nodes: Sequence[Node],
        document: Callable[[Document], Document],
    ) -> bool:
        async def add(connection: Connection) -> bool:
            first = segments[0]
            found = await _locked(connection, first.document_id)
            if found is None or found.version != first.version:
                return False
            last: int = await connection.fetchval(_LAST, id_column(found.id), found.version)
            placed = [replace(each, position=last + number) for number, each in enumerate(segments, 1)]
            await SEGMENTS.add(connection, placed)
            await CHILDREN.add(connection, children)
            for each in placed:
                if each.keywords:
                    await put_keywords(connection, each.dataset_id, each.id, each.keywords)
            await add_nodes(connection, first.dataset_id, first.document_id, found.index_version, nodes)
            await DOCUMENTS.replace(connection, document(found))
            return True

        return await self._database.transact(add)

    async def change_segment(
        self,
        segment_id: str,
        change: Callable[[Segment], Segment],
        *,
        children: Sequence[ChildChunk] | None = None,
        nodes: Sequence[Node] | None = None,
        document: Callable[[Document], Document] | None = None,
    ) -> Segment | None:
        async def apply(connection: Connection) -> Segment | None:
            found, owner = await _with_owner(connection, segment_id)
            if found is None or owner is None:
                return None
            changed = change(found)
            await SEGMENTS.replace(connection, changed)
            if changed.keywords != found.keywords:
                await put_keywords(connection, changed.dataset_id, changed.id, changed.keywords)
            key = id_column(segment_id)
            if children is not None:
                await connection.execute("DELETE FROM knowledge.child WHERE segment_id = $1", key)
                await CHILDREN.add(connection, children)
            if nodes is not None:
                await delete_nodes(connection, "segment_id = $1 AND version = $2", key, owner.index_version)
                await add_nodes(connection, changed.dataset_id, changed.document_id, owner.index_version, nodes)
            if document is not None:
                await DOCUMENTS.replace(connection, document(owner))
            return changed

        return await self._database.transact(apply)

    async def delete_segment(self, dataset_id: str, segment_id: str, document: Callable[[Document], Document]) -> bool:
        async def delete(connection: Connection) -> bool:
            found, owner = await _with_owner(connection, segment_id)
            if found is None or found.dataset_id != dataset_id:
                return False
            await delete_nodes(connection, "segment_id = $1", id_column(segment_id))
            await delete_segments(connection, "id = $1", id_column(segment_id))
            if owner is not None:
                await DOCUMENTS.replace(connection, document(owner))
            return True

        return await self._database.transact(delete)

    async def child(self, dataset_id: str, child_id: str) -> ChildChunk | None:
        select = CHILDREN.select("WHERE id = $1 AND dataset_id = $2")
        return CHILDREN.found(await self._database.row(select, id_column(child_id), id_column(dataset_id)))

    async def children(self, segment_ids: Collection[str]) -> Mapping[str, list[ChildChunk]]:
        select = CHILDREN.select("WHERE segment_id = ANY($1::bytea[]) ORDER BY child.position")
        found: dict[str, list[ChildChunk]] = {each: [] for each in segment_ids}
        for child in CHILDREN.records(await self._database.fetch(select, [id_column(each) for each in segment_ids])):
            found[child.segment_id].append(child)
        return found

    async def list_children(
        self, segment_id: str, *, keyword: str = "", offset: int, limit: int
    ) -> tuple[list[ChildChunk], int]:
        where = f"segment_id = $1 AND {contains('content', 2)}"
        values = (id_column(segment_id), *sought(keyword))
        total: int = await self._database.value(f"SELECT count(*) FROM knowledge.child WHERE {where}", *values)
        select = CHILDREN.select(f"WHERE {where} ORDER BY child.position LIMIT $4 OFFSET $5")
        return CHILDREN.records(await self._database.fetch(select, *values, limit, offset)), total

    async def add_child(
        self, segment_id: str, make: Callable[[int], ChildChunk], node: Callable[[ChildChunk], Node] | None
    ) -> ChildChunk | None:
        async def add(connection: Connection) -> ChildChunk | None:
            found, owner = await _with_owner(connection, segment_id)
            if found is None or owner is None:
                return None
            query = "SELECT coalesce(max(position), 0) + 1 FROM knowledge.child WHERE segment_id = $1"
            child = make(await connection.fetchval(query, id_column(segment_id)))
            await CHILDREN.add(connection, [child])
            if node is not None:
                await add_nodes(connection, child.dataset_id, child.document_id, owner.index_version, [node(child)])
            return child

        return await self._database.transact(add)

    async def change_child(self, child: ChildChunk, node: Node | None) -> None:
        async def change(connection: Connection) -> None:
            owner = await _locked(connection, child.document_id)
            await CHILDREN.replace(connection, child)
            if node is not None and owner is not None:
                await _delete_node_of(connection, child)
                await add_nodes(connection, child.dataset_id, child.document_id, owner.index_version, [node])

        await self._database.transact(change)

    async def delete_child(self, child: ChildChunk) -> None:
        async def delete(connection: Connection) -> None:
            await _locked(connection, child.document_id)
            await _delete_node_of(connection, child)
            await connection.execute("DELETE FROM knowledge.child WHERE id = $1", id_column(child.id))

        await self._database.transact(delete)

    async def add_hits(self, hits: Mapping[str, int]) -> None:
        ids = sorted(hits)
        await self._database.execute(_ADD_HITS, [id_column(each) for each in ids], [hits[each] for each in ids])


async def _locked(connection: Connection, document_id: str) -> Document | None:
    return await DOCUMENTS.one(connection, "WHERE id = $1 FOR UPDATE", id_column(document_id))


async def _with_owner(connection: Connection, segment_id: str) -> tuple[Segment | None, Document | None]:
    """A segment as it is once its document is locked, and that document."""
    key = id_column(segment_id)
    found = await SEGMENTS.one(connection, "WHERE id = $1", key)
    if found is None:
        return None, None
    owner = await _locked(connection, found.document_id)
    return await SEGMENTS.one(connection, "WHERE id = $1", key), owner


async def _delete_node_of(connection: Connection, child: ChildChunk) -> None:
    where = "segment_id = $1 AND child_id = $2"
    await delete_nodes(connection, where, id_column(child.segment_id), id_column(child.id))
