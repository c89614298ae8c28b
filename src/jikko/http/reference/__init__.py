"""The description as a page: every operation with its parameters, bodies, examples and errors, and a way to try it.

The page needs nothing from elsewhere, all its links are relative, and nothing in it is inline, so that it works
offline, below any path, and with the strictest policy for its contents. It is made of the OpenAPI description alone.
"""

import json
import re
from functools import cache
from importlib.resources import files
from typing import Any, Final

from jikko.concurrency.off_the_loop import giving_way
from jikko.http.operation import Schema
from jikko.http.reference.examples import example_of

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""``Content-Security-Policy`` of the page."""
FILES: Final = {"reference.css": "text/css; charset=utf-8", "reference.js": "text/javascript; charset=utf-8"}
"""What the page loads from beside it, and its media types."""
_AT_ONCE: Final = 8
"""Addresses that are read before the event loop may go on."""
_PIECES_AT_ONCE: Final = 500
"""Pieces of the page, of which a millisecond makes some."""


@cache
def reference_file(name: str) -> bytes:
    """One of ``FILES``."""
    return (files(__name__) / name).read_bytes()


def reference_page(description: dict[str, Any]) -> str:
    """The page, in HTML. To be made off the event loop.

    Args:
        description: As ``openapi`` makes it.
    """
    # Loaded by few servers, and only at the first look.
    from jinja2 import Environment, StrictUndefined

    source = (files(__name__) / "page.html").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"words": _words, "anchor": _anchor}
    schemas: dict[str, Schema] = description["components"]["schemas"]
    tags: dict[str, list[dict[str, Any]]] = {}
    for path, methods in giving_way(description["paths"].items(), _AT_ONCE):
        for method, operation in methods.items():
            tags.setdefault(operation["tags"][0], []).append(_operation(method, path, operation, schemas))
    pieces = environment.from_string(source).generate(
        info=description["info"],
        tags=tags,
        schemas={name: {**schema, "fields": _fields(schema)} for name, schema in sorted(schemas.items())},
    )
    return "".join(giving_way(pieces, _PIECES_AT_ONCE))


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
    """A schema in a few words. Names of schemas stand in ``[…]``: they become links."""
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
    """A text whose ``code`` and ``[Schema]`` are marked up, and whose paragraphs are kept."""
    from markupsafe import Markup, escape

    marked = re.sub(r"``(.+?)``", r"<code>\1</code>", str(escape(text)))
    marked = re.sub(r"\[([A-Z]\w+)\]", r'<a href="#schema-\1">\1</a>', marked)
    return Markup(re.sub(r"\n\s*\n", "<br>", marked))


def _anchor(text: str) -> str:
    return re.sub(r"\W+", "-", text.lower())
