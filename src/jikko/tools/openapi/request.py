"""Makes the request of an operation, without I/O. Source: docs/dify-behaviour.md, “OpenAPI tools”."""

import json
import re
import secrets
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode

from msgspec import Struct

from jikko.lang.templates import to_text
from jikko.ports.http import FormFile, Multipart, Pairs
from jikko.ports.tools import ToolFailure
from jikko.tools.given_files import FileContent
from jikko.tools.openapi.openapi_document import MAX_URL, PlacedParameter, RemoteOperation, RequestBody, filled_in
from jikko.values import Json, is_too_deep

_MAX_ANY_OF: Final = 10
"""Levels of ``anyOf`` within each other."""


def converted_property(name: str, value: Json, schema: Mapping[str, Any]) -> Json:
    """A value for a property, as it is if it cannot be converted. Raises ``ToolFailure``: null for a number."""
    if isinstance(schema.get("anyOf"), list) and "type" not in schema:
        return _any_of(value, schema["anyOf"])
    kind = schema.get("type")
    if value is None and kind in ("integer", "number"):
        raise ToolFailure(f"the body property {name} is null, and a number is wanted", reported=False)
    try:
        match kind:
            case "integer" | "number" | "string":
                return _PLAIN[kind](value)
            case "boolean":
                return bool(value)
            case "object" | "array" if isinstance(value, str):
                parsed = json.loads(value)
                return value if is_too_deep(parsed) else parsed
    except (ValueError, TypeError, OverflowError, RecursionError):
        pass
    return value


def _number(value: Json) -> float | int:
    return float(value) if "." in str(value) else int(value)


_PLAIN: Final[Mapping[str, Callable[[Json], Json]]] = {"integer": int, "number": _number, "string": str}


def _any_of(value: Json, members: list[Any], level: int = 0) -> Json:
    """The value as the first member has it that it can be converted to."""
    for member in members:
        if not isinstance(member, Mapping):
            continue
        try:
            match member.get("type"):
                case "integer" | "number" | "string" as kind:
                    return _PLAIN[kind](value)
                case "boolean" if str(value).lower() in ("true", "1"):
                    return True
                case "boolean" if str(value).lower() in ("false", "0"):
                    return False
                case "null" if not value:
                    return None
                case None if isinstance(member.get("anyOf"), list) and level < _MAX_ANY_OF:
                    return _any_of(value, member["anyOf"], level + 1)
        except (ValueError, TypeError, OverflowError):
            continue
    return value


_MULTIPART: Final = "multipart/form-data"
_SLASHES: Final = re.compile(r"[/\\]")
_SEVERAL_SEGMENTS: Final = "/:@!$&'()*+,;="
_COOKIE: Final = "!#$%&'()*+/:<=>?@[]^`{|}"
"""What may stand in the value of a cookie beside letters, digits and ``-._~``. Source: RFC 6265 §4.1.1."""


class Prepared(Struct, frozen=True):
    """A request, without what proves who asks."""

    url: str
    params: Pairs
    headers: Pairs
    body: bytes | Multipart | None


def prepare(operation: RemoteOperation, values: Mapping[str, Json], files: Mapping[str, list[FileContent]]) -> Prepared:
    """Make a request. Raises ``ToolFailure``: a value is missing, or cannot be sent.

    ``values``: Converted to their types. ``files``: The contents of the parameters that are files.
    """
    given = _with_defaults(operation, values)
    url = operation.url
    params: list[tuple[str, str]] = []
    headers: list[tuple[str, str]] = []
    cookies: list[str] = []
    for parameter in operation.placed:
        value = given.get(parameter.name, "" if parameter.default is None else parameter.default)
        match parameter.place:
            case "path":
                filled = filled_in(url, parameter.name, _in_path(parameter, _text(value)))
                if filled is None:
                    raise ToolFailure(f"the address has more than {MAX_URL} characters", reported=False)
                url = filled
            case "query":
                params += _query(parameter.name, value)
            case "header":
                headers.append((parameter.name, _text(value)))
            case _:
                cookies.append(f"{parameter.name}={quote(_text(value), safe=_COOKIE, errors='replace')}")
    if _dots_in(url) != _dots_in(operation.url):
        raise ToolFailure("its parameters make a '.' or '..' of the path, which would lead elsewhere", reported=False)
    if cookies:
        headers.append(("Cookie", "; ".join(cookies)))
    if operation.body is None:
        return Prepared(url, tuple(params), tuple(headers), None)
    content_type, body = _encoded(operation.body, given, files)
    return Prepared(url, tuple(params), (*headers, ("Content-Type", content_type)), body)


def _in_path(parameter: PlacedParameter, text: str) -> str:
    """One segment of a path, or several if the document allows it. Dify's could lead anywhere on the server."""
    if any(segment in (".", "..") for segment in _SLASHES.split(text)):
        # Also escaped, servers may take it for what it says.
        raise ToolFailure(
            f"the parameter {parameter.name} goes into a path: it cannot hold the segments '.' and '..'", reported=False
        )
    return quote(text, safe=_SEVERAL_SEGMENTS if parameter.allow_reserved else "", errors="replace")


def _dots_in(url: str) -> int:
    path = url.partition("#")[0].partition("?")[0]
    return sum(segment in (".", "..") for segment in path.split("/"))


def _with_defaults(operation: RemoteOperation, values: Mapping[str, Json]) -> dict[str, Json]:
    given = dict(values)
    for parameter in operation.parameters:
        if parameter.required and parameter.name not in given:
            if parameter.default is None:
                raise ToolFailure(f"Missing required parameter {parameter.name}", reported=False)
            given[parameter.name] = parameter.default
    return given


def _query(name: str, value: Json) -> list[tuple[str, str]]:
    if isinstance(value, list):
        return [(name, _plain(item)) for item in value]
    return [] if value == "" else [(name, _plain(value))]


def _plain(value: Json) -> str:
    """A value in a query: as JavaScript would have it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _text(value: Json) -> str:
    return value if isinstance(value, str) else str(value)


def _encoded(
    body: RequestBody, given: Mapping[str, Json], files: Mapping[str, list[FileContent]]
) -> tuple[str, bytes | Multipart]:
    values: dict[str, Json] = {}
    for name, schema in body.properties.items():
        if name in files:
            continue
        if name in given:
            values[name] = converted_property(name, given[name], schema)
        elif schema.get("default") is not None:
            values[name] = schema["default"]
    kind = body.media_type.partition(";")[0].strip().lower()
    if kind == "application/json":
        # Escaped, as Python does it: so no text fails to be encoded.
        return body.media_type, json.dumps(values).encode()
    sent = [(name, content) for name in body.properties for content in files.get(name, ())]
    if kind == _MULTIPART and sent:
        return _multipart(values, sent)
    # Also of types that are no forms, and of multipart without a file: a quirk of Dify.
    return body.media_type, urlencode({name: _form(value) for name, value in values.items()}).encode()


def _form(value: Json) -> str:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else str(value)


def _multipart(values: Mapping[str, Any], files: list[tuple[str, FileContent]]) -> tuple[str, Multipart]:
    boundary = secrets.token_hex(16)
    fields = [
        (name, _plain(item) if not isinstance(item, dict) else to_text(item))
        for name, value in values.items()
        for item in (value if isinstance(value, list) else [value])
    ]
    sent = tuple(FormFile(name, file.filename, file.content, file.mime_type) for name, file in files)
    return f"{_MULTIPART}; boundary={quote(boundary)}", Multipart(boundary, tuple(fields), sent)
