"""Response of HTTP Request nodes: a text, or a file. Source: docs/dify-behaviour.md, “HTTP request”."""

import codecs
from email.message import Message
from typing import Final
from urllib.parse import unquote, urlencode, urlparse
from uuid import uuid4

from jikko.ports.files.file_types import best_type, extension_for, is_text, mime_type_of, stated_type
from jikko.ports.http import HttpResponse, Pairs

_TEXT_TYPES: Final = ("json", "xml", "javascript", "x-www-form-urlencoded", "yaml", "graphql")
"""Parts of names of textual ``application/…`` types."""
_TEXT_SIGNS: Final = (b"{", b"[", b"<", b"function", b"var ", b"const ", b"let ")
"""Signs of code, JSON or markup."""
_SAMPLE: Final = 1024
"""Bytes searched for such signs."""
_NOT_FOR_TEXT: Final = frozenset({"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined"})
"""Python encodings that no server means."""
_MAX_DISPOSITION: Final = 4096
"""Maximum characters of a Content-Disposition header; longer ones are ignored, since parsing is quadratic."""
_BINARY_SIGNS: Final = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"%PDF-")
"""Magic of Office files, other archives and PDF."""


def headers_of(response: HttpResponse) -> dict[str, str]:
    """Return the headers by lower-case name; repeated ones are joined by commas."""
    values: dict[str, list[str]] = {}
    for name, value in response.headers:
        values.setdefault(name.lower(), []).append(value)
    return {name: ", ".join(found) for name, found in values.items()}


def is_file(response: HttpResponse, url: str) -> bool:
    """Return whether the answer is a file rather than a text."""
    disposition, filename = _disposition(response)
    if disposition == "attachment" or filename is not None:
        return True
    header = response.header("content-type")
    stated = stated_type(header)
    known = is_text(stated) if stated else None
    if known is not None:
        return not known
    if not stated and is_text(mime_type_of(_name_in(url))) is False:
        # The type is generic, but the URL has a suffix.
        return bool(header) or not _decodes(response.body[:_SAMPLE])
    return bool(header) and not _is_textual(stated, response.body[:_SAMPLE])


def text_of(response: HttpResponse) -> str:
    """Decode the content by its declared encoding, else as UTF-8. Undecodable bytes become U+FFFD."""
    _, _, declared = response.header("content-type").lower().partition("charset=")
    encodings = [name for name in (_encoding(declared), "utf-8") if name is not None]
    for encoding in encodings:
        try:
            return response.body.decode(encoding)
        except UnicodeDecodeError:
            continue
    return response.body.decode(encodings[0], "replace")


def file_identity(response: HttpResponse, url: str) -> tuple[str, str]:
    """Return a new name for the answer's file, and its MIME type. As in Dify, the server's name only determines the
    type."""
    _, filename = _disposition(response)
    name = filename or _name_in(url)
    mime_type = mime_type_of(filename or "") or best_type(response.header("content-type"), name)
    return f"{uuid4().hex}{extension_for(mime_type, name)}", mime_type


def readable_size(size: int) -> str:
    """Format a number of bytes."""
    if size < 1024:
        return f"{size} bytes"
    return f"{size / 1024:.2f} KB" if size < 1_048_576 else f"{size / 1_048_576:.2f} MB"


def _is_textual(kind: str, sample: bytes) -> bool:
    """``kind``: Stated and unknown, or ``""`` if it is generic."""
    if kind and sample.startswith(_BINARY_SIGNS):
        return False
    if any(name in kind for name in _TEXT_TYPES):
        return True
    return _decodes(sample) and (bool(kind) or any(sign in sample for sign in _TEXT_SIGNS))


def _decodes(sample: bytes) -> bool:
    """Return whether a sample is UTF-8, except for a character cut off at its end."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return False
    return True


def _name_in(url: str) -> str:
    path = url.partition("#")[0].partition("?")[0].partition("://")[2]
    return unquote(path.partition("/")[2].rpartition("/")[2])


def _disposition(response: HttpResponse) -> tuple[str | None, str | None]:
    value = response.header("content-disposition")
    if not value or len(value) > _MAX_DISPOSITION:
        return None, None
    message = Message()
    message["content-disposition"] = " ".join(value.splitlines())
    return message.get_content_disposition(), message.get_filename()


def _encoding(name: str) -> str | None:
    try:
        info = codecs.lookup(name.partition(";")[0].strip("\"' "))
    except (LookupError, ValueError):
        return None
    name = info.name.replace("-", "_")
    # Some of Python's codecs convert bytes to bytes, or text to text.
    return None if not info._is_text_encoding or name in _NOT_FOR_TEXT else info.name


def request_text(method: str, url: str, *, params: Pairs, headers: Pairs, masked_header: str | None, body: str) -> str:
    """Return the text of a request. Raises ``ValueError`` if the URL cannot be parsed.

    User and password in ``url`` are left out, and so are headers that the HTTP client adds; the ``masked_header`` has
    asterisks. Source: docs/dify-behaviour.md, “HTTP request”.
    """
    parts = urlparse(url)
    query = urlencode(params) if params else parts.query
    lines = [
        f"{method.upper()} {parts.path or '/'}{'?' if query else ''}{query} HTTP/1.1",
        f"Host: {parts.netloc.rpartition('@')[2]}",
    ]
    for name, value in headers:
        masked = masked_header is not None and name.lower() == masked_header.lower()
        lines.append(f"{name}: {'*' * len(value) if masked else value}")
    if body:
        # Characters instead of bytes, like Dify.
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", body])
