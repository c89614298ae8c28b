"""The addresses that are opened first: ``/`` and ``/v1``. A browser gets a page, a client gets JSON."""

import html
from typing import Any, Final

from jikko import __version__
from jikko.http.operation import Route
from jikko.http.requests import Request
from jikko.http.responses import Response, SendableResponse, json_response


async def welcome(request: Request) -> SendableResponse:
    """What this server is, and where to read on."""
    version, root = __version__, request.root_path
    if "text/html" in (request.header(b"accept") or "").lower():
        # One address, two answers: no cache may give one client what was meant for another.
        return Response(_page(version).encode(), headers={"vary": "accept"}, media_type=b"text/html; charset=utf-8")
    content: dict[str, Any] = {
        "welcome": "Jikko",
        "api_version": "v1",
        "server_version": version,
        "api": f"{root}/v1/",
        "docs": f"{root}/docs",
        "openapi": f"{root}/openapi.json",
        "health": f"{root}/health",
    }
    if request.api.console is not None:
        content["console"] = f"{root}/console/"
    answer = json_response(content)
    answer.headers.append((b"vary", b"accept"))
    return answer


def _page(version: str) -> str:
    """A page that needs nothing from elsewhere. Its links hold below another path, too."""
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>Jikko</title>"
        "<meta name=viewport content='width=device-width'>"
        "<style>body{font:16px/1.5 system-ui;margin:4rem auto;max-width:40rem;padding:0 1rem}</style>"
        f"<h1>Jikko {html.escape(version)}</h1>"
        "<p>This server runs workflows written in the Dify DSL, and serves them over Dify's workflow API, below "
        "<code>/v1</code>. Requests carry the API key of an app: <code>Authorization: Bearer app-…</code>.</p>"
        "<p><a href=docs>The API</a> · <a href=openapi.json>openapi.json</a> · <a href=health>health</a></p></html>"
    )


WELCOME_OPERATIONS: Final = tuple(
    Route("GET", path, {200: "application/json"}, tag="Server", open=True)(welcome) for path in ("/", "/v1")
)
"""What they answer is no part of the API."""
