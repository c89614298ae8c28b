"""Runs as the console shows them."""

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
"""Characters."""
_NAMES: Final = frozenset({"dify_model_identity", "title"})
_SHORT: Final = 32_768
"""Bytes of outputs that are looked into."""
_FIRST_TEXT: Final = re.compile(rb'\{"(?:[^"\\]|\\.)*":("(?:[^"\\]|\\.){0,400})')


class Icon(Struct):
    """How an app looks."""

    type: str
    value: str
    background: str


class RunApp(Struct):
    """The app of a run."""

    id: Uuid
    name: str
    icon: Icon | None


class RunError(Struct):
    """Why a run failed, or was stopped."""

    node_id: str | None
    title: str | None
    message: str


class RunExceptions(Struct):
    """What went wrong and was borne."""

    tries: int
    handled: int
    rounds: int


class Run(Struct, kw_only=True):
    """A run."""

    id: Uuid
    app: RunApp
    version: Annotated[int, Meta(description="Its number within the app; 0: it is gone.")]
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
    """One page of runs."""

    data: list[Run]
    next: str | None
    counts: Annotated[Mapping[RunStatus, int], Meta(description="By status, without the filter's own statuses.")]
    capped: Annotated[bool, Meta(description="Whether there are more: the newest 10,000 were counted.")]
    archived_until: Annotated[
        Moment | None, Meta(description="Runs that were created until then may be in the archive, and in no list.")
    ]


class HistogramBar(Struct):
    """Runs of one span of time."""

    at: Moment
    by_status: Mapping[RunStatus, int]


class Histogram(Struct, rename={"first": "from"}):
    """Runs over time."""

    first: Moment
    step: Annotated[float, Meta(description="Seconds.")]
    data: list[HistogramBar]


class RunLineage(Struct):
    """Which run a run repeats, and which repeat it."""

    retry_of: Uuid | None
    from_node_ids: list[str]
    retries: list[Uuid]
    replaced: Annotated[
        dict[str, list[str]],
        Meta(description="Names of values that were given in the place of recorded ones, by node."),
    ]
    mocked: Annotated[list[str], Meta(description="Nodes whose outputs were given, or whose model was a fake one.")]


class RunCallback(Struct):
    """Where the end of a run is reported."""

    url: str
    state: Literal["pending", "delivered", "failed"]
    attempts: int
    error: str | None


class RunFull(Run, kw_only=True):
    """A run, with what its own page needs."""

    inputs: dict[str, Json]
    outputs: dict[str, Json] | None
    log_end: int
    workflow_id: Uuid
    task_id: Uuid
    lineage: RunLineage
    callback: RunCallback | UnsetType = UNSET


def icon_of(app: App) -> Icon:
    """How an app looks."""
    return Icon(app.icon_type, app.icon, app.icon_background)


def run_fields(run: ListedRun, now: float) -> dict[str, Any]:
    """The fields of ``Run``."""
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
    """A run."""
    return Run(**run_fields(run, now))


def _error_of(record: RunRecord) -> RunError | UnsetType:
    if record.error is None:
        return UNSET
    failed = record.failed_node
    if failed is None:
        return RunError(None, None, record.error)
    return RunError(failed.node_id, failed.title or failed.node_id, record.error)


def _preview_of(record: RunRecord) -> str:
    """The beginning of the first output; ``""`` if there is none."""
    if len(record.outputs) > _SHORT:
        found = _FIRST_TEXT.match(record.outputs[:4096])
        # Cut within an escape, it is no JSON: then there is no preview.
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
    """A value in one line: of files their names, of what was found its titles."""
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
