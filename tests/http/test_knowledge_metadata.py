"""The knowledge API in process: metadata fields of datasets, their values in documents, and tags."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.http.test_knowledge import NOBODY, client_at, dataset, document

pytestmark = pytest.mark.anyio


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with client_at(tmp_path) as client:
        yield client


async def ask(client: httpx.AsyncClient, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    answer = await client.request(method, f"/v1/datasets{path}", json=body)
    return answer.status_code, answer.json() if answer.content else None


async def fields_of(client: httpx.AsyncClient, owner: str) -> tuple[list[tuple[str, str, int]], bool]:
    code, body = await ask(client, "GET", f"/{owner}/metadata")
    assert code == 200
    fields = [(field["name"], field["type"], field["count"]) for field in body["doc_metadata"]]
    return fields, body["built_in_field_enabled"]


async def values_of(client: httpx.AsyncClient, owner: str, doc: str) -> dict[str, Any]:
    _, body = await ask(client, "GET", f"/{owner}/documents/{doc}?metadata=only")
    return {each["name"]: each["value"] for each in body["doc_metadata"] or []}


async def test_fields_are_added_renamed_and_deleted_with_their_values(client: httpx.AsyncClient) -> None:
    own, other = await dataset(client), await dataset(client, name="other")
    doc = await document(client, own)
    made = [
        await ask(client, "POST", f"/{own}/metadata", {"type": kind, "name": name})
        for kind, name in (("string", "色"), ("number", "n"), ("time", "at"))
    ]
    assert [(code, body["name"], body["type"]) for code, body in made] == [
        (201, "色", "string"),
        (201, "n", "number"),
        (201, "at", "time"),
    ]
    colour, number, _ = (body["id"] for _, body in made)
    given = [{"id": colour, "name": "色", "value": "青 🐟"}, {"id": number, "name": "n", "value": 7}]
    operation = {"operation_data": [{"document_id": doc, "metadata_list": given}]}
    assert await ask(client, "POST", f"/{own}/documents/metadata", operation) == (200, {"result": "success"})

    assert await fields_of(client, own) == ([("色", "string", 1), ("n", "number", 1), ("at", "time", 0)], False)
    assert await fields_of(client, other) == ([], False)
    assert {key: value for key, value in (await values_of(client, own, doc)).items() if key in ("色", "n")} == {
        "色": "青 🐟",
        "n": 7,
    }

    code, refused = await ask(client, "PATCH", f"/{own}/metadata/{NOBODY}", {"name": "x"})
    assert (code, refused["code"]) == (400, "invalid_param")
    code, refused = await ask(client, "PATCH", f"/{own}/metadata/{colour}", {"name": "色"})
    assert (code, refused["code"]) == (400, "invalid_param")
    code, nameless = await ask(client, "POST", f"/{other}/metadata", {"type": "string", "name": ""})
    assert (code, nameless["name"]) == (201, "")
    renamed = await ask(client, "PATCH", f"/{own}/metadata/{colour}", {"name": "colour"})
    assert renamed == (200, {"id": colour, "name": "colour", "type": "string"})
    assert (await values_of(client, own, doc))["colour"] == "青 🐟"
    assert (await ask(client, "DELETE", f"/{own}/metadata/{colour}"))[0] == 204
    assert "colour" not in await values_of(client, own, doc)
    assert (await values_of(client, own, doc))["n"] == 7
    assert await fields_of(client, own) == ([("n", "number", 1), ("at", "time", 0)], False)


async def test_values_replace_those_that_were_there_unless_they_are_to_be_added(client: httpx.AsyncClient) -> None:
    own = await dataset(client)
    one, two = await document(client, own, name="1.txt"), await document(client, own, name="2.txt")
    ids = {
        name: (await ask(client, "POST", f"/{own}/metadata", {"type": "string", "name": name}))[1]["id"]
        for name in ("a", "b")
    }

    async def put(doc: str, *, partial: bool, **values: str) -> None:
        given = [{"id": ids[name], "name": name, "value": value} for name, value in values.items()]
        operation = {"document_id": doc, "metadata_list": given, "partial_update": partial}
        assert (await ask(client, "POST", f"/{own}/documents/metadata", {"operation_data": [operation]}))[0] == 200

    async def own_values(doc: str) -> dict[str, Any]:
        return {name: value for name, value in (await values_of(client, own, doc)).items() if name in ids}

    await put(one, partial=False, a="1", b="2")
    await put(two, partial=False, a="x")
    await put(one, partial=True, b="3")
    assert await own_values(one) == {"a": "1", "b": "3"}
    await put(one, partial=False, b="4")
    assert await own_values(one) == {"b": "4"}
    assert await own_values(two) == {"a": "x"}
    assert await fields_of(client, own) == ([("a", "string", 1), ("b", "string", 1)], False)


async def test_built_in_fields_are_listed_and_switched_on_and_off(client: httpx.AsyncClient) -> None:
    own, other = await dataset(client), await dataset(client, name="other")
    doc = await document(client, own)
    code, body = await ask(client, "GET", f"/{own}/metadata/built-in")
    names = [field["name"] for field in body["fields"]]
    assert (code, {"document_name", "uploader", "upload_date", "source"} <= {*names}) == (200, True)
    assert all(field.keys() == {"name", "type"} for field in body["fields"])

    assert await ask(client, "POST", f"/{own}/metadata/built-in/enable") == (200, {"result": "success"})
    assert ((await fields_of(client, own))[1], (await fields_of(client, other))[1]) == (True, False)
    assert (await values_of(client, own, doc))["document_name"] == "a.txt"
    assert (await ask(client, "POST", f"/{own}/metadata/built-in/nonsense"))[0] == 200
    assert (await fields_of(client, own))[1] is True
    assert (await ask(client, "POST", f"/{own}/metadata/built-in/disable"))[0] == 200
    assert (await fields_of(client, own))[1] is False


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/{n}/metadata", None),
        ("GET", "/{n}/metadata/built-in", None),
        ("POST", "/{n}/metadata/built-in/enable", None),
        ("POST", "/{n}/metadata", {"type": "string", "name": "x"}),
        ("GET", "/{n}/tags", None),
        ("PATCH", "/tags", {"tag_id": NOBODY, "name": "x"}),
        ("DELETE", "/tags", {"tag_id": NOBODY}),
    ],
)
async def test_what_is_not_there_is_404(client: httpx.AsyncClient, method: str, path: str, body: Any) -> None:
    own = await dataset(client)

    code, answer = await ask(client, method, path.format(d=own, n=NOBODY), body)

    assert (code, answer["status"], answer["code"]) == (404, 404, "not_found")


async def tags(client: httpx.AsyncClient) -> list[tuple[str, str]]:
    """Name and number of uses of all tags, the number as a text."""
    code, body = await ask(client, "GET", "/tags")
    assert code == 200
    assert all(tag["type"] == "knowledge" for tag in body)
    return [(tag["name"], str(tag["binding_count"])) for tag in body]


async def test_tags_are_made_bound_renamed_and_deleted(client: httpx.AsyncClient) -> None:
    own, other = await dataset(client), await dataset(client, name="other")
    made = [(await ask(client, "POST", "/tags", {"name": name}))[1] for name in ("猫", "犬", "鳥")]
    cat, dog, bird = (tag["id"] for tag in made)
    assert [str(tag["binding_count"]) for tag in made] == ["0"] * 3

    for tag_ids, target in (([cat, dog], own), ([cat], other), ([cat], own)):
        binding = {"tag_ids": tag_ids, "target_id": target}
        assert (await ask(client, "POST", "/tags/binding", binding))[0] == 204
    assert sorted(await tags(client)) == sorted([("猫", "2"), ("犬", "1"), ("鳥", "0")])
    _, of_own = await ask(client, "GET", f"/{own}/tags")
    assert (sorted(tag["name"] for tag in of_own["data"]), of_own["total"]) == (sorted("猫犬"), 2)
    found = (await ask(client, "GET", f"?tag_ids={dog}"))[1]
    assert [each["id"] for each in found["data"]] == [own]

    assert (await ask(client, "PATCH", "/tags", {"tag_id": cat, "name": "ねこ"}))[1] == {
        **made[0],
        "name": "ねこ",
        "binding_count": type(made[0]["binding_count"])(2),
    }
    assert (await ask(client, "POST", "/tags/unbinding", {"tag_ids": [cat], "target_id": own}))[0] == 204
    assert (await ask(client, "POST", "/tags/unbinding", {"tag_id": dog, "target_id": own}))[0] == 204
    assert sorted(await tags(client)) == sorted([("ねこ", "1"), ("犬", "0"), ("鳥", "0")])
    assert (await ask(client, "DELETE", "/tags", {"tag_id": cat}))[0] == 204
    assert sorted(await tags(client)) == sorted([("犬", "0"), ("鳥", "0")])
    assert (await ask(client, "GET", f"/{other}/tags"))[1] == {"data": [], "total": 0}
    assert bird != dog


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/tags/binding", {"tag_ids": [], "target_id": NOBODY}),
        ("POST", "/tags/unbinding", {"tag_ids": [], "target_id": NOBODY}),
        ("POST", "/tags", {"name": ""}),
        ("POST", "/tags", {"name": "x" * 51}),
        ("POST", "/tags", {}),
    ],
)
async def test_what_cannot_be_is_refused(client: httpx.AsyncClient, method: str, path: str, body: Any) -> None:
    code, answer = await ask(client, method, path, body)

    assert (code, answer["code"]) == (400, "invalid_param")
    assert await tags(client) == []
    assert (await ask(client, "POST", "/tags", {"name": "x" * 50}))[0] == 200


async def test_there_are_only_so_many_documents_and_characters_in_a_request(client: httpx.AsyncClient) -> None:
    owner = await dataset(client)
    made = await document(client, owner)
    field = (await client.post(f"/v1/datasets/{owner}/metadata", json={"type": "string", "name": "about"})).json()["id"]
    path = f"/v1/datasets/{owner}/documents/metadata"

    def operation(value: str) -> dict[str, Any]:
        return {"document_id": made, "metadata_list": [{"id": field, "name": "about", "value": value}]}

    many = await client.post(path, json={"operation_data": [operation("x")] * 1001})
    long = await client.post(path, json={"operation_data": [operation("x" * 65_537)]})

    assert (many.status_code, many.json()["code"]) == (400, "invalid_param")
    assert "operation_data: at most 1000 in one request, and these are 1001" in many.json()["message"]
    assert "value: must have at most 65536 characters" in long.json()["message"]
    assert (await client.post(path, json={"operation_data": [operation("x" * 65_536)]})).status_code == 200
