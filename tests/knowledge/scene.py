"""Use cases of datasets in process: on a real store, with scripted models."""

import hashlib
import math
import re
from array import array
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jikko.files.signing_keys import SigningKeys, UrlSigner
from jikko.knowledge.child_chunks import ChildChunks
from jikko.knowledge.dataset_keys import DatasetKeys
from jikko.knowledge.datasets import DatasetNames, Datasets, DatasetWishes
from jikko.knowledge.documents import Documents, text_source
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
from jikko.ports.models import DefaultModels, ModelFailure, ModelName, ModelUsage
from jikko.ports.other_models import EmbeddingRequest, Embeddings, Ranked, RerankRequest, Vector
from jikko.ports.stores.knowledge_records import Dataset, Document, Segment
from jikko.providers.fake import FakeModels
from jikko.repositories.knowledge.knowledge_stores import OpenKnowledge
from jikko.store.sqlite.knowledge.sqlite_knowledge import SqliteKnowledge

DIMENSIONS = 1024
_WORD = re.compile(r"[a-z0-9]+|[\u3040-\u30ff\u4e00-\u9fff]")


def vector_of(text: str, dimensions: int = DIMENSIONS) -> Vector:
    """Embed a text as a bag of words, normalized to length 1: texts that share words are similar."""
    counts = Counter(
        int.from_bytes(hashlib.sha256(word.encode()).digest()[:4]) % dimensions for word in _WORD.findall(text.lower())
    ) or Counter({0: 1})
    length = math.sqrt(sum(count * count for count in counts.values()))
    return array("f", [counts[place] / length for place in range(dimensions)])


@dataclass
class DirectedEmbedder:
    """``Embedder`` by shared words. ``answer`` may be replaced at any time."""

    batch: int = 32
    texts: list[str] = field(default_factory=list)
    """All embedded texts."""
    requests: int = 0
    answer: Callable[[str], Vector] = vector_of
    fails: Callable[[EmbeddingRequest], ModelFailure | None] = lambda request: None
    before: Callable[[], Any] | None = None
    """Awaited before each answer, if set."""

    def batch_size(self, provider: str, model: str) -> int:
        if provider == "nobody":
            raise ModelFailure("Nothing says how to reach 'nobody'.", kind="ModelNotExistError")
        return self.batch

    async def embed(self, request: EmbeddingRequest) -> Embeddings:
        self.requests += 1
        if self.before is not None:
            await self.before()
        if (failure := self.fails(request)) is not None:
            raise failure
        self.texts += request.texts
        tokens = sum(len(text.split()) for text in request.texts)
        usage = ModelUsage(prompt_tokens=tokens, total_tokens=tokens)
        return Embeddings(vectors=tuple(map(self.answer, request.texts)), usage=usage)


class ByLength:
    """``Reranker`` that prefers short texts."""

    def is_ready(self, provider: str) -> bool:
        if provider == "nobody":
            raise ModelFailure("Nothing says how to reach 'nobody'.", kind="ModelNotExistError")
        return provider != "keyless"

    async def rerank(self, request: RerankRequest) -> list[Ranked]:
        scored = (Ranked(place, 1 / (1 + len(text))) for place, text in enumerate(request.texts))
        return sorted(scored, key=lambda each: -each.score)[: request.top_n]


class PlainReader:
    """``DocumentReader`` of UTF-8 texts."""

    async def extract(self, content: bytes, *, filename: str, mime_type: str, app_id: str = "") -> str:
        return content.decode()

    async def pieces(self, content: bytes, *, filename: str, mime_type: str, app_id: str = "") -> list[str]:
        return [content.decode()]

    async def close(self) -> None:
        """Nothing to close."""


def knowledge_on(
    stores: OpenKnowledge,
    embedder: DirectedEmbedder | None = None,
    *,
    clock: Callable[[], float] | None = None,
    http: Any = None,
    lease: float = 10.0,
    name: str = "",
) -> Knowledge:
    """Return the use cases of a store's datasets. Nothing is indexed until ``indexed``."""
    import time

    clock = clock or time.time
    embedder = embedder or DirectedEmbedder()
    defaults: DefaultModels = {"embedding": ModelName("words", "w-1"), "llm": ModelName("fake", "fake")}
    datasets = Datasets(stores, embedder, ByLength(), defaults, clock, lambda: None)
    documents = Documents(stores, datasets, clock, lambda: None)
    index = SegmentIndex(documents, embedder)
    segments = Segments(stores, documents, index, clock)
    retrieval = Retrieval(stores, DatasetSearch(ByLength(), ExternalKnowledge(http)), embedder)
    metadata, tags = Metadata(stores, datasets, clock), Tags(stores, datasets, clock)
    return Knowledge(
        stores=stores,
        keys=DatasetKeys(stores, clock),
        datasets=datasets,
        dataset_names=DatasetNames(stores),
        documents=documents,
        segments=segments,
        child_chunks=ChildChunks(stores, segments, index, clock),
        metadata=metadata,
        tags=tags,
        imports=Imports(stores, datasets, metadata, tags, clock, lambda: None),
        files=DocumentFiles(documents, UrlSigner(keys=SigningKeys(b"k" * 32), base_url="http://jikko", clock=clock)),
        external=ExternalApis(stores, clock),
        retrieval=retrieval,
        indexing=Indexing(
            stores, Cutter(PlainReader(), FakeModels(), defaults), embedder, clock, lease=lease, name=name
        ),
        models=lambda kind: [],
    )


def no_datasets() -> Knowledge:
    """Return the use cases of a server without datasets."""
    return knowledge_on(SqliteKnowledge(Path("no such folder") / "knowledge.db"))


@asynccontextmanager
async def knowledge_at(
    path: Path, embedder: DirectedEmbedder | None = None, **options: Any
) -> AsyncIterator[Knowledge]:
    """Open the datasets of a file, which is created if missing."""
    stores = SqliteKnowledge(path)
    knowledge = knowledge_on(stores, embedder, **options)
    try:
        yield knowledge
    finally:
        await knowledge.retrieval.close()
        stores.close()


async def dataset_of(knowledge: Knowledge, name: str = "d", technique: str = "high_quality", **wishes: Any) -> Dataset:
    """Create a dataset."""
    return await knowledge.datasets.create(DatasetWishes(name=name, technique=technique, **wishes))


BY_LINE = {
    "mode": "custom",
    "rules": {"pre_processing_rules": [], "segmentation": {"separator": "\n", "max_tokens": 200}},
}


async def added(
    knowledge: Knowledge, dataset: Dataset, text: str, *, name: str = "a.txt", rule: Any = None, form: str = ""
) -> Document:
    """Add a document to the queue: each of its lines becomes a segment."""
    return await knowledge.documents.add(
        dataset.id, text_source(name, text), DatasetWishes(), rule=rule or BY_LINE, form=form
    )


async def indexed(
    knowledge: Knowledge, dataset: Dataset, text: str, *, name: str = "a.txt", rule: Any = None, form: str = ""
) -> Document:
    """Add and index a document."""
    document = await added(knowledge, dataset, text, name=name, rule=rule, form=form)
    await knowledge.indexing.catch_up()
    return await again(knowledge, document)


async def again(knowledge: Knowledge, document: Document) -> Document:
    """Return the document's current state."""
    return (await knowledge.documents.get(document.dataset_id, document.id))[1]


async def segments_of(knowledge: Knowledge, document: Document) -> Sequence[Segment]:
    """Return all visible segments."""
    _, found, _ = await knowledge.segments.page(
        document.dataset_id, document.id, keyword="", statuses=(), number=1, limit=100_000
    )
    return found
