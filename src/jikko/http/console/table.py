"""The operations of the console. What an operator alone may do is marked."""

from typing import Any, Final

from jikko.console.service import Console
from jikko.http.console.entry.session import (
    Session,
    SignIn,
    SigningIn,
    SignInRate,
    sign_out,
)
from jikko.http.console.files import Page, redirect_to
from jikko.http.console.gate import Gate
from jikko.http.console.tables.apps import APPS
from jikko.http.console.tables.chat import CHAT
from jikko.http.console.tables.entry import Entry
from jikko.http.console.tables.knowledge import KNOWLEDGE
from jikko.http.console.tables.runs import RUNS
from jikko.http.console.tables.system import SYSTEM
from jikko.http.operation import Operation
from jikko.http.reference.openapi import described
from jikko.http.requests import Request
from jikko.http.responses import Answer, json_response
from jikko.http.welcome import welcome

API: Final = "/console/api"
_SCHEME: Final = {
    "ConsoleSession": {"type": "apiKey", "in": "cookie", "name": "jikko_console"},
    "ConsoleToken": {"type": "http", "scheme": "bearer", "bearerFormat": "jko_…"},
}
_ERRORS: Final = (401, 403, 421)
"""What any operation of visitors may be refused with."""
_WRONG_BODY: Final = (400, 413, 415)


def console_operations(console: Console, page: Page | None = None) -> list[Operation]:
    """All addresses below ``/console``, and ``/``, which leads browsers there.

    Args:
        page: By default that of the package.
    """
    gate, page = Gate(console), page or Page()
    signing_in = SigningIn(SignInRate(console.count))
    operations = [
        Operation(
            "POST",
            f"{API}/session",
            gate.for_all(signing_in.sign_in, changes=True),
            "Sign in",
            {200: Session},
            (*_WRONG_BODY, *_ERRORS, 429),
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
        *(_operation(gate, entry) for entry in (*SYSTEM, *APPS, *RUNS, *CHAT, *KNOWLEDGE)),
    ]

    async def openapi_json(request: Request, console: Console) -> Answer:
        return json_response(console_description(request.api.version, operations, request.root_path))

    async def beginning(request: Request) -> Answer:
        if "text/html" in (request.header(b"accept") or "").lower():
            answer = redirect_to(request)
            answer.headers.append((b"vary", b"accept"))
            return answer
        return await welcome(request)

    async def without_slash(request: Request, console: Console) -> Answer:
        return redirect_to(request)

    files = {200: "*/*"}
    return [
        *operations,
        Operation("GET", "/console/openapi.json", gate.for_all(openapi_json), "The description", files, open=True),
        Operation("GET", "/", beginning, "What this server is", files, open=True),
        Operation("GET", "/console", gate.for_all(without_slash), "The console", files, open=True),
        Operation("GET", "/console/", gate.for_all(page.serve), "The console", files, open=True),
        Operation("GET", "/console/{*path}", gate.for_all(page.serve), "A file of the console", files, open=True),
    ]


def console_description(version: str, operations: list[Operation], root_path: str = "") -> dict[str, Any]:
    """The description of the console's API, as OpenAPI 3.1."""
    description = (
        "What the console's page asks. Every error is an object with code, message and status. A browser signs in by "
        "POST session, and sends X-Jikko-Console: 1 with whatever is not GET; a script sends Authorization: Bearer "
        "jko_… with each request, and needs neither."
    )
    return described(
        [operation for operation in operations if operation.path.startswith(API)],
        title="Jikko's console",
        version=version,
        description=description,
        root_path=root_path,
        schemes=_SCHEME,
    )


def _operation(gate: Gate, entry: Entry) -> Operation:
    """An operation of visitors."""
    fields = {name: value for name, value in entry.more.items() if name not in ("for_operators", "errors")}
    wrong = _WRONG_BODY if "body" in fields else ()
    return Operation(
        entry.method,
        f"{API}/{entry.path}",
        gate.for_visitors(entry.handler, operators=entry.more.get("for_operators", False)),
        entry.summary,
        entry.answers,
        tuple(sorted({*entry.more.get("errors", ()), *wrong, *_ERRORS})),
        tag="Console",
        key="console",
        **fields,
    )
