"""Knowledge API in process: refusals."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from jikko.http.app import create_app
from jikko.inputs.uploads import FileLimits
from jikko.knowledge.dataset_keys import DatasetKeys
from tests.http.scene import api_of, rate_of
from tests.knowledge.scene import BY_LINE, knowledge_at
from tests.runs.world import World

pytestmark = pytest.mark.anyio
NOBODY = "3f1c1f0e-7a1b-4c7e-9f00-00000000abcd"
RERANKED_BY_NOBODY = {
    "search_method": "semantic_search",
    "reranking_enable": False,
    "reranking_model": {"reranking_provider_name": "nobody", "reranking_model_name": "m"},
    "top_k": 3,
    "score_threshold_enabled": False,
}


@asynccontextmanager
async def client_at(folder: Path, file_limits: FileLimits | None = None) -> AsyncIterator[httpx.AsyncClient]:
    """A client with a key of datasets. Documents are indexed by ``index``."""
    world = World()
    async with knowledge_at(folder / "k.db") as knowledge:
        key, _ = await knowledge.keys.create()
        api = api_of(world, world.process(), file_limits=file_limits)
        api = msgspec.structs.replace(api, datasets=knowledge.stores, knowledge=knowledge)
        transport = httpx.ASGITransport(create_app(api))
        headers = {"Authorization": f"Bearer {key}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://jikko", headers=headers) as made:
            made.index = knowledge.indexing.catch_up  # type: ignore[attr-defined]
            yield made


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with client_at(tmp_path) as client:
        yield client


async def dataset(client: httpx.AsyncClient, **more: Any) -> str:
    body = {"name": "d", "indexing_technique": "economy", **more}
    return str((await client.post("/v1/datasets", json=body)).json()["id"])


async def document(client: httpx.AsyncClient, owner: str, text: str = "one\ntwo", **more: Any) -> str:
    body = {"name": "a.txt", "text": text, "process_rule": BY_LINE, **more}
    answer = await client.post(f"/v1/datasets/{owner}/document/create-by-text", json=body)
    await client.index()  # type: ignore[attr-defined]
    return str(answer.json()["document"]["id"])


async def test_a_key_of_an_app_opens_no_dataset_and_one_of_datasets_no_app(client: httpx.AsyncClient) -> None:
    for key in ("app-0123456789012345678901234567", "dataset-wrong", ""):
        answer = await client.get("/v1/datasets", headers={"Authorization": f"Bearer {key}"})
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert (await client.get("/v1/info")).status_code == 401


async def test_the_limit_of_requests_holds_for_keys_of_datasets(tmp_path: Path) -> None:
    world = World()
    async with knowledge_at(tmp_path / "k.db") as knowledge:
        limited = DatasetKeys(knowledge.stores, lambda: 0.0, rate_of(1))
        key, _ = await limited.create()
        api = msgspec.structs.replace(
            api_of(world, world.process()), knowledge=msgspec.structs.replace(knowledge, keys=limited)
        )
        async with httpx.AsyncClient(transport=httpx.ASGITransport(create_app(api)), base_url="http://jikko") as client:
            codes = [
                (await client.get("/v1/datasets", headers={"Authorization": f"Bearer {key}"})).status_code
                for _ in range(2)
            ]

    assert codes == [200, 429]


async def test_a_dataset_may_keep_the_id_that_it_has_elsewhere(client: httpx.AsyncClient) -> None:
    assert await dataset(client, id=NOBODY.upper()) == NOBODY
    again = await client.post("/v1/datasets", json={"name": "other", "id": NOBODY})
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    assert (await client.post("/v1/datasets", json={"name": "other", "id": "x"})).status_code == 400


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("", {"name": "x" * 41}),
        ("", {"name": "x", "description": None}),
        ("", {"name": "x", "provider": None}),
        ("", {"name": "x", "retrieval_model": {"search_method": "guess"}}),
        (
            "",
            {
                "name": "x",
                "indexing_technique": "high_quality",
                "embedding_model": "m",
                "embedding_model_provider": "nobody",
            },
        ),
        ("", {"name": "x", "embedding_model": "m", "embedding_model_provider": "nobody"}),
        ("", {"name": "x", "retrieval_model": RERANKED_BY_NOBODY}),
        ("/{d}/document/create-by-text", {"name": "x", "text": "x", "retrieval_model": RERANKED_BY_NOBODY}),
        ("/{d}/document/create-by-text", {"name": "x", "text": "x", "process_rule": {}}),
        ("/{d}/document/create-by-text", {"name": "x", "text": "x", "doc_form": None}),
        ("/{d}/documents/{doc}/update-by-text", {"name": "x", "text": "x", "doc_form": "qa_model"}),
        ("/{d}/documents/{doc}/update-by-text", {"name": "x", "text": "x", "process_rule": {}}),
        ("/{d}/document/create-by-text", {"name": "x", "text": 7}),
        ("/{d}/document/create-by-text", {"name": "x", "text": "x", "doc_form": "poem"}),
        ("/{d}/document/create-by-text", {"name": "x", "text": "x", "doc_form": "hierarchical_model"}),
        ("/{d}/document/create-by-text", {"name": "x", "text": "x", "process_rule": {"mode": "custom", "rules": 7}}),
        ("/{d}/retrieve", {"query": "x" * 251}),
        ("/{d}/retrieve", {"query": "x", "retrieval_model": {"search_method": "keyword_search"}}),
        ("/{d}/metadata", {"type": "colour", "name": "x"}),
        ("/{d}/metadata", {"type": "string", "name": "document_name"}),
        ("/{d}/documents/metadata", {"operation_data": [{"document_id": 7}]}),
        (
            "/{d}/documents/metadata",
            {"operation_data": [{"document_id": "{doc}", "metadata_list": [{"id": "x", "name": "x", "value": ["x"]}]}]},
        ),
        ("/{d}/documents/{doc}/segments", {"segments": [{"content": "x"}] * 2001}),
        ("/tags/unbinding", {"target_id": "{d}"}),
    ],
)
async def test_what_cannot_be_is_refused_by_name(client: httpx.AsyncClient, path: str, body: Any) -> None:
    own = await dataset(client)
    doc = await document(client, own)
    answer = await client.post(f"/v1/datasets{path}".format(d=own, doc=doc), json=body)

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_param"), answer.text
    assert answer.json()["message"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/{n}"),
        ("PATCH", "/{n}"),
        ("DELETE", "/{n}"),
        ("GET", "/{n}/documents"),
        ("GET", "/{d}/documents/{n}"),
        ("DELETE", "/{d}/documents/{n}"),
        ("GET", "/{d}/documents/{n}/segments"),
        ("GET", "/{d}/documents/{doc}/segments/{n}"),
        ("DELETE", "/{d}/documents/{doc}/segments/{n}/child_chunks/{n}"),
        ("GET", "/{d}/documents/nothing/indexing-status"),
        ("GET", "/not-a-uuid"),
    ],
)
async def test_what_is_not_there_is_404(client: httpx.AsyncClient, method: str, path: str) -> None:
    own = await dataset(client)
    doc = await document(client, own)
    answer = await client.request(method, f"/v1/datasets{path}".format(d=own, doc=doc, n=NOBODY), json={})

    assert answer.status_code == 404, answer.text


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PATCH", "/{n}"),
        ("POST", "/{n}/document/create-by-text"),
        ("POST", "/{n}/documents/{n}/update-by-text"),
        ("POST", "/{n}/documents/metadata"),
        ("POST", "/{n}/documents/download-zip"),
        ("POST", "/{n}/metadata"),
        ("GET", "/{n}/documents?limit=x"),
        ("GET", "/{n}/documents/{n}/segments?limit=0"),
        ("GET", "/{d}/documents/{n}?metadata=x"),
        ("GET", "/{d}/documents/{n}/segments/{n}/child_chunks?limit=0"),
        ("POST", "/{d}/documents/{n}/segments/{n}/child_chunks"),
        ("PATCH", "/{d}/documents/{n}/segments/{n}/child_chunks/{n}"),
    ],
)
async def test_what_is_not_there_is_404_before_the_rest_is_judged(
    client: httpx.AsyncClient, method: str, path: str
) -> None:
    own = await dataset(client)
    answer = await client.request(method, f"/v1/datasets{path}".format(d=own, n=NOBODY), json={"name": 7})

    assert answer.status_code == 404, answer.text


async def test_a_document_of_one_dataset_is_none_of_another(client: httpx.AsyncClient) -> None:
    own = await dataset(client)
    doc = await document(client, own)
    other = await dataset(client, name="other")

    assert (await client.get(f"/v1/datasets/{other}/documents/{doc}")).status_code == 404
    assert (await client.delete(f"/v1/datasets/{other}/documents/{doc}")).status_code == 404
    assert (await client.get(f"/v1/datasets/{own}/documents/{doc}")).status_code == 200


async def test_names_and_texts_of_any_kind_come_back_as_they_were(client: httpx.AsyncClient) -> None:
    own = await dataset(client, name="データ 🎌 \ue000")
    text = "吾輩は猫である 🐈\u200d⬛ \ue000 " + "あ" * 1000
    body = {"name": "文書 🗒️.txt", "text": text, "process_rule": BY_LINE}
    await client.post(f"/v1/datasets/{own}/document/create-by-text", json=body)
    await client.index()  # type: ignore[attr-defined]
    (found,) = (await client.get(f"/v1/datasets/{own}/documents")).json()["data"]

    segments = (await client.get(f"/v1/datasets/{own}/documents/{found['id']}/segments")).json()["data"]
    assert (found["name"], found["indexing_status"]) == ("文書 🗒️.txt", "completed")
    assert found["word_count"] == sum(len(each["content"]) for each in segments)
    assert "".join(each["content"] for each in segments) == text.replace(" あ", "あ")
    assert (await client.get(f"/v1/datasets/{own}")).json()["name"] == "データ 🎌 \ue000"


async def test_files_are_refused_if_there_are_none_several_or_of_no_kind_that_is_read(
    client: httpx.AsyncClient,
) -> None:
    own = await dataset(client)
    path = f"/v1/datasets/{own}/document/create-by-file"
    codes = []
    for files in (
        {},
        {"file": ("a.exe", b"MZ")},
        {"file": ("a.txt", b"x"), "other": ("b.txt", b"y")},
    ):
        answer = await client.post(path, files=files or {"nothing": ("", b"")}, data={"data": "{}"})
        codes.append((answer.status_code, answer.json()["code"]))

    assert codes == [(400, "no_file_uploaded"), (415, "unsupported_file_type"), (400, "too_many_files")]


async def test_a_source_is_fetched_by_a_signed_address_and_not_without(client: httpx.AsyncClient) -> None:
    own = await dataset(client)
    doc = await document(client, own, "take me home")
    url = (await client.get(f"/v1/datasets/{own}/documents/{doc}/download")).json()["url"]

    assert (await client.get(url)).content == b"take me home"
    assert (await client.get(url.replace("sign=", "sign=x"))).status_code == 404
    await client.delete(f"/v1/datasets/{own}/documents/{doc}")
    assert (await client.get(url)).status_code == 404


async def test_an_empty_text_leaves_a_segment_as_it_is(client: httpx.AsyncClient) -> None:
    owner = await dataset(client)
    path = f"/v1/datasets/{owner}/documents/{await document(client, owner, '日本🙂')}/segments"
    [segment] = (await client.get(path)).json()["data"]

    answer = await client.post(f"{path}/{segment['id']}", json={"segment": {"content": "", "keywords": ["neu"]}})

    changed = answer.json()["data"]
    assert (answer.status_code, changed["content"], changed["keywords"]) == (200, "日本🙂", ["neu"])
    answer = await client.post(f"{path}/{segment['id']}", json={"segment": {"keywords": []}})
    assert answer.json()["data"]["keywords"] == ["neu"]


async def test_an_empty_list_of_keywords_is_as_good_as_none(client: httpx.AsyncClient) -> None:
    owner = await dataset(client)
    path = f"/v1/datasets/{owner}/documents/{await document(client, owner)}/segments"

    answer = await client.post(path, json={"segments": [{"content": "Yellow lemons", "keywords": []}]})

    [added] = answer.json()["data"]
    assert sorted(added["keywords"]) == ["Yellow", "lemons"]
    changed = {"content": "Black olives", "keywords": []}
    answer = await client.post(f"{path}/{added['id']}", json={"segment": changed})
    assert sorted(answer.json()["data"]["keywords"]) == ["Black", "olives"]


async def test_of_no_documents_any_action_is_done(client: httpx.AsyncClient) -> None:
    owner = await dataset(client)
    body = {"name": "a.txt", "text": "one", "process_rule": BY_LINE}
    answer = await client.post(f"/v1/datasets/{owner}/document/create-by-text", json=body)
    waiting = answer.json()["document"]["id"]

    async def asked(action: str, ids: list[str]) -> tuple[int, Any]:
        path = f"/v1/datasets/{owner}/documents/status/{action}"
        answer = await client.patch(path, json={"document_ids": ids})
        return answer.status_code, answer.json().get("code")

    assert await asked("explode", []) == (200, None)
    assert await asked("explode", [NOBODY]) == (400, "invalid_action")
    assert await asked("disable", [waiting]) == (400, "invalid_action")


async def test_a_document_by_file_needs_a_rule_unless_one_before_it_had_one(client: httpx.AsyncClient) -> None:
    owner = await dataset(client)
    path = f"/v1/datasets/{owner}/document/create-by-file"

    async def sent(**data: Any) -> httpx.Response:
        return await client.post(path, files={"file": ("a.txt", b"one")}, data={"data": json.dumps(data)})

    refused = await sent(indexing_technique="economy")
    assert (refused.status_code, refused.json()["message"]) == (400, "process_rule is required.")
    assert (await client.get(f"/v1/datasets/{owner}/documents")).json()["total"] == 0
    assert (await sent(process_rule=BY_LINE)).status_code == 200
    inherited = await sent()
    assert inherited.status_code == 200
    [document] = (await client.get(f"/v1/datasets/{owner}/documents")).json()["data"]
    detail = (await client.get(f"/v1/datasets/{owner}/documents/{document['id']}")).json()
    assert detail["document_process_rule"]["mode"] == BY_LINE["mode"]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({}, "segments: is required and must be a list"),
        ({"segments": None}, "segments: is required and must be a list"),
        ({"segments": []}, "segments: must be a list of at least 1 element"),
        ({"segments": "x"}, "segments: must be a list"),
        ({"segments": [{"answer": "a"}]}, "segments[0]: the field 'content' is required"),
        ({"segments": [{"content": ""}]}, "segments[0].content: is empty"),
        ({"segments": [{"content": "x"}, {"content": " 　"}]}, "segments[1].content: is empty"),
    ],
)
async def test_segments_that_cannot_be_are_told_without_a_code(
    body: dict[str, Any], error: str, client: httpx.AsyncClient
) -> None:
    owner = await dataset(client)
    path = f"/v1/datasets/{owner}/documents/{await document(client, owner)}/segments"

    answer = await client.post(path, json=body)

    assert (answer.status_code, answer.json()) == (400, {"error": error})


async def test_a_document_that_is_switched_off_takes_no_segments_and_no_text(client: httpx.AsyncClient) -> None:
    owner = await dataset(client)
    doc = await document(client, owner)
    path = f"/v1/datasets/{owner}/documents/{doc}"
    for action, message in (("disable", "Document is disabled."), ("archive", "Document is disabled.")):
        await client.patch(f"/v1/datasets/{owner}/documents/status/{action}", json={"document_ids": [doc]})
        added = await client.post(f"{path}/segments", json={"segments": [{"content": "x"}]})
        assert (added.status_code, added.json()["message"]) == (404, message)
        updated = await client.post(f"{path}/update-by-text", json={"name": "a.txt", "text": "neu"})
        assert (updated.status_code, updated.json()["message"]) == (400, "Document is not available")
    assert [each["content"] for each in (await client.get(f"{path}/segments")).json()["data"]] == ["one", "two"]


async def test_metadata_of_several_documents_are_set_for_all_or_for_none(client: httpx.AsyncClient) -> None:
    owner = await dataset(client)
    doc = await document(client, owner)
    field = (await client.post(f"/v1/datasets/{owner}/metadata", json={"type": "string", "name": "年"})).json()
    values = [{"id": field["id"], "name": "年", "value": "令和🙂"}]
    operations = [{"document_id": each, "metadata_list": values} for each in (doc, NOBODY)]

    answer = await client.post(f"/v1/datasets/{owner}/documents/metadata", json={"operation_data": operations})

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_param")
    detail = (await client.get(f"/v1/datasets/{owner}/documents/{doc}")).json()
    assert detail["doc_metadata"] is None or "令和🙂" not in str(detail["doc_metadata"])
