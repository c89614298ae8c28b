"""Headers of everything below ``/console`` and ``/api``, and the redirect to the console."""

from typing import Final

from jikko.http.requests import Request
from jikko.http.responses import Headers, SendableResponse, redirect

CONSOLE: Final = "/console"
MANAGED: Final = (CONSOLE, "/api/", "/mcp/manage")
"""Path prefixes of console and management API; other paths may share the first."""
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
    """Return whether a path with a prefix of ``MANAGED`` belongs to the console or the management API."""
    return not path.startswith(CONSOLE) or path[len(CONSOLE) :][:1] in ("", "/")


def console_headers(request: Request, own: Headers) -> Headers:
    """Return the headers added to every answer of the console, which deny other origins.
    ``own``: The answer's headers, which take precedence: without its own caching header it is not cached."""
    names = {name for name, _ in own}
    return [(b"x-request-id", request.id), *(added for added in (*_HEADERS, _NOT_KEPT) if added[0] not in names)]


def redirect_to(request: Request) -> SendableResponse:
    """Redirect a browser to the console."""
    return redirect(f"{request.root_path}/console/")
