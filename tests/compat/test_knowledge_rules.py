"""Rules of datasets and documents beside the recorded ones, as clients meet them."""

import json
from typing import Any

import httpx
import pytest

from tests.http.test_knowledge import NOBODY, client, dataset, document
from tests.knowledge.scene import BY_LINE

__all__ = ["client"]
pytestmark = pytest.mark.anyio
WHOLE = {"separator": "\n", "max_tokens": 100, "chunk_overlap": 0}


async def get(client: httpx.AsyncClient, path: str) -> Any:
    answer = await client.get(f"/v1/datasets{path}")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_changed_document_stays_in_its_batch(client: httpx.AsyncClient) -> None:
    own = await dataset(client)
    at = f"/v1/datasets/{own}/document"
    made = (await client.post(f"{at}/create-by-text", json={"name": "猫 🐈.txt", "text": "eins"})).json()
    await client.index()  # type: ignore[attr-defined]

    changed = await client.post(f"{at}s/{made['document']['id']}/update-by-text", json={"name": "", "text": "zwei 🐈"})
    await client.index()  # type: ignore[attr-defined]

    assert changed.json()["batch"] == made["batch"]
    assert changed.json()["document"]["name"] == ""
    [status] = (await get(client, f"/{own}/documents/{made['batch']}/indexing-status"))["data"]
    assert status["indexing_status"] == "completed"


async def test_a_new_text_may_replace_a_document_by_its_id(client: httpx.AsyncClient) -> None:
    own = await dataset(client)
    old = await document(client, own, "alt")
    at = f"/v1/datasets/{own}/document/create-by-text"

    answer = await client.post(at, json={"name": "新.txt", "text": "新しい", "original_document_id": old.upper()})
    await client.index()  # type: ignore[attr-defined]
    [listed] = (await get(client, f"/{own}/documents"))["data"]
    assert answer.json()["document"]["id"] == listed["id"] == old
    assert (listed["name"], listed["created_from"]) == ("新.txt", "web")
    for unknown in (NOBODY, "x"):
        refused = await client.post(at, json={"name": "n", "text": "t", "original_document_id": unknown})
        assert (refused.status_code, refused.json()["code"]) == (404, "not_found")


async def test_a_file_gives_its_document_the_name_and_a_long_one_is_cut(client: httpx.AsyncClient) -> None:
    own = await dataset(client)
    form = {"data": json.dumps({"name": "other.txt", "process_rule": BY_LINE})}
    at = f"/v1/datasets/{own}/document"

    file = await client.post(f"{at}/create-by-file", data=form, files={"file": ("梟" * 250 + ".txt", b"x")})
    text = await client.post(f"{at}/create-by-text", json={"name": "梟" * 250, "text": "x"})

    assert file.json()["document"]["name"] == "梟" * 200 + ".txt"
    assert text.json()["document"]["name"] == "梟" * 200


async def test_a_document_tells_its_own_rule_and_the_dataset_s_newest(client: httpx.AsyncClient) -> None:
    own = await dataset(client)
    cleaning = [{"id": "remove_extra_spaces", "enabled": each} for each in (True, False)]
    rules = {"pre_processing_rules": cleaning, "segmentation": WHOLE, "parent_mode": "full-doc"}
    first = await document(client, own, name="a", process_rule={"mode": "custom", "rules": rules})
    second = await document(client, own, "eins\nzwei", name="b", process_rule={"mode": "automatic"})

    detail, newest = [await get(client, f"/{own}/documents/{each}") for each in (first, second)]
    assert detail["document_process_rule"]["rules"] == {
        "pre_processing_rules": cleaning[1:],
        "segmentation": WHOLE,
        "parent_mode": "full-doc",
        "subchunk_segmentation": None,
    }
    assert detail["dataset_process_rule"] == newest["dataset_process_rule"]
    assert newest["dataset_process_rule"]["mode"] == "automatic"
    assert detail["segment_count"] == 2  # only parents may be whole documents


@pytest.mark.parametrize(
    "rules",
    [
        {"pre_processing_rules": [], "segmentation": {**WHOLE, "max_tokens": 0}},
        {"pre_processing_rules": [{"id": "", "enabled": True}], "segmentation": WHOLE},
        {"pre_processing_rules": [], "segmentation": WHOLE, "parent_mode": "half"},
        {"pre_processing_rules": [], "segmentation": WHOLE, "subchunk_segmentation": {"separator": ""}},
    ],
)
async def test_a_rule_is_checked_whatever_its_mode(client: httpx.AsyncClient, rules: Any) -> None:
    own = await dataset(client)
    body = {"name": "a", "text": "b", "process_rule": {"mode": "custom", "rules": rules}}
    answer = await client.post(f"/v1/datasets/{own}/document/create-by-text", json=body)

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_param")
    assert (await get(client, f"/{own}/documents"))["total"] == 0


async def test_what_an_update_asks_for_is_checked_before_the_document(client: httpx.AsyncClient) -> None:
    own = await dataset(client)
    at = f"/v1/datasets/{own}/documents/{NOBODY}/update-by-text"
    for body in ({"name": "b"}, {"name": "b", "text": "c", "process_rule": {"mode": "custom"}}):
        answer = await client.post(at, json=body)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_param")
    assert (await client.post(at, json={"name": "b", "text": "c"})).status_code == 404


async def test_a_dataset_without_documents_takes_those_of_another_form(client: httpx.AsyncClient) -> None:
    own = await dataset(client)
    doc = await document(client, own)
    at = f"/v1/datasets/{own}/document"
    question = {"name": "質問.txt", "text": "なぜ?", "doc_form": "qa_model", "process_rule": BY_LINE}
    assert (await client.post(f"{at}/create-by-text", json=question)).status_code == 400

    await client.delete(f"{at}s/{doc}")

    emptied = await get(client, f"/{own}")
    assert (emptied["doc_form"], emptied["data_source_type"]) == (None, "upload_file")
    assert (await client.post(f"{at}/create-by-text", json=question)).status_code == 200
    assert (await get(client, f"/{own}"))["doc_form"] == "qa_model"


async def test_a_first_document_with_vectors_gives_its_dataset_settings_of_search(client: httpx.AsyncClient) -> None:
    quality = {"indexing_technique": "high_quality", "embedding_model_provider": "p", "embedding_model": "m"}
    own = str((await client.post("/v1/datasets", json={"name": "最初"})).json()["id"])
    assert (await get(client, f"/{own}"))["retrieval_model_dict"]["top_k"] == 2
    await document(client, own, **quality)

    shown = await get(client, f"/{own}")
    assert shown["retrieval_model_dict"]["top_k"] == shown["external_retrieval_model"]["top_k"] == 4


async def test_what_is_shown_of_a_dataset_follows_its_settings(client: httpx.AsyncClient) -> None:
    own = await dataset(client, description="説明 🗂️")
    await client.post(f"/v1/datasets/{own}/metadata/built-in/enable")
    await client.patch(f"/v1/datasets/{own}", json={"permission": "partial_members", "description": None})

    shown = await get(client, f"/{own}")
    assert (shown["description"], shown["partial_member_list"]) == ("", [])
    assert [(each["id"], each["name"]) for each in shown["doc_metadata"]] == [
        ("built-in", name) for name in ("document_name", "uploader", "upload_date", "last_update_date", "source")
    ]
    assert "partial_member_list" not in await get(client, f"/{await dataset(client, name='other')}")


@pytest.mark.parametrize(
    ("weights", "status"),
    [
        ({}, 200),
        ({"weight_type": "keyword_first", "keyword_setting": {"keyword_weight": 1}}, 200),
        ({"weight_type": "heavy"}, 400),
        ({"vector_setting": {"vector_weight": 1}}, 400),
        ({"keyword_setting": {"keyword_weight": 10**400}}, 400),
    ],
)
async def test_weights_of_a_search_may_be_incomplete(client: httpx.AsyncClient, weights: Any, status: int) -> None:
    own = await dataset(client)
    model = {"search_method": "hybrid_search", "reranking_enable": False, "top_k": 1, "score_threshold_enabled": False}
    answer = await client.patch(f"/v1/datasets/{own}", json={"retrieval_model": {**model, "weights": weights}})

    assert answer.status_code == status, answer.text
    if status == 200:
        assert answer.json()["retrieval_model_dict"]["weights"] == {
            "weight_type": weights.get("weight_type"),
            "keyword_setting": {"keyword_weight": 1 if weights else None},
            "vector_setting": {"vector_weight": None, "embedding_model_name": None, "embedding_provider_name": None},
        }


async def test_new_keywords_of_a_new_text_count_only_without_vectors(client: httpx.AsyncClient) -> None:
    quality = {"indexing_technique": "high_quality", "embedding_model_provider": "p", "embedding_model": "m"}
    for technique, kept in ((quality, None), ({"name": "e"}, ["鍵"])):
        own = await dataset(client, **technique)
        at = f"/{own}/documents/{await document(client, own)}/segments"
        [first, _] = (await get(client, at))["data"]
        changed = {"segment": {"content": "新しい文", "keywords": ["鍵"]}}
        answer = await client.post(f"/v1/datasets{at}/{first['id']}", json=changed)
        assert answer.json()["data"]["keywords"] == kept
