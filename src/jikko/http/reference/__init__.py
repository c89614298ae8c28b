"""API reference as a page: every operation with its parameters, bodies, examples and errors, and a form to try it.

The page works offline, below any path, and with the strictest content security policy: it loads nothing external, its
links are relative, and nothing is inline. It is generated from the OpenAPI description alone.
"""

import json
import re
from functools import cache
from importlib.resources import files
from typing import Any, Final

from jikko.concurrency.run_in_thread import giving_way
from jikko.http.operation import Schema

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""``Content-Security-Policy`` of the page."""
FILES: Final = {"reference.css": "text/css; charset=utf-8", "reference.js": "text/javascript; charset=utf-8"}
"""Files that the page loads, with their media types."""
_ADDRESSES_PER_TURN: Final = 8
"""Addresses processed before yielding to the event loop."""
_PIECES_PER_TURN: Final = 500
"""Pieces of the page rendered before yielding to the event loop."""


@cache
def reference_file(name: str) -> bytes:
    """Read one of ``FILES``."""
    return (files(__name__) / name).read_bytes()


def reference_page(description: dict[str, Any], base: str = "./") -> str:
    """Render the page as HTML, off the event loop. ``description``: From ``openapi``. ``base``: Base of its paths,
    relative to the page."""
    # Rarely needed: imported at first use.
    from jinja2 import Environment, StrictUndefined

    source = (files(__name__) / "page.html").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"words": _words, "anchor": lambda text: re.sub(r"\W+", "-", text.lower())}
    schemas: dict[str, Schema] = description["components"]["schemas"]
    schemes: dict[str, Schema] = description["components"]["securitySchemes"]
    tags: dict[str, list[dict[str, Any]]] = {}
    for path, methods in giving_way(description["paths"].items(), _ADDRESSES_PER_TURN):
        for method, operation in methods.items():
            tags.setdefault(operation["tags"][0], []).append(_operation(method, path, operation, schemas))
    pieces = environment.from_string(source).generate(
        info=description["info"],
        base=base,
        key=next(scheme["bearerFormat"] for scheme in schemes.values() if "bearerFormat" in scheme),
        tags=tags,
        schemas={name: {**schema, "fields": _fields(schema)} for name, schema in sorted(schemas.items())},
    )
    return "".join(giving_way(pieces, _PIECES_PER_TURN))


def _operation(method: str, path: str, operation: dict[str, Any], schemas: dict[str, Schema]) -> dict[str, Any]:
    sent: dict[str, Schema] = operation.get("requestBody", {}).get("content", {})
    media_type, body = next(iter(sent.items())) if sent else ("", {})
    fields = _fields(_resolved(body["schema"], schemas)) if body else []
    return {
        **operation,
        "method": method.upper(),
        "path": path,
        "parameters": [{**entry, "type": _type(entry["schema"])} for entry in operation.get("parameters", [])],
        "media_type": media_type,
        "schema": _name_of(body["schema"]) if body else "",
        "fields": fields,
        "example": _shown(example_of(body["schema"], schemas)) if media_type == "application/json" else "",
        "needs_key": operation.get("security") != [],
        "answers": [
            {
                "status": status,
                "description": answer["description"],
                "contents": [
                    {
                        "media_type": kind,
                        "schema": _name_of(content["schema"]),
                        "example": _shown(example_of(content["schema"], schemas)) if status < "300" else "",
                    }
                    if "schema" in content
                    else {"media_type": kind, "schema": "", "example": ""}
                    for kind, content in answer.get("content", {}).items()
                ],
            }
            for status, answer in operation["responses"].items()
        ],
    }


def _fields(schema: Schema) -> list[dict[str, Any]]:
    required = schema.get("required", [])
    return [
        {"name": name, "type": _type(field), "required": name in required, "description": field.get("description", "")}
        for name, field in schema.get("properties", {}).items()
    ]


def _type(schema: Schema) -> str:
    """Summarise a schema. Schema names are in ``[…]``, which become links."""
    if "$ref" in schema:
        return f"[{_name_of(schema)}]"
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return " or ".join(dict.fromkeys(_type(part) for part in schema[key]))
    if "const" in schema:
        return json.dumps(schema["const"], ensure_ascii=False)
    if "enum" in schema:
        return " | ".join(json.dumps(value, ensure_ascii=False) for value in schema["enum"])
    if "prefixItems" in schema:
        return "array of " + ", ".join(_type(part) for part in schema["prefixItems"])
    kind = schema.get("type", "anything")
    if kind == "array":
        inner = schema.get("items")
        return f"array of {_type(inner)}" if isinstance(inner, dict) and inner else "array"
    if kind == "string" and schema.get("maxLength") == 0:
        return "empty"
    return " ".join([kind, *(f"({text})" for text in [_limits(schema)] if text)])


def _limits(schema: Schema) -> str:
    limits = [str(schema["format"])] if "format" in schema else []
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None and most is not None:
        limits.append(f"{least} to {most}")
    elif least is not None:
        limits.append(f"at least {least}")
    if "maxLength" in schema:
        limits.append(f"at most {schema['maxLength']} characters")
    return ", ".join(limits)


def _resolved(schema: Schema, schemas: dict[str, Schema]) -> Schema:
    return schemas[_name_of(schema)] if "$ref" in schema else schema


def _name_of(schema: Schema) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


def _words(text: str) -> Any:
    """Mark up ``code``, ``[Schema]`` and paragraphs in a text."""
    from markupsafe import Markup, escape

    marked = re.sub(r"``(.+?)``", r"<code>\1</code>", str(escape(text)))
    marked = re.sub(r"\[([A-Z]\w+)\]", r'<a href="#schema-\1">\1</a>', marked)
    return Markup(re.sub(r"\n\s*\n", "<br>", marked))


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
"""Examples by field name, more telling than any text."""
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
    """Return an example value of a schema. Optional fields of answers are omitted, unless known by name.
    ``schemas``: Referenced schemas. ``name``: Name of the value's field."""
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
    """Return whether a value has the type of a simple schema."""
    if "enum" in schema:
        return value in schema["enum"]
    return "type" not in schema or schema["type"] in _TYPES[type(value)]
