"""OpenAPI documents as tools, the hostile ones among them."""

import json
from typing import Any

import pytest

from jikko.diagnostics.diagnostic import Diagnostic
from jikko.ports.tools import ToolFailure
from jikko.tools.openapi.api_tools import prepare
from jikko.tools.openapi.openapi_document import RemoteOperation, read_document
from tests.effort import growth


def read(document: Any) -> tuple[dict[str, RemoteOperation], list[Diagnostic]]:
    problems: list[Diagnostic] = []
    text = document if isinstance(document, str) else json.dumps(document)
    return read_document(text, "schema", problems, {}, []), problems


def having(paths: Any, **more: Any) -> dict[str, Any]:
    return {"openapi": "3.0.3", "servers": [{"url": "https://a.test"}], "paths": paths, **more}


def query(schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": "q", "in": "query", "schema": schema, **more}


def test_an_operation_is_named_by_its_id_or_by_path_and_method() -> None:
    found, problems = read(having({"/a/{id}/b": {"get": {}, "post": {"operationId": "make"}}, "/é": {"patch": {}}}))

    assert (list(found), problems) == (["aidb_get", "make", "_patch"], [])
    assert found["make"].url == "https://a.test/a/{id}/b"


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ({"type": "integer"}, "number"),
        ({"type": "number"}, "number"),
        ({"type": "boolean"}, "boolean"),
        ({"type": "array"}, "array"),
        ({"type": "string", "format": "binary"}, "file"),
        ({"type": "array", "items": {"format": "binary"}}, "files"),
        ({"type": "object"}, "string"),
        ({"anyOf": [{"type": "integer"}]}, "string"),
        ({"$ref": "#/components/schemas/X"}, "string"),
        ({}, "string"),
    ],
)
def test_the_schema_of_a_parameter_says_how_values_are_converted(schema: dict[str, Any], kind: str) -> None:
    found, _ = read(having({"/": {"get": {"operationId": "x", "parameters": [query(schema)]}}}))

    assert [parameter.type for parameter in found["x"].parameters] == [kind]


def test_a_parameter_of_a_path_is_not_looked_at() -> None:
    found, _ = read(having({"/": {"parameters": [query({})], "get": {"operationId": "x"}}}))

    assert found["x"].parameters == ()


def test_variables_of_a_server_have_their_defaults() -> None:
    server = {"url": "https://{region}.a.test/{v}", "variables": {"region": {"default": "eu"}, "v": {"default": 2}}}
    found, problems = read({**having({"/x": {"get": {}}}), "servers": [server]})

    assert (found["x_get"].url, problems) == ("https://eu.a.test/2/x", [])


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{: : :", "is not YAML"),
        ("[1]", "is not an OpenAPI document"),
        ({"api": {"type": "openapi", "url": "https://a.test"}}, "this is the manifest of a plugin"),
        ({"swagger": "2.0", "host": "a.test", "paths": {"/": {"get": {}}}}, "Swagger 2 has host and basePath"),
        ({**having({"/": {"get": {}}}), "servers": [{"url": "ftp://a.test"}]}, "expected http://… or https://…"),
        ({**having({"/": {"get": {}}}), "servers": [{"url": "/relative"}]}, "expected http://… or https://…"),
        (having({}), "have no operations"),
        (having({"/": {"get": {"parameters": [{"in": "query"}]}}}), "name: is missing"),
        (having({"/": {"get": {"parameters": [query({}) | {"in": "body"}]}}}), "is 'body'"),
    ],
)
def test_what_is_wrong_is_told(document: Any, message: str) -> None:
    _, problems = read(document)

    assert message in " ".join(map(str, problems))


@pytest.mark.parametrize("reference", ["https://evil.test/x.json", "other.yml#/X", "//evil.test", "#/not/there", "#x"])
def test_a_reference_elsewhere_is_not_followed(reference: str) -> None:
    body = {"content": {"application/json": {"schema": {"$ref": reference}}}}
    parameters = [{"$ref": reference}]
    _, problems = read(having({"/": {"post": {"parameters": parameters, "requestBody": body}}}))

    assert any("is not in this document" in str(one) or "leads to nothing" in str(one) for one in problems)


def test_a_document_that_refers_to_itself_is_read_one_level_deep() -> None:
    schemas = {
        "Tree": {"type": "object", "properties": {"left": {"$ref": "#/components/schemas/Tree"}, "n": {}}},
        "Snake": {"$ref": "#/components/schemas/Snake"},
    }
    body = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Tree"}}}}
    snake = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Snake"}}}}
    found, problems = read(
        having(
            {"/": {"post": {"operationId": "x", "requestBody": body}, "put": {"requestBody": snake}}},
            components={"schemas": schemas},
        )
    )

    assert [parameter.name for parameter in found["x"].parameters] == ["left", "n"]
    assert problems == []


def test_anchors_that_hold_themselves_are_refused() -> None:
    _, problems = read("servers: [{url: https://a.test}]\npaths: &a\n  /x: *a\n")

    assert problems


def test_anchors_that_multiply_are_refused() -> None:
    lines = ["x0: &x0 {type: string}"]
    lines += [f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 10)}]" for n in range(1, 20)]
    _, problems = read("\n".join([*lines, "paths: {}"]))

    assert "schema: " in str(problems[0])


def test_variables_of_a_server_that_double_each_other_are_refused() -> None:
    variables = {f"v{n}": {"default": f"{{v{n + 1}}}{{v{n + 1}}}"} for n in range(60)}
    _, problems = read(having({"/": {"get": {}}}, servers=[{"url": "https://{v0}", "variables": variables}]))

    assert [problem.where for problem in problems] == ["schema.servers[0].url"]
    assert "has more than 65536 characters with its variables" in str(problems[0])


def test_a_document_may_be_large_but_not_huge() -> None:
    many = having({f"/{n}": {"get": {"operationId": f"o{n}"}} for n in range(3000)})
    _, problems = read(many)
    assert [str(problem) for problem in problems] == ["schema.paths: have more than 2000 operations"]

    _, problems = read(json.dumps(having({"/": {"get": {"description": "x" * (5 << 20)}}})))
    assert problems


@pytest.mark.slow
def test_reading_takes_time_in_proportion_to_the_operations() -> None:
    def work(count: int) -> None:
        read(having({f"/{n}": {"get": {"parameters": [query({}) for _ in range(5)]}} for n in range(count)}))

    assert growth(work, 100) < 40


def test_a_value_makes_no_room_for_another() -> None:
    placed = [{"name": name, "in": "path", "schema": {"type": "string"}} for name in ("a", "b")]
    found, _ = read(having({"/{a}": {"get": {"operationId": "x", "parameters": placed}}}))

    assert prepare(found["x"], {"a": "{b}", "b": "no"}, {}).url == "https://a.test/%7Bb%7D"


def test_an_address_that_values_make_too_long_is_refused() -> None:
    placed = [{"name": "a", "in": "path", "schema": {"type": "string"}}]
    found, _ = read(having({"/" + "{a}" * 20: {"get": {"operationId": "x", "parameters": placed}}}))

    with pytest.raises(ToolFailure, match="the address has more than 65536 characters"):
        prepare(found["x"], {"a": "日" * 400}, {})
