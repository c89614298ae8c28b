"""OpenAPI description of the API, generated from the table of operations."""

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, get_args

import msgspec
from msgspec import Struct

from jikko.concurrency.run_in_thread import giving_way
from jikko.events import Event
from jikko.http.operation import Operation, Schema, all_operations
from jikko.http.routes.run_events import event_schema
from jikko.http.served import API

OPERATIONS: Final = all_operations(API)


_UUIDS = {
    *("workflow_id", "workflow_run_id", "node_execution_id", "file_id", "end_user_id"),
    *("conversation_id", "variable_id", "message_id", "annotation_id", "job_id"),
    *("run_id", "app_id", "form_id", "token_id", "key_id"),
    *("dataset_id", "segment_id", "child_chunk_id", "metadata_id"),
}
"""Path parameters. As in Dify, a task ID may be any text."""
_UUID: Final[Schema] = {"type": "string", "format": "uuid"}
_REF: Final = "#/components/schemas/{name}"
_RETRY_AFTER: Final = {
    "Retry-After": {
        "description": "Whole seconds before a retry. Absent if the request must not be retried.",
        "schema": {"type": "integer", "minimum": 1},
    }
}
_OPERATIONS_PER_TURN: Final = 8
"""Operations described before yielding to the event loop."""
_WHAT = {
    400: "Invalid request.",
    401: "Missing or unknown API key.",
    403: "Not allowed.",
    404: "Not found in the key's app.",
    409: "Conflict with an earlier request.",
    412: "Too late: the state has changed.",
    413: "The body is too large.",
    415: "Unsupported media type.",
    421: "The console does not answer to the request's host.",
    429: "Limit reached. Nothing was accepted: try again later.",
    503: "With Retry-After, nothing was done: the database is unavailable, the server is shutting down, or "
    "memory for the body is exhausted. No run was or will be started; send the request again. With "
    "workflow_run_id, the server is shutting down before the started run has ended: the run continues "
    "when the server is back, and can be read at Location.",
}


def openapi(version: str, root_path: str = "") -> dict[str, Any]:
    """Make the OpenAPI 3.1 description, off the event loop. ``root_path``: Path prefix of the server."""
    return described(
        giving_way(OPERATIONS, _OPERATIONS_PER_TURN),
        title="Jikko",
        version=version,
        description="Dify's workflow Service API, with Jikko's additions. Every error is an object with code, message "
        "and status. Every answer has X-Request-Id: the request's own, or a new one. Any request may get "
        "414, 431 or 408 for a URL or headers that are too long or too slow, 408 for a body that is too "
        "slow, 405 with the header Allow, or 505 for HTTP versions other than 1.1 and 1.0.",
        root_path=root_path,
        schemes={
            "ApiKey": {"type": "http", "scheme": "bearer", "bearerFormat": "app-…"},
            "DatasetKey": {"type": "http", "scheme": "bearer", "bearerFormat": "dataset-…"},
        },
    )


def described(
    operations: Iterable[Operation],
    *,
    title: str,
    version: str,
    description: str,
    root_path: str,
    schemes: dict[str, Schema],
) -> dict[str, Any]:
    """Describe operations as OpenAPI 3.1.

    Args:
        root_path: Path prefix of the server.
        schemes: Authentication schemes; the first is the default of operations.
    """
    listed: list[Operation] = []
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        if operation.described:
            listed.append(operation)
            paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version, "description": description},
        "servers": [{"url": root_path or "/"}],
        "paths": paths,
        "components": {"schemas": _schemas(listed), "securitySchemes": schemes},
        "security": [{next(iter(schemes)): []}],
    }


def _operation(operation: Operation) -> dict[str, Any]:
    description: dict[str, Any] = {
        "summary": operation.summary,
        "description": operation.description,
        "tags": [operation.tag],
        "operationId": operation.handler.__name__,
        "responses": _responses(operation),
    }
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": _UUID if name in _UUIDS else {"type": "string"}}
        for name in re.findall(r"{(\w+)}", operation.path)
    ]
    if operation.query is not None:
        parameters += _query(operation.query)
    parameters += [
        {"name": name, "in": "header", "required": False, "schema": schema, "description": description}
        for name, schema, description in operation.headers
    ]
    if parameters:
        description["parameters"] = parameters
    if operation.body is not None or operation.body_media_type != "application/json":
        schema = {"type": "string"} if operation.body is None else _ref(operation.body)
        description["requestBody"] = {"required": True, "content": {operation.body_media_type: {"schema": schema}}}
    if operation.open:
        description["security"] = []
    elif operation.key == "dataset":
        description["security"] = [{"DatasetKey": []}]
    elif operation.key == "console":
        scopes = [] if operation.scope is None else [operation.scope]
        description["security"] = [{"ConsoleSession": scopes}, {"ConsoleToken": scopes}]
        if scopes:
            needed = f"Scope: `{operation.scope}`."
            description["description"] = f"{operation.description}\n\n{needed}" if operation.description else needed
    return description


def _query(query: type[Struct]) -> Iterator[dict[str, Any]]:
    """Yield the parameters of a query. Those without a default are required; others name it."""
    [schema] = _components([query]).values()
    for name, part in schema["properties"].items():
        words = part.pop("description", "")
        [*_, kind] = (each for each in part.pop("anyOf", [part]) if each.get("type") != "null")
        words = kind.pop("description", words)
        kind.pop("default", None)
        if "enum" in kind:
            kind = {"type": "string", **kind}
        required = name in schema.get("required", ())
        yield {"name": name, "in": "query", "required": required, "schema": kind, "description": words}


def _responses(operation: Operation) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status, answer in operation.answers.items():
        content: dict[str, Any] = (
            {answer: {}} if isinstance(answer, str) else {"application/json": {"schema": _ref(answer)}}
        )
        if operation.streams and status == 200:
            content["text/event-stream"] = {}
        if status == 204:
            responses["204"] = {"description": "No content."}
            continue
        responses[str(status)] = {"description": "Done." if status < 300 else _WHAT[status], "content": content}
    for status in operation.refusals:
        content = {"application/json": {"schema": _ref(operation.refused.body)}}
        if status == 404 and operation.ids:
            content["text/html"] = {}
        responses[str(status)] = {"description": _WHAT[status], "content": content}
        if status in (429, 503):
            responses[str(status)]["headers"] = _RETRY_AFTER
    return responses


def _schemas(operations: Iterable[Operation]) -> dict[str, Schema]:
    """Return the schemas of request and answer bodies, and of log events, by name."""
    operations = list(operations)
    sent = {operation.body for operation in operations if operation.body is not None}
    got = {answer for operation in operations for answer in operation.answers.values() if not isinstance(answer, str)}
    schemas = _components({*got, *(operation.refused.body for operation in operations)})
    for schema in schemas.values():
        # Answers include fields with a default: only unset ones are omitted, and those have none.
        parts = schema["properties"]
        schema["required"] = [name for name in parts if "default" in parts[name] or name in schema["required"]]
        for part in parts.values():
            part.pop("default", None)
    return schemas | _components(sent) | _events()


def _events() -> dict[str, Schema]:
    """Return the schemas of log events, each with its position, and of their contents."""
    classes = get_args(Event)
    own = {kind.__name__ for kind in classes}
    events = {}
    for name, schema in _components(classes).items():
        if name not in own:
            events[name] = schema
            continue
        parts = {"id": {"type": "integer", "minimum": 0, "description": "Position in the log."}, **schema["properties"]}
        events[event_schema(name)] = {**schema, "properties": parts, "required": ["id", *schema["required"]]}
    return events


def _components(bodies: Iterable[type[Struct]]) -> dict[str, Schema]:
    _, components = msgspec.json.schema_components(sorted(bodies, key=lambda body: body.__name__), ref_template=_REF)
    return components


def _ref(body: type[Struct]) -> Schema:
    return {"$ref": _REF.format(name=body.__name__)}
