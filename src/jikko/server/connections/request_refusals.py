"""Limits on request heads, and responses to requests refused while they are read."""

import re
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Final

import httptools
from msgspec import Struct

from jikko.dify.dify_events import encode
from jikko.http.cors import headers_of
from jikko.http.http_errors import Error
from jikko.http.requests import identified, request_ids

MAX_HEADERS: Final = 256
_HOST: Final = re.compile(rb"(?:\[[0-9a-fA-F:.]+\]|[\w.~%!$&'()*+,;=-]*)(?::\d*)?")
"""Value of ``Host`` (RFC 9110, 7.2)."""
_OTHER_VERSIONS: Final = ("Invalid HTTP version", "Pause on PRI/Upgrade")
"""httptools' messages for unknown versions, and for the preface of HTTP/2."""


class HeadLimits(Struct, frozen=True):
    """Size and timeout of a request's head, and the window for the minimum rate of its body."""

    bytes: int = 65_536
    """Request line and headers; a quarter of it for the URL alone. Also bounds the bytes between two chunks of a body,
    and trailers."""
    seconds: float = 30.0
    """From its first byte, or from the start of the connection, to its last; 0 for no limit."""
    body_seconds: float = 60.0
    """Window in which a body must average ``LEAST_BYTES_PER_SECOND``; 0 for no limit."""


class Refused(Exception):
    """A request is refused while it is read. Also stops the parser."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.error = Error(code, message, status)


def many_headers() -> Refused:
    return Refused(431, "request_header_fields_too_large", f"The request has more than {MAX_HEADERS} headers.")


def hosts(values: Sequence[bytes], version: str) -> Refused | None:
    """Return the refusal of missing, repeated or malformed ``Host`` headers (RFC 9112, 3.2), if they are."""
    if len(values) == 1:
        if _HOST.fullmatch(values[0]):
            return None
        return Refused(400, "bad_request", "The header Host must be a host name or address, with or without a port.")
    if not values and version == "1.0":
        return None
    return Refused(400, "bad_request", f"The request has {len(values) or 'no'} headers Host; one is needed.")


def codings(value: bytes, version: str) -> Refused | None:
    """Return the refusal of a ``Transfer-Encoding`` other than chunks (RFC 9112, 6.1 and 6.3), if it is one."""
    if version == "1.0":
        return Refused(400, "bad_request", "A request of HTTP/1.0 must not have the header Transfer-Encoding.")
    names = [name.strip(b" \t").lower() for name in value.split(b",")]
    if names == [b"chunked"]:
        return None
    if names[-1] != b"chunked" or b"chunked" in names[:-1] or b"" in names:
        return Refused(400, "bad_request", "Transfer-Encoding must end with chunked, and name it once.")
    return Refused(501, "not_implemented", "Transfer-Encoding must be chunked alone: other codings are not supported.")


def other_version() -> Refused:
    message = "The version of HTTP in the request line is not supported: only HTTP/1.1 and HTTP/1.0 are."
    return Refused(505, "http_version_not_supported", message)


def unreadable(error: httptools.HttpParserError) -> Refused:
    if str(error) in _OTHER_VERSIONS:
        return other_version()
    return Refused(400, "bad_request", f"The request is not valid HTTP: {error}.")


def refusal(refused: Refused, headers: Iterable[tuple[bytes, bytes]]) -> tuple[bytes, bytes]:
    """Return the whole response, after which the connection is closed, and the request's id. ``headers``: Those of the
    request received so far."""
    error = refused.error
    origin, request_id = identified(dict(headers), request_ids())
    body = encode(error)
    lines = [
        f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}".encode(),
        b"content-type: application/json",
        b"content-length: %d" % len(body),
        *(b"%s: %s" % header for header in headers_of(request_id, origin)),
        b"connection: close",
    ]
    return b"\r\n".join([*lines, b"", body]), request_id
