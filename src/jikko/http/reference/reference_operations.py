"""Operations that serve the API description: as JSON, as a page, and the page's files.

Both are generated once, at first use, off the event loop: that imports all routes, and makes 500 KB of text.
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
    """The page's files."""
    name = request.path_params["name"]
    if name not in FILES:
        return no_page()
    return Response(reference_file(name), headers=_FILE_HEADERS, media_type=FILES[name].encode())


def page_response(page: bytes) -> Response:
    """Make the response of a page from ``reference_page``."""
    return Response(page, headers=_PAGE_HEADERS, media_type=b"text/html; charset=utf-8")


@lru_cache(maxsize=1)
def _description(of: tuple[str, str]) -> bytes:
    """Encode the description as JSON. ``of``: Server version and path prefix."""
    return encode(_described(*of))


@lru_cache(maxsize=1)
def _page(version: str) -> bytes:
    return reference_page(_described(version)).encode()


def _described(*of: str) -> dict[str, Any]:
    from jikko.http.reference.openapi import openapi

    return openapi(*of)
