"""Knowledge API in process: lists and details, pages, and size limits."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from jikko.inputs.uploads import FileLimits
from tests.http.test_knowledge import NOBODY, client_at, dataset, document
from tests.knowledge.scene import BY_LINE

pytestmark = pytest.mark.anyio
MOST = 1000
"""Bytes that a file may have."""


@pytest.fixture
async def client(tmp_path: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with client_at(tmp_path, file_limits=FileLimits(max_other=MOST)) as client:
        yield client


async def texts(client: httpx.AsyncClient, owner: str, *names: str) -> list[str]:
    """Documents with these names, the ids of which are given."""
    return [await document(client, owner, "one\ntwo", name=name) for name in names]


async def get(client: httpx.AsyncClient, path: str) -> Any:
    answer = await client.get(f"/v1/datasets{path}")
    assert answer.status_code == 200, answer.text
    return answer.json()


# --- Pages ---


async def test_documents_come_in_pages_the_newest_first(client: httpx.AsyncClient) -> None:
    own = await dataset(client)
    await texts(client, own, "a.txt", "b.txt", "c.txt")

    async def page(query: str) -> tuple[list[str], bool, int, int, int]:
        body = await get(client, f"/{own}/documents{query}")
        return [each["name"] for each in body["data"]], *(body[key] for key in ("has_more", "limit", "total", "page"))

    assert await page("") == (["c.txt", "b.txt", "a.txt"], False, 20, 3, 1)
    assert await page("?limit=2") == (["c.txt", "b.txt"], True, 2, 3, 1)
    assert await page("?limit=2&page=2") == (["a.txt"], False, 2, 3, 2)
    # As in Dify a full page means that more follow, and a number out of range is echoed.
    assert await page("?limit=3") == (["c.txt", "b.txt", "a.txt"], True, 3, 3, 1)
    assert await page("?limit=1&page=4") == ([], False, 1, 3, 4)
    assert await page("?limit=0&page=0") == (["c.txt", "b.txt", "a.txt"], False, 0, 3, 0)
    assert await page("?limit=101") == (["c.txt", "b.txt", "a.txt"], False, 101, 3, 1)
    assert await page("?status=Active") == (["c.txt", "b.txt", "a.txt"], False, 20, 3, 1)
    assert await page("?status=Disabled") == ([], False, 20, 0, 1)
    for query in ("limit=x", "page=-"):
        answer = await client.get(f"/v1/datasets/{own}/documents?{query}")
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_param")
    assert (await client.get("/v1/datasets?limit=0")).json()["data"][0]["id"] == own
    assert (await client.get("/v1/datasets?include_all=x")).status_code == 400
    assert (await client.get("/v1/datasets?include_all=")).status_code == 400
    assert (await client.get("/v1/datasets?include_all=True")).status_code == 200
    assert await page("?keyword=b.t") == (["b.txt"], False, 20, 1, 1)


@pytest.mark.parametrize("query", ["page=0", "page=-1", "limit=0", "limit=-1"])
async def test_a_page_of_segments_or_children_out_of_range_is_refused(client: httpx.AsyncClient, query: str) -> None:
    own = await dataset(client)
    doc = await document(client, own)
    [segment, _] = (await get(client, f"/{own}/documents/{doc}/segments"))["data"]
    at = f"/v1/datasets/{own}/documents/{doc}/segments"

    for path in (at, f"{at}/{segment['id']}/child_chunks"):
        answer = await client.get(f"{path}?{query}")
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_param")
        for good in ("page=1&limit=1", "limit=101", "page=x&limit=y"):
            assert (await client.get(f"{path}?{good}")).status_code == 200


async def test_segments_come_in_pages_by_position(client: httpx.AsyncClient) -> None:
    own = await dataset(client)
    doc = await document(client, own, "one\ntwo\nthree")

    async def page(query: str) -> tuple[list[str], bool, int, int, int]:
        body = await get(client, f"/{own}/documents/{doc}/segments{query}")
        found = [each["content"] for each in body["data"]]
        return found, *(body[key] for key in ("has_more", "limit", "total", "page"))

    assert await page("") == (["one", "two", "three"], False, 20, 3, 1)
    assert await page("?limit=2") == (["one", "two"], True, 2, 3, 1)
    assert await page("?limit=2&page=2") == (["three"], False, 2, 3, 2)
    assert await page("?limit=3") == (["one", "two", "three"], True, 3, 3, 1)
    assert await page("?limit=101") == (["one", "two", "three"], False, 101, 3, 1)
    assert await page("?keyword=T") == (["two", "three"], False, 20, 2, 1)
    assert await page("?status=completed&status=error") == (["one", "two", "three"], False, 20, 3, 1)
    assert await page("?status=error") == ([], False, 20, 0, 1)


async def test_children_come_in_pages_with_their_number(client: httpx.AsyncClient) -> None:
    own = await dataset(client, indexing_technique="high_quality")
    rule = {
        "mode": "hierarchical",
        "rules": {
            "pre_processing_rules": [],
            "segmentation": {"separator": "\n\n", "max_tokens": 500},
            "parent_mode": "paragraph",
            "subchunk_segmentation": {"separator": "\n", "max_tokens": 50},
        },
    }
    doc = await document(client, own, "owl\nbee\nant", process_rule=rule, doc_form="hierarchical_model")
    [segment] = (await get(client, f"/{own}/documents/{doc}/segments"))["data"]
    alone = await get(client, f"/{own}/documents/{doc}/segments/{segment['id']}")
    assert (alone["data"], alone["doc_form"]) == (segment, "hierarchical_model")
    assert [child["content"] for child in segment["child_chunks"]] == ["owl", "bee", "ant"]
    at = f"/{own}/documents/{doc}/segments/{segment['id']}/child_chunks"

    async def page(query: str) -> tuple[list[str], int, int, int, int]:
        body = await get(client, f"{at}{query}")
        found = [each["content"] for each in body["data"]]
        return found, *(body[key] for key in ("total", "total_pages", "page", "limit"))

    assert await page("") == (["owl", "bee", "ant"], 3, 1, 1, 20)
    assert await page("?limit=2") == (["owl", "bee"], 3, 2, 1, 2)
    assert await page("?limit=2&page=2") == (["ant"], 3, 2, 2, 2)
    assert await page("?keyword=BEE") == (["bee"], 1, 1, 1, 20)

    added = (await client.post(f"/v1/datasets{at}", json={"content": "fox"})).json()["data"]
    one = f"/v1/datasets{at}/{added['id']}"
    strange = await document(client, own, "elk", name="b.txt", process_rule=rule, doc_form="hierarchical_model")
    for elsewhere in (one.replace(doc, strange), one.replace(segment["id"], NOBODY)):
        assert (await client.patch(elsewhere, json={"content": "x"})).status_code == 404
        assert (await client.delete(elsewhere)).status_code == 404
    changed = (await client.patch(one, json={"content": "hen"})).json()["data"]
    assert (added["position"], added["content"], changed["content"]) == (4, "fox", "hen")
    assert await page("?page=2&limit=3") == (["hen"], 4, 2, 2, 3)
    assert (await client.delete(one)).status_code == 204
    assert await page("") == (["owl", "bee", "ant"], 3, 1, 1, 20)
    assert (await client.patch(one, json={"content": "hen"})).status_code == 404


# --- Details ---


async def test_a_document_is_told_with_its_metadata_without_it_or_it_alone(client: httpx.AsyncClient) -> None:
    own = await dataset(client)
    doc = await document(client, own, "one\ntwo")
    field = (await client.post(f"/v1/datasets/{own}/metadata", json={"type": "string", "name": "色"})).json()
    values = [{"id": field["id"], "name": "色", "value": "青"}]
    given = {"operation_data": [{"document_id": doc, "metadata_list": values}]}
    assert (await client.post(f"/v1/datasets/{own}/documents/metadata", json=given)).status_code == 200

    whole = await get(client, f"/{own}/documents/{doc}")
    only = await get(client, f"/{own}/documents/{doc}?metadata=only")
    without = await get(client, f"/{own}/documents/{doc}?metadata=without")

    assert {each["name"]: each["value"] for each in whole["doc_metadata"]}["色"] == "青"
    assert (whole["segment_count"], whole["average_segment_length"], whole["hit_count"]) == (2, 3, 0)
    assert await get(client, f"/{own}/documents/{doc}?metadata=all") == whole
    assert only == {"id": doc, "doc_type": None, "doc_metadata": whole["doc_metadata"]}
    assert without == {key: value for key, value in whole.items() if key not in ("doc_type", "doc_metadata")}
    for which in ("", "everything", "ALL", "only,all"):
        answer = await client.get(f"/v1/datasets/{own}/documents/{doc}?metadata={which}")
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_metadata")
        assert which in answer.json()["message"]


# --- Sending ---


async def test_a_file_may_have_as_many_bytes_as_are_allowed_and_not_one_more(client: httpx.AsyncClient) -> None:
    own = await dataset(client)
    path = f"/v1/datasets/{own}/document/create-by-file"

    rule = {"data": json.dumps({"process_rule": {"mode": "automatic"}})}
    answers = [await client.post(path, data=rule, files={"file": ("a.txt", b"x" * size)}) for size in (MOST, MOST + 1)]

    assert [each.status_code for each in answers] == [200, 413]
    assert answers[1].json()["code"] == "file_too_large"
    assert f"larger than {MOST} bytes" in answers[1].json()["message"]
    names = [each["name"] for each in (await get(client, f"/{own}/documents"))["data"]]
    assert names == ["a.txt"]


class Sent:
    """A body that is sent piece by piece, and how much of it was asked for."""

    def __init__(self, size: int) -> None:
        self.left = size
        self.taken = 0

    async def pieces(self) -> AsyncIterator[bytes]:
        while self.left > 0:
            size = min(self.left, 1 << 16)
            self.left -= size
            self.taken += size
            yield b"x" * size


async def test_of_a_form_that_is_too_large_nothing_is_read_if_its_length_says_so_and_little_if_not(
    client: httpx.AsyncClient,
) -> None:
    own = await dataset(client)
    form = {"Content-Type": "multipart/form-data; boundary=b"}
    announced, untold = Sent(100 << 20), Sent(100 << 20)

    answers = [
        await client.post(f"/v1/datasets/{own}/document/create-by-file", content=sent.pieces(), headers=headers)
        for sent, headers in ((announced, {**form, "Content-Length": str(100 << 20)}), (untold, form))
    ]

    assert [(each.status_code, each.json()["code"]) for each in answers] == [
        (413, "file_too_large"),
        (400, "bad_request"),
    ]
    assert (announced.taken, untold.taken <= (2 << 20)) == (0, True)


async def test_what_is_no_form_no_object_or_no_operator_is_an_invalid_parameter(client: httpx.AsyncClient) -> None:
    own = f"/v1/datasets/{await dataset(client)}"
    conditions = {"conditions": [{"name": "名", "comparison_operator": "like", "value": "x"}]}
    model = {"search_method": "keyword_search", "reranking_enable": False, "score_threshold_enabled": False, "top_k": 1}
    asked = {"query": "x", "retrieval_model": {**model, "metadata_filtering_conditions": conditions}}

    for path, body, code in (
        ("document/create-by-text", [], "invalid_param"),
        ("document/create-by-file", {}, "no_file_uploaded"),
        ("retrieve", asked, "invalid_param"),
    ):
        answer = await client.post(f"{own}/{path}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (400, code), answer.text


@pytest.mark.parametrize(
    ("data", "says"),
    [("[]", "must be a JSON object"), ("{", "is not JSON"), ('{"a":' * 300 + "1" + "}" * 300, "must be a JSON object")],
)
async def test_the_wishes_beside_a_file_are_a_json_object(client: httpx.AsyncClient, data: str, says: str) -> None:
    own = await dataset(client)
    path = f"/v1/datasets/{own}/document/create-by-file"

    answer = await client.post(path, files={"file": ("a.txt", b"x")}, data={"data": data})

    assert (answer.status_code, answer.json()["code"], answer.json()["message"]) == (
        400,
        "invalid_param",
        f"data: {says}",
    )
    assert (await get(client, f"/{own}/documents"))["total"] == 0


async def test_a_document_may_be_renamed_without_a_text_and_not_given_one_without_a_name(
    client: httpx.AsyncClient,
) -> None:
    own = await dataset(client)
    doc = await document(client, own, "one\ntwo")
    path = f"/v1/datasets/{own}/documents/{doc}/update-by-text"

    refused = await client.post(path, json={"text": "three"})
    renamed = await client.post(path, json={"name": "名前.txt", "process_rule": BY_LINE})

    assert (refused.status_code, refused.json()["message"]) == (400, "name: is required when text is provided")
    assert renamed.json()["document"]["name"] == "名前.txt"
    await client.index()  # type: ignore[attr-defined]
    contents = [each["content"] for each in (await get(client, f"/{own}/documents/{doc}/segments"))["data"]]
    assert contents == ["one", "two"]
