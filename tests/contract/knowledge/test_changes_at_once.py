"""Changes of datasets that meet: each is decided on what is stored when it is written."""

import asyncio

import pytest
from msgspec.structs import replace

from jikko.errors import Forbidden, NotFound
from jikko.ids import new_id
from jikko.ports.stores.knowledge_records import Dataset, Document, Job, MetadataField, Segment, Tag
from jikko.repositories.knowledge.knowledge_stores import KnowledgeStores
from jikko.repositories.knowledge.segment_repository import SegmentChanged

from .records import (
    a_child,
    a_node,
    dataset_in,
    published,
    put,
    segments_for,
    segments_in,
    shown,
    vector,
    visible,
)
from .test_job_store import claimed, cut, reread

pytestmark = pytest.mark.anyio


def same(document: Document) -> Document:
    return document


def same_segment(segment: Segment) -> Segment:
    return segment


async def test_a_segment_is_changed_only_as_it_was_read_but_for_its_hits(stores: KnowledgeStores) -> None:
    document = await shown(stores, await dataset_in(stores), ["梟 🦉"], vectors=[(1, 0)])
    [read] = await segments_in(stores, document)
    await stores.segments.add_hits({read.id: 2})
    assert await stores.segments.change_segment(read.id, lambda each: replace(each, content="new"), expected=read)

    with pytest.raises(SegmentChanged):
        await stores.segments.change_segment(
            read.id, lambda each: replace(each, content="late"), expected=read, nodes=[a_node(read, (0, 1))]
        )

    assert [each.content for each in await segments_in(stores, document)] == ["new"]
    [hit] = await stores.segments.search_vectors(document.dataset_id, vector(1, 0), visible(document), 9)
    assert hit.score == pytest.approx(1.0, abs=0.01)


async def test_texts_embedded_by_an_earlier_model_of_the_document_are_not_added(stores: KnowledgeStores) -> None:
    document = await shown(stores, await dataset_in(stores), ["owls"], vectors=[(1, 0)])
    [segment] = await segments_in(stores, document)
    made = await stores.segments.add_child(segment.id, lambda at: a_child(segment, at, "x"), None)
    assert made is not None
    [new] = segments_for(document, document.version, ["new"])

    assert not await stores.segments.add_segments([new], [], [], same, "another|model")
    for change in (
        stores.segments.change_segment(segment.id, lambda each: each, nodes=[], embedded_by="another|model"),
        stores.segments.add_child(segment.id, lambda at: a_child(segment, at, "y"), None, "another|model"),
        stores.segments.change_child(made, None, "another|model"),
    ):
        with pytest.raises(SegmentChanged):
            await change


async def test_a_child_that_is_gone_gets_no_node(stores: KnowledgeStores) -> None:
    document = await shown(stores, await dataset_in(stores), ["owls"], vectors=[(1, 0)])
    [segment] = await segments_in(stores, document)
    made = await stores.segments.add_child(segment.id, lambda at: a_child(segment, at, "x"), None)
    assert made is not None
    await stores.segments.delete_child(made)

    assert not await stores.segments.change_child(made, a_node(segment, (0, 1), made.id))

    hits = await stores.segments.search_vectors(document.dataset_id, vector(0, 1), visible(document), 9)
    assert [hit.child_id for hit in hits] == [None]


async def test_a_segment_added_while_its_document_is_indexed_again_is_indexed_too(stores: KnowledgeStores) -> None:
    document = await shown(stores, await dataset_in(stores), ["owls"], vectors=[(1, 0)])
    assert await stores.jobs.reindex(document.id, 1.0)
    stale = await claimed(stores)
    [task] = await stores.jobs.to_embed(stale, 9)
    assert await stores.jobs.write_nodes(stale, [a_node(task.segment, (1, 0))], [1], [None])
    [new] = segments_for(document, document.version, ["bees 🐝"])
    new = replace(new, enabled=True, status="completed")
    assert await stores.segments.add_segments([new], [], [a_node(new, (0, 1))], same)

    assert not await stores.jobs.publish(stale, lambda each: published(each, stale))
    job = await claimed(stores)
    tasks = await stores.jobs.to_embed(job, 9)

    assert [each.segment.content for each in tasks] == ["owls", "bees 🐝"]
    nodes = [a_node(each.segment, (0, 1)) for each in tasks]
    assert await stores.jobs.write_nodes(job, nodes, [1, 1], [None, None])
    assert await stores.jobs.publish(job, lambda each: published(each, job))
    at = visible(await reread(stores, document))
    assert len(await stores.segments.search_vectors(document.dataset_id, vector(0, 1), at, 9)) == 2


@pytest.mark.parametrize("change", ["changed", "deleted"])
async def test_a_segment_changed_while_it_is_indexed_again_is_read_again(stores: KnowledgeStores, change: str) -> None:
    document = await shown(stores, await dataset_in(stores), ["owls", "bees"], vectors=[(1, 0), (1, 0)])
    assert await stores.jobs.reindex(document.id, 1.0)
    stale = await claimed(stores)
    [first, second] = [task.segment for task in await stores.jobs.to_embed(stale, 9)]
    if change == "changed":
        await stores.segments.change_segment(
            first.id, lambda each: replace(each, content="eulen"), nodes=[a_node(first, (1, 0))]
        )
    else:
        await stores.segments.delete_segment(document.dataset_id, first.id, lambda each, _: each)

    assert not await stores.jobs.write_nodes(stale, [a_node(first), a_node(second)], [1, 1], [None, None])
    job = await claimed(stores)
    left = [task.segment.content for task in await stores.jobs.to_embed(job, 9)]
    assert left == (["eulen", "bees"] if change == "changed" else ["bees"])


async def test_the_failures_of_a_model_are_counted_on_when_a_segment_is_changed(stores: KnowledgeStores) -> None:
    document = await shown(stores, await dataset_in(stores), ["梟 🦉"], vectors=[(1, 0)])
    [segment] = await segments_in(stores, document)
    assert await stores.jobs.reindex(document.id, 1.0)
    assert await stores.jobs.postpone(await claimed(stores), 9.0, same)

    assert await stores.segments.change_segment(segment.id, same_segment, nodes=[a_node(segment, (0, 1))])
    assert await stores.jobs.claim("another", 8.0, 60.0) is None
    assert (await claimed(stores, now=9.0)).attempts == 1

    assert await stores.jobs.reindex(document.id, 10.0)
    assert (await claimed(stores, now=10.0)).attempts == 0


async def test_a_new_text_is_not_lost_when_its_dataset_gets_another_model(stores: KnowledgeStores) -> None:
    dataset = await dataset_in(stores)
    document = await shown(stores, dataset, ["old"], vectors=[(1, 0)])
    await put(stores, dataset)
    await cut(stores, await claimed(stores), "new")

    assert await stores.jobs.reindex(document.id, 1.0)

    job = await claimed(stores)
    assert [task.segment.content for task in await stores.jobs.to_embed(job, 9)] == ["new"]
    assert await stores.jobs.publish(job, lambda each: published(each, job))
    assert [each.content for each in await segments_in(stores, await reread(stores, document))] == ["new"]


async def test_a_document_being_embedded_for_the_first_time_is_embedded_anew(stores: KnowledgeStores) -> None:
    document = await put(stores, await dataset_in(stores))
    stale = await claimed(stores)
    assert await stores.jobs.reindex(document.id, 1.0)
    assert await stores.jobs.job(document.id) == stale  # not cut yet: it reads the model afterwards
    await cut(stores, stale, "one")

    assert await stores.jobs.reindex(document.id, 1.0)

    assert not await stores.jobs.publish(stale, lambda each: published(each, stale))
    assert [task.segment.content for task in await stores.jobs.to_embed(await claimed(stores), 9)] == ["one"]


async def test_a_deletion_may_refuse_the_document_as_it_is_then(stores: KnowledgeStores) -> None:
    dataset = await dataset_in(stores)
    document = await put(stores, dataset)
    seen: list[Document] = []

    def check(found: Document) -> None:
        seen.append(found)
        raise Forbidden("保管済み")

    await stores.documents.change_documents(dataset.id, [document.id], lambda each: replace(each, archived=True))
    with pytest.raises(Forbidden):
        await stores.documents.delete_document(dataset.id, document.id, check)
    assert seen == [replace(document, archived=True)] == [await reread(stores, document)]


async def test_a_document_is_made_for_its_dataset_as_it_is_then(stores: KnowledgeStores) -> None:
    dataset = await dataset_in(stores)
    renamed = await stores.datasets.change_dataset(dataset.id, lambda each: replace(each, doc_form="qa_model"))

    def make(found: Dataset, old: Document | None, position: int) -> tuple[Document, Job]:
        assert found == renamed
        raise Forbidden("not of this form")

    with pytest.raises(Forbidden):
        await stores.documents.put_document(dataset.id, "a.txt", make, b"")
    assert await stores.documents.list_documents(dataset.id) == ([], 0)


async def test_a_dataset_that_is_gone_takes_no_tags_and_no_fields(stores: KnowledgeStores) -> None:
    dataset = await dataset_in(stores)
    tag = Tag(id=new_id(), name="京都 🍵", created_at=1.0)
    assert await stores.datasets.add_tag(tag)
    assert await stores.datasets.delete_dataset(dataset.id)

    await stores.datasets.bind_tags([tag.id], dataset.id)
    with pytest.raises(NotFound):
        await stores.documents.add_field(MetadataField(id=new_id(), dataset_id=dataset.id, name="年", type="number"))

    assert await stores.datasets.tags() == [(tag, 0)]
    assert await stores.documents.fields(dataset.id) == []


async def test_of_names_taken_at_once_one_is_given(stores: KnowledgeStores) -> None:
    dataset = await dataset_in(stores)
    tags = [Tag(id=new_id(), name="同じ", created_at=1.0) for _ in range(4)]
    fields = [MetadataField(id=new_id(), dataset_id=dataset.id, name="同じ", type="string") for _ in range(4)]
    tagged = await asyncio.gather(*(stores.datasets.add_tag(each) for each in tags))
    named = await asyncio.gather(*(stores.documents.add_field(each) for each in fields))
    put_ = await asyncio.gather(*(put(stores, dataset, "同じ.txt") for _ in range(4)))
    assert sorted(tagged) == sorted(named) == [False, False, False, True]
    assert len({each.id for each in put_}) == 1
