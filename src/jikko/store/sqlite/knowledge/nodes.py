"""Adding what is searched: nodes with their vectors and words."""

from collections.abc import Iterable
from typing import Final

from jikko.ports.stores.knowledge.records import IndexEntry
from jikko.store.identifiers import StoredId, stored_id
from jikko.store.sql import Count, Operation, Row

_ADD_NODE: Final = """
INSERT INTO node (dataset_id, document_id, version, segment_id, child_id, digest, vector)
VALUES (:dataset_id, :document_id, :version, :segment_id, :child_id, :digest, :vector) RETURNING key
"""
_ADD_WORDS: Final = "INSERT INTO words (rowid, scope, text) VALUES (:key, :scope, :words)"


def scope_of(dataset_id: StoredId) -> str:
    """The word that stands for a dataset among the words of nodes."""
    return "d" + (dataset_id.hex() if isinstance(dataset_id, bytes) else dataset_id.encode().hex())


def add_nodes(dataset_id: str, document_id: str, version: int, nodes: Iterable[IndexEntry]) -> Operation[None]:
    """Add nodes to a version of a document."""
    scope = scope_of(stored_id(dataset_id))
    own = {"dataset_id": dataset_id, "document_id": document_id, "version": version}
    for node in nodes:
        values = {"segment_id": node.segment_id, "child_id": node.child_id, "digest": node.digest}
        row = yield Row(_ADD_NODE, vector=node.vector, **values, **own)
        if node.words:
            yield Count(_ADD_WORDS, key=row[0], scope=scope, words=node.words)
