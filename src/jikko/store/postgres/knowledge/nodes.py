"""Writing and removing what is searched: nodes with their vectors and words, and the keywords of segments."""

import struct
from collections.abc import Iterable, Sequence
from typing import Any, Final

from jikko.ports.stores.knowledge.records import Node
from jikko.store.postgres.columns import id_column, text
from jikko.store.postgres.database import Connection
from jikko.store.postgres.knowledge.words import as_tsvector

ADD_NODE: Final = """
INSERT INTO knowledge.node (dataset_id, document_id, version, segment_id, child_id, digest, dimensions, vector, words)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8::text::halfvec, $9::text::tsvector)
"""
_MAX_KEYWORD: Final = 500
"""Characters of a keyword that count."""
_DELETE: Final = """
DELETE FROM knowledge.node WHERE key IN (SELECT key FROM knowledge.node WHERE {} LIMIT {}) RETURNING 1
"""
_FORGET_KEYWORDS: Final = (
    "DELETE FROM knowledge.posting WHERE segment = (SELECT key FROM knowledge.segment WHERE id = $1)"
)
_ADD_KEYWORDS: Final = """
INSERT INTO knowledge.posting (dataset_id, keyword, segment)
SELECT $1, keyword, (SELECT key FROM knowledge.segment WHERE id = $3) FROM unnest($2::text[]) AS keyword
"""
_DELETE_SEGMENTS: Final = """
WITH gone AS (
  DELETE FROM knowledge.segment WHERE key IN (SELECT key FROM knowledge.segment WHERE {} LIMIT {}) RETURNING key, id),
p AS (DELETE FROM knowledge.posting USING gone WHERE posting.segment = gone.key),
c AS (DELETE FROM knowledge.child USING gone WHERE child.segment_id = gone.id)
SELECT count(*) FROM gone
"""


async def add_nodes(
    connection: Connection, dataset_id: str, document_id: str, version: int, nodes: Iterable[Node]
) -> None:
    """Add nodes to a version of a document."""
    dataset, document = id_column(dataset_id), id_column(document_id)
    rows = []
    for node in nodes:
        child = None if node.child_id is None else id_column(node.child_id)
        own = (id_column(node.segment_id), child, node.digest, node.vector, node.words)
        rows.append(node_values(dataset, document, version, *own))
    if rows:
        await connection.executemany(ADD_NODE, rows)


def node_values(
    dataset: bytes | None,
    document: bytes | None,
    version: int,
    segment: bytes | None,
    child: bytes | None,
    digest: bytes,
    vector: bytes,
    words: str,
) -> tuple[Any, ...]:
    """The values of ``ADD_NODE``.

    Args:
        vector: As ``Node.vector`` has it; so ``words``.
    """
    numbers = as_text(_numbers(vector)) if vector else None
    return dataset, document, version, segment, child, digest, len(vector) // 2, numbers, as_tsvector(words)


async def delete_nodes(connection: Connection, where: str, *values: Any, limit: int | None = None) -> int:
    """Delete nodes. Returns how many there were."""
    return len(await connection.fetch(_DELETE.format(where, "ALL" if limit is None else limit), *values))


async def put_keywords(
    connection: Connection, dataset_id: str, segment_id: str, keywords: Iterable[str] | None
) -> None:
    """Have a segment be found by some keywords, and by no others."""
    segment = id_column(segment_id)
    await connection.execute(_FORGET_KEYWORDS, segment)
    own = list(dict.fromkeys(keyword_of(each) for each in keywords or ()))
    if own:
        await connection.execute(_ADD_KEYWORDS, id_column(dataset_id), own, segment)


async def delete_segments(connection: Connection, where: str, *values: Any, limit: int | None = None) -> int:
    """Delete segments with child chunks and keywords, but not their nodes. Returns how many there were."""
    statement = _DELETE_SEGMENTS.format(where, "ALL" if limit is None else limit)
    count: int = await connection.fetchval(statement, *values)
    return count


def as_text(numbers: Sequence[float]) -> str:
    """A vector as PostgreSQL reads it."""
    return f"[{','.join(map(repr, numbers))}]"


def packed(numbers: Sequence[float]) -> bytes:
    """A vector as ``Node.vector`` has it, of what PostgreSQL gives."""
    return struct.pack(f"<{len(numbers)}e", *numbers)


def _numbers(vector: bytes) -> tuple[float, ...]:
    return struct.unpack(f"<{len(vector) // 2}e", vector)


def keyword_of(given: str) -> str:
    """A keyword as it is kept: an entry of an index takes 2,704 bytes."""
    return text(given)[:_MAX_KEYWORD]
