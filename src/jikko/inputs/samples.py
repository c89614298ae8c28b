"""Sample inputs that start a run, for first-time users of a workflow."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from jikko.dsl.json_schema import BadSchema, JsonSchema
from jikko.dsl.start_variables import StartVariable
from jikko.values import Json

_TEXT: Final = "text"
_JSON: Final = '{"text": "text"}'
"""For an input named JSON."""
_EXTENSIONS: Final = {"document": ".pdf", "image": ".png", "audio": ".mp3", "video": ".mp4"}
_MAX_DEPTH: Final = 20
"""Maximum depth of generated schema values."""


def samples_of(variables: Iterable[StartVariable]) -> dict[str, Json]:
    """Return a valid value for each required input, in order.

    A file to be uploaded has a placeholder for its id. For a selection without options, and a schema with more than
    types and ranges, the value is a guess.
    """
    return {variable.name: _sample(variable) for variable in variables if variable.required}


def _sample(variable: StartVariable) -> Json:
    match variable.type:
        case "select":
            return variable.options[0] if variable.options else _TEXT
        case "number":
            return 1
        case "checkbox":
            return True
        case "json_object":
            return _object(variable.json_schema or {})
        case "file":
            return _file(variable)
        case "file-list":
            return [_file(variable)]
        case _:
            is_json = "json" in f"{variable.name} {variable.label}".casefold()
            fits = not variable.max_length or variable.max_length >= len(_JSON)
            return _JSON if is_json and fits else _TEXT[: variable.max_length or None]


def _file(variable: StartVariable) -> dict[str, Json]:
    types = variable.allowed_file_types
    kind = next((kind for kind in types if kind in _EXTENSIONS), "custom" if types else "document")
    extension = _EXTENSIONS.get(kind) or next(iter(variable.allowed_file_extensions), ".bin")
    methods = variable.allowed_file_upload_methods
    if methods and "remote_url" not in methods:
        return {"type": kind, "transfer_method": "local_file", "upload_file_id": "ID-OF-AN-UPLOAD"}
    url = f"https://example.com/sample.{extension.strip().lower().lstrip('.')}"
    return {"type": kind, "transfer_method": "remote_url", "url": url}


def _object(schema: Mapping[str, Any]) -> Json:
    try:
        made = _of_schema(schema, 0)
        if isinstance(made, dict) and JsonSchema(schema, "draft 7").violation(made) is None:
            return made
    except (BadSchema, TypeError, ValueError, OverflowError):
        # The schema is untrusted: if it makes no sense, neither does a sample.
        pass
    return {}


def _of_schema(schema: Any, depth: int) -> Json:
    """Return the smallest value of a schema's first type."""
    if not isinstance(schema, Mapping) or depth > _MAX_DEPTH:
        return None
    for name in ("const", "default"):
        if name in schema:
            return schema[name]
    if schema.get("enum"):
        return schema["enum"][0]
    named = schema.get("type")
    kind = named[0] if isinstance(named, list) and named else named
    match kind or ("object" if "properties" in schema or depth == 0 else ""):
        case "object":
            properties = schema.get("properties") or {}
            return {name: _of_schema(properties.get(name, {}), depth + 1) for name in schema.get("required") or ()}
        case "array":
            return [_of_schema(schema.get("items", {}), depth + 1)] * min(int(schema.get("minItems", 0)), 10)
        case "string":
            length = min(max(int(schema.get("minLength", 0)), len(_TEXT)), int(schema.get("maxLength", 1000)))
            return (_TEXT * (length // len(_TEXT) + 1))[:length] if length <= 1000 else _TEXT
        case "number" | "integer":
            return _number(schema)
        case "boolean":
            return True
        case _:
            return None if kind == "null" else _TEXT


def _number(schema: Mapping[str, Any]) -> Json:
    low = schema.get("minimum", schema.get("exclusiveMinimum", 0) + ("exclusiveMinimum" in schema))
    high = schema.get("maximum", schema.get("exclusiveMaximum", 0) - ("exclusiveMaximum" in schema))
    if "minimum" in schema or "exclusiveMinimum" in schema:
        return low
    return min(1, high) if "maximum" in schema or "exclusiveMaximum" in schema else 1
