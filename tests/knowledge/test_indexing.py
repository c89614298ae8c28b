"""Background indexing: visibility, timing, and failures."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from jikko.knowledge.retrieval.retrieval_model import RetrievalModel
from jikko.knowledge.segments import SegmentWishes
from jikko.knowledge.service import Knowledge
from jikko.ports.models import ModelFailure
from jikko.ports.other_models import EmbeddingRequest
from jikko.ports.stores.knowledge_records import Dataset
from tests.effort import PATIENCE
from tests.knowledge.scene import (
    DirectedEmbedder,
    added,
    again,
    dataset_of,
    indexed,
    knowledge_at,
    segments_of,
    vector_of,
)

pytestmark = pytest.mark.anyio


async def found(knowledge: Knowledge, dataset: Dataset, query: str, method: str = "semantic_search") -> list[str]:
    hits = await knowledge.retrieval.retrieve(dataset, query, RetrievalModel(method, 10), None)
    return [hit.content for hit in hits if hit.score > 0 or method == "keyword_search"]


@pytest.mark.parametrize("technique", ["high_quality", "economy"])
async def test_a_text_is_found_once_it_is_indexed(technique: str, tmp_path: Path) -> None:
    async with knowledge_at(tmp_path / "k.db") as knowledge:
        dataset = await dataset_of(knowledge, technique=technique)
        document = await added(knowledge, dataset, "Owls hunt at night.\nWhales sing.")

        assert document.status == "waiting"
        assert await found(knowledge, dataset, "owls", "keyword_search") == []
        await knowledge.indexing.catch_up()
        document = await again(knowledge, document)

        assert (document.status, document.error, document.words) == ("completed", None, 31)
        method = "semantic_search" if technique == "high_quality" else "keyword_search"
        assert await found(knowledge, dataset, "Owls hunt", method) == ["Owls hunt at night."]


async def test_texts_are_embedded_in_batches_and_the_same_text_once(tmp_path: Path) -> None:
    embedder = DirectedEmbedder(batch=4)
    async with knowledge_at(tmp_path / "k.db", embedder) as knowledge:
        dataset = await dataset_of(knowledge)
        await indexed(knowledge, dataset, "\n".join(f"line {number}" for number in range(10)))
        assert (embedder.requests, len(embedder.texts)) == (3, 10)

        await indexed(knowledge, dataset, "\n".join(f"line {number}" for number in range(12)), name="b.txt")

    assert sorted(embedder.texts) == sorted(f"line {number}" for number in range(12))


async def test_a_document_of_the_same_name_takes_the_place_of_the_old_one_as_a_whole(tmp_path: Path) -> None:
    embedder = DirectedEmbedder(batch=1)
    async with knowledge_at(tmp_path / "k.db", embedder) as knowledge:
        dataset = await dataset_of(knowledge)
        old = await indexed(knowledge, dataset, "old one\nold two")
        seen: list[list[str]] = []

        async def look() -> None:
            embedder.before = None
            seen.append(sorted(await found(knowledge, dataset, "old new one two")))
            embedder.before = look

        embedder.before = look
        new = await indexed(knowledge, dataset, "new one\nnew two\nnew three")
        embedder.before = None

        assert (new.id, new.position, new.batch != old.batch) == (old.id, old.position, True)
        assert len(seen) == 3
        assert all(each == ["old one", "old two"] for each in seen)
        assert sorted(await found(knowledge, dataset, "old new one")) == ["new one", "new three", "new two"]
        assert [segment.content for segment in await segments_of(knowledge, new)] == ["new one", "new two", "new three"]


async def test_an_update_wins_over_the_job_under_way(tmp_path: Path) -> None:
    embedder = DirectedEmbedder(batch=1)
    async with knowledge_at(tmp_path / "k.db", embedder) as knowledge:
        dataset = await dataset_of(knowledge)
        document = await added(knowledge, dataset, "first one\nfirst two")

        async def replace_it() -> None:
            embedder.before = None
            await added(knowledge, dataset, "second one")

        embedder.before = replace_it
        await knowledge.indexing.catch_up()
        document = await again(knowledge, document)

        assert document.status == "completed"
        assert [segment.content for segment in await segments_of(knowledge, document)] == ["second one"]
        assert await found(knowledge, dataset, "first second one") == ["second one"]


async def test_a_deletion_wins_over_the_job_under_way_and_leaves_no_text(tmp_path: Path) -> None:
    embedder = DirectedEmbedder(batch=1)
    async with knowledge_at(tmp_path / "k.db", embedder) as knowledge:
        dataset = await dataset_of(knowledge)
        document = await added(knowledge, dataset, "xylophone one\nxylophone two")

        async def delete_it() -> None:
            embedder.before = None
            await knowledge.documents.delete(dataset.id, document.id)

        embedder.before = delete_it
        await knowledge.indexing.catch_up()
        stores = await knowledge.stores.made()
        while await stores.jobs.sweep(100):
            pass

        assert await found(knowledge, dataset, "xylophone") == []
    assert rows_with(tmp_path / "k.db", "xylophone") == []


async def test_a_deleted_document_is_in_no_table(tmp_path: Path) -> None:
    async with knowledge_at(tmp_path / "k.db") as knowledge:
        for name, technique in (("a", "high_quality"), ("b", "economy")):
            dataset = await dataset_of(knowledge, name, technique)
            document = await indexed(knowledge, dataset, "a xylophone sounds\nfine 木琴")
            await knowledge.documents.delete(dataset.id, document.id)
        stores = await knowledge.stores.made()
        while await stores.jobs.sweep(1):
            pass
    assert rows_with(tmp_path / "k.db", "xylophone") == []
    assert rows_with(tmp_path / "k.db", "木琴") == []


def rows_with(database: Path, text: str) -> list[str]:
    """The tables of a database that have a text."""
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(database)) as connection:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        holding = []
        for table in tables:
            for row in connection.execute(f"SELECT * FROM {table}"):
                blobs = [each if isinstance(each, bytes) else str(each).encode() for each in row]
                if any(text.encode() in each for each in blobs):
                    holding.append(table)
    return holding


async def test_a_refusal_is_the_documents_error_and_others_are_not_held_up(tmp_path: Path) -> None:
    def refuses(request: EmbeddingRequest) -> ModelFailure | None:
        bad = any("FAIL" in text for text in request.texts)
        return ModelFailure("rate limited", kind="InvokeRateLimitError") if bad else None

    embedder = DirectedEmbedder(fails=refuses)
    now = 1000.0
    async with knowledge_at(tmp_path / "k.db", embedder, clock=lambda: now) as knowledge:
        dataset = await dataset_of(knowledge)
        bad = await added(knowledge, dataset, "this will FAIL")
        good = await added(knowledge, dataset, "this is fine", name="b.txt")
        await knowledge.indexing.catch_up()

        waiting = await again(knowledge, bad)
        assert waiting.status == "indexing"
        assert waiting.error is not None
        assert "rate limited" in waiting.error
        assert "attempt 1" in waiting.error
        assert (await again(knowledge, good)).status == "completed"

        for _ in range(3):
            now += 60
            await knowledge.indexing.catch_up()
        failed = await again(knowledge, bad)

        assert (failed.status, failed.error) == ("error", "rate limited")
        assert [segment.status for segment in await segments_of(knowledge, failed)] == ["indexing"]


async def test_a_provider_that_asks_for_years_is_asked_again_after_an_hour(tmp_path: Path) -> None:
    found = [ModelFailure("slow down", kind="InvokeRateLimitError", retry_after=float("inf"))]
    embedder = DirectedEmbedder(fails=lambda request: found.pop() if found else None)
    now = 1000.0
    async with knowledge_at(tmp_path / "k.db", embedder, clock=lambda: now) as knowledge:
        document = await added(knowledge, await dataset_of(knowledge), "patience")
        await knowledge.indexing.catch_up()
        now += 3599
        await knowledge.indexing.catch_up()
        waiting = (await again(knowledge, document)).status

        now += 2
        await knowledge.indexing.catch_up()

        assert (waiting, (await again(knowledge, document)).status) == ("indexing", "completed")


async def test_a_provider_that_is_down_is_waited_for(tmp_path: Path) -> None:
    is_down = True

    def down(request: EmbeddingRequest) -> ModelFailure | None:
        return ModelFailure("no connection", kind="InvokeConnectionError") if is_down else None

    now = 1000.0
    async with knowledge_at(tmp_path / "k.db", DirectedEmbedder(fails=down), clock=lambda: now) as knowledge:
        dataset = await dataset_of(knowledge)
        document = await added(knowledge, dataset, "patience")
        for _ in range(20):
            await knowledge.indexing.catch_up()
            now += 120
        assert (await again(knowledge, document)).status == "indexing"

        is_down = False
        await knowledge.indexing.catch_up()

        assert (await again(knowledge, document)).status == "completed"


async def test_a_wrong_key_is_told_at_once(tmp_path: Path) -> None:
    refusal = ModelFailure("wrong key", kind="InvokeAuthorizationError")
    async with knowledge_at(tmp_path / "k.db", DirectedEmbedder(fails=lambda request: refusal)) as knowledge:
        document = await indexed(knowledge, await dataset_of(knowledge), "a")

    assert (document.status, document.error) == ("error", "wrong key")


async def test_another_model_embeds_anew_while_the_old_vectors_are_searched(tmp_path: Path) -> None:
    embedder = DirectedEmbedder()
    async with knowledge_at(tmp_path / "k.db", embedder) as knowledge:
        from jikko.knowledge.datasets import DatasetWishes

        dataset = await dataset_of(knowledge)
        document = await indexed(knowledge, dataset, "owls\nwhales")
        await knowledge.segments.add(dataset.id, document.id, [SegmentWishes(content="added by hand")])
        embedder.answer = lambda text: vector_of(text, 32)
        changed = await knowledge.datasets.change(
            dataset.id, DatasetWishes(embedding_provider="words", embedding_model="w-2")
        )
        assert changed.embedding_model == "w-2"

        asked: list[str] = []

        def by_model(request: EmbeddingRequest) -> ModelFailure | None:
            asked.append(request.model)
            embedder.answer = (lambda text: vector_of(text, 32)) if request.model == "w-2" else vector_of
            return None

        embedder.fails = by_model
        assert await found(knowledge, changed, "owls") == ["owls"]
        assert asked == ["w-1"]

        await knowledge.indexing.catch_up()
        asked.clear()
        assert await found(knowledge, changed, "owls") == ["owls"]
        assert asked == ["w-2"]
        assert [each.content for each in await segments_of(knowledge, document)] == ["owls", "whales", "added by hand"]


@pytest.mark.slow
async def test_ten_thousand_segments_are_indexed_and_found(tmp_path: Path) -> None:
    async with knowledge_at(tmp_path / "k.db", DirectedEmbedder(batch=2048)) as knowledge:
        dataset = await dataset_of(knowledge, technique="economy")
        document = await indexed(knowledge, dataset, "\n".join(f"word{number} here" for number in range(10_000)))
        (status,) = await knowledge.documents.batch(dataset.id, document.batch)

        assert (status.completed, status.total) == (10_000, 10_000)
        assert await found(knowledge, dataset, "word9999", "keyword_search") == ["word9999 here"]


@pytest.mark.parametrize("method", ["full_text_search", "keyword_search"])
@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("北京", "我来到北京清华大学"),
        ("首都", "東京は日本の首都です"),
        ("コンピュータ", "猫とコンピュータ"),
        ("猫", "猫とコンピュータ"),
        ("魚を食べる", "毎日魚を食べる"),
        ("Москва", "Москва столица России"),
        ("مرحبا", "مرحبا بالعالم"),
        ("שלום", "שלום עולם"),
        ("café", "un café crème"),
    ],
)
async def test_texts_of_any_script_are_found(method: str, query: str, wanted: str, tmp_path: Path) -> None:
    lines = [
        "我来到北京清华大学",
        "東京は日本の首都です",
        "猫とコンピュータ",
        "毎日魚を食べる",
        "Москва столица России",
    ]
    text = "\n".join([*lines, "مرحبا بالعالم", "שלום עולם", "un café crème"])
    technique = "economy" if method == "keyword_search" else "high_quality"
    async with knowledge_at(tmp_path / "k.db") as knowledge:
        dataset = await dataset_of(knowledge, technique=technique)
        await indexed(knowledge, dataset, text)
        model = RetrievalModel(method, 3)
        hits = await knowledge.retrieval.retrieve(dataset, query, model, None)

    assert [hit.content for hit in hits] == [wanted]


async def test_vectors_of_another_length_are_refused_by_name(tmp_path: Path) -> None:
    from jikko.ports.knowledge import SearchFailure

    embedder = DirectedEmbedder()
    async with knowledge_at(tmp_path / "k.db", embedder) as knowledge:
        dataset = await dataset_of(knowledge)
        await indexed(knowledge, dataset, "owls")
        embedder.answer = lambda text: vector_of(text, 32)

        with pytest.raises(SearchFailure, match=r"32 numbers.*1024"):
            await found(knowledge, dataset, "owls")


async def test_a_document_that_breaks_its_rule_is_in_error(tmp_path: Path) -> None:
    rule: Any = {"mode": "custom", "rules": {"pre_processing_rules": [], "segmentation": {"max_tokens": 7}}}
    async with knowledge_at(tmp_path / "k.db") as knowledge:
        document = await indexed(knowledge, await dataset_of(knowledge), "a", rule=rule)

    assert document.status == "error"
    assert document.error is not None
    assert "between 50 and 4000" in document.error


async def test_of_one_model_one_batch_at_a_time_is_in_hand(tmp_path: Path) -> None:
    embedder = DirectedEmbedder(batch=1)
    at_once = most = 0

    async def note() -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0)
        at_once -= 1

    embedder.before = note
    async with knowledge_at(tmp_path / "k.db", embedder) as knowledge:
        dataset = await dataset_of(knowledge)
        documents = [await added(knowledge, dataset, f"one {n}\ntwo {n}", name=f"{n}.txt") for n in range(3)]
        await knowledge.indexing.catch_up()
        statuses = {(await again(knowledge, each)).status for each in documents}

    assert (statuses, embedder.requests, most) == ({"completed"}, 6, 1)


async def test_a_model_that_does_not_answer_holds_up_no_other(tmp_path: Path) -> None:
    embedder = DirectedEmbedder()
    async with knowledge_at(tmp_path / "k.db", embedder) as knowledge:
        slow = await dataset_of(knowledge, "slow", embedding_provider="words", embedding_model="w-1")
        quick = await dataset_of(knowledge, "quick", embedding_provider="words", embedding_model="w-2")
        waiting = await added(knowledge, slow, "owls")
        asked, silent = asyncio.Event(), asyncio.Event()

        async def wait() -> None:
            embedder.before = None
            asked.set()
            await silent.wait()

        embedder.before = wait
        async with asyncio.timeout(PATIENCE):
            working = asyncio.create_task(knowledge.indexing.catch_up())
            await asked.wait()
            other = await added(knowledge, quick, "bees")
            await knowledge.indexing.catch_up()
            assert (await again(knowledge, other)).status == "completed"
            assert (await again(knowledge, waiting)).status == "indexing"
            silent.set()
            await working
        assert (await again(knowledge, waiting)).status == "completed"
