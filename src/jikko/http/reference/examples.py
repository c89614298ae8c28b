"""Examples of what a schema describes."""

from typing import Any, Final

from jikko.http.operation import Schema

_ID: Final = "01a21069-21d3-76c6-be60-4605da1417ed"
_KNOWN: Final[dict[str, Any]] = {
    "user": "me",
    "inputs": {"question": "Why?"},
    "outputs": {"answer": "Because."},
    "status": "succeeded",
    "response_mode": "blocking",
    "created_at": 1_760_000_000,
    "finished_at": 1_760_000_001,
    "elapsed_time": 0.25,
    "at": 1_760_000_000.5,
    "error": None,
    "files": [],
    "callback_url": None,
    "trace_session_id": None,
    "from_node_id": None,
    "callback": None,
    "action": "approve",
}
"""By the name of a field: what it means is known, and more telling than any text."""
_TYPES: Final[dict[type, tuple[str, ...]]] = {
    str: ("string",),
    int: ("integer", "number"),
    float: ("number",),
    dict: ("object",),
    list: ("array",),
    type(None): ("null",),
}
_MAX_DEPTH: Final = 6
_BY_TYPE: Final[dict[str, Any]] = {"integer": 1, "number": 0.5, "boolean": True, "null": None, "object": {}}
_BY_FORMAT: Final = {"uuid": _ID, "date-time": "2025-10-09T08:53:20Z", "binary": "…"}


def example_of(schema: Schema, schemas: dict[str, Schema], *, name: str = "", depth: int = 0) -> Any:
    """A value that fits a schema. What may be left out of an answer is, unless its value is known by name.

    Args:
        schemas: Those that are referred to.
        name: That of the field whose value it is.
    """
    if "$ref" in schema:
        schema = schemas[str(schema["$ref"]).rpartition("/")[2]]
    choices = schema.get("anyOf") or schema.get("oneOf")
    if name in _KNOWN and any(_fits(_KNOWN[name], part) for part in choices or [schema]):
        return _KNOWN[name]
    if choices:
        told = min(choices, key=lambda part: part.get("type") == "null")
        return example_of(told, schemas, name=name, depth=depth)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type")
    if kind == "array":
        inner = schema.get("items")
        if depth >= _MAX_DEPTH or not isinstance(inner, dict) or not inner:
            return []
        return [example_of(inner, schemas, depth=depth + 1)]
    if kind == "object" and depth < _MAX_DEPTH:
        parts = schema.get("properties", {})
        wanted = [part for part in parts if part in schema.get("required", ()) or part in ("response_mode",)]
        return {part: example_of(parts[part], schemas, name=part, depth=depth + 1) for part in wanted}
    if kind == "string" or "format" in schema:
        return _BY_FORMAT.get(schema.get("format", ""), "…")
    return _BY_TYPE.get(str(kind))


def _fits(value: Any, schema: Schema) -> bool:
    """Whether a value is of the type of a schema that is no other's part."""
    if "enum" in schema:
        return value in schema["enum"]
    return "type" not in schema or schema["type"] in _TYPES[type(value)]
