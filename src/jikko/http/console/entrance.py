"""Public operations of the console: the page and the API description."""

from functools import lru_cache

from msgspec.json import decode
from msgspec.structs import replace

from jikko import __version__
from jikko.concurrency.run_in_thread import run_in_thread
from jikko.console.console_service import Console
from jikko.dify.dify_events import encode
from jikko.http.console.console_headers import redirect_to
from jikko.http.console.page_files import PageFiles
from jikko.http.console.visitor_gate import VisitorGate
from jikko.http.operation import Operation, Route
from jikko.http.reference import reference_page
from jikko.http.reference.reference_operations import docs_file, page_response
from jikko.http.requests import Request
from jikko.http.responses import Response, SendableResponse


def page_operations(gate: VisitorGate, page: PageFiles) -> list[Operation]:
    """Return the operations of the page and of the API description."""

    async def without_slash(request: Request, console: Console) -> SendableResponse:
        """Redirect to the console."""
        return redirect_to(request)

    @lru_cache(maxsize=1)
    def description(of: tuple[str, str]) -> bytes:
        # Rarely needed, and it imports all tables.
        from jikko.http.console.table import console_description, console_operations

        version, root_path = of
        return encode(console_description(version, console_operations(gate.console), root_path))

    @lru_cache(maxsize=1)
    def docs_page(root_path: str) -> bytes:

        return reference_page(decode(description((__version__, root_path))), base="../").encode()

    async def openapi_json(request: Request, console: Console | None = None) -> SendableResponse:
        """The description."""
        # Cached, and made off the event loop, like the Service API's: it is public.
        return Response(await run_in_thread(description, (__version__, request.root_path), queue="records"))

    async def docs(request: Request) -> SendableResponse:
        """The description as a page."""
        return page_response(await run_in_thread(docs_page, request.root_path, queue="records"))

    files = {200: "*/*"}
    return [
        # Under any host name, like token requests: it reveals nothing of this server.
        Route("GET", "/api/openapi.json", files, open=True)(openapi_json),
        Route("GET", "/api/docs", files, open=True)(docs),
        Route("GET", "/console/openapi.json", files, open=True)(gate.for_all(openapi_json)),
        replace(docs_file, path="/api/docs/{name}"),
        Route("GET", "/console", files, open=True)(gate.for_all(without_slash)),
        Route("GET", "/console/", files, open=True)(gate.for_all(page.serve)),
        Route("GET", "/console/{*path}", files, open=True)(gate.for_all(page.serve)),
    ]
