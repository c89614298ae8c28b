"""Requests to the server to send an HTTP request, over the child's connection."""

import json
import math
import os
import struct
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

_CONNECTION: Final = 3
_HEAD: Final = struct.Struct(">II")
_CHUNK: Final = 1 << 20
_NOT_SENT: Final = ("accept-encoding", "connection", "content-length", "transfer-encoding")
"""Headers of the connection, set by the server."""


class ExchangeFailed(Exception):
    """There was no answer. The text says why."""

    def __init__(self, kind: str, message: str) -> None:
        self.kind = kind
        """Kind of the ``HttpFailure``."""
        super().__init__(message)


class RawResponse(NamedTuple):
    status: int
    headers: list[tuple[str, str]]
    """For the decompressed ``body``."""
    body: bytes


def send(
    method: str,
    url: str,
    headers: list[tuple[str, str]],
    body: bytes,
    *,
    connect: float | None = None,
    read: float | None = None,
    verify: bool | None = None,
) -> RawResponse:
    """Send one request, without redirects. Raises ``ExchangeFailed``: no answer. ``connect``, ``read``: Timeouts in
    seconds; ``None`` for the server's maximum. ``verify``: Whether to verify the certificate; ``None`` for the
    server's setting."""
    host = urlsplit(url).netloc.rpartition("@")[2]
    headers = [
        (name, value)
        for name, value in headers
        if name.lower() not in _NOT_SENT and (name.lower(), value) != ("host", host)
    ]
    request: dict[str, Any] = {"method": method, "url": url, "headers": headers, "verify": verify}
    request |= {"connect": _seconds(connect), "read": _seconds(read)}
    text = json.dumps({"http": request}, separators=(",", ":")).encode()
    _write(_HEAD.pack(len(text), len(body)) + text + body)
    text_length, body_length = _HEAD.unpack(_read(_HEAD.size))
    answer: dict[str, Any] = json.loads(_read(text_length))
    content = _read(body_length)
    if "failure" in answer:
        raise ExchangeFailed(answer["failure"], answer["message"])
    received = [(name, value) for name, value in answer["headers"] if name.lower() != "transfer-encoding"]
    if method != "HEAD":
        received = [(name, value) for name, value in received if name.lower() != "content-encoding"]
        received = [
            (name, str(len(content)) if name.lower() == "content-length" else value) for name, value in received
        ]
    return RawResponse(answer["status"], received, content)


def _seconds(timeout: float | None) -> float | None:
    # Zero becomes the minimum, infinity the server's maximum.
    return None if timeout is None or not math.isfinite(timeout) else max(0.001, timeout)


def _write(message: bytes) -> None:
    rest = memoryview(message)
    while rest:
        rest = rest[os.write(_CONNECTION, rest) :]


def _read(size: int) -> bytes:
    parts: list[bytes] = []
    while size > 0:
        part = os.read(_CONNECTION, min(size, _CHUNK))
        if not part:
            # The server has abandoned this program.
            os._exit(0)
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
