"""Records of datasets, and documents indexed by hand: without models and files."""

import hashlib
from array import array
from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from jikko.ids import new_id
from jikko.knowledge.indexing.nodes import packed
from jikko.ports.stores.knowledge_records import ChildChunk, Dataset, Document, IndexEntry, Job, Segment, SourceFile
from jikko.repositories.knowledge.knowledge_stores import KnowledgeStores
from jikko.repositories.knowledge.segment_repository import Visible

WORKER = "server/one"
MODEL = "words|w-1"


def a_dataset(name: str = "animals", **more: Any) -> Dataset:
    return Dataset(id=new_id(), name=name, created_at=10.0, updated_at=10.0, **more)


async def dataset_in(stores: KnowledgeStores, name: str = "animals", **more: Any) -> Dataset:
    dataset = a_dataset(name, **more)
    await stores.datasets.create_dataset(dataset)
    return dataset


def a_document(dataset: Dataset, name: str, position: int, **more: Any) -> Document:
    file = SourceFile(id=new_id(), name=name, size=3, extension="txt", mime_type="text/plain", created_at=10.0)
    return Document(
        id=new_id(),
        dataset_id=dataset.id,
        position=position,
        name=name,
        batch=more.pop("batch", "b1"),
        rule_id=new_id(),
        rule={"mode": "automatic", "rules": {}},
        form="text_model",
        file=file,
        created_at=10.0,
        updated_at=10.0,
        **more,
    )


def with_job(document: Document, due_at: float = 0.0) -> tuple[Document, Job]:
    version = document.begun + 1
    job = Job(
        document_id=document.id,
        dataset_id=document.dataset_id,
        version=version,
        segments_version=version,
        stage="cut",
        due_at=due_at,
    )
    return replace(document, begun=version), job


async def put(
    stores: KnowledgeStores,
    dataset: Dataset,
    name: str = "a.txt",
    content: bytes = b"abc",
    due_at: float = 0.0,
    **more: Any,
) -> Document:
    """Add a pending document, or replace the one of that name."""

    def make(dataset: Dataset, old: Document | None, position: int) -> tuple[Document, Job]:
        new = a_document(dataset, name, position, **more)
        if old is not None:
            new = replace(new, id=old.id, begun=old.begun, version=old.version, index_version=old.index_version)
        return with_job(new, due_at)

    return await stores.documents.put_document(dataset.id, name, make, content)


def segments_for(document: Document, version: int, texts: Sequence[str]) -> list[Segment]:
    return [
        Segment(
            id=new_id(),
            document_id=document.id,
            dataset_id=document.dataset_id,
            version=version,
            position=position,
            content=text,
            words=len(text),
            node_id=new_id(),
            hash=hashlib.sha256(text.encode()).hexdigest(),
            created_at=10.0,
            updated_at=10.0,
        )
        for position, text in enumerate(texts, 1)
    ]


def a_child(segment: Segment, position: int, content: str) -> ChildChunk:
    return ChildChunk(
        id=new_id(),
        segment_id=segment.id,
        document_id=segment.document_id,
        dataset_id=segment.dataset_id,
        version=segment.version,
        position=position,
        content=content,
        words=len(content),
        created_at=10.0,
        updated_at=10.0,
    )


def vector(*numbers: float) -> bytes:
    """Return a vector in a search's format."""
    return array("f", numbers).tobytes()


def a_node(segment: Segment, numbers: Sequence[float] = (), child_id: str | None = None) -> IndexEntry:
    text = segment.content
    return IndexEntry(
        segment.id, child_id, hashlib.sha256(text.encode()).digest()[:16], packed(array("f", numbers)), text
    )


async def shown(
    stores: KnowledgeStores,
    dataset: Dataset,
    texts: Sequence[str],
    name: str = "a.txt",
    *,
    vectors: Sequence[Sequence[float]] = (),
    keywords: Sequence[Sequence[str]] = (),
) -> Document:
    """Return an indexed document: each text is a segment, with its vector and keywords."""
    await put(stores, dataset, name)
    job = await stores.jobs.claim(WORKER, 1.0, 60.0)
    assert job is not None
    document = await stores.documents.document(dataset.id, job.document_id)
    assert document is not None
    segments = segments_for(document, job.version, texts)
    assert await stores.jobs.write_segments(job, segments, [], lambda each: each)
    nodes = [a_node(segment, vectors[at] if vectors else ()) for at, segment in enumerate(segments)]
    own = [keywords[at] if keywords else None for at in range(len(segments))]
    assert await stores.jobs.write_nodes(job, nodes, [1] * len(nodes), own)
    assert await stores.jobs.publish(job, lambda each: published(each, job))
    found = await stores.documents.document(dataset.id, document.id)
    assert found is not None
    return found


def published(document: Document, job: Job) -> Document:
    return replace(
        document,
        status="completed",
        version=job.segments_version,
        index_version=job.version,
        embedded_by=MODEL,
        completed_at=20.0,
    )


async def segments_in(stores: KnowledgeStores, document: Document) -> list[Segment]:
    found, _ = await stores.segments.list_segments(document, offset=0, limit=1000)
    return found


def visible(*documents: Document) -> list[Visible]:
    return [Visible(each.id, each.version, each.index_version) for each in documents]
