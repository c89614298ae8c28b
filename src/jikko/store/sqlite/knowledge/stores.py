"""The stores of datasets in a SQLite file."""

from jikko.ports.stores.knowledge.stores import KnowledgeStores
from jikko.store.repositories.knowledge.datasets import SqlDatasets
from jikko.store.repositories.knowledge.documents import SqlDocuments
from jikko.store.repositories.knowledge.jobs import SqlJobs
from jikko.store.sqlite.database import Database
from jikko.store.sqlite.knowledge.search import SqliteSegmentStore
from jikko.store.sqlite.knowledge.vectors import VectorCache


def knowledge_stores(database: Database, memory: int) -> KnowledgeStores:
    """All of them.

    Args:
        memory: Bytes for vectors of datasets that were searched.
    """
    segments = SqliteSegmentStore(database, VectorCache(memory))
    return KnowledgeStores(
        SqlDatasets(database), SqlDocuments(database), segments, SqlJobs(database, segments.add_nodes)
    )
