"""The stores of datasets in a SQLite file."""

from jikko.repositories.knowledge.dataset_repository import DatasetStore
from jikko.repositories.knowledge.document_repository import DocumentStore
from jikko.repositories.knowledge.jobs import JobStore
from jikko.repositories.knowledge.knowledge_stores import KnowledgeStores
from jikko.store.sqlite.database import Database
from jikko.store.sqlite.knowledge.cached_vectors import VectorCache
from jikko.store.sqlite.knowledge.search import SqliteSegmentStore


def knowledge_stores(database: Database, memory: int) -> KnowledgeStores:
    """All of them. ``memory``: bytes for vectors of datasets that were searched."""
    segments = SqliteSegmentStore(database, VectorCache(memory))
    return KnowledgeStores(
        DatasetStore(database), DocumentStore(database), segments, JobStore(database, segments.add_nodes)
    )
