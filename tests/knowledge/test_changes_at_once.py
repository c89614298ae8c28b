"""Requests that change a dataset while another one waits for its model."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from jikko.errors import InvalidParam, NotFound
from jikko.knowledge.datasets import DatasetWishes
from jikko.knowledge.documents import text_source
from jikko.knowledge.segments import SegmentWishes
from jikko.knowledge.service import Knowledge
from jikko.ports.stores.knowledge_records import Dataset, Document, Segment
from jikko.repositories.knowledge.segment_repository import SegmentChanged, SegmentStore
from tests.knowledge.scene import DirectedEmbedder, added, again, dataset_of, indexed, knowledge_at, segments_of
from tests.knowledge.test_indexing import found

pytestmark = pytest.mark.anyio


def once(embedder: DirectedEmbedder, act: Callable[[], Awaitable[object]]) -> None:
    """Let something happen while the model is asked next."""

    async def before() -> None:
        embedder.before = None
        await act()

    embedder.before = before


@pytest.fixture
def embedder() -> DirectedEmbedder:
    return DirectedEmbedder()


async def a_segment(knowledge: Knowledge, name: str = "d") -> tuple[Dataset, Document, str]:
    dataset = await dataset_of(knowledge, name)
    document = await indexed(knowledge, dataset, "Owls hunt")
    return dataset, document, (await segments_of(knowledge, document))[0].id


async def test_keywords_and_text_changed_at_once_are_both_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with knowledge_at(tmp_path / "k.db") as knowledge:
        dataset, document, segment = await a_segment(knowledge)
        look = SegmentStore.segment

        async def look_before_it_changes(store: SegmentStore, dataset_id: str, segment_id: str) -> Segment | None:
            read = await look(store, dataset_id, segment_id)
            monkeypatch.setattr(SegmentStore, "segment", look)
            text = SegmentWishes(content="Whales sing 🐋")
            await knowledge.segments.change(dataset.id, document.id, segment, text)
            return read

        monkeypatch.setattr(SegmentStore, "segment", look_before_it_changes)
        await knowledge.segments.change(dataset.id, document.id, segment, SegmentWishes(keywords=["鯨"]))

        [kept] = await segments_of(knowledge, document)
        assert (kept.content, kept.keywords) == ("Whales sing 🐋", ["鯨"])
        assert (await again(knowledge, document)).words == len("Whales sing 🐋")
        assert await found(knowledge, dataset, "whales sing") == ["Whales sing 🐋"]


@pytest.mark.parametrize("how", ["added", "changed"])
async def test_a_text_embedded_while_the_model_changes_is_embedded_by_the_new_one(
    how: str, embedder: DirectedEmbedder, tmp_path: Path
) -> None:
    async with knowledge_at(tmp_path / "k.db", embedder) as knowledge:
        dataset, document, segment = await a_segment(knowledge)

        async def other_model() -> None:
            await knowledge.datasets.change(
                dataset.id, DatasetWishes(embedding_provider="words", embedding_model="w-2")
            )
            await knowledge.indexing.catch_up()

        once(embedder, other_model)
        wishes = SegmentWishes(content="Whales sing 🐋")
        if how == "added":
            await knowledge.segments.add(dataset.id, document.id, [wishes])
        else:
            await knowledge.segments.change(dataset.id, document.id, segment, wishes)

        assert embedder.texts.count("Whales sing 🐋") == 2
        assert (await again(knowledge, document)).embedded_by == "words|w-2"
        assert "Whales sing 🐋" in await found(knowledge, await knowledge.datasets.get(dataset.id), "whales sing")


async def embedded_by(knowledge: Knowledge, document: Document, model: str) -> None:
    stores = await knowledge.stores.made()
    await stores.documents.change_documents(
        document.dataset_id, [document.id], lambda each: replace(each, embedded_by=model)
    )


@pytest.mark.parametrize("how", ["changed", "child added"])
async def test_a_segment_reached_by_another_document_is_embedded_by_the_model_of_its_own(
    how: str, embedder: DirectedEmbedder, tmp_path: Path
) -> None:
    async with knowledge_at(tmp_path / "k.db", embedder) as knowledge:
        dataset, own, segment = await a_segment(knowledge)
        other = await indexed(knowledge, dataset, "Bees dance", name="蜂 🐝.txt")
        await embedded_by(knowledge, own, "words|w-old")

        if how == "changed":
            answered, _ = await knowledge.segments.change(
                dataset.id, other.id, segment, SegmentWishes(content="Whales sing 🐋")
            )
            assert answered.id == other.id
        else:
            await knowledge.child_chunks.add(dataset.id, other.id, segment, "Whales sing 🐋")

        assert embedder.texts.count("Whales sing 🐋") == 1


@pytest.mark.parametrize("how", ["added", "changed", "child added"])
async def test_a_model_that_changes_each_time_is_not_paid_without_end(
    how: str, embedder: DirectedEmbedder, tmp_path: Path
) -> None:
    async with knowledge_at(tmp_path / "k.db", embedder) as knowledge:
        dataset, document, segment = await a_segment(knowledge)
        embedder.before = lambda: embedded_by(knowledge, document, f"words|w-{embedder.requests}")
        text = "Whales sing 🐋"
        actions: dict[str, Callable[[], Awaitable[object]]] = {
            "added": lambda: knowledge.segments.add(dataset.id, document.id, [SegmentWishes(content=text)]),
            "changed": lambda: knowledge.segments.change(dataset.id, document.id, segment, SegmentWishes(content=text)),
            "child added": lambda: knowledge.child_chunks.add(dataset.id, document.id, segment, text),
        }

        with pytest.raises(SegmentChanged):
            await actions[how]()

        assert embedder.texts.count(text) == 10


async def test_a_document_indexed_while_the_model_changes_has_the_new_one(
    embedder: DirectedEmbedder, tmp_path: Path
) -> None:
    async with knowledge_at(tmp_path / "k.db", embedder) as knowledge:
        dataset = await dataset_of(knowledge)
        document = await added(knowledge, dataset, "Owls hunt")
        model = DatasetWishes(embedding_provider="words", embedding_model="w-2")
        once(embedder, lambda: knowledge.datasets.change(dataset.id, model))

        await knowledge.indexing.catch_up()

        document = await again(knowledge, document)
        assert (document.status, document.embedded_by) == ("completed", "words|w-2")


async def test_segments_of_a_document_that_is_deleted_meanwhile_are_not_found(
    embedder: DirectedEmbedder, tmp_path: Path
) -> None:
    async with knowledge_at(tmp_path / "k.db", embedder) as knowledge:
        dataset, document, segment = await a_segment(knowledge)
        once(embedder, lambda: knowledge.documents.delete(dataset.id, document.id))
        with pytest.raises(NotFound):
            await knowledge.segments.add(dataset.id, document.id, [SegmentWishes(content="新しい")])
        dataset, document, segment = await a_segment(knowledge, "other")
        once(embedder, lambda: knowledge.segments.delete(dataset.id, document.id, segment))
        with pytest.raises(NotFound):
            await knowledge.segments.change(dataset.id, document.id, segment, SegmentWishes(content="新しい"))
        assert await found(knowledge, dataset, "owls hunt") == []


async def test_a_child_chunk_that_is_deleted_while_it_is_changed_stays_away(
    embedder: DirectedEmbedder, tmp_path: Path
) -> None:
    async with knowledge_at(tmp_path / "k.db", embedder) as knowledge:
        dataset, document, segment = await a_segment(knowledge)
        path = dataset.id, document.id, segment
        child = await knowledge.child_chunks.add(*path, "子 🐣")
        once(embedder, lambda: knowledge.child_chunks.delete(*path, child.id))
        with pytest.raises(NotFound):
            await knowledge.child_chunks.change(*path, child.id, "cuckoo")
        assert await knowledge.child_chunks.page(segment, keyword="", number=1, limit=9) == ([], 0)


async def test_documents_of_two_forms_do_not_meet_in_one_dataset(tmp_path: Path) -> None:
    async with knowledge_at(tmp_path / "k.db") as one, knowledge_at(tmp_path / "k.db") as other:
        dataset = await dataset_of(one)
        look = one.datasets.index_with

        class Slow:
            def __getattr__(self, name: str) -> object:
                return getattr(one.datasets, name)

            async def index_with(self, *given: object) -> object:
                await other.documents.add(dataset.id, text_source("b", "x"), DatasetWishes(), form="qa_model")
                return await look(*given)  # type: ignore[arg-type]

        one.documents._datasets = Slow()  # type: ignore[assignment]
        with pytest.raises(InvalidParam, match="doc_form"):
            await one.documents.add(dataset.id, text_source("a", "x"), DatasetWishes(), form="text_model")
        assert [each.form for each in await other.documents.all(dataset.id)] == ["qa_model"]

        # An emptied dataset may change its form, but not beside a document that was added meanwhile.
        [first] = await other.documents.all(dataset.id)
        await other.documents.delete(dataset.id, first.id)
        with pytest.raises(InvalidParam, match="doc_form"):
            await one.documents.add(dataset.id, text_source("a", "x"), DatasetWishes(), form="text_model")
        assert [each.form for each in await other.documents.all(dataset.id)] == ["qa_model"]
        assert (await other.datasets.get(dataset.id)).doc_form == "qa_model"
