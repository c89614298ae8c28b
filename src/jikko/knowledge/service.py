"""Facade of all use cases of datasets."""

from collections.abc import Callable

from msgspec import Struct

from jikko.knowledge.child_chunks import ChildChunks
from jikko.knowledge.dataset_keys import DatasetKeys
from jikko.knowledge.datasets import DatasetNames, Datasets
from jikko.knowledge.documents import Documents
from jikko.knowledge.files import DocumentFiles
from jikko.knowledge.imports import Imports
from jikko.knowledge.indexing.indexing import Indexing
from jikko.knowledge.metadata import Metadata, Tags
from jikko.knowledge.retrieval.external_search import ExternalApis
from jikko.knowledge.retrieval.retrieval import Retrieval
from jikko.knowledge.segments import Segments
from jikko.repositories.knowledge.knowledge_stores import OpenKnowledge
from jikko.values import Json


class Knowledge(Struct, frozen=True, kw_only=True):
    """Knowledge of one data folder, in one process."""

    stores: OpenKnowledge
    keys: DatasetKeys
    datasets: Datasets
    dataset_names: DatasetNames
    documents: Documents
    segments: Segments
    child_chunks: ChildChunks
    metadata: Metadata
    tags: Tags
    files: DocumentFiles
    imports: Imports
    external: ExternalApis
    retrieval: Retrieval
    indexing: Indexing
    models: Callable[[str], list[dict[str, Json]]]
    """Returns the models of a kind (``text-embedding``, ``rerank``, …) for datasets, in Dify's JSON."""
