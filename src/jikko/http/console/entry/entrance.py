"""The operations before a visitor is known: the page, its way in, and the description."""

from functools import lru_cache

from jikko.concurrency.off_the_loop import off_the_loop
from jikko.console.service import Console
from jikko.dify.events import encode
from jikko.http.console.entry.headers import redirect_to
from jikko.http.console.entry.session import Session, SignIn, SigningIn, SignInRate, sign_out
from jikko.http.console.files import Page
from jikko.http.console.gate import Gate
from jikko.http.console.tables.entry import API, ERRORS, WRONG_BODY
from jikko.http.operation import Operation
from jikko.http.requests import Request
from jikko.http.responses import Answer, Response


def session_operations(gate: Gate) -> list[Operation]:
    """Signing in and out."""
    signing_in = SigningIn(SignInRate(gate.console.count))
    return [
        Operation(
            "POST",
            f"{API}/session",
            gate.for_all(signing_in.sign_in, changes=True),
            "Sign in",
            {200: Session},
            (*WRONG_BODY, *ERRORS, 429),
            tag="Console",
            body=SignIn,
            open=True,
        ),
        Operation(
            "DELETE",
            f"{API}/session",
            gate.for_all(sign_out, changes=True),
            "Sign out",
            {204: "application/json"},
            (403, 421),
            tag="Console",
            open=True,
        ),
    ]


def page_operations(gate: Gate, page: Page) -> list[Operation]:
    """The page, and the description of what it asks."""

    async def without_slash(request: Request, console: Console) -> Answer:
        return redirect_to(request)

    @lru_cache(maxsize=1)
    def description(of: tuple[str, str]) -> bytes:
        # Few look at it, and it needs all tables.
        from jikko.http.console.table import console_description, console_operations

        version, root_path = of
        return encode(console_description(version, console_operations(gate.console), root_path))

    async def openapi_json(request: Request, console: Console) -> Answer:
        # Made once and off the event loop, as that of the Service API: anybody may ask for it.
        return Response(await off_the_loop(description, (request.api.version, request.root_path), queue="records"))

    files = {200: "*/*"}
    return [
        Operation("GET", "/console/openapi.json", gate.for_all(openapi_json), "The description", files, open=True),
        Operation("GET", "/console", gate.for_all(without_slash), "The console", files, open=True),
        Operation("GET", "/console/", gate.for_all(page.serve), "The console", files, open=True),
        Operation("GET", "/console/{*path}", gate.for_all(page.serve), "A file of the console", files, open=True),
    ]
