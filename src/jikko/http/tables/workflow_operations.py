"""The operations of workflow apps: their runs, files and forms, and what they are. They are asked for most."""

from typing import Final

from jikko.dify.bodies import LogPage, NodeExecutions, RunAnswer, RunDetail
from jikko.http.fields import UserRequest
from jikko.http.operation import Operation, Schema
from jikko.http.parameters import KEY, START_ERRORS, START_HEADERS, TRACE_QUERY
from jikko.http.routes import files, forms, info, records, retries, run_events, runs
from jikko.inputs.uploads import File
from jikko.runs.reading.node_executions import NodeExecution

_EVENTS: Final = "text/event-stream"
_ANYTHING: Final = "*/*"
"""A file has a media type of its own."""
_TEXT: Final[Schema] = {"type": "string"}
_INTEGER: Final[Schema] = {"type": "integer"}
_SOME_TEXT = {**_TEXT, "minLength": 1}
_USER = {**_TEXT, "maxLength": 255}
_TIME: Final[Schema] = {"anyOf": [{**_TEXT, "format": "date-time"}, {**_TEXT, "maxLength": 0}]}
"""An empty one counts as not given, as at Dify."""
_RUN = "/v1/workflows/run/{workflow_run_id}"
_SIGNED = (
    ("timestamp*", _SOME_TEXT, "As in the address."),
    ("nonce*", _SOME_TEXT, "As in the address."),
    ("sign*", _SOME_TEXT, "As in the address."),
    ("as_attachment", _TEXT, "true: for saving, not for showing."),
)

WORKFLOW_OPERATIONS: Final[tuple[Operation, ...]] = (
    Operation(
        "POST",
        "/v1/workflows/run",
        runs.run_current,
        "Run the current version of the workflow",
        {200: RunAnswer, 202: RunAnswer},
        START_ERRORS,
        body=runs.RunRequest,
        query=TRACE_QUERY,
        headers=START_HEADERS,
        streams=True,
        hot=True,
        starts=True,
    ),
    Operation(
        "POST",
        "/v1/workflows/{workflow_id}/run",
        runs.run_version,
        "Run one version of the workflow",
        {200: RunAnswer, 202: RunAnswer},
        START_ERRORS,
        body=runs.RunRequest,
        query=TRACE_QUERY,
        headers=START_HEADERS,
        streams=True,
        hot=True,
        starts=True,
    ),
    Operation(
        "GET",
        "/v1/workflows/logs",
        records.logs,
        "List runs, newest first",
        {200: LogPage},
        (400, 401),
        query=(
            ("page", {**_INTEGER, "minimum": 1, "maximum": 99999}, "Default 1."),
            ("limit", {**_INTEGER, "minimum": 1, "maximum": 100}, "Default 20."),
            (
                "keyword",
                _TEXT,
                "A part of inputs, outputs or user, of which the first 30 characters count; or a run id.",
            ),
            ("status", {"type": "string", "enum": ["succeeded", "failed", "stopped"]}, "Runs that ended so."),
            ("created_at__before", _TIME, "A time in ISO 8601."),
            ("created_at__after", _TIME, "A time in ISO 8601."),
            ("created_by_end_user_session_id", _TEXT, "The user of the runs, exactly."),
            ("created_by_account", _TEXT, "There are no accounts; any value is refused."),
        ),
    ),
    Operation("GET", _RUN, runs.run_detail, "Read a run", {200: RunDetail}, (401, 404), hot=True),
    Operation(
        "GET",
        f"{_RUN}/node-executions",
        records.node_executions,
        "Read every node of a run, in order of start",
        {200: NodeExecutions},
        (401, 404, 503),
        hot=True,
    ),
    Operation(
        "GET",
        f"{_RUN}/node-executions/{{node_execution_id}}",
        records.node_execution,
        "Read one node execution",
        {200: NodeExecution},
        (401, 404, 503),
    ),
    Operation(
        "GET",
        f"{_RUN}/events",
        run_events.run_events,
        "Read the log of a run, as JSON, or as a stream that can be resumed (Last-Event-ID)",
        {200: run_events.EventLog, 204: "text/event-stream"},
        (400, 401, 404, 503),
        streams=True,
        hot=True,
    ),
    Operation(
        "POST",
        f"{_RUN}/retry",
        retries.retry_run,
        "Start a run that takes over what finished nodes of this one did",
        {200: RunAnswer, 202: RunAnswer},
        START_ERRORS,
        body=retries.RetryRequest,
        headers=KEY,
        streams=True,
        starts=True,
    ),
    Operation(
        "GET",
        f"{_RUN}/lineage",
        retries.lineage,
        "Which run this one repeats, and which repeat it",
        {200: retries.Lineage},
        (401, 404),
    ),
    Operation(
        "POST",
        f"{_RUN}/stop",
        runs.stop_run,
        "Stop a run by its id",
        {200: runs.RunStopped},
        (400, 401, 404, 413, 415, 503),
        body=UserRequest,
    ),
    Operation(
        "POST",
        "/v1/workflows/tasks/{task_id}/stop",
        runs.stop_task,
        "Stop a run by its task id",
        {200: runs.Stopped},
        (400, 401, 413, 415, 503),
        body=UserRequest,
    ),
    Operation(
        "GET",
        "/v1/workflow/{workflow_run_id}/events",
        run_events.attach,
        "Listen to a run again",
        {200: _EVENTS},
        (400, 401, 404),
        query=(
            ("user*", {**_USER, "minLength": 1}, "The user of the run."),
            ("include_state_snapshot", _TEXT, "true: begin with what happened so far."),
            ("continue_on_pause", _TEXT, "true: stay when the run pauses."),
        ),
        hot=True,
    ),
    Operation(
        "POST",
        "/v1/files/upload",
        files.upload,
        "Upload a file for the inputs of a run",
        {201: File},
        (400, 401, 413, 415, 503),
        tag="Files",
        body=files.UploadForm,
        body_media_type="multipart/form-data",
    ),
    Operation(
        "GET",
        "/v1/files/{file_id}/preview",
        files.preview,
        "Fetch a file of a chat message",
        {200: _ANYTHING},
        (401, 403, 404),
        tag="Files",
        query=(("as_attachment", _TEXT, "true: for saving, not for showing."),),
        ids=("file_id",),
    ),
    Operation(
        "GET",
        "/files/{file_id}/file-preview",
        files.download,
        "Fetch a file by its signed address",
        {200: _ANYTHING},
        (400, 404),
        tag="Files",
        query=_SIGNED,
        open=True,
        hot=True,
    ),
    Operation(
        "GET",
        "/files/tools/{name}",
        files.download_made,
        "Fetch a file that a node made, by its signed address",
        {200: _ANYTHING},
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
        {200: forms.Form},
        (401, 404, 412, 503),
        tag="Human Input",
    ),
    Operation(
        "POST",
        "/v1/form/human_input/{form_token}",
        forms.submit_form,
        "Fill in a form; the run goes on",
        {200: forms.FormSubmitted},
        (400, 401, 404, 412, 413, 415, 503),
        tag="Human Input",
        body=forms.FormSubmission,
    ),
    Operation("GET", "/v1/info", info.app_info, "What the app is", {200: info.Info}, (401,), tag="Applications"),
    Operation(
        "GET",
        "/v1/parameters",
        info.parameters,
        "What inputs and features the app has",
        {200: info.Parameters},
        (400, 401),
        tag="Applications",
    ),
    Operation("GET", "/v1/meta", info.meta, "Icons of tools", {200: info.Meta}, (401,), tag="Applications"),
    Operation(
        "GET", "/v1/site", info.site, "How the app looks as a page", {200: info.Site}, (401,), tag="Applications"
    ),
    Operation(
        "GET",
        "/v1/end-users/{end_user_id}",
        info.end_user,
        "Read an end user",
        {200: info.EndUser},
        (401, 404),
        tag="End Users",
        ids=("end_user_id",),
    ),
)
