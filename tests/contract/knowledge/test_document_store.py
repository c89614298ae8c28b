"""Contract of ``DocumentStore``."""

import pytest
from msgspec.structs import replace

from jikko.errors import InvalidParam, NotFound
from jikko.ids import new_id
from jikko.ports.stores.knowledge_records import ChildChunk, Dataset, Document, Job, MetadataField, Segment
from jikko.repositories.knowledge.document_repository import SegmentCounts
from jikko.repositories.knowledge.knowledge_stores import KnowledgeStores
from tests.filled import filled

from .records import a_dataset, a_document, dataset_in, published, put, segments_for, shown, with_job

pytestmark = pytest.mark.anyio


async def test_a_document_comes_with_its_source_and_its_job(stores: KnowledgeStores) -> None:
    dataset = await dataset_in(stores)
    first = await put(stores, dataset, "a 📄.txt", "今日は".encode())
    second = await put(stores, dataset, "b.txt", b"\x00\xff")

    assert (first.position, second.position) == (1, 2)
    assert await stores.documents.document(dataset.id, first.id) == first
    assert await stores.documents.source(first.id) == "今日は".encode()
    assert await stores.documents.document_of_file(second.file.id) == second
    job = await stores.jobs.job(second.id)
    assert job is not None
    assert (job.version, job.stage) == (1, "cut")
    assert await stores.documents.document(new_id(), first.id) is None


async def test_a_document_takes_the_place_of_the_one_that_has_its_name(stores: KnowledgeStores) -> None:
    dataset = await dataset_in(stores)
    old, _ = await put(stores, dataset, "a.txt"), await put(stores, dataset, "b.txt")
    new = await put(stores, dataset, "a.txt", b"new", batch="b2")

    assert (new.id, new.position, new.begun) == (old.id, 1, 2)
    assert await stores.documents.source(new.id) == b"new"
    assert await stores.documents.batch(dataset.id, "b2") == [new]
    job = await stores.jobs.job(new.id)
    assert job is not None
    assert job.version == 2


async def test_a_dataset_that_is_gone_takes_no_documents(stores: KnowledgeStores) -> None:
    with pytest.raises(NotFound):
        await put(stores, a_dataset())


async def test_a_document_may_come_with_segments_that_are_there(stores: KnowledgeStores) -> None:
    dataset = await dataset_in(stores)

    def make(dataset: Dataset, old: Document | None, position: int) -> tuple[Document, Job]:
        document, job = with_job(a_document(dataset, "a.txt", position))
        return document, replace(job, stage="embed")

    def cut(document: Document, job: Job) -> tuple[list[Segment], list[ChildChunk]]:
        return segments_for(document, job.segments_version, ["owls", "bees"]), []

    document = await stores.documents.put_document(dataset.id, "a.txt", make, b"", cut)
    job = await stores.jobs.claim("w", 1.0, 60.0)

    assert job is not None
    assert [task.segment.content for task in await stores.jobs.to_embed(job, 9)] == ["owls", "bees"]
    assert await stores.segments.visible(dataset.id) == []
    assert await stores.jobs.publish(job, lambda each: published(each, job))
    assert (await stores.documents.segment_counts([document]))[document.id].total == 2


async def test_an_update_keeps_the_name_to_one_document(stores: KnowledgeStores) -> None:
    dataset = await dataset_in(stores)
    one, two = await put(stores, dataset, "one"), await put(stores, dataset, "two")

    with pytest.raises(InvalidParam):
        await stores.documents.update_document(
            dataset.id, two.id, lambda each: with_job(replace(each, name="one")), None
        )
    changed = await stores.documents.update_document(
        dataset.id, one.id, lambda each: with_job(replace(each, name="uno")), b"neu"
    )

    assert changed is not None
    assert (changed.name, changed.begun) == ("uno", 2)
    assert await stores.documents.source(one.id) == b"neu"
    assert await stores.documents.source(two.id) == b"abc"
    assert await stores.documents.update_document(dataset.id, new_id(), with_job, None) is None


async def test_lists_are_newest_first_and_by_display_status(stores: KnowledgeStores) -> None:
    dataset = await dataset_in(stores)
    ended = await shown(stores, dataset, ["owls"], "ended 100%.txt")
    await put(stores, dataset, "Waiting.txt")
    put_away = await shown_as(stores, await shown_next(stores, dataset, "archived.txt"), archived=True)

    async def names(**query: str) -> list[str]:
        found, total = await stores.documents.list_documents(dataset.id, **query)  # type: ignore[arg-type]
        assert total == len(found)
        return [each.name for each in found]

    assert await names() == ["archived.txt", "Waiting.txt", "ended 100%.txt"]
    assert await names(status="available") == [ended.name]
    assert await names(status="queuing") == ["Waiting.txt"]
    assert await names(status="archived") == [put_away.name]
    assert await names(status="no such status") == await names()
    assert await names(keyword="WAIT") == ["Waiting.txt"]
    assert await names(keyword="0%") == [ended.name]
    assert await stores.documents.list_documents(dataset.id, offset=1, limit=1) == (
        [await the_document(stores, dataset.id, "Waiting.txt")],
        3,
    )


async def shown_next(stores: KnowledgeStores, dataset: Dataset, name: str) -> Document:
    """A document that is completed, and whose job is not due."""
    return await put(stores, dataset, name, status="completed", version=1, due_at=1e9)


async def shown_as(stores: KnowledgeStores, document: Document, **fields: bool) -> Document:
    [changed] = await stores.documents.change_documents(
        document.dataset_id, [document.id, new_id()], lambda each: replace(each, **fields)
    )
    return changed


async def the_document(stores: KnowledgeStores, dataset_id: str, name: str) -> Document:
    found, _ = await stores.documents.list_documents(dataset_id, keyword=name)
    return found[0]


async def test_what_is_shown_of_a_document_is_counted(stores: KnowledgeStores) -> None:
    dataset = await dataset_in(stores)
    document = await shown(stores, dataset, ["owls", "蜂"])
    [first, _] = (await stores.segments.list_segments(document, offset=0, limit=9))[0]
    await stores.segments.add_hits({first.id: 3, new_id(): 1})
    waiting = await put(stores, dataset, "b.txt")

    assert await stores.documents.segment_counts([document, waiting]) == {
        document.id: SegmentCounts(total=2, completed=2, hits=3, words=5),
        waiting.id: SegmentCounts(),
    }


async def test_a_document_goes_with_its_source_and_its_job(stores: KnowledgeStores) -> None:
    dataset = await dataset_in(stores)
    document = await put(stores, dataset)

    assert await stores.documents.delete_document(dataset.id, document.id)
    assert not await stores.documents.delete_document(dataset.id, document.id)
    assert await stores.documents.documents([document.id]) == {}
    assert await stores.documents.source(document.id) is None
    assert await stores.jobs.job(document.id) is None
    assert await stores.documents.last_rule(dataset.id) is None


async def test_metadata_follows_its_fields(stores: KnowledgeStores) -> None:
    dataset = await dataset_in(stores)
    year = MetadataField(id=new_id(), dataset_id=dataset.id, name="year", type="number")
    place = MetadataField(id=new_id(), dataset_id=dataset.id, name="場所", type="string")
    assert await stores.documents.add_field(year)
    assert await stores.documents.add_field(place)
    assert not await stores.documents.add_field(replace(year, id=new_id()))
    document = await put(stores, dataset)
    values = {"year": 2021, "場所": "東京"}
    await stores.documents.set_metadata(dataset.id, document.id, values, [year.id, place.id], partial=False)
    await stores.documents.set_metadata(dataset.id, document.id, {"year": 2022}, [year.id], partial=True)
    assert await stores.documents.fields(dataset.id) == [(year, 1), (place, 1)]

    assert not await stores.documents.rename_field(dataset.id, year.id, "場所")
    assert await stores.documents.rename_field(dataset.id, year.id, "jaar")
    assert await stores.documents.delete_field(dataset.id, place.id) == place
    assert await stores.documents.delete_field(dataset.id, place.id) is None

    kept = await stores.documents.document(dataset.id, document.id)
    assert kept is not None
    assert kept.metadata == {"jaar": 2022}
    await stores.documents.set_metadata(dataset.id, document.id, {}, [], partial=False)
    assert await stores.documents.fields(dataset.id) == [(replace(year, name="jaar"), 0)]


async def test_searches_see_each_change_of_the_documents_of_a_dataset(stores: KnowledgeStores) -> None:
    dataset = await dataset_in(stores)

    async def seen() -> list[tuple[str, object]]:
        return [(each.name, each.metadata) for each in await stores.segments.visible(dataset.id)]

    assert await seen() == []
    first, second = [await shown_next(stores, dataset, name) for name in ("日本🙂.txt", "b.txt")]
    assert await seen() == [("日本🙂.txt", None), ("b.txt", None)]
    await stores.documents.change_documents(
        dataset.id, [second.id], lambda each: replace(each, metadata={"year": 2021})
    )
    assert await seen() == [("日本🙂.txt", None), ("b.txt", {"year": 2021})]
    await shown_as(stores, second, enabled=False)
    assert await seen() == [("日本🙂.txt", None)]
    await shown_as(stores, second, enabled=True)
    await stores.documents.delete_document(dataset.id, first.id)
    assert await seen() == [("b.txt", {"year": 2021})]
    await stores.datasets.delete_dataset(dataset.id)
    assert await seen() == []


@pytest.mark.parametrize("bare", [False, True])
async def test_a_document_comes_back_with_all_its_fields(stores: KnowledgeStores, bare: bool) -> None:
    dataset = await dataset_in(stores)
    before = await put(stores, dataset)
    fixed = {name: getattr(before, name) for name in ("id", "dataset_id", "position", "name", "file", "form", "begun")}
    whole: Document = filled(Document, **fixed, bare=bare)

    await stores.documents.change_documents(dataset.id, [before.id], lambda _: whole)

    assert await stores.documents.document(dataset.id, before.id) == whole
