"""The operations of the console. What an operator alone may do is marked."""

from typing import Any, Final

from msgspec import Struct

from jikko.console.service import Console
from jikko.http.console import runs, tokens
from jikko.http.console.files import Page, redirect_to
from jikko.http.console.forms import FormAnswer, OpenForms, answer_form, list_forms
from jikko.http.console.gate import ConsoleHandler, Gate
from jikko.http.console.log import LogPage, follow_log, read_log, read_value
from jikko.http.console.queries import FILTER_QUERY, PAGE_QUERY
from jikko.http.console.run_bodies import Histogram, RunFull, RunList
from jikko.http.console.run_stream import follow_runs
from jikko.http.console.session import CurrentSession, Session, SignIn, SigningIn, SignInRate, read_session, sign_out
from jikko.http.operation import Operation
from jikko.http.parameters import KEY
from jikko.http.reference.openapi import described
from jikko.http.requests import Request
from jikko.http.responses import Answer, json_response
from jikko.http.routes.files import UploadForm
from jikko.http.routes.forms import FormSubmitted
from jikko.http.routes.runs import RunStopped
from jikko.http.welcome import welcome
from jikko.inputs.uploads import File

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
    signing_in = SigningIn(SignInRate())
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
        *(_operation(gate, *entry) for entry in _TABLE),
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


def _operation(
    gate: Gate,
    method: str,
    path: str,
    handler: ConsoleHandler,
    summary: str,
    answers: dict[int, type[Struct] | str],
    more: dict[str, Any],
) -> Operation:
    """An operation of visitors.

    Args:
        more: Further fields of ``Operation``; ``for_operators`` besides.
    """
    operators = more.get("for_operators", False)
    fields = {name: value for name, value in more.items() if name not in ("for_operators", "errors")}
    wrong = _WRONG_BODY if "body" in fields else ()
    errors = tuple(sorted({*more.get("errors", ()), *wrong, *_ERRORS}))
    return Operation(
        method,
        f"{API}/{path}",
        gate.for_visitors(handler, operators=operators),
        summary,
        answers,
        errors,
        tag="Console",
        key="console",
        **fields,
    )


_O: Final[dict[str, Any]] = {"for_operators": True}
_ASKS: Final = {"errors": (400, 503)}
_NOTHING: Final[dict[int, type[Struct] | str]] = {204: "application/json"}

_STREAM: Final[dict[int, type[Struct] | str]] = {200: "text/event-stream"}
_ANY: Final[dict[int, type[Struct] | str]] = {200: "*/*"}
_START_ERRORS: Final = (404, 409, 429, 503)
_LOG_QUERY: Final = (
    ("after", {"type": "integer", "minimum": -1}, "Default -1: from the first event on."),
    ("limit", {"type": "integer", "minimum": 1, "maximum": 5000}, "Default 2000."),
)
_VALUE_QUERY: Final = (
    ("path", {"type": "string"}, "A JSON Pointer, such as /outputs/text; by default the whole event."),
    ("download", {"type": "string"}, "true: as a file."),
)
_LAST_EVENT: Final = (("Last-Event-ID", {"type": "integer", "minimum": -1}, "The position of the last event seen."),)
_NEWEST: Final = (("newest", {"type": "string"}, "The id of the newest run that the client has."),)
_BUCKETS: Final = (("buckets", {"type": "integer", "minimum": 1, "maximum": 400}, "Default 48."),)

_TABLE: Final[list[tuple[str, str, ConsoleHandler, str, dict[int, type[Struct] | str], dict[str, Any]]]] = [
    ("GET", "session", read_session, "Who has signed in", {200: CurrentSession}, {}),
    ("GET", "tokens", tokens.list_tokens, "All tokens", {200: tokens.Tokens}, _O),
    ("POST", "tokens", tokens.make_token, "Make a token", {201: tokens.Token}, {**_O, "body": tokens.NewToken}),
    (
        "GET",
        "runs",
        runs.list_runs,
        "Runs of all apps",
        {200: RunList},
        {"query": (*FILTER_QUERY, *PAGE_QUERY), **_ASKS},
    ),
    (
        "GET",
        "runs/histogram",
        runs.histogram,
        "Runs over time",
        {200: Histogram},
        {"query": (*FILTER_QUERY, *_BUCKETS), **_ASKS},
    ),
    ("GET", "runs/stream", follow_runs, "Listen to the list", _STREAM, {"query": (*FILTER_QUERY, *_NEWEST), **_ASKS}),
    ("GET", "runs/{run_id}", runs.read_run, "A run", {200: RunFull}, {"errors": (404, 503)}),
    ("DELETE", "runs/{run_id}", runs.delete_run, "Remove a run", _NOTHING, {**_O, "errors": (404, 409, 503)}),
    ("POST", "runs/{run_id}/stop", runs.stop_run, "Stop a run", {200: RunStopped}, {**_O, "errors": (404, 503)}),
    (
        "POST",
        "runs/{run_id}/retry",
        runs.retry_run,
        "Repeat a run",
        {202: runs.RunAccepted},
        {**_O, "body": runs.RunRetry, "headers": KEY, "errors": _START_ERRORS},
    ),
    (
        "POST",
        "apps/{app_id}/runs",
        runs.start_run,
        "Start a run",
        {202: runs.RunAccepted},
        {**_O, "body": runs.RunStart, "headers": KEY, "errors": _START_ERRORS},
    ),
    (
        "POST",
        "apps/{app_id}/files",
        runs.upload_file,
        "Upload a file",
        {201: File},
        {**_O, "body": UploadForm, "body_media_type": "multipart/form-data", "errors": (404, 503)},
    ),
    ("GET", "runs/{run_id}/log", read_log, "Events", {200: LogPage}, {"query": _LOG_QUERY, "errors": (400, 404, 503)}),
    (
        "GET",
        "runs/{run_id}/log/{position}/value",
        read_value,
        "A whole value",
        _ANY,
        {"query": _VALUE_QUERY, "errors": (400, 404, 503)},
    ),
    (
        "GET",
        "runs/{run_id}/stream",
        follow_log,
        "Follow a run",
        _STREAM,
        {"headers": _LAST_EVENT, "errors": (400, 404, 503)},
    ),
    ("GET", "forms", list_forms, "Forms that wait", {200: OpenForms}, {"errors": (503,)}),
    (
        "POST",
        "runs/{run_id}/forms/{form_id}",
        answer_form,
        "Answer a form",
        {200: FormSubmitted},
        {**_O, "body": FormAnswer, "errors": (404, 412, 429, 503)},
    ),
    ("DELETE", "tokens/{token_id}", tokens.revoke_token, "Revoke a token", _NOTHING, {**_O, "errors": (404,)}),
]
