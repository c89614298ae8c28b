"""Tables of datasets."""

from typing import Final

from jikko.ports.stores.knowledge_records import (
    ChildChunk,
    Dataset,
    DatasetKey,
    Document,
    ExternalApi,
    Job,
    MetadataField,
    Segment,
    Tag,
)
from jikko.repositories.record_table import RecordTable
from jikko.repositories.shared_sql import storable

DATASETS: Final = RecordTable("knowledge.dataset", Dataset, texts=["external_knowledge_id"])
DOCUMENTS: Final = RecordTable("knowledge.document", Document)
SEGMENTS: Final = RecordTable("knowledge.segment", Segment)
CHILDREN: Final = RecordTable("knowledge.child", ChildChunk)
FIELDS: Final = RecordTable("knowledge.field", MetadataField)
TAGS: Final = RecordTable("knowledge.tag", Tag)
EXTERNAL_APIS: Final = RecordTable("knowledge.external_api", ExternalApi)
KEYS: Final = RecordTable("knowledge.api_key", DatasetKey)
JOBS: Final = RecordTable("knowledge.job", Job)

IN_TURN: Final = "[postgres: SELECT pg_advisory_xact_lock(5021873360)]"
"""Serializes transactions that check names before they write. Taken after the locks of rows: a wait for one would hold
up all names."""


def contains(column: str) -> str:
    """Return the condition that a text contains ``sought``, ignoring case.

    Lower case of non-Latin scripts depends on the locale of PostgreSQL's database; without it, only the same case is
    found.
    """
    return (
        f"[sqlite: instr(lowercase({column}), :sought) > 0]"
        f"[postgres: (position(:sought::text IN lower({column})) > 0"
        f' OR position(:sought_in_ascii::text IN lower({column} COLLATE "C")) > 0)]'
    )


def sought(keyword: str) -> dict[str, str]:
    """Return the parameters of ``contains``."""
    known = storable(keyword)
    return {"sought": known.lower(), "sought_in_ascii": known.encode().lower().decode()}
