"""The operations of runs, their logs and forms."""

from typing import Final

from jikko.http.console import runs
from jikko.http.console.downloads import read_file
from jikko.http.console.forms import FormAnswer, OpenForms, answer_form, list_forms
from jikko.http.console.log import LogPage, follow_log, read_log, read_value
from jikko.http.console.queries import FILTER_QUERY, PAGE_QUERY
from jikko.http.console.run_bodies import Histogram, RunFull, RunList
from jikko.http.console.run_stream import follow_runs
from jikko.http.console.tables.entry import ASKS, NOTHING, OPERATORS, START_ERRORS, STREAM, Entry
from jikko.http.parameters import KEY
from jikko.http.routes.files import UploadForm
from jikko.http.routes.forms import FormSubmitted
from jikko.http.routes.runs import RunStopped
from jikko.inputs.uploads import File

_LOG_QUERY: Final = (
    ("after", {"type": "integer", "minimum": -1}, "Default -1: from the first event on."),
    ("limit", {"type": "integer", "minimum": 1, "maximum": 5000}, "Default 2000."),
)
_VALUE_QUERY: Final = (
    ("path", {"type": "string"}, "A JSON Pointer, such as /outputs/text; by default the whole event."),
    ("download", {"type": "string"}, "true: as a file."),
)
_ATTACHMENT: Final = (("as_attachment", {"type": "boolean"}, "true: to keep it, not to show it."),)
_LAST_EVENT: Final = (("Last-Event-ID", {"type": "integer", "minimum": -1}, "The position of the last event seen."),)
_NEWEST: Final = (("newest", {"type": "string"}, "The id of the newest run that the client has."),)
_FROM_NODE: Final = (("from_node_id", {"type": "string"}, "By default the nodes that failed."),)
_BUCKETS: Final = (("buckets", {"type": "integer", "minimum": 1, "maximum": 400}, "Default 48."),)

RUNS: Final = (
    Entry(
        "GET",
        "runs",
        runs.list_runs,
        "Runs of all apps",
        {200: RunList},
        {"query": (*FILTER_QUERY, *PAGE_QUERY), **ASKS},
    ),
    Entry(
        "GET",
        "runs/histogram",
        runs.histogram,
        "Runs over time",
        {200: Histogram},
        {"query": (*FILTER_QUERY, *_BUCKETS), **ASKS},
    ),
    Entry(
        "GET", "runs/stream", follow_runs, "Listen to the list", STREAM, {"query": (*FILTER_QUERY, *_NEWEST), **ASKS}
    ),
    Entry("GET", "runs/{run_id}", runs.read_run, "A run", {200: RunFull}, {"errors": (404, 503)}),
    Entry(
        "DELETE", "runs/{run_id}", runs.delete_run, "Remove a run", NOTHING, {**OPERATORS, "errors": (404, 409, 503)}
    ),
    Entry(
        "POST",
        "runs/{run_id}/stop",
        runs.stop_run,
        "Stop a run",
        {200: RunStopped},
        {**OPERATORS, "errors": (404, 503)},
    ),
    Entry(
        "GET",
        "runs/{run_id}/retry",
        runs.read_retry,
        "What a retry would take over",
        {200: runs.RetryChoices},
        {"query": _FROM_NODE, "errors": (404, 409, 503)},
    ),
    Entry(
        "POST",
        "runs/{run_id}/retry",
        runs.retry_run,
        "Repeat a run",
        {202: runs.RunAccepted},
        {**OPERATORS, "body": runs.RunRetry, "headers": KEY, "errors": START_ERRORS, "starts": True},
    ),
    Entry(
        "POST",
        "apps/{app_id}/runs",
        runs.start_run,
        "Start a run",
        {202: runs.RunAccepted},
        {**OPERATORS, "body": runs.RunStart, "headers": KEY, "errors": START_ERRORS, "starts": True},
    ),
    Entry(
        "POST",
        "apps/{app_id}/files",
        runs.upload_file,
        "Upload a file",
        {201: File},
        {**OPERATORS, "body": UploadForm, "body_media_type": "multipart/form-data", "errors": (404, 503)},
    ),
    Entry(
        "GET", "runs/{run_id}/log", read_log, "Events", {200: LogPage}, {"query": _LOG_QUERY, "errors": (400, 404, 503)}
    ),
    Entry(
        "GET",
        "runs/{run_id}/log/{position}/value",
        read_value,
        "A whole value",
        {200: "*/*"},
        {"query": _VALUE_QUERY, "errors": (400, 404, 503)},
    ),
    Entry(
        "GET",
        "runs/{run_id}/stream",
        follow_log,
        "Follow a run",
        STREAM,
        {"headers": _LAST_EVENT, "errors": (400, 404, 503)},
    ),
    Entry(
        "GET",
        "files/{file_id}",
        read_file,
        "A file of a run",
        {200: "*/*"},
        {"query": _ATTACHMENT, "errors": (404, 503)},
    ),
    Entry("GET", "forms", list_forms, "Forms that wait", {200: OpenForms}, {"errors": (503,)}),
    Entry(
        "POST",
        "runs/{run_id}/forms/{form_id}",
        answer_form,
        "Answer a form",
        {200: FormSubmitted},
        {**OPERATORS, "body": FormAnswer, "errors": (404, 412, 429, 503)},
    ),
)
