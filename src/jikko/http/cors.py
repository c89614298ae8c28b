"""CORS: headers that let pages of other sites call the API. Source: docs/dify-behaviour.md, “CORS”."""

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
"""Headers that a page may send: Dify's three, and those that the API reads besides."""
EXPOSED_HEADERS: Final = ("Idempotency-Replayed", "Location", "Retry-After", "X-Conversation-Id", "X-Request-Id")
"""Headers of an answer that a page may read."""

_ANY_ORIGIN: Final = (b"access-control-allow-origin", b"*")
"""The header of answers to those who are no pages."""
_VARY: Final = (b"vary", b"Origin")
_EXPOSED: Final = (b"access-control-expose-headers", ", ".join(EXPOSED_HEADERS).encode())
_METHODS: Final = (b"access-control-allow-methods", b"DELETE, GET, OPTIONS, PATCH, POST, PUT")
_MAX_AGE: Final = (b"access-control-max-age", b"600")
"""Seconds for which a browser need not ask again."""


def headers_of(request_id: bytes, origin: bytes | None) -> Headers:
    """The headers that every answer has: the name of its request, and who may read it, which are pages of any origin.

    Nothing is allowed with the credentials that a browser sends by itself, such as cookies: there are none, and the key
    is sent by the page.
    """
    named = (b"x-request-id", request_id)
    if origin is None:
        return [named, _ANY_ORIGIN]
    return [named, (b"access-control-allow-origin", origin), _VARY, _EXPOSED]


def is_preflight(request: Request) -> bool:
    """Whether a browser asks what a page may send, before it sends it."""
    return (
        request.scope["method"] == "OPTIONS"
        and request.origin is not None
        and bool(request.header_bytes(b"access-control-request-method"))
    )


def added_headers(request: Request) -> Headers:
    """What is added to the answer to a request; to a browser that asks for it, also what pages may send."""
    headers = headers_of(request.id, request.origin)
    if request.origin is None:
        return headers
    if is_preflight(request):
        headers += [_METHODS, _MAX_AGE]
        if allowed := _allowed(request.header(b"access-control-request-headers") or ""):
            headers.append((b"access-control-allow-headers", allowed))
    return headers


def _allowed(requested: str) -> bytes:
    """Those of the headers that a page asked for that it may send, in alphabetical order."""
    names = {name.strip().lower() for name in requested.split(",")}
    return ", ".join(name for name in ALLOWED_HEADERS if name in names).encode()
