"""Settings of knowledge nodes, and required ones."""

from typing import Any

import pytest

from jikko.nodes.knowledge.knowledge_retrieval import KnowledgeRetrieval
from jikko.ports.knowledge import SearchedDataset, SearchRequest, SearchResult
from jikko.values import Json
from tests.nodes.context import FakeContext, NoDatasets, fields, ports_of

VECTOR: Json = {"vector_setting": {"vector_weight": 0.7}}
BOTH: Json = {"vector_setting": {"vector_weight": 1}, "keyword_setting": {"keyword_weight": 0}}


def node(**data: Json) -> KnowledgeRetrieval:
    return KnowledgeRetrieval.from_dsl(fields({"dataset_ids": ["日本"], **data}))


@pytest.mark.parametrize(
    ("several", "missing"),
    [
        ({"reranking_mode": "weighted_score"}, "weights"),
        ({"reranking_mode": "weighted_score", "weights": VECTOR}, "weights"),
        ({"reranking_mode": "weighted_score", "weights": BOTH}, ""),
        ({"reranking_mode": "weighted_score", "reranking_enable": False}, ""),
        ({"reranking_mode": "reranking_model"}, ""),
        ({}, ""),
        (None, "multiple_retrieval_config"),
    ],
)
def test_weights_are_needed_where_they_order_what_is_found(several: Json, missing: str) -> None:
    assert node(multiple_retrieval_config=several).missing_setting == missing


def test_one_dataset_is_chosen_by_a_model() -> None:
    assert node(retrieval_mode="single").missing_setting == "single_retrieval_config"
    model: Json = {"provider": "openai", "name": "gpt-4o", "mode": "chat", "completion_params": {}}
    assert node(retrieval_mode="single", single_retrieval_config={"model": model}).missing_setting == ""


class OneDataset(NoDatasets):
    """``KnowledgeSearch`` of an installation with one dataset."""

    def __init__(self) -> None:
        self.requests: list[SearchRequest] = []

    async def usable(self, ids: Any) -> list[SearchedDataset]:
        return [SearchedDataset("猫", "cats", "", "high_quality")]

    async def search(self, request: SearchRequest) -> SearchResult:
        self.requests.append(request)
        return SearchResult([])


@pytest.mark.anyio
@pytest.mark.parametrize("of_app", [True, False])
async def test_the_only_dataset_is_searched_without_asking_a_model(of_app: bool) -> None:
    model: Json = {"provider": "openai", "name": "gpt-4o", "mode": "chat", "completion_params": {}}
    only = node(
        retrieval_mode="single",
        single_retrieval_config={"model": model},
        query_variable_selector=["start", "q"],
        of_app=of_app,
    )
    datasets = OneDataset()
    context = FakeContext({"start": {"q": "眠る?"}})
    context.ports = ports_of(knowledge=datasets)

    await only.run(context)

    assert [(each.query, each.dataset_ids) for each in datasets.requests] == [("眠る?", ("猫",))]


@pytest.mark.parametrize(
    ("several", "expected"),
    [
        ({}, (4, None, True, "reranking_model", "", "", None, None)),
        (
            {
                "top_k": 7,
                "score_threshold": 0.5,
                "reranking_enable": False,
                "reranking_mode": "weighted_score",
                "reranking_model": {"provider": "p", "model": "m"},
                "weights": BOTH,
            },
            (7, 0.5, False, "weighted_score", "p", "m", 1.0, 0.0),
        ),
    ],
)
def test_the_order_of_what_several_datasets_have_is_that_of_the_file(several: Json, expected: tuple[Any, ...]) -> None:
    order = node(multiple_retrieval_config=several).ranking
    assert order is not None
    assert expected == (
        order.top_k,
        order.threshold,
        order.enabled,
        order.mode,
        order.provider,
        order.model,
        order.vector_weight,
        order.keyword_weight,
    )
