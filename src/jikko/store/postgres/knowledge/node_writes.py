"""Adding what is searched: nodes with their vectors and words."""

import struct
from collections.abc import Iterable, Sequence
from typing import Any, Final

from jikko.ports.stores.knowledge.records import IndexEntry
from jikko.repositories.shared_sql import Many, Operation
from jikko.store.postgres.columns import text
from jikko.store.postgres.knowledge.words import as_tsvector

ADD_NODE: Final = """
INSERT INTO knowledge.node (dataset_id, document_id, version, segment_id, child_id, digest, dimensions, vector, words)
VALUES (:dataset_id, :document_id, :version, :segment_id, :child_id, :digest, :dimensions, :vector::text::halfvec,
  :words::text::tsvector)
"""
_MAX_KEYWORD: Final = 500
"""Characters of a keyword that count."""


def add_nodes(dataset_id: str, document_id: str, version: int, nodes: Iterable[IndexEntry]) -> Operation[None]:
    """Add nodes to a version of a document."""
    own = (dataset_id, document_id, version)
    rows = [node_values(*own, each.segment_id, each.child_id, each.digest, each.vector, each.words) for each in nodes]
    yield Many(ADD_NODE, rows)


def node_values(
    dataset_id: str,
    document_id: str,
    version: int,
    segment_id: str,
    child_id: str | None,
    digest: bytes,
    vector: bytes,
    words: str,
) -> dict[str, Any]:
    """The values of ``ADD_NODE``. ``vector``: as ``IndexEntry.vector`` has it; so ``words``."""
    return {
        "dataset_id": dataset_id,
        "document_id": document_id,
        "version": version,
        "segment_id": segment_id,
        "child_id": child_id,
        "digest": digest,
        "dimensions": len(vector) // 2,
        "vector": as_text(struct.unpack(f"<{len(vector) // 2}e", vector)) if vector else None,
        "words": as_tsvector(words),
    }


def as_text(numbers: Sequence[float]) -> str:
    """A vector as PostgreSQL reads it."""
    return f"[{','.join(map(repr, numbers))}]"


def keyword_of(given: str) -> str:
    """A keyword as it is kept: an entry of an index takes 2,704 bytes."""
    return text(given)[:_MAX_KEYWORD]
