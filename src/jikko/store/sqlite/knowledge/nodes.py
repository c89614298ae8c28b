"""Writing and removing what is searched: nodes with their vectors and words, and the keywords of segments."""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, Final

from jikko.ports.stores.knowledge.records import Node
from jikko.store.identifiers import StoredId, storable, stored_id

_ADD_NODE: Final = """
INSERT INTO node (dataset_id, document_id, version, segment_id, child_id, digest, vector) VALUES (?, ?, ?, ?, ?, ?, ?)
"""
_ADD_WORDS: Final = "INSERT INTO words (rowid, scope, text) VALUES (?, ?, ?)"


def scope_of(dataset_id: StoredId) -> str:
    """The word that stands for a dataset among the words of nodes."""
    return "d" + (dataset_id.hex() if isinstance(dataset_id, bytes) else dataset_id.encode().hex())


def add_nodes(
    connection: sqlite3.Connection, dataset_id: str, document_id: str, version: int, nodes: Iterable[Node]
) -> None:
    """Add nodes to a version of a document."""
    dataset, document = stored_id(dataset_id), stored_id(document_id)
    scope = scope_of(dataset)
    for node in nodes:
        child = None if node.child_id is None else stored_id(node.child_id)
        values = (dataset, document, version, stored_id(node.segment_id), child, node.digest, node.vector)
        key = connection.execute(_ADD_NODE, values).lastrowid
        if node.words:
            connection.execute(_ADD_WORDS, (key, scope, storable(node.words)))


def delete_nodes(connection: sqlite3.Connection, where: str, values: Sequence[Any], limit: int = -1) -> int:
    """Delete nodes with their words. Returns how many there were."""
    query = f"SELECT key, dataset_id FROM node WHERE {where} LIMIT ?"
    found = connection.execute(query, (*values, limit)).fetchall()
    keys = [(row[0],) for row in found]
    connection.executemany("DELETE FROM words WHERE rowid = ?", keys)
    connection.executemany("DELETE FROM node WHERE key = ?", keys)
    for dataset_id in {row[1] for row in found}:
        connection.execute("UPDATE dataset SET removals = removals + 1 WHERE id = ?", (dataset_id,))
    return len(found)


def put_keywords(connection: sqlite3.Connection, dataset_id: str, segment: int, keywords: Iterable[str] | None) -> None:
    """Have a segment be found by some keywords, and by no others."""
    connection.execute("DELETE FROM posting WHERE segment = ?", (segment,))
    rows = [(stored_id(dataset_id), storable(each), segment) for each in dict.fromkeys(keywords or ())]
    connection.executemany(
        "INSERT INTO posting (dataset_id, keyword, segment) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", rows
    )


def delete_segments(connection: sqlite3.Connection, where: str, values: Sequence[Any], limit: int = -1) -> int:
    """Delete segments with child chunks and keywords, but not their nodes. Returns how many there were."""
    found = connection.execute(f"SELECT key, id FROM segment WHERE {where} LIMIT ?", (*values, limit)).fetchall()
    keys, ids = [(row[0],) for row in found], [(row[1],) for row in found]
    connection.executemany("DELETE FROM posting WHERE segment = ?", keys)
    connection.executemany("DELETE FROM child WHERE segment_id = ?", ids)
    connection.executemany("DELETE FROM segment WHERE key = ?", keys)
    return len(found)
