"""What clients can rely on, as lines of text: operations with what they take and answer, and the fields of schemas.

``python -m tests.http.outline`` writes ``api.txt`` anew. A change of it is a change that clients see: it belongs into
the changelog, and is made on purpose.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from jikko.http.reference.openapi import openapi

KEPT: Final = Path(__file__).parent / "api.txt"
_FOR_READERS: Final = frozenset({"description", "summary", "title", "example", "examples"})


def outline() -> str:
    """The description of the API without its words."""
    described = openapi("0")
    lines = [*_operations(described["paths"]), *_schemas(described["components"]["schemas"])]
    return "\n".join(lines) + "\n"


def _operations(paths: dict[str, Any]) -> Iterator[str]:
    for path, methods in paths.items():
        for method, operation in methods.items():
            keys = [name for each in operation.get("security", [{"ApiKey": []}]) for name in each]
            yield f"{method.upper()} {path}  {', '.join(operation['tags'])}  key: {', '.join(keys) or 'none'}"
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
    """A schema without words for readers. Where names of fields stand, each is one, whatever it is."""
    if isinstance(schema, list):
        return [_bare(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: {field: _bare(kind) for field, kind in value.items()} if name == "properties" else _bare(value)
        for name, value in schema.items()
        if name not in _FOR_READERS
    }


if __name__ == "__main__":
    KEPT.write_text(outline(), "utf-8")
