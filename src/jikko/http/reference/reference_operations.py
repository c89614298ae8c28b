"""The operations that show the description: for machines, as a page, and what the page loads.

Both are made once, at the first look, and off the event loop: all routes are imported for them, 500 KB of text made.
"""

from functools import lru_cache
from typing import Any, Final

from jikko import __version__
from jikko.concurrency.run_in_thread import run_in_thread
from jikko.dify.dify_events import encode
from jikko.http.http_errors import no_page
from jikko.http.operation import Route
from jikko.http.reference import FILES, POLICY, reference_file, reference_page
from jikko.http.requests import Request
from jikko.http.responses import Response, SendableResponse

_FILE_HEADERS: Final = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache"}
_PAGE_HEADERS: Final = {**_FILE_HEADERS, "Content-Security-Policy": POLICY, "Referrer-Policy": "no-referrer"}


@Route("GET", "/openapi.json", {200: "application/json"}, tag="Server", open=True)
async def openapi_json(request: Request) -> SendableResponse:
    """The description."""
    return Response(await run_in_thread(_description, (__version__, request.root_path), queue="records"))


@Route("GET", "/docs", {200: "text/html"}, tag="Server", open=True)
async def docs(request: Request) -> SendableResponse:
    """The description as a page."""
    return page_response(await run_in_thread(_page, __version__, queue="records"))


@Route("GET", "/docs/{name}", {200: "*/*"}, tag="Server", open=True)
async def docs_file(request: Request) -> SendableResponse:
    """What the page loads."""
    name = request.path_params["name"]
    if name not in FILES:
        return no_page()
    return Response(reference_file(name), headers=_FILE_HEADERS, media_type=FILES[name].encode())


def page_response(page: bytes) -> Response:
    """A page that ``reference_page`` has made, as an answer."""
    return Response(page, headers=_PAGE_HEADERS, media_type=b"text/html; charset=utf-8")


@lru_cache(maxsize=1)
def _description(of: tuple[str, str]) -> bytes:
    """The description in JSON. ``of``: the version of the server, and the path below which clients reach it."""
    return encode(_described(*of))


@lru_cache(maxsize=1)
def _page(version: str) -> bytes:
    return reference_page(_described(version)).encode()


def _described(*of: str) -> dict[str, Any]:
    from jikko.http.reference.openapi import openapi

    return openapi(*of)
