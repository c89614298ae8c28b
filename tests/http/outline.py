"""API contract as lines of text: operations with parameters and responses, and the fields of schemas, including the
console's own API; and the examples shown to readers.

``python -m tests.http.outline`` rewrites ``api.txt``, ``console/api.txt`` and ``examples.txt``. Their changes are
visible to clients: they must be intended, and belong in the changelog.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

from jikko.http.console.table import console_description, console_operations
from jikko.http.reference import example_of
from jikko.http.reference.openapi import openapi

HERE: Final = Path(__file__).parent
_SAID: Final = (
    *("$ref", "anyOf", "oneOf", "type", "enum", "format", "pattern", "minLength", "maxLength", "minimum", "maximum"),
    *("items", "prefixItems", "minItems", "maxItems", "properties", "required", "additionalProperties"),
    *("discriminator", "default"),
)
"""Schema keywords to show, in order. Versions of the library that writes schemas differ in the others and in
the order."""

KEPT: Final[dict[str, Callable[[], str]]] = {
    "api.txt": lambda: outline(openapi("0")),
    "console/api.txt": lambda: outline(described_console()),
    "examples.txt": lambda: examples(openapi("0")["components"]["schemas"]),
}
"""Contents of the files, by relative name."""


def described_console() -> dict[str, Any]:
    """Return the description of the console's API, independent of what it serves."""
    console: Any = SimpleNamespace(count=None)
    return console_description("0", console_operations(console, None))


def outline(described: dict[str, Any]) -> str:
    """Return a description without its prose."""
    lines = [*_operations(described["paths"]), *_schemas(described["components"]["schemas"])]
    return "\n".join(lines) + "\n"


def examples(schemas: dict[str, Any]) -> str:
    """Return an example for each schema."""
    shown = (json.dumps(example_of(schema, schemas), ensure_ascii=False) for schema in schemas.values())
    return "".join(f"{name}: {example}\n" for name, example in zip(schemas, shown, strict=True))


def _operations(paths: dict[str, Any]) -> Iterator[str]:
    for path, methods in paths.items():
        for method, operation in methods.items():
            needs = [pair for each in operation.get("security", [{"ApiKey": []}]) for pair in each.items()]
            keys = ", ".join(name for name, _ in needs) or "none"
            scope = "".join(
                f"  scope: {scope}" for scope in dict.fromkeys(scope for _, known in needs for scope in known)
            )
            yield f"{method.upper()} {path}  {', '.join(operation['tags'])}  key: {keys}{scope}"
            for parameter in operation.get("parameters", ()):
                mark = "*" if parameter["required"] else ""
                yield f"  {parameter['in']} {parameter['name']}{mark}: {_shown(parameter['schema'])}"
            if body := operation.get("requestBody"):
                yield f"  body: {_content(body)}"
            for status, answer in operation["responses"].items():
                headers = " ".join(answer.get("headers", ()))
                yield f"  {status}: {_content(answer)}" + (f"  with {headers}" if headers else "")
            yield ""


def _schemas(schemas: dict[str, Any]) -> Iterator[str]:
    for name, schema in schemas.items():
        rest = {key: value for key, value in schema.items() if key not in ("properties", "required")}
        yield f"{name}: {_shown(rest)}"
        for field, kind in schema.get("properties", {}).items():
            yield f"  {field}{'*' if field in schema.get('required', ()) else ''}: {_shown(kind)}"
        yield ""


def _content(message: dict[str, Any]) -> str:
    return ", ".join(f"{kind} {_shown(body.get('schema', {}))}" for kind, body in message.get("content", {}).items())


def _shown(schema: Any) -> str:
    if isinstance(schema, dict) and "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    return json.dumps(_bare(schema), ensure_ascii=False)


def _bare(schema: Any) -> Any:
    """Normalize keywords and their order, whatever the library that wrote the schema chose."""
    if not isinstance(schema, dict):
        return schema
    return {word: _part(word, schema[word]) for word in _SAID if word in schema}


def _part(word: str, value: Any) -> Any:
    match word:
        case "anyOf" | "oneOf":
            return sorted((_bare(each) for each in value), key=lambda each: (each.get("type") == "null", str(each)))
        case "enum" | "required":
            return sorted(value, key=str)
        case "prefixItems":
            return [_bare(each) for each in value]
        case "properties":
            return {field: _bare(kind) for field, kind in value.items()}
        case "items" | "additionalProperties":
            return _bare(value)
    return value


if __name__ == "__main__":
    for name, text in KEPT.items():
        (HERE / name).write_text(text(), "utf-8")
