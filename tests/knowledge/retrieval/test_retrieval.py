"""Searching one dataset and several, and services elsewhere."""

import asyncio
import json
from array import array
from pathlib import Path
from typing import Any

import pytest

from jikko.knowledge.datasets import DatasetWishes
from jikko.knowledge.retrieval.retrieval_model import checked_retrieval_model, retrieval_model_of
from jikko.knowledge.segments import SegmentWishes
from jikko.knowledge.service import Knowledge
from jikko.ports.http import HttpFailure, HttpResponse, OutgoingRequest
from jikko.ports.knowledge import MergedRanking, MetadataFilter, SearchFailure, SearchRequest
from jikko.ports.models import ModelFailure
from jikko.ports.stores.knowledge_records import Dataset
from tests.dsl.encrypting import WORKSPACE, encrypted
from tests.knowledge.scene import DirectedEmbedder, dataset_of, indexed, knowledge_at, segments_of

pytestmark = pytest.mark.anyio

BY_VECTORS = {
    "search_method": "semantic_search",
    "reranking_enable": False,
    "top_k": 3,
    "score_threshold_enabled": False,
}
TREE = {
    "mode": "hierarchical",
    "rules": {
        "pre_processing_rules": [],
        "segmentation": {"separator": "\n\n", "max_tokens": 300},
        "parent_mode": "paragraph",
        "subchunk_segmentation": {"separator": "\n", "max_tokens": 60},
    },
}


async def search(knowledge: Knowledge, query: str, *datasets: Dataset, **options: Any) -> list[tuple[str, float]]:
    ranking = MergedRanking(**{"top_k": 4, "threshold": 0.01, "enabled": False, **options.pop("ranking", {})})
    request = SearchRequest(query=query, dataset_ids=tuple(each.id for each in datasets), ranking=ranking, **options)
    return [(hit.content, round(hit.score, 3)) for hit in (await knowledge.retrieval.search(request)).hits]


async def test_hits_of_several_datasets_come_best_first(tmp_path: Path) -> None:
    async with knowledge_at(tmp_path / "k.db") as knowledge:
        first, second = await dataset_of(knowledge, "a"), await dataset_of(knowledge, "b")
        await indexed(knowledge, first, "cats hunt mice\nbirds sing")
        await indexed(knowledge, second, "cats sleep\nfish swim")

        found = await search(knowledge, "cats hunt mice", first, second)

        assert [content for content, _ in found] == ["cats hunt mice", "cats sleep"]
        assert found[0][1] == pytest.approx(1.0, abs=0.001)
        assert await search(knowledge, "cats", first, second, ranking={"top_k": 0}) == []
        assert await search(knowledge, "", first, second) == []
        assert await search(knowledge, "cats") == []


async def test_what_is_the_opposite_of_the_query_is_no_hit(tmp_path: Path) -> None:
    embedder = DirectedEmbedder(answer=lambda text: array("f", [1.0 if "夜" in text else -1.0]))
    async with knowledge_at(tmp_path / "k.db", embedder) as knowledge:
        dataset = await dataset_of(knowledge)
        await indexed(knowledge, dataset, "夜の梟\nnoon")

        hits = await knowledge.retrieval.retrieve(dataset, "夜", retrieval_model_of(BY_VECTORS), None)

    assert [(hit.content, hit.score) for hit in hits] == [("夜の梟", 1.0)]


async def test_the_query_is_embedded_once_for_all_datasets_of_a_model(tmp_path: Path) -> None:
    embedder = DirectedEmbedder()
    async with knowledge_at(tmp_path / "k.db", embedder) as knowledge:
        datasets = [await dataset_of(knowledge, name) for name in "abc"]
        for dataset in datasets:
            await indexed(knowledge, dataset, "some text")
        embedder.texts.clear()

        await search(knowledge, "text", *datasets)

    assert embedder.texts == ["text"]


async def test_a_failing_model_fails_the_search_and_finds_not_nothing(tmp_path: Path) -> None:
    embedder = DirectedEmbedder()
    async with knowledge_at(tmp_path / "k.db", embedder) as knowledge:
        good, other = await dataset_of(knowledge, "a"), await dataset_of(knowledge, "b")
        for dataset in (good, other):
            await indexed(knowledge, dataset, "some text")
        embedder.fails = lambda request: ModelFailure("overloaded", kind="InvokeRateLimitError")

        with pytest.raises(SearchFailure, match="overloaded") as caught:
            await search(knowledge, "text", good, other)

    assert caught.value.kind == "InvokeRateLimitError"


async def test_disabled_segments_and_documents_are_left_out_before_the_search(tmp_path: Path) -> None:
    async with knowledge_at(tmp_path / "k.db") as knowledge:
        dataset = await dataset_of(knowledge)
        document = await indexed(knowledge, dataset, "cats hunt\ncats sleep\ncats eat")
        other = await indexed(knowledge, dataset, "cats hunt here", name="b.txt")
        await knowledge.datasets.change(dataset.id, DatasetWishes(retrieval_model={**BY_VECTORS, "top_k": 2}))
        first = (await segments_of(knowledge, document))[0]
        await knowledge.segments.change(dataset.id, document.id, first.id, SegmentWishes(enabled=False))
        await knowledge.documents.act(dataset.id, "archive", [other.id])

        found = await search(knowledge, "cats hunt", await knowledge.datasets.get(dataset.id))
        assert sorted(content for content, _ in found) == ["cats eat", "cats sleep"]

        await knowledge.documents.act(dataset.id, "un_archive", [other.id])
        await knowledge.segments.change(dataset.id, document.id, first.id, SegmentWishes(enabled=True))
        found = await search(knowledge, "cats hunt", await knowledge.datasets.get(dataset.id))
        assert [content for content, _ in found] == ["cats hunt", "cats hunt here"]


async def test_metadata_choose_the_documents_that_are_searched(tmp_path: Path) -> None:
    async with knowledge_at(tmp_path / "k.db") as knowledge:
        dataset = await dataset_of(knowledge)
        field = await knowledge.metadata.add(dataset.id, "year", "number")
        for number in range(8):
            document = await indexed(knowledge, dataset, f"cats hunt mice {number}", name=f"{number}.txt")
            values = [{"id": field.id, "name": "year", "value": 2000 + number}]
            operation = {"document_id": document.id, "metadata_list": values}
            await knowledge.metadata.set(dataset.id, [operation])
        one = MetadataFilter(({"name": "year", "comparison_operator": "=", "value": 2006},))

        assert [content for content, _ in await search(knowledge, "cats", dataset, conditions=one)] == [
            "cats hunt mice 6"
        ]


async def test_a_parent_is_found_by_its_children(tmp_path: Path) -> None:
    async with knowledge_at(tmp_path / "k.db") as knowledge:
        dataset = await dataset_of(knowledge)
        text = "Ada bakes bread.\nShe was born in Turin.\n\nBruno repairs clocks."
        await indexed(knowledge, dataset, text, rule=TREE, form="hierarchical_model")
        request = SearchRequest(
            query="bakes bread", dataset_ids=(dataset.id,), ranking=MergedRanking(top_k=4, threshold=0.01)
        )
        (hit,) = (await knowledge.retrieval.search(request)).hits

    assert hit.content == "Ada bakes bread.\nShe was born in Turin."
    assert [child.content for child in hit.children] == ["Ada bakes bread."]
    assert hit.score == hit.children[0].score


async def test_datasets_of_different_kinds_need_a_reranking_model(tmp_path: Path) -> None:
    async with knowledge_at(tmp_path / "k.db") as knowledge:
        quality, economy = await dataset_of(knowledge, "a"), await dataset_of(knowledge, "b", "economy")
        await indexed(knowledge, quality, "cats hunt mice")
        await indexed(knowledge, economy, "cats sleep here")

        with pytest.raises(SearchFailure, match="different indexing technique"):
            await search(knowledge, "cats", quality, economy)
        by_model = {"enabled": True, "provider": "ranker", "model": "short"}
        found = await search(knowledge, "cats", quality, economy, ranking=by_model)
        assert [content for content, _ in found] == ["cats hunt mice", "cats sleep here"]
        with pytest.raises(SearchFailure, match="nobody"):
            await search(knowledge, "cats", quality, economy, ranking={**by_model, "provider": "nobody"})


async def test_hybrid_search_finds_by_words_and_by_vectors(tmp_path: Path) -> None:
    embedder = DirectedEmbedder()
    async with knowledge_at(tmp_path / "k.db", embedder) as knowledge:
        dataset = await dataset_of(knowledge)
        await indexed(knowledge, dataset, "rare xylophone\ncats hunt\ncats sleep\ncats eat")
        model = checked_retrieval_model({**BY_VECTORS, "search_method": "hybrid_search", "top_k": 2})
        hits = await knowledge.retrieval.retrieve(dataset, "xylophones", retrieval_model_of(model), None)

    # Stemmed, so that only full text finds it.
    assert "rare xylophone" in [hit.content for hit in hits]


async def test_found_segments_are_counted(tmp_path: Path) -> None:
    async with knowledge_at(tmp_path / "k.db") as knowledge:
        dataset = await dataset_of(knowledge)
        document = await indexed(knowledge, dataset, "cats hunt\nfish swim")
        request = SearchRequest(query="cats", dataset_ids=(dataset.id,), ranking=MergedRanking(top_k=4, threshold=0.01))
        for _ in range(3):
            knowledge.retrieval.count_hits((await knowledge.retrieval.search(request)).hits)
        await knowledge.retrieval.close()

        assert [segment.hits for segment in await segments_of(knowledge, document)] == [3, 0]


async def test_ids_of_other_servers_mean_what_they_are_mapped_to(tmp_path: Path) -> None:
    async with knowledge_at(tmp_path / "k.db") as knowledge:
        dataset = await dataset_of(knowledge)
        await indexed(knowledge, dataset, "cats hunt")
        text = "sT0/encrypted+text=="
        assert await knowledge.retrieval.usable([text, dataset.id.upper()]) == await knowledge.retrieval.usable(
            [dataset.id]
        )
        assert await knowledge.retrieval.missing([text, dataset.id]) == [text]

        await knowledge.dataset_names.map(text, dataset)
        assert [each.id for each in await knowledge.retrieval.usable([text])] == [dataset.id]
        assert await knowledge.retrieval.missing([text]) == []

        await knowledge.datasets.delete(dataset.id)
        assert await knowledge.retrieval.usable([text]) == []


async def test_encrypted_ids_mean_the_plain_ones_once_their_workspace_is_known(tmp_path: Path) -> None:
    async with knowledge_at(tmp_path / "k.db") as knowledge:
        dataset = await dataset_of(knowledge)
        await indexed(knowledge, dataset, "cats hunt")
        mapped = "0199a1b2-0000-7000-8000-0000000000b1"
        await knowledge.dataset_names.map(mapped, dataset)
        for plain in (dataset.id, mapped):
            text = encrypted(plain, WORKSPACE)
            assert await knowledge.retrieval.missing([text]) == [text]

            await knowledge.dataset_names.understand(WORKSPACE.upper())
            assert [each.id for each in await knowledge.retrieval.usable([text])] == [dataset.id]
            assert await knowledge.retrieval.missing([text, encrypted(plain, plain)]) == [encrypted(plain, plain)]

            assert await knowledge.dataset_names.forget_workspace(WORKSPACE)
            assert await knowledge.retrieval.usable([text]) == []


class Elsewhere:
    """An ``HttpClient`` that answers as it is told."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.requests: list[OutgoingRequest] = []

    async def send(self, request: OutgoingRequest) -> HttpResponse:
        self.requests.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        status, body = self.answer
        return HttpResponse(status, (), body if isinstance(body, bytes) else json.dumps(body).encode())

    async def close(self) -> None:
        """Nothing to close."""


async def external(knowledge: Knowledge) -> Dataset:
    api = await knowledge.external.add("desk", "https://search.test/api/", "secret-key-0123456789")
    return await knowledge.datasets.create(
        DatasetWishes(name="shop", provider="external", external_api_id=api.id, external_knowledge_id="shop")
    )


async def test_a_service_elsewhere_is_asked_by_the_contract(tmp_path: Path) -> None:
    records = [{"content": "one", "score": 0.9, "title": "a.md", "metadata": {"path": "/a"}}, {"content": "two"}]
    http = Elsewhere((200, {"records": records}))
    async with knowledge_at(tmp_path / "k.db", http=http) as knowledge:
        dataset = await external(knowledge)
        conditions = MetadataFilter(({"id": "c", "name": "year", "comparison_operator": ">", "value": 1},))
        found = await search(knowledge, "lamp", dataset, conditions=conditions)

    assert found == [("one", 0.9), ("two", 0.0)]
    (request,) = http.requests
    assert (request.method, request.url) == ("POST", "https://search.test/api/retrieval")
    assert ("Authorization", "Bearer secret-key-0123456789") in request.headers
    assert isinstance(request.body, bytes)
    assert json.loads(request.body) == {
        "retrieval_setting": {"top_k": 4, "score_threshold": 0.0},
        "query": "lamp",
        "knowledge_id": "shop",
        "metadata_condition": {
            "logical_operator": "and",
            "conditions": [{"name": "year", "comparison_operator": ">", "value": 1}],
        },
    }


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (HttpFailure("The request was not over within 120 s (timed out).", kind="timeout"), "timed out"),
        ((500, {"error_code": 500, "error_msg": "out of order"}), "500: out of order"),
        ((403, b"<html>"), "403"),
        ((200, b"<html>no json</html>"), "not a JSON object"),
        ((200, []), "not a JSON object"),
        ((200, {"records": "none"}), "list of records"),
        ((200, {"records": [7]}), "no content"),
        ((200, {"records": [{"content": "x", "score": "high"}]}), "the score"),
        ((200, b'{"records": [{"content": "x", "score": 1e400}]}'), "failed"),
        ((200, b"[" * 5000), "not a JSON object"),
    ],
)
async def test_a_service_that_fails_or_answers_nonsense_fails_the_search(
    answer: Any, message: str, tmp_path: Path
) -> None:
    async with knowledge_at(tmp_path / "k.db", http=Elsewhere(answer)) as knowledge:
        dataset = await external(knowledge)

        with pytest.raises(SearchFailure, match=message) as caught:
            await search(knowledge, "lamp", dataset)

    assert "secret-key" not in str(caught.value)


async def test_one_hung_service_holds_up_nobody_else(tmp_path: Path) -> None:
    asked = asyncio.Event()

    class Hung(Elsewhere):
        async def send(self, request: OutgoingRequest) -> HttpResponse:
            asked.set()
            await asyncio.Event().wait()
            raise AssertionError

    async with knowledge_at(tmp_path / "k.db", http=Hung(None)) as knowledge:
        dataset, other = await external(knowledge), await dataset_of(knowledge)
        await indexed(knowledge, other, "cats hunt")
        waiting = asyncio.create_task(search(knowledge, "lamp", dataset))
        await asked.wait()

        assert [content for content, _ in await search(knowledge, "cats", other)] == ["cats hunt"]
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


async def test_conditions_are_compared_with_all_documents_however_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jikko.knowledge.retrieval.one_dataset._MAX_SCANNED", 2)
    async with knowledge_at(tmp_path / "k.db") as knowledge:
        dataset = await dataset_of(knowledge)
        field = await knowledge.metadata.add(dataset.id, "year", "number")
        for year in range(5):
            document = await indexed(knowledge, dataset, f"cats of {year}", name=f"{year}.txt")
            values = [{"id": field.id, "name": "year", "value": year}]
            await knowledge.metadata.set(dataset.id, [{"document_id": document.id, "metadata_list": values}])
        late = MetadataFilter(({"name": "year", "comparison_operator": "≥", "value": 2},))

        found = await search(knowledge, "cats", dataset, conditions=late)

        assert sorted(content for content, _ in found) == ["cats of 2", "cats of 3", "cats of 4"]
