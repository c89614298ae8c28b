"""What lets pages of other sites call the API from a browser. Source: Dify 1.15, spec/service-api.md §8b."""

from typing import Final

from jikko.http.requests import Request
from jikko.http.responses import Headers

ALLOWED_HEADERS: Final = (
    "authorization",
    "content-type",
    "idempotency-key",
    "last-event-id",
    "x-app-code",
    "x-request-id",
    "x-trace-id",
    "x-trace-session-id",
)
"""Headers that a page may send: Dify's three, and those that the API reads besides."""
EXPOSED_HEADERS: Final = ("Idempotency-Replayed", "Location", "Retry-After", "X-Request-Id")
"""Headers of an answer that a page may read."""

ANY_ORIGIN: Final = (b"access-control-allow-origin", b"*")
"""The header of answers to those who are no pages."""
_VARY: Final = (b"vary", b"Origin")
_EXPOSED: Final = (b"access-control-expose-headers", ", ".join(EXPOSED_HEADERS).encode())
_METHODS: Final = (b"access-control-allow-methods", b"DELETE, GET, OPTIONS, PATCH, POST, PUT")
_MAX_AGE: Final = (b"access-control-max-age", b"600")
"""Seconds for which a browser need not ask again."""


def cors_headers(request: Request, origin: bytes) -> Headers:
    """The headers of an answer to a page: pages of any origin may read it.

    Nothing is allowed with the credentials that a browser sends by itself, such as cookies: there are none, and the key
    is sent by the page.
    """
    headers = [(b"access-control-allow-origin", origin), _VARY, _EXPOSED]
    if request.scope["method"] == "OPTIONS" and request.header_bytes(b"access-control-request-method"):
        headers += [_METHODS, _MAX_AGE]
        if allowed := _allowed(request.header(b"access-control-request-headers") or ""):
            headers.append((b"access-control-allow-headers", allowed))
    return headers


def _allowed(asked: str) -> bytes:
    """Those of the headers that a page asked for that it may send, in alphabetical order."""
    names = {name.strip().lower() for name in asked.split(",")}
    return ", ".join(name for name in ALLOWED_HEADERS if name in names).encode()
