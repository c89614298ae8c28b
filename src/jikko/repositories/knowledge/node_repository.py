"""Removing what is searched (nodes with their vectors and words), and the keywords of segments, as operations."""

from __future__ import annotations  # operations are functions that are made for each call

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, TypeAlias

from jikko.ports.stores.knowledge.records import IndexEntry
from jikko.repositories.shared_sql import Count, Operation, Rows, id_text

AddNodes: TypeAlias = Callable[[str, str, int, Iterable[IndexEntry]], Operation[None]]
"""Adds nodes to a dataset, a document, and a version of it: a database has vectors and words in its own way."""
ALL: Final = 1 << 62
"""A limit that nothing reaches."""
_SLICE: Final = 5000
"""Rows that are deleted by one statement."""
_DELETE_NODES: Final = (
    "[sqlite: DELETE FROM words WHERE rowid IN :keys::int8]",
    "DELETE FROM knowledge.node WHERE key IN :keys::int8",
)
_NOTE_REMOVAL: Final = "[sqlite: UPDATE dataset SET removals = removals + 1 WHERE id = :id]"
_DELETE_SEGMENTS: Final = (
    "DELETE FROM knowledge.posting WHERE segment IN :keys::int8",
    "DELETE FROM knowledge.child WHERE segment_id IN (SELECT id FROM knowledge.segment WHERE key IN :keys::int8)",
    "DELETE FROM knowledge.segment WHERE key IN :keys::int8",
)
_FORGET_KEYWORDS: Final = (
    "DELETE FROM knowledge.posting WHERE segment = (SELECT key FROM knowledge.segment WHERE id = :id)"
)
# An entry of an index of PostgreSQL takes 2,704 bytes.
_ADD_KEYWORDS: Final = """
WITH given (keyword) AS (VALUES :keywords)
INSERT INTO knowledge.posting (dataset_id, keyword, segment)
SELECT :dataset_id::bytea, [sqlite: keyword][postgres: left(keyword, 500)],
  (SELECT key FROM knowledge.segment WHERE id = :id)
FROM given WHERE TRUE ON CONFLICT DO NOTHING
"""


def delete_nodes(where: str, /, limit: int = ALL, **values: Any) -> Operation[int]:
    """Delete nodes. Returns how many there were."""
    query = f"SELECT key, dataset_id FROM knowledge.node WHERE {where} LIMIT :limit"
    rows = yield Rows(query, limit=limit, **values)
    for keys in _slices(rows):
        for statement in _DELETE_NODES:
            yield Count(statement, keys=keys)
    for dataset_id in {row[1] for row in rows}:
        yield Count(_NOTE_REMOVAL, id=id_text(dataset_id))
    return len(rows)


def delete_segments(where: str, /, limit: int = ALL, **values: Any) -> Operation[int]:
    """Delete segments with child chunks and keywords, but not their nodes. Returns how many there were."""
    rows = yield Rows(f"SELECT key FROM knowledge.segment WHERE {where} LIMIT :limit", limit=limit, **values)
    for keys in _slices(rows):
        for statement in _DELETE_SEGMENTS:
            yield Count(statement, keys=keys)
    return len(rows)


def put_keywords(dataset_id: str, segment_id: str, keywords: Iterable[str] | None) -> Operation[None]:
    """Have a segment be found by some keywords, and by no others."""
    yield Count(_FORGET_KEYWORDS, id=segment_id)
    if own := list(dict.fromkeys(keywords or ())):
        yield Count(_ADD_KEYWORDS, dataset_id=dataset_id, keywords=own, id=segment_id)


def _slices(rows: Sequence[Any]) -> Iterator[list[int]]:
    for first in range(0, len(rows), _SLICE):
        yield [row[0] for row in rows[first : first + _SLICE]]
