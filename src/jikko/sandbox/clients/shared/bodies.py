"""Bodies and queries of requests, as ``requests`` and ``httpx`` make them of their arguments."""

import json as json_
import os
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit, urlunsplit

from jikko.ports.files.file_types import mime_type_of


class EncodedBody(NamedTuple):
    """A body, and the Content-Type that goes with it."""

    content: bytes = b""
    content_type: str | None = None


def make_body(data: Any = None, files: Any = None, json: Any = None, *, compact: bool = False) -> EncodedBody:
    """The body of a request.

    Args:
        data: A text, bytes, something to read from, an iterable of such, or fields.
        files: Fields to files: ``{name: file}``, or pairs, where a file is content or ``(filename, content, type)``.
        json: A value; only looked at without the others.
        compact: Whether JSON is written without spaces.

    Raises:
        TypeError, ValueError: JSON cannot be made of the value.
    """
    if files:
        return _multipart(_pairs(data), files)
    if data:
        if isinstance(data, (str, bytes, bytearray)) or hasattr(data, "read") or not _is_fields(data):
            return EncodedBody(_content(data), None)
        return EncodedBody(urlencode(_pairs(data)).encode(), "application/x-www-form-urlencoded")
    if json is not None:
        if compact:
            text = json_.dumps(json, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        else:
            text = json_.dumps(json, allow_nan=False)
        return EncodedBody(text.encode(), "application/json")
    return EncodedBody()


def with_params(url: str, params: Any, *, replace: bool = False) -> str:
    """The address with more in its query.

    Args:
        replace: Whether the query that it has is dropped.
    """
    if not params:
        return url
    parts = urlsplit(url)
    more = _field(params) if isinstance(params, (str, bytes)) else urlencode(_pairs(params))
    query = more if replace or not parts.query else f"{parts.query}&{more}"
    return urlunsplit(parts._replace(query=query.lstrip("?")))


def _is_fields(data: Any) -> bool:
    return isinstance(data, Mapping) or (
        isinstance(data, (list, tuple)) and all(isinstance(item, (list, tuple)) and len(item) == 2 for item in data)
    )


def _pairs(data: Any) -> list[tuple[str, str]]:
    """Names and values; a list of values is several, and ``None`` is none."""
    if not data:
        return []
    found: list[tuple[str, str]] = []
    for name, value in data.items() if isinstance(data, Mapping) else data:
        values = [value] if isinstance(value, (str, bytes)) or not isinstance(value, Iterable) else value
        found += [(_field(name), _field(each)) for each in values if each is not None]
    return found


def _field(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _content(data: Any) -> bytes:
    if isinstance(data, str):
        return data.encode()
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data)
    if hasattr(data, "read"):
        return _content(data.read())
    return b"".join(map(_content, data))


def _multipart(fields: list[tuple[str, str]], files: Any) -> EncodedBody:
    boundary = os.urandom(16).hex()
    parts: list[bytes] = []
    for name, text in fields:
        parts += [_part(boundary, name), b"\r\n", text.encode(), b"\r\n"]
    for name, file in files.items() if isinstance(files, Mapping) else files:
        filename, content, kind, headers = _file(name, file)
        parts += [_part(boundary, name, filename)]
        kind = kind or mime_type_of(filename or "")
        if kind:
            parts.append(f"Content-Type: {_one_line(kind)}\r\n".encode())
        parts += [f"{_one_line(key)}: {_one_line(value)}\r\n".encode() for key, value in headers.items()]
        parts += [b"\r\n", _content(content), b"\r\n"]
    parts.append(f"--{boundary}--\r\n".encode())
    return EncodedBody(b"".join(parts), f"multipart/form-data; boundary={boundary}")


def _file(field: str, file: Any) -> tuple[str | None, Any, str | None, Mapping[str, str]]:
    if isinstance(file, (tuple, list)):
        filename, content, kind, headers = (*file, None, None)[:4] if len(file) < 4 else file[:4]
        return filename, content, kind, headers or {}
    name = getattr(file, "name", None)
    return (os.path.basename(name) if isinstance(name, str) else field), file, None, {}


def _part(boundary: str, name: str, filename: str | None = None) -> bytes:
    line = f'--{boundary}\r\nContent-Disposition: form-data; name="{_quoted(name)}"'
    return (line + (f'; filename="{_quoted(filename)}"' if filename else "") + "\r\n").encode()


def _quoted(text: str) -> str:
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def _one_line(text: str) -> str:
    return " ".join(str(text).splitlines())
