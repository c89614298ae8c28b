"""OpenAPI documents, and calls of their operations, for the transcript."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tests.nodes.context import file
from tests.outbound.server import answer


def _query(name: str, schema: Any = None, place: str = "query", **more: Any) -> dict[str, Any]:
    return {"name": name, "in": place, "schema": schema or {"type": "string"}, **more}


def _sends(media_type: str, schema: Any) -> dict[str, Any]:
    return {"requestBody": {"content": {media_type: {"schema": schema}}}}


_BINARY: Final = {"type": "string", "format": "binary"}
_ORDER: Final = {
    "required": ["count", "note"],
    "properties": {
        "count": {"type": "integer", "description": "いくつ"},
        "price": {"type": "number", "default": 1.5},
        "note": {"type": "string", "default": "無し"},
        "urgent": {"type": "boolean"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "rest": {"type": "object"},
        "any": {"anyOf": [{"type": "integer"}, {"anyOf": [{"type": "boolean"}, {"type": "null"}]}, {"type": "string"}]},
        "plain": {},
    },
}
DOCUMENT: Final = {
    "paths": {
        "/items/{id}": {
            "get": {
                "operationId": "item",
                "summary": "finds an item",
                "description": "not shown beside a summary",
                "parameters": [
                    _query("id", {"type": "integer"}, "path", required=True, description="番号"),
                    _query("q", {"type": "string", "default": "猫"}),
                    _query("many", {"type": "array"}),
                    _query("flag", {"type": "boolean"}, required=True),
                    _query("X-Trace", None, "header"),
                    _query("session", None, "cookie"),
                    {"name": "old", "in": "query", "type": "integer", "default": 7, "required": True},
                    {"$ref": "#/components/parameters/a~1b~0c"},
                ],
            },
            "delete": {"description": "removes an item"},
            "trace": {"operationId": "traced"},
            "options": {"operationId": "asked"},
        },
        "/json": {"post": {"operationId": "json", **_sends("application/json", {"$ref": "#/components/schemas/注文"})}},
        "/form": {"put": {"operationId": "form", **_sends("application/x-www-form-urlencoded", _ORDER)}},
        "/charset": {"patch": {"operationId": "charset", **_sends("Application/JSON; charset=utf-8", _ORDER)}},
        "/upload": {
            "post": {
                "operationId": "upload",
                **_sends(
                    "multipart/form-data",
                    {
                        "properties": {
                            "title": {},
                            "list": {"type": "array"},
                            "about": {"type": "object"},
                            "yes": {"type": "boolean"},
                            "one": _BINARY,
                            "more": {"type": "array", "items": _BINARY},
                        }
                    },
                ),
            }
        },
        "/json-again": {"get": {"operationId": "json"}},
    },
    "components": {"parameters": {"a/b~c": _query("there")}, "schemas": {"注文": _ORDER}},
}
_ITEM: Final = {"id": 5, "flag": True}
_ORDERED: Final = {"count": "3", "note": "急ぎ"}
API_CALLS: Final[Sequence[tuple[str, dict[str, Any]]]] = (
    ("item", _ITEM),
    ("item", {"flag": False, "id": 5, "q": "", "many": ["a", 1, True, None], "old": 1.5, "there": "そこ"}),
    ("item", {**_ITEM, "X-Trace": "abc", "session": "a b;c=ü", "q": None, "many": "one"}),
    ("item", {**_ITEM, "X-Trace": "そこ"}),
    ("item", {"flag": True}),
    ("itemsid_delete", {}),
    ("traced", {}),
    ("asked", {}),
    ("missing", {}),
    ("json", {}),
    ("json", _ORDERED),
    ("json", {"count": 3.0, "note": 5, "price": "2", "urgent": 0, "tags": '["a"]', "rest": '{"日": 1}', "any": "yes"}),
    ("json", {"count": "many", "note": "", "price": "2.50", "urgent": "no", "tags": "[", "rest": [1], "any": "True"}),
    *(("json", {**_ORDERED, "any": value}) for value in ("12", "0", "false", "", None, [1])),
    *(("json", {**_ORDERED, "price": value}) for value in (None, True, "1e3", "inf", 10, "-0.5")),
    ("json", {**_ORDERED, "count": None}),
    ("json", {**_ORDERED, "tags": "[" * 300 + "]" * 300, "plain": {"a": [1, None]}}),
    ("form", {**_ORDERED, "urgent": True, "tags": ["a", "b"], "rest": {"日": 1}}),
    ("charset", _ORDERED),
    ("upload", {"title": "題", "list": ["a", 2, {"b": 1}], "about": {"日": "本"}, "yes": True}),
    (
        "upload",
        {
            **{"title": "題", "list": ["a", 2, {"b": 1}], "about": {"日": "本"}, "yes": True},
            **{"one": file("a.txt"), "more": [file("b 猫.png", mime_type="image/png"), file("c", mime_type=None)]},
        },
    ),
    ("upload", {"one": {**file("x"), "related_id": None, "filename": None}}),
    ("upload", {"one": {**file("x"), "related_id": None, "remote_url": "URL/missing"}}),
    ("upload", {"one": file("of-somebody-else.txt")}),
    ("upload", {"one": "text"}),
)
_JSON: Final = {"Content_Type": "Application/JSON; charset=utf-8"}
ANSWERS: Final[Mapping[str, bytes]] = {
    "an object": answer('{"日": 1.0}'.encode(), **_JSON),
    "a list": answer(b"[1]", **_JSON),
    "not a number": answer(b'{"a": NaN}', **_JSON),
    "no JSON": answer(b"{", **_JSON),
    "an object as text": answer(b'{"a": 1}', Content_Type="text/plain"),
    "nothing": answer(b"", **_JSON),
    "created": answer(b"done", "201 Created"),
    **{f"{status}": answer(b"why", f"{status} No") for status in (399, 400, 404, 429, 500, 501, 502, 503, 504, 505)},
    "a long refusal": answer(b"x" * 2001, "400 No"),
}
AUTHS: Final = (
    {"type": "none"},
    {"type": "api_key_header", "value": "k"},
    {"type": "api_key_header", "value": "k", "header": "X-Key", "prefix": "basic"},
    {"type": "api_key_query", "value": "k&"},
)

DOCUMENTS: Final[Sequence[str]] = (
    "paths: {}",
    "api: {}",
    "servers: [{url: http://a}]\npaths: {}",
    "servers: [{url: http://a}]\npaths: {/: {get: {parameters: [{in: query}, {name: a, in: body}, {$ref: x}]}}}",
    "servers: [{url: http://a}]\npaths: {/: {get: {parameters: [{$ref: '#/a/b'}], requestBody: 5}}, /b: 7}",
    "servers: [{url: ftp://a}]\npaths: {/: {get: {}}}",
    "servers: [{url: 'http://{a}', variables: {a: {default: 日}}}]\npaths: {/: {get: {}, post: []}}",
    "swagger: 2\npaths: {/: {get: {}}}",
    "servers: [{url: 'http://{a}'}]\npaths: {/: {get: {operationId: '${ID}', summary: '${NONE} ${ID}'}}}",
)
