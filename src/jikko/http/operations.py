"""Every operation of the API: its route and its description, in one table."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from jikko.dify.schemas import ANY_OBJECT, INTEGER, TEXT, TRACE_SESSION, USER, array, obj, ref
from jikko.http.routes import files, forms, info, records, retries, runs

Handler = Callable[[Request], Awaitable[Any]]

_JSON = "application/json"
_EVENTS = "text/event-stream"
_ANYTHING = "*/*"
"""A file has a media type of its own."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path."""

    method: str
    path: str
    handler: Handler
    summary: str
    answers: dict[int, tuple[str, dict[str, Any] | None]]
    """Media type and schema by status; errors apart."""
    errors: tuple[int, ...] = ()
    tag: str = "Workflow Runs"
    body: dict[str, Any] | None = None
    """The schema of a JSON body."""
    body_media_type: str = _JSON
    query: tuple[tuple[str, dict[str, Any], str], ...] = ()
    """Name, schema and description of query parameters; all optional unless the name ends in ``*``."""
    headers: tuple[tuple[str, dict[str, Any], str], ...] = ()
    """Headers of the request, all optional; as ``query``."""
    streams: bool = False
    """Whether it may answer with server-sent events as well."""
    no_id_is_no_page: bool = False
    """Whether an id in the path that is no UUID is answered as an address that does not exist: with a page. (Dify)"""
    open: bool = False
    """Whether it needs no API key."""


def _json(schema: dict[str, Any], status: int = 200) -> dict[int, tuple[str, dict[str, Any] | None]]:
    return {status: (_JSON, schema)}


_SOME_TEXT = {**TEXT, "minLength": 1}
_USER = {**TEXT, "maxLength": 255}
_TIME = {**TEXT, "format": "date-time"}
_RUN = "/v1/workflows/run/{workflow_run_id}"
_START_ERRORS = (400, 401, 404, 409, 413, 415, 429, 503)
_KEY = (
    (
        "Idempotency-Key",
        {"type": "string", "minLength": 1, "maxLength": 255},
        "The same key and body start one run, however often they are sent within 24 hours; an answer about a run that "
        "an earlier request started has the header Idempotency-Replayed. Another body with the key: 409.",
    ),
)

_TRACE_SESSION = "A session of traces. Checked as Dify checks it; nothing depends on it."
_TRACE_QUERY = (("trace_session_id", TRACE_SESSION, _TRACE_SESSION),)
_START_HEADERS = (*_KEY, ("X-Trace-Session-Id", TRACE_SESSION, _TRACE_SESSION))

_SIGNED = (
    ("timestamp*", _SOME_TEXT, "As in the address."),
    ("nonce*", _SOME_TEXT, "As in the address."),
    ("sign*", _SOME_TEXT, "As in the address."),
    ("as_attachment", TEXT, "true: for saving, not for showing."),
)

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "POST",
        "/v1/workflows/run",
        runs.run_current,
        "Run the current version of the workflow",
        {**_json(ref("RunAnswer")), **_json(ref("RunAnswer"), 202)},
        _START_ERRORS,
        body=ref("RunRequest"),
        query=_TRACE_QUERY,
        headers=_START_HEADERS,
        streams=True,
    ),
    Operation(
        "POST",
        "/v1/workflows/{workflow_id}/run",
        runs.run_version,
        "Run one version of the workflow",
        {**_json(ref("RunAnswer")), **_json(ref("RunAnswer"), 202)},
        _START_ERRORS,
        body=ref("RunRequest"),
        query=_TRACE_QUERY,
        headers=_START_HEADERS,
        streams=True,
    ),
    Operation(
        "GET",
        "/v1/workflows/logs",
        records.logs,
        "List runs, newest first",
        _json(ref("LogPage")),
        (400, 401),
        query=(
            ("page", {**INTEGER, "minimum": 1, "maximum": 99999}, "Default 1."),
            ("limit", {**INTEGER, "minimum": 1, "maximum": 100}, "Default 20."),
            (
                "keyword",
                TEXT,
                "A part of inputs, outputs or user, of which the first 30 characters count; or a run id.",
            ),
            ("status", {"type": "string", "enum": ["succeeded", "failed", "stopped"]}, ""),
            ("created_at__before", _TIME, "A time in ISO 8601."),
            ("created_at__after", _TIME, "A time in ISO 8601."),
            ("created_by_end_user_session_id", TEXT, "The user of the runs, exactly."),
            ("created_by_account", TEXT, "There are no accounts; any value is refused."),
        ),
    ),
    Operation("GET", _RUN, runs.run_detail, "Read a run", _json(ref("RunDetail")), (401, 404)),
    Operation(
        "GET",
        f"{_RUN}/node-executions",
        records.node_executions,
        "Read every node of a run, in order of start",
        _json(obj({"data": array(ref("NodeExecution"))})),
        (401, 404, 503),
    ),
    Operation(
        "GET",
        f"{_RUN}/node-executions/{{node_execution_id}}",
        records.node_execution,
        "Read one node execution",
        _json(ref("NodeExecution")),
        (401, 404, 503),
    ),
    Operation(
        "GET",
        f"{_RUN}/events",
        records.run_events,
        "Read the log of a run, as JSON, or as a stream that can be resumed (Last-Event-ID)",
        _json(obj({"data": array(ref("Event"))})),
        (400, 401, 404, 503),
        streams=True,
    ),
    Operation(
        "POST",
        f"{_RUN}/retry",
        retries.retry_run,
        "Start a run that takes over what finished nodes of this one did",
        {**_json(ref("RunAnswer")), **_json(ref("RunAnswer"), 202)},
        _START_ERRORS,
        body=ref("RetryRequest"),
        headers=_KEY,
        streams=True,
    ),
    Operation(
        "GET",
        f"{_RUN}/lineage",
        retries.lineage,
        "Which run this one repeats, and which repeat it",
        _json(ref("Lineage")),
        (401, 404),
    ),
    Operation(
        "POST",
        f"{_RUN}/stop",
        runs.stop_run,
        "Stop a run by its id",
        _json(ref("Stopped")),
        (400, 401, 404, 413, 415, 503),
        body=ref("UserRequest"),
    ),
    Operation(
        "POST",
        "/v1/workflows/tasks/{task_id}/stop",
        runs.stop_task,
        "Stop a run by its task id",
        _json(ref("Stopped")),
        (400, 401, 413, 415, 503),
        body=ref("UserRequest"),
    ),
    Operation(
        "GET",
        "/v1/workflow/{workflow_run_id}/events",
        records.attach,
        "Listen to a run again",
        {200: (_EVENTS, None)},
        (400, 401, 404),
        query=(
            ("user*", {**_USER, "minLength": 1}, "The user of the run."),
            ("include_state_snapshot", TEXT, "true: begin with what happened so far."),
            ("continue_on_pause", TEXT, "true: stay when the run pauses."),
        ),
    ),
    Operation(
        "POST",
        "/v1/files/upload",
        files.upload,
        "Upload a file for the inputs of a run",
        _json(ref("File"), 201),
        (400, 401, 413, 415, 503),
        tag="Files",
        body=obj({"file": {"type": "string", "format": "binary"}, "user": _USER}, optional=("user",)),
        body_media_type="multipart/form-data",
    ),
    Operation(
        "GET",
        "/v1/files/{file_id}/preview",
        files.preview,
        "Fetch a file of a chat message",
        {200: (_ANYTHING, None)},
        (401, 403, 404),
        tag="Files",
        query=(("as_attachment", TEXT, "true: for saving, not for showing."),),
        no_id_is_no_page=True,
    ),
    Operation(
        "GET",
        "/files/{file_id}/file-preview",
        files.download,
        "Fetch a file by its signed address",
        {200: (_ANYTHING, None)},
        (400, 404),
        tag="Files",
        query=_SIGNED,
        open=True,
    ),
    Operation(
        "GET",
        "/files/tools/{name}",
        files.download_made,
        "Fetch a file that a node made, by its signed address",
        {200: (_ANYTHING, None)},
        (400, 404),
        tag="Files",
        query=_SIGNED,
        open=True,
    ),
    Operation(
        "GET",
        "/v1/form/human_input/{form_token}",
        forms.read_form,
        "Read a form that a run waits for",
        _json(ref("Form")),
        (401, 404, 412, 503),
        tag="Human Input",
    ),
    Operation(
        "POST",
        "/v1/form/human_input/{form_token}",
        forms.submit_form,
        "Fill in a form; the run goes on",
        _json(obj({})),
        (400, 401, 404, 412, 413, 415, 503),
        tag="Human Input",
        body=obj({"inputs": ANY_OBJECT, "action": TEXT, "user": USER}),
    ),
    Operation("GET", "/v1/info", info.app_info, "What the app is", _json(ref("Info")), (401,), tag="Applications"),
    Operation(
        "GET",
        "/v1/parameters",
        info.parameters,
        "What inputs and features the app has",
        _json(ref("Parameters")),
        (400, 401),
        tag="Applications",
    ),
    Operation("GET", "/v1/meta", info.meta, "Icons of tools", _json(ref("Meta")), (401,), tag="Applications"),
    Operation(
        "GET", "/v1/site", info.site, "How the app looks as a page", _json(ref("Site")), (401,), tag="Applications"
    ),
    Operation(
        "GET",
        "/v1/end-users/{end_user_id}",
        info.end_user,
        "Read an end user",
        _json(ref("EndUser")),
        (401, 404),
        tag="End Users",
        no_id_is_no_page=True,
    ),
    Operation("POST", "/v1/audio-to-text", info.audio_to_text, "Speech to text; refused", {}, (400, 401), tag="Audio"),
    Operation("POST", "/v1/text-to-audio", info.text_to_audio, "Text to speech; refused", {}, (400, 401), tag="Audio"),
    Operation("POST", "/v1/chat-messages", info.chat, "Chat; refused", {}, (400, 401), tag="Other app modes"),
    Operation(
        "POST", "/v1/completion-messages", info.completion, "Completion; refused", {}, (400, 401), tag="Other app modes"
    ),
    Operation("GET", "/v1/", info.index, "What this server is", _json(ref("Index")), tag="Server", open=True),
    Operation(
        "GET", "/health", info.health, "Whether runs are accepted", _json(ref("Health")), tag="Server", open=True
    ),
)
