"""The headers of everything below ``/console`` and ``/api``, and the way there."""

from typing import Final

from jikko.http.requests import Request
from jikko.http.responses import Headers, Response, SendableResponse

CONSOLE: Final = "/console"
MANAGED: Final = (CONSOLE, "/api/", "/mcp/manage")
"""How the addresses of console and management API begin; others may begin like the first."""
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "media-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_NOT_KEPT: Final = (b"cache-control", b"no-store")
_HEADERS: Final = [
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
]


def is_console(path: str) -> bool:
    """Whether a path that begins as ``MANAGED`` says belongs to the console or the management API."""
    return not path.startswith(CONSOLE) or path[len(CONSOLE) :][:1] in ("", "/")


def console_headers(request: Request, own: Headers) -> Headers:
    """What is added to every answer of the console. No page of another origin may read any.
    ``own``: the answer's, which hold: it may not be kept unless it says itself that it may."""
    names = {name for name, _ in own}
    return [(b"x-request-id", request.id), *(added for added in (*_HEADERS, _NOT_KEPT) if added[0] not in names)]


def redirect_to(request: Request) -> SendableResponse:
    """Where the console begins, for a browser that asks for less."""
    answer = Response(b"", 302, media_type=b"text/html; charset=utf-8")
    answer.headers.append((b"location", f"{request.root_path}/console/".encode("latin-1", "replace")))
    return answer
