"""What of the tables of datasets in a SQLite file becomes which rows of PostgreSQL."""

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Final

from jikko.store.identifiers import id_text
from jikko.store.moving.tables import Column, Table, as_flag, as_id, as_text
from jikko.store.postgres.database import Connection
from jikko.store.postgres.knowledge.nodes import ADD_NODE, keyword_of, node_values
from jikko.store.postgres.sql import perform
from jikko.store.sql import Many, Operation

_FLAGS: Final = frozenset({"built_in_fields", "enabled", "archived"})
_LEFT_OUT: Final = frozenset({"removals", "changes"})
"""Columns that only SQLite's caches go by."""
_NUMBERED: Final = frozenset({"dataset", "document", "segment", "child", "field", "tag", "external_api", "api_key"})
"""Tables whose rows are numbered."""
_ORDERED_BY: Final = {
    **dict.fromkeys(_NUMBERED, "key"),
    "source": "document_id",
    "posting": "dataset_id, segment, keyword",
    "field_use": "field_id, document_id",
    "tag_use": "tag_id, dataset_id",
    "alias": "text",
    "workspace": "id",
    "job": "document_id",
    "garbage": "document_id",
}
_NODES: Final = """
SELECT dataset_id, document_id, version, segment_id, child_id, digest, vector, coalesce(words.text, '')
FROM node LEFT JOIN words ON words.rowid = node.key ORDER BY node.key
"""
_AT_ONCE: Final = 500
"""Nodes that are written in one go."""


def dataset_tables(connection: sqlite3.Connection) -> Iterator[Table]:
    """All but nodes. Jobs begin anew: no worker has them any more."""
    for name, order in _ORDERED_BY.items():
        columns = [row[0] for row in connection.execute("SELECT name FROM pragma_table_info(?)", (name,))]
        own = tuple(Column(each, _source(name, each), _convert(each)) for each in columns if each not in _LEFT_OUT)
        target = f"knowledge.{name}"
        sequence = f"pg_get_serial_sequence('{target}', 'key')" if name in _NUMBERED else ""
        # Of two long keywords of a segment, one may be left.
        yield Table(target, name, own, order, sequence, distinct=name == "posting")


async def move_nodes(connection: Connection, source: sqlite3.Connection) -> int:
    """Copy nodes with their vectors and words. Returns how many there are."""
    rows: Iterator[Any] = iter(source.execute(_NODES))
    count = 0
    while batch := list(islice(rows, _AT_ONCE)):
        await perform(_added(batch), connection)
        count += len(batch)
    return count


def _added(rows: Sequence[Any]) -> Operation[None]:
    ids = ((id_text(row[0]), id_text(row[1]), row[2], id_text(row[3]), row[4] and id_text(row[4])) for row in rows)
    yield Many(ADD_NODE, [node_values(*own, *row[5:]) for own, row in zip(ids, rows, strict=True)])


def _source(table: str, column: str) -> str:
    if table == "job" and column in ("lease_until", "worker"):
        return "0.0" if column == "lease_until" else "''"
    return f'"{column}"'


def _convert(column: str) -> Any:
    if column == "id" or (column.endswith("_id") and column != "external_knowledge_id"):
        return as_id
    if column == "keyword":
        return keyword_of
    if column in _FLAGS:
        return as_flag
    return lambda value: as_text(value) if isinstance(value, str) else value
