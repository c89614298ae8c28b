"""Factories of search in datasets, and of operations on them. Imported with the first dataset used."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from jikko.assemble import lazy
from jikko.assemble.assembly import BuildContext
from jikko.assemble.build_models import default_models, make_embedder
from jikko.concurrency.alarm import Alarm
from jikko.concurrency.rate_limit import SharedRequestRate
from jikko.files.signing_keys import UrlSigner
from jikko.knowledge.child_chunks import ChildChunks
from jikko.knowledge.dataset_keys import DatasetKeys
from jikko.knowledge.datasets import DatasetNames, Datasets
from jikko.knowledge.documents import Documents
from jikko.knowledge.files import DocumentFiles
from jikko.knowledge.imports import Imports
from jikko.knowledge.indexing.cutting_stage import Cutter
from jikko.knowledge.indexing.indexing import Indexing
from jikko.knowledge.metadata import Metadata, Tags
from jikko.knowledge.retrieval.external_search import ExternalApis, ExternalKnowledge
from jikko.knowledge.retrieval.one_dataset import DatasetSearch
from jikko.knowledge.retrieval.retrieval import Retrieval
from jikko.knowledge.segments import SegmentIndex, Segments
from jikko.knowledge.service import Knowledge
from jikko.ports.cluster import Cluster, JobDue
from jikko.ports.http import HttpClient
from jikko.ports.models import ModelPurpose, Models
from jikko.ports.node_ports import NodePorts
from jikko.ports.other_models import Reranker
from jikko.providers.config import Providers
from jikko.providers.other_models import ProviderRerankers
from jikko.providers.provider_models import ProviderModels
from jikko.repositories.knowledge.knowledge_stores import OpenKnowledge
from jikko.values import Json

_PURPOSES: Final[Mapping[str, ModelPurpose]] = {"llm": "llm", "text-embedding": "embedding", "rerank": "rerank"}


def make_reranker(models: Models) -> Reranker:
    """Build a reranker beside these language models, over the same connections."""
    if isinstance(models, ProviderModels):
        return ProviderRerankers(models.connections)

    return lazy.FakeReranker()


def make_retrieval(stores: OpenKnowledge, http: HttpClient, models: Models) -> Retrieval:
    """Build the search in datasets. To be closed."""
    return Retrieval(stores, DatasetSearch(make_reranker(models), ExternalKnowledge(http)), make_embedder(models))


def make_knowledge(
    context: BuildContext,
    stores: OpenKnowledge,
    ports: NodePorts,
    providers: Providers,
    retrieval: Retrieval,
    alarm: Alarm,
    signer: UrlSigner,
    cluster: Cluster,
    rate: SharedRequestRate,
) -> Knowledge:
    """Build the operations on datasets.

    Args:
        ports: Those of nodes, which read documents and call models.
        retrieval: Searches for nodes.
        alarm: Wakes the indexing jobs.
    """
    settings, clock, embedder = context.settings, context.clock, make_embedder(ports.models)
    defaults = default_models(settings, providers)

    def wake() -> None:
        cluster.hint(JobDue(job="knowledge", at=clock()))

    datasets = Datasets(stores, embedder, make_reranker(ports.models), defaults, clock, wake)
    own_documents = Documents(stores, datasets, clock, wake)
    index = SegmentIndex(own_documents, embedder)
    segments = Segments(stores, own_documents, index, clock)
    metadata, tags = Metadata(stores, datasets, clock), Tags(stores, datasets, clock)
    return Knowledge(
        stores=stores,
        keys=DatasetKeys(stores, clock, rate),
        datasets=datasets,
        dataset_names=DatasetNames(stores),
        documents=own_documents,
        segments=segments,
        child_chunks=ChildChunks(stores, segments, index, clock),
        metadata=metadata,
        tags=tags,
        files=DocumentFiles(own_documents, signer),
        imports=Imports(stores, datasets, metadata, tags, clock, wake),
        external=ExternalApis(stores, clock),
        retrieval=retrieval,
        indexing=Indexing(
            stores,
            Cutter(ports.documents, ports.models, defaults),
            embedder,
            clock,
            workers=settings.knowledge_workers,
            alarm=alarm,
        ),
        models=_listed(providers, defaults),
    )


def _listed(providers: Providers, defaults: Mapping[ModelPurpose, Any]) -> Callable[[str], list[dict[str, Json]]]:
    """Return a function that lists the models of a kind: those that the providers file declares, and the default."""

    def listed(kind: str) -> list[dict[str, Json]]:
        purpose = _PURPOSES.get(kind)
        default = None if purpose is None else defaults.get(purpose)
        if default is None:
            return []
        label = {"en_US": default.provider, "zh_Hans": default.provider}
        return [
            {
                "tenant_id": None,
                "provider": default.provider,
                "label": label,
                "icon_small": None,
                "icon_large": None,
                "status": "active",
                "models": [
                    {
                        "model": default.model,
                        "label": {"en_US": default.model, "zh_Hans": default.model},
                        "model_type": kind,
                        "features": None,
                        "fetch_from": "predefined-model",
                        "model_properties": {},
                        "deprecated": False,
                        "status": "active",
                        "load_balancing_enabled": False,
                        "has_invalid_load_balancing_configs": False,
                    }
                ],
            }
        ]

    return listed
