"""The knowledge API in process: documents that are made of files and texts, changed, searched and fetched again."""

import io
import json
import zipfile
from typing import Any

import httpx
import pytest

from jikko.http.routes.knowledge import document_routes
from tests.http.test_knowledge import NOBODY, client_at, dataset, document
from tests.knowledge.scene import BY_LINE

pytestmark = pytest.mark.anyio
TEXT = "梟 🦉 owls\nbees"


@pytest.fixture
async def client(tmp_path: Any) -> Any:
    async with client_at(tmp_path) as client:
        yield client


async def get(client: httpx.AsyncClient, path: str) -> Any:
    answer = await client.get(f"/v1/datasets{path}")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def of_file(
    client: httpx.AsyncClient,
    owner: str,
    content: bytes = TEXT.encode(),
    name: str = "a 梟.txt",
) -> str:
    form: dict[str, Any] = {"data": json.dumps({"process_rule": BY_LINE, "name": "only a file that is replaced.txt"})}
    answer = await client.post(
        f"/v1/datasets/{owner}/document/create-by-file", data=form, files={"file": (name, content)}
    )
    assert answer.status_code == 200, answer.text
    await client.index()  # type: ignore[attr-defined]
    return str(answer.json()["document"]["id"])


async def texts(client: httpx.AsyncClient, at: str) -> list[str]:
    return [segment["content"] for segment in (await get(client, f"{at}/segments"))["data"]]


@pytest.mark.parametrize(
    ("files", "code", "status"),
    [
        ([], "no_file_uploaded", 400),
        ([("file", ("a.txt", b"a")), ("also", ("b.txt", b"b"))], "too_many_files", 400),
        ([("other", ("a.txt", b"a"))], "no_file_uploaded", 400),
        ([("file", ("a/b.txt", b"a"))], "invalid_param", 400),
        ([("file", ("a\\b.txt", b"a"))], "invalid_param", 400),
        ([("file", ("a.exe", b"a"))], "unsupported_file_type", 415),
    ],
)
async def test_what_is_no_file_that_can_be_read_is_refused(
    client: httpx.AsyncClient, files: Any, code: str, status: int
) -> None:
    own = await dataset(client)

    answer = await client.post(
        f"/v1/datasets/{own}/document/create-by-file", data={"data": "{}"}, files=files or {"x": (None, "y")}
    )

    assert (answer.json()["code"], answer.status_code) == (code, status), answer.text
    assert (await get(client, f"/{own}/documents"))["total"] == 0


async def test_of_several_files_of_one_name_and_of_what_is_said_of_them_the_first_counts(
    client: httpx.AsyncClient,
) -> None:
    own = await dataset(client)
    said = [json.dumps({"doc_language": name, "process_rule": {"mode": "automatic"}}) for name in ("日本語", "second")]

    answer = await client.post(
        f"/v1/datasets/{own}/document/create-by-file",
        data={"data": said},
        files=[("file", ("a.txt", "一".encode())), ("file", ("b.txt", b"two"))],
    )
    assert answer.status_code == 200, answer.text
    await client.index()  # type: ignore[attr-defined]

    document = answer.json()["document"]
    assert document["name"] == "a.txt"
    assert (await get(client, f"/{own}/documents/{document['id']}"))["doc_language"] == "日本語"
    assert await texts(client, f"/{own}/documents/{document['id']}") == ["一"]


@pytest.mark.parametrize("name", ["", "\0"], ids=ascii)
async def test_a_file_without_a_name_is_refused(client: httpx.AsyncClient, name: str) -> None:
    own = await dataset(client)
    part = f'--x\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\none\r\n--x--\r\n'

    answer = await client.post(
        f"/v1/datasets/{own}/document/create-by-file",
        content=part.encode(),
        headers={"Content-Type": "multipart/form-data; boundary=x"},
    )

    assert (answer.status_code, answer.json()["code"]) == (400, "filename_not_exists_error"), answer.text


async def test_what_is_said_of_a_file_has_no_more_elements_than_any_body(client: httpx.AsyncClient) -> None:
    own = await dataset(client)
    data = json.dumps({"process_rule": BY_LINE, "wide": [0] * 200_001})

    answer = await client.post(
        f"/v1/datasets/{own}/document/create-by-file", data={"data": data}, files={"file": ("a.txt", b"1")}
    )

    assert (answer.status_code, answer.json()["message"]) == (
        413,
        "data has more than 200000 elements of arrays and objects (the limit is set by JIKKO_MAX_ELEMENTS).",
    )


async def test_files_come_back_as_they_were_sent_alone_and_as_a_zip(client: httpx.AsyncClient) -> None:
    own = await dataset(client)
    contents = {"a 梟.txt": TEXT.encode(), "b.txt": b"bees"}
    ids = [await of_file(client, own, content, name) for name, content in contents.items()]
    url = (await get(client, f"/{own}/documents/{ids[0]}/download"))["url"]
    assert url.startswith("http://jikko/")

    answer = await client.post(f"/v1/datasets/{own}/documents/download-zip", json={"document_ids": ids})

    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-disposition"] == 'attachment; filename="documents.zip"'
    with zipfile.ZipFile(io.BytesIO(answer.content)) as packed:
        assert {name: packed.read(name) for name in packed.namelist()} == contents


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([], "document_ids: no matching document"),
        (None, "document_ids: no matching document"),
        ([NOBODY] * 101, "document_ids: at most 100 at a time"),
        ([NOBODY, "x"], "document_ids: must be UUIDs"),
    ],
    ids=["none", "null", "101", "no id"],
)
async def test_a_zip_has_one_to_a_hundred_documents(client: httpx.AsyncClient, ids: Any, message: str) -> None:
    at = f"/v1/datasets/{await dataset(client)}/documents/download-zip"

    answer = await client.post(at, json={"document_ids": ids})

    assert (answer.status_code, answer.json()["message"]) == (400, message)
    assert (await client.post(at, json={"document_ids": [NOBODY] * 100})).status_code == 404


async def test_documents_with_one_name_are_one_zip_and_none_hides_another(client: httpx.AsyncClient) -> None:
    own = await dataset(client)
    ids = [await of_file(client, own, b"%d" % number, f"{number}.txt") for number in range(3)]
    for number, each in enumerate(ids):
        await client.patch(
            f"/v1/datasets/{own}/documents/{each}",
            files={"file": ("梟.txt", b"%d" % number)},
            data={"data": json.dumps({"name": f"{number}"})},
        )

    answer = await client.post(f"/v1/datasets/{own}/documents/download-zip", json={"document_ids": ids})

    assert answer.status_code == 200
    with zipfile.ZipFile(io.BytesIO(answer.content)) as packed:
        assert packed.testzip() is None
        assert {name: packed.read(name) for name in packed.namelist()} == {
            "梟.txt": b"0",
            "梟 (2).txt": b"1",
            "梟 (3).txt": b"2",
        }


async def test_a_document_that_is_named_a_hundred_times_is_in_the_zip_once(client: httpx.AsyncClient) -> None:
    own = await dataset(client)
    one = await of_file(client, own)

    answer = await client.post(
        f"/v1/datasets/{own}/documents/download-zip", json={"document_ids": [one, one.upper()] * 50}
    )

    assert answer.status_code == 200
    with zipfile.ZipFile(io.BytesIO(answer.content)) as packed:
        assert len(packed.namelist()) == 1


async def test_a_zip_takes_no_more_than_so_many_bytes_in_all(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = await dataset(client)
    ids = [await of_file(client, own, content, f"{len(content)}.txt") for content in (b"123", b"4567")]
    at = f"/v1/datasets/{own}/documents/download-zip"
    monkeypatch.setattr(document_routes, "MAX_ZIPPED_BYTES", 6)

    refused = await client.post(at, json={"document_ids": ids})

    assert (refused.status_code, refused.json()["message"]) == (
        400,
        "document_ids: the files of these documents have 7 bytes; a ZIP file takes 6 at most, ask for fewer at a time",
    )
    assert (await client.post(at, json={"document_ids": ids[:1] * 3})).status_code == 200


async def test_a_text_takes_the_place_of_another_and_a_name_alone_is_not_enough(client: httpx.AsyncClient) -> None:
    own = await dataset(client)
    at = f"/{own}/documents/{await document(client, own, TEXT)}"
    url = f"/v1/datasets{at}/update-by-text"
    refused = await client.post(url, json={"text": "ants"})
    assert (refused.status_code, refused.json()["message"]) == (400, "name: is required when text is provided")

    for nothing in ({"name": "n.txt"}, {"name": "n.txt", "text": ""}):
        named = await client.post(url, json=nothing)
        assert (named.status_code, named.json()["message"]) == (400, "Data source or Process rule is required")
    changed = await client.post(url, json={"name": "m.txt", "text": "ants\nemus", "process_rule": BY_LINE})
    batch = changed.json()["batch"]
    await client.index()  # type: ignore[attr-defined]

    assert (await get(client, at))["name"] == "m.txt"
    assert await texts(client, at) == ["ants", "emus"]
    [listed] = (await get(client, f"/{own}/documents"))["data"]
    assert listed["word_count"] == len("ants") + len("emus")
    [status] = (await get(client, f"/{own}/documents/{batch}/indexing-status"))["data"]
    assert (status["indexing_status"], status["completed_segments"], status["total_segments"]) == ("completed", 2, 2)
    moments = [
        status[name]
        for name in ("processing_started_at", "parsing_completed_at", "splitting_completed_at", "completed_at")
    ]
    assert None not in moments
    assert moments == sorted(moments)
    assert (status["error"], status["paused_at"], status["stopped_at"]) == (None, None, None)


@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_a_file_takes_the_place_of_another(client: httpx.AsyncClient, method: str) -> None:
    own = await dataset(client)
    at = f"/{own}/documents/{await of_file(client, own)}"
    url = f"/v1/datasets{at}" + ("/update-by-file" if method == "POST" else "")

    answer = await client.request(
        method, url, data={"data": json.dumps({"process_rule": BY_LINE})}, files={"file": ("b.txt", b"ants\nemus")}
    )
    await client.index()  # type: ignore[attr-defined]

    assert answer.status_code == 200, answer.text
    assert ((await get(client, at))["name"], await texts(client, at)) == ("b.txt", ["ants", "emus"])


async def test_what_is_shown_of_a_document_follows_its_state(client: httpx.AsyncClient) -> None:
    own = await dataset(client)
    one = await document(client, own, TEXT)

    async def shown(action: str) -> tuple[str, bool, bool]:
        url = f"/v1/datasets/{own}/documents/status/{action}"
        answer = await client.patch(url, json={"document_ids": [one]})
        assert answer.status_code == 200, answer.text
        found = await get(client, f"/{own}/documents/{one}")
        return found["display_status"], found["enabled"], found["archived"]

    assert (await get(client, f"/{own}/documents/{one}"))["display_status"] == "available"
    assert await shown("disable") == ("disabled", False, False)
    assert await shown("enable") == ("available", True, False)
    assert (await shown("archive"))[::2] == ("archived", True)
    assert (await shown("un_archive"))[::2] == ("available", False)
    body = {"name": "b.txt", "text": "emus", "process_rule": BY_LINE}
    waiting = (await client.post(f"/v1/datasets/{own}/document/create-by-text", json=body)).json()["document"]
    assert (waiting["display_status"], waiting["indexing_status"]) == ("queuing", "waiting")


@pytest.mark.parametrize("path", ["retrieve", "hit-testing"])
async def test_what_is_found_is_told_with_its_document(client: httpx.AsyncClient, path: str) -> None:
    own = await dataset(client)
    one = await document(client, own, TEXT, name="鳥.txt")
    url = f"/v1/datasets/{own}/{path}"

    found = (await client.post(url, json={"query": "bees"})).json()

    assert found["query"] == {"content": "bees"}
    [record] = found["records"]
    segment = record["segment"]
    assert (segment["content"], segment["document_id"], segment["position"]) == ("bees", one, 2)
    assert (segment["document"]["id"], segment["document"]["name"]) == (one, "鳥.txt")
    assert segment["keywords"] == ["bees"]
    assert segment["hit_count"] == 0
    assert (await client.post(url, json={"query": "emus"})).json()["records"] == []
    for body, message in (
        ({"query": ""}, "query: is required"),
        ({"query": "bees", "retrieval_model": {**RANKED, "top_k": 0}}, "retrieval_model.top_k: must be at least 1"),
    ):
        refused = await client.post(url, json=body)
        assert (refused.status_code, refused.json()["message"]) == (400, message)
    assert (await client.post(f"/v1/datasets/{NOBODY}/{path}", json={"query": "bees"})).status_code == 404


RANKED = {"search_method": "keyword_search", "reranking_enable": False, "score_threshold_enabled": False}


async def test_no_more_is_found_than_is_asked_for(client: httpx.AsyncClient) -> None:
    own = await dataset(client)
    await document(client, own, "bees one\nbees two\nbees three")

    for count in (1, 2, 3):
        model = {**RANKED, "top_k": count}
        answer = await client.post(f"/v1/datasets/{own}/retrieve", json={"query": "bees", "retrieval_model": model})
        assert len(answer.json()["records"]) == count


@pytest.mark.parametrize("kind", ["llm", "text-embedding", "rerank", "speech2text", "moderation", "tts"])
async def test_models_are_listed_by_their_kind(client: httpx.AsyncClient, kind: str) -> None:
    at = "/v1/workspaces/current/models/model-types"

    assert (await client.get(f"{at}/{kind}")).json() == {"data": []}
    refused = await client.get(f"{at}/x{kind}")
    assert (refused.status_code, refused.json()["message"]) == (400, f"'x{kind}' is not a valid ModelType")


async def test_a_dataset_is_shown_as_made_by_this_server(client: httpx.AsyncClient) -> None:
    own = await dataset(client, name="鳥 🦉", description="All birds.")

    shown = await get(client, f"/{own}")

    assert (shown["name"], shown["description"], shown["author_name"]) == ("鳥 🦉", "All birds.", "jikko")
    assert shown["external_knowledge_info"] == dict.fromkeys(
        (
            "external_knowledge_id",
            "external_knowledge_api_id",
            "external_knowledge_api_name",
            "external_knowledge_api_endpoint",
        )
    )
    assert shown["retrieval_model_dict"]["search_method"] == "keyword_search"
    assert shown["external_retrieval_model"] == {"top_k": 2, "score_threshold": 0.0, "score_threshold_enabled": None}


async def test_an_overlap_that_makes_too_many_chunks_is_the_error_of_the_document(client: httpx.AsyncClient) -> None:
    owner = await dataset(client)
    segmentation = {"separator": "\n", "max_tokens": 4000, "chunk_overlap": 4000}
    rule = {"mode": "custom", "rules": {"pre_processing_rules": [], "segmentation": segmentation}}
    made = await document(client, owner, "x" * 50_000, process_rule=rule)
    found = (await client.get(f"/v1/datasets/{owner}/documents/{made}")).json()

    assert found["indexing_status"] == "error"
    assert "choose a smaller overlap, larger chunks, or another separator" in found["error"]


async def test_so_it_is_of_segments_that_are_added_or_rewritten(client: httpx.AsyncClient) -> None:
    owner = await dataset(client, indexing_technique="high_quality")
    rules = {
        "pre_processing_rules": [],
        "segmentation": {"separator": "\n", "max_tokens": 4000},
        "subchunk_segmentation": {"separator": "\n", "max_tokens": 4000, "chunk_overlap": 4000},
    }
    rule = {"mode": "hierarchical", "rules": rules}
    made = await document(client, owner, "one\ntwo", doc_form="hierarchical_model", process_rule=rule)
    path = f"/v1/datasets/{owner}/documents/{made}/segments"
    content = "x" * 30_000
    # Of several in one request, what they come to together counts.
    added = await client.post(path, json={"segments": [{"content": content[:20_000]}] * 2})
    first = (await client.get(path)).json()["data"][0]["id"]
    rewritten = await client.post(
        f"{path}/{first}", json={"segment": {"content": content, "regenerate_child_chunks": True}}
    )

    for answer in (added, rewritten):
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_param"), answer.text
        assert "choose a smaller overlap" in answer.json()["message"]
    assert (await client.get(path)).json()["total"] == 2


async def test_a_text_of_a_segment_is_no_longer_than_pages_can_have_a_hundred_of(client: httpx.AsyncClient) -> None:
    owner = await dataset(client)
    path = f"/v1/datasets/{owner}/documents/{await document(client, owner)}/segments"
    first = (await client.get(path)).json()["data"][0]["id"]
    long = "日" * 65_537
    for body, said in (
        ({"content": long}, "content: must have at most 65536 characters, and has 65537"),
        ({"content": "x", "keywords": ["k"] * 1001}, "keywords: must be at most 1000"),
        ({"content": "x", "keywords": ["k" * 256]}, "keywords: must be at most 1000"),
    ):
        for answer in (
            await client.post(path, json={"segments": [body]}),
            await client.post(f"{path}/{first}", json={"segment": body}),
        ):
            assert (answer.status_code, answer.json()["code"]) == (400, "invalid_param"), answer.text
            assert said in answer.json()["message"]
    longest = await client.post(path, json={"segments": [{"content": long[1:], "keywords": ["k" * 255] * 1000}]})

    assert longest.status_code == 200
    assert (await client.get(path)).json()["total"] == 3


async def test_a_search_has_a_hundred_results_at_most(client: httpx.AsyncClient) -> None:
    owner = await dataset(client)
    await document(client, owner, "\n".join(f"owl number {number}" for number in range(130)))
    model = {
        **{"search_method": "keyword_search", "reranking_enable": False, "score_threshold_enabled": False},
        "top_k": 1_000_000,
    }
    found = await client.post(f"/v1/datasets/{owner}/retrieve", json={"query": "owl", "retrieval_model": model})

    assert len(found.json()["records"]) == 100
