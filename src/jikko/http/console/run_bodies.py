"""Schemas of runs in the console."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from jikko.console.run_overview import ListedRun, WaitsFor
from jikko.events import RunStatus
from jikko.record import RunRecord
from jikko.repositories.app_store import App
from jikko.values import Json, Moment, Uuid

_PREVIEW: Final = 120
"""Length of a preview in characters."""
_NAMES: Final = frozenset({"dify_model_identity", "title"})
_SHORT: Final = 32_768
"""Bytes of outputs searched for a preview."""
_FIRST_TEXT: Final = re.compile(rb'\{"(?:[^"\\]|\\.)*":("(?:[^"\\]|\\.){0,400})')


class Icon(Struct):
    type: str
    value: str
    background: str


class RunApp(Struct):
    """App of a run."""

    id: Uuid
    name: str
    icon: Icon | None


class RunError(Struct):
    """Reason for a failure or stop."""

    node_id: str | None
    title: str | None
    message: str


class RunExceptions(Struct):
    """Errors that the run survived."""

    tries: int
    handled: int
    rounds: int


class Run(Struct, kw_only=True):
    """Run in a list."""

    id: Uuid
    app: RunApp
    version: Annotated[int, Meta(description="Number within the app; 0: deleted.")]
    status: RunStatus
    created_at: Moment
    finished_at: Moment | UnsetType = UNSET
    elapsed: float
    tokens: int
    price: Annotated[str | UnsetType, Meta(description="A decimal number and a currency: `0.0010 USD`.")] = UNSET
    user: str
    error: RunError | UnsetType = UNSET
    exceptions: RunExceptions
    preview: str | UnsetType = UNSET
    waits_for: list[WaitsFor]
    retry_of: Uuid | UnsetType = UNSET
    conversation_id: Uuid | UnsetType = UNSET


class RunList(Struct):
    """Page of runs."""

    data: list[Run]
    next: str | None
    counts: Annotated[Mapping[RunStatus, int], Meta(description="By status, without the filter's own statuses.")]
    capped: Annotated[bool, Meta(description="Whether only the newest 10,000 were counted.")]
    archived_until: Annotated[
        Moment | None, Meta(description="Runs created before may be in the archive, and are not listed.")
    ]


class HistogramBar(Struct):
    """Runs of one time span."""

    at: Moment
    by_status: Mapping[RunStatus, int]


class Histogram(Struct, rename={"first": "from"}):
    """Runs over time."""

    first: Moment
    step: Annotated[float, Meta(description="Seconds.")]
    data: list[HistogramBar]


class RunLineage(Struct):
    """Original and retries of a run."""

    retry_of: Uuid | None
    from_node_ids: list[str]
    retries: list[Uuid]
    replaced: Annotated[dict[str, list[str]], Meta(description="Names of overridden values, by node.")]
    mocked: Annotated[list[str], Meta(description="Nodes with mocked outputs or a fake model.")]


class RunCallback(Struct):
    """Callback URL and state for the end of a run."""

    url: str
    state: Literal["pending", "delivered", "failed"]
    attempts: int
    error: str | None


class RunFull(Run, kw_only=True):
    """Run, as its page shows it."""

    inputs: dict[str, Json]
    outputs: dict[str, Json] | None
    log_end: int
    workflow_id: Uuid
    task_id: Uuid
    lineage: RunLineage
    callback: RunCallback | UnsetType = UNSET


def icon_of(app: App) -> Icon:
    return Icon(app.icon_type, app.icon, app.icon_background)


def run_fields(run: ListedRun, now: float) -> dict[str, Any]:
    record, owner = run.record, run.record.identity
    exceptions = record.exceptions
    return {
        "id": owner.run_id,
        "app": RunApp(owner.app_id, run.app_name, None if run.app is None else icon_of(run.app)),
        "version": run.version,
        "status": record.status,
        "created_at": record.created_at,
        "finished_at": UNSET if record.finished_at is None else record.finished_at,
        "elapsed": max(0.0, now - record.created_at) if record.status == "running" else record.elapsed,
        "tokens": record.total_tokens,
        "price": f"{record.price} {record.currency}" if record.price else UNSET,
        "user": owner.user,
        "error": _error_of(record),
        "exceptions": RunExceptions(exceptions.tries, exceptions.handled, exceptions.rounds)
        if exceptions is not None
        else RunExceptions(0, 0, 0),
        "preview": _preview_of(record) or UNSET,
        "waits_for": list(run.waits_for),
        "retry_of": owner.retry_of or UNSET,
        "conversation_id": run.conversation_id or UNSET,
    }


def run_body(run: ListedRun, now: float) -> Run:
    return Run(**run_fields(run, now))


def _error_of(record: RunRecord) -> RunError | UnsetType:
    if record.error is None:
        return UNSET
    failed = record.failed_node
    if failed is None:
        return RunError(None, None, record.error)
    return RunError(failed.node_id, failed.title or failed.node_id, record.error)


def _preview_of(record: RunRecord) -> str:
    """Return the beginning of the first output, or ``""``."""
    if len(record.outputs) > _SHORT:
        found = _FIRST_TEXT.match(record.outputs[:4096])
        # Not valid JSON if cut within an escape: then there is no preview.
        try:
            value = msgspec.json.decode(found[1] + b'"') if found else None
        except (msgspec.DecodeError, UnicodeDecodeError):
            return ""
    else:
        outputs = msgspec.json.decode(record.outputs)
        value = next(iter(outputs.values()), None) if isinstance(outputs, dict) else None
    if value is None:
        return ""
    text = _in_words(value)
    return text if len(text) <= _PREVIEW else f"{text[: _PREVIEW - 1]}…"


def _in_words(value: Json) -> str:
    """Summarise a value in one line: files by name, search results by title."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and all(isinstance(one, dict) and _NAMES & one.keys() for one in value):
        return ", ".join(_in_words(one) for one in value)
    if isinstance(value, dict):
        name = (value.get("dify_model_identity") and value.get("filename")) or (
            "metadata" in value and value.get("title")
        )
        if name and isinstance(name, str):
            return name
    return msgspec.json.encode(value).decode()
