"""The OpenAPI description of the API, made of the table of operations."""

import html
import re
from collections.abc import Iterable
from typing import Any, Final

import msgspec
from msgspec import Struct

from jikko.http.errors import Error
from jikko.http.operation import Operation, Schema
from jikko.http.operations import OPERATIONS
from jikko.http.requests import Request
from jikko.http.responses import Answer, Response, json_response

_UUIDS = {"workflow_id", "workflow_run_id", "node_execution_id", "file_id", "end_user_id"}
"""Parts of paths. The id of a task may be any text, as at Dify."""
_UUID: Final[Schema] = {"type": "string", "format": "uuid"}
_REF: Final = "#/components/schemas/{name}"
_WHAT = {
    400: "The request is wrong.",
    401: "No API key, or an unknown one.",
    403: "Not allowed.",
    404: "There is no such thing in the app of the key.",
    409: "The request contradicts an earlier one.",
    412: "It is too late for this.",
    413: "The body is too large.",
    415: "The body is not of the type that is read here.",
    429: "A limit is reached, or the server is shutting down. Nothing was accepted: try again later.",
    503: "The database cannot be written at the moment; or, with workflow_run_id, the server stops before the run that "
    "was started has ended: it goes on when the server is back, and is read at Location.",
}


def openapi(version: str) -> dict[str, Any]:
    """The description, as OpenAPI 3.1."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Jikko",
            "version": version,
            "description": "Dify's workflow Service API, and what Jikko adds to it. Every error is an object with "
            "code, message and status. Of any request: 414, 431 and 408 for a URL or headers that are too long or "
            "too slow, 405 with the header Allow, 505 for other versions of HTTP than 1.1 and 1.0.",
        },
        "paths": paths,
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {"ApiKey": {"type": "http", "scheme": "bearer", "bearerFormat": "app-…"}},
        },
        "security": [{"ApiKey": []}],
    }


def _operation(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "summary": operation.summary,
        "description": (operation.handler.__doc__ or "").strip(),
        "tags": [operation.tag],
        "operationId": operation.handler.__name__,
        "responses": _responses(operation),
    }
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": _UUID if name in _UUIDS else {"type": "string"}}
        for name in re.findall(r"{(\w+)}", operation.path)
    ]
    parameters += [
        {
            "name": name.rstrip("*"),
            "in": "query",
            "required": name.endswith("*"),
            "schema": schema,
            "description": description,
        }
        for name, schema, description in operation.query
    ]
    parameters += [
        {"name": name, "in": "header", "required": False, "schema": schema, "description": description}
        for name, schema, description in operation.headers
    ]
    if parameters:
        described["parameters"] = parameters
    if operation.body is not None:
        described["requestBody"] = {
            "required": True,
            "content": {operation.body_media_type: {"schema": _ref(operation.body)}},
        }
    if operation.open:
        described["security"] = []
    return described


def _responses(operation: Operation) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status, answer in operation.answers.items():
        content: dict[str, Any] = (
            {answer: {}} if isinstance(answer, str) else {"application/json": {"schema": _ref(answer)}}
        )
        if operation.streams and status == 200:
            content["text/event-stream"] = {}
        responses[str(status)] = {"description": "Done." if status < 300 else "", "content": content}
    # Every request with a key counts for the key's limit.
    for status in sorted({*operation.errors, *(() if operation.open else (429,))}):
        content = {"application/json": {"schema": _ref(Error)}}
        if status == 404 and operation.no_id_is_no_page:
            content["text/html"] = {}
        responses[str(status)] = {"description": _WHAT[status], "content": content}
    return responses


def _schemas() -> dict[str, Schema]:
    """The bodies that clients send and get, by name."""
    sent = {operation.body for operation in OPERATIONS if operation.body is not None}
    got = {answer for operation in OPERATIONS for answer in operation.answers.values() if not isinstance(answer, str)}
    schemas = _components({*got, Error})
    for schema in schemas.values():
        # What has a default is there all the same: only what is unset is left out, and that has none.
        parts = schema["properties"]
        schema["required"] = [name for name in parts if "default" in parts[name] or name in schema["required"]]
        for part in parts.values():
            part.pop("default", None)
    return schemas | _components(sent)


def _components(bodies: Iterable[type[Struct]]) -> dict[str, Schema]:
    _, components = msgspec.json.schema_components(sorted(bodies, key=lambda body: body.__name__), ref_template=_REF)
    return components


def _ref(body: type[Struct]) -> Schema:
    return {"$ref": _REF.format(name=body.__name__)}


def description_operations(version: str) -> list[Operation]:
    """The operations that show the description, which does not describe them."""

    async def openapi_json(request: Request) -> Answer:
        return json_response(openapi(version))

    async def docs(request: Request) -> Answer:
        return Response(docs_page(version).encode(), media_type=b"text/html; charset=utf-8")

    json, page = {200: "application/json"}, {200: "text/html"}
    return [
        Operation("GET", "/openapi.json", openapi_json, "The description", json, tag="Server", open=True),
        Operation("GET", "/docs", docs, "The description as a page", page, tag="Server", open=True),
    ]


def docs_page(version: str) -> str:
    """The description as a page that needs nothing from elsewhere."""
    rows = "".join(
        f"<tr><td><code>{operation.method}</code></td><td><code>{html.escape(operation.path)}</code></td>"
        f"<td>{html.escape(operation.summary)}</td>"
        f"<td>{', '.join(str(status) for status in (*operation.answers, *operation.errors))}</td></tr>"
        for operation in OPERATIONS
    )
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>Jikko API</title>"
        "<meta name=viewport content='width=device-width'><style>body{font:16px/1.5 system-ui;margin:2rem auto;"
        "max-width:70rem;padding:0 1rem}td{padding:.3rem .8rem;border-top:1px solid #ddd;vertical-align:top}"
        "table{border-collapse:collapse}</style>"
        f"<h1>Jikko {html.escape(version)}</h1><p>The API key goes into the header "
        "<code>Authorization: Bearer app-…</code>. The whole description: <a href=/openapi.json>/openapi.json</a>, "
        "for any OpenAPI tool.</p>"
        f"<table><tr><th>Method<th>Path<th>What<th>Answers</tr>{rows}</table></html>"
    )
