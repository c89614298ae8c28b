"""CORS headers, for pages of other sites. Source: docs/dify-behaviour.md, “CORS”."""

from typing import Final

from jikko.http.requests import Request
from jikko.http.responses import Headers

ALLOWED_HEADERS: Final = (
    "authorization",
    "content-type",
    "idempotency-key",
    "last-event-id",
    "x-app-code",
    "x-conversation-id",
    "x-request-id",
    "x-trace-id",
    "x-trace-session-id",
)
"""Request headers open to pages: Dify's three, and the others that the API reads."""
EXPOSED_HEADERS: Final = ("Idempotency-Replayed", "Location", "Retry-After", "X-Conversation-Id", "X-Request-Id")
"""Response headers open to pages."""

_ANY_ORIGIN: Final = (b"access-control-allow-origin", b"*")
"""For clients other than pages."""
_VARY: Final = (b"vary", b"Origin")
_EXPOSED: Final = (b"access-control-expose-headers", ", ".join(EXPOSED_HEADERS).encode())
METHODS: Final = ("DELETE", "GET", "OPTIONS", "PATCH", "POST", "PUT")
_METHODS: Final = (b"access-control-allow-methods", ", ".join(METHODS).encode())
_MAX_AGE: Final = (b"access-control-max-age", b"600")
"""Lifetime of a preflight, in seconds."""


def headers_of(request_id: bytes, origin: bytes | None) -> Headers:
    """Return the headers of every answer: the request ID, and access for any origin.

    Credentials are not allowed: there are no cookies, and pages send the key themselves.
    """
    named = (b"x-request-id", request_id)
    if origin is None:
        return [named, _ANY_ORIGIN]
    return [named, (b"access-control-allow-origin", origin), _VARY, _EXPOSED]


def is_preflight(request: Request) -> bool:
    return (
        request.scope["method"] == "OPTIONS"
        and request.origin is not None
        and bool(request.header_bytes(b"access-control-request-method"))
    )


def added_headers(request: Request) -> Headers:
    """Return the headers to add to an answer, with the allowed methods and headers for a preflight."""
    headers = headers_of(request.id, request.origin)
    if request.origin is None:
        return headers
    if is_preflight(request):
        headers += [_METHODS, _MAX_AGE]
        if allowed := _allowed(request.header(b"access-control-request-headers") or ""):
            headers.append((b"access-control-allow-headers", allowed))
    return headers


def _allowed(requested: str) -> bytes:
    """Return the requested headers that are allowed, in alphabetical order."""
    names = {name.strip().lower() for name in requested.split(",")}
    return ", ".join(name for name in ALLOWED_HEADERS if name in names).encode()
