"""Runs and their nodes as bodies of answers. Source: docs/dify-behaviour.md, “Records”, “Service API”."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from jikko.apps.end_users import is_mcp_user, triggered_from
from jikko.dify.dify_events import encode, pause_reason
from jikko.dify.stream_messages import PauseReason, RunOutcome, RunSummary, state, totals
from jikko.events import FormRequested, RunStatus
from jikko.record import DetailRecord as DetailRow
from jikko.record import RunRecord
from jikko.runs.reading.node_executions import NodeExecution
from jikko.values import FILE_IDENTITY, Json, Seconds, Uuid

T = TypeVar("T", bound=Struct)

_FILE_IDENTITY = FILE_IDENTITY.encode()
_IS_LARGE = slice(1 << 18, (1 << 18) + 1)
"""Of outputs that are not encoded once more."""


def body_from(source: object, kind: type[T], **others: Any) -> T:
    """A body with the fields of ``source`` by their names, but for ``others``; what neither has keeps its default."""
    own = {
        name: getattr(source, name) for name in kind.__struct_fields__ if name not in others and hasattr(source, name)
    }
    return kind(**own, **others)


def timed_body_from(source: object, kind: type[T], **others: Any) -> T:
    """The same, with moments (``…_at``) in whole seconds."""
    names = [name for name in kind.__struct_fields__ if name.endswith("_at") and name not in others]
    moments = {name: whole_seconds(getattr(source, name)) for name in names if hasattr(source, name)}
    return body_from(source, kind, **moments, **others)


def whole_seconds(moment: float | None) -> int | None:
    """A moment as clients get it; ``None`` stays."""
    return None if moment is None else int(moment)


class RunResult(RunSummary):
    """A run as it ended, paused or was accepted."""

    outputs: dict[str, Json]
    paused_nodes: list[str] | UnsetType = UNSET
    """Of a paused run, as ``reasons``."""
    reasons: list[PauseReason] | UnsetType = UNSET


class RunAnswer(Struct):
    """The answer to the start of a run."""

    task_id: Uuid
    workflow_run_id: Uuid
    data: RunResult


class RunDetail(Struct):
    """A run with what went in and came out, in the order of Dify's fields."""

    id: Uuid
    workflow_id: Uuid
    status: RunStatus
    inputs: Annotated[str, Meta(description="The inputs and sys.* variables as JSON text.")]
    outputs: Annotated[Raw, Meta(extra_json_schema={"type": "object"})]
    error: str | None
    total_steps: int
    total_tokens: int
    created_at: Seconds
    finished_at: Seconds | None
    elapsed_time: float


class LoggedRun(RunOutcome):
    """A run, as the logs tell it."""

    id: Uuid
    version: str
    exceptions_count: int
    triggered_from: Literal["app-run", "webhook", "schedule", "plugin"] = "app-run"


class LoggedUser(Struct):
    """The end user for whom a run was started."""

    id: Uuid
    session_id: str
    type: Literal["service-api", "trigger", "mcp"] = "service-api"
    is_anonymous: bool = False


class LoggedAccount(Struct):
    """The owner of the workspace, for whom schedules run."""

    id: Uuid
    name: str
    email: str


class LogEntry(Struct):
    """One row of the logs."""

    id: Uuid
    workflow_run: LoggedRun
    created_by_end_user: LoggedUser | None
    created_at: Seconds
    details: None = None
    created_from: str = "service-api"
    created_by_role: Literal["end_user", "account"] = "end_user"
    created_by_account: LoggedAccount | None = None


class LogPage(Struct):
    """A page of the logs, newest first."""

    page: int
    limit: int
    total: int
    has_more: bool
    data: list[LogEntry]
    archived_until: Seconds | UnsetType = UNSET
    """Where the list ends, if it does not go back to the first run: runs that were created until then may be in the
    archive, and are found by their ids."""


_OWNER: Final = LoggedAccount("6a696b6b-6f00-4000-8000-000000000002", "Owner", "")
"""There are no accounts: an installation is one workspace, and this its owner."""


class NodeExecutions(Struct):
    """The nodes of a run, in order of start."""

    data: list[NodeExecution]


def running_body(record: RunRecord) -> bytes:
    """The answer to a run that was accepted: that of a blocking one, as it was then, however quick it has been."""
    accepted = RunRecord(identity=record.identity, created_at=record.created_at)
    return encode(_answer(accepted, {}))


def blocking_body(record: RunRecord, outputs: dict[str, Json]) -> bytes:
    """The answer to a blocking run that ended.

    NaN and infinities are null, as in streams and records. Dify writes them into this one body, which is no JSON then.
    """
    told: Any = Raw(record.outputs) if record.outputs[_IS_LARGE] else outputs
    return encode(_answer(record, told))


def paused_body(record: RunRecord, forms: Sequence[FormRequested]) -> bytes:
    """The answer to a blocking run that paused."""
    body = _answer(record, {})
    body.data.paused_nodes = [form.node_id for form in forms]
    body.data.reasons = [pause_reason(form) for form in forms]
    return encode(body)


def _answer(record: RunRecord, outputs: dict[str, Json]) -> RunAnswer:
    identity = record.identity
    result = RunResult(
        *totals(record),  # Dify rounds the elapsed time everywhere but here.
        record.error,
        None if record.finished_at is None else int(record.finished_at),
        identity.run_id,
        identity.workflow_id,
        outputs,
    )
    return RunAnswer(identity.task_id, identity.run_id, result)


def detail_body(run: RunRecord | DetailRow, fresh: Callable[[Json], Json]) -> bytes:
    """Run detail. Source: docs/dify-behaviour.md, “Run detail”.
    ``fresh``: renews the urls of files; asked only if there may be some."""
    detail = run.detail() if isinstance(run, RunRecord) else run
    outputs = b"{}" if detail.status == "paused" else detail.outputs
    if outputs.find(_FILE_IDENTITY) >= 0:  # what ``in`` does first raises, within
        outputs = encode(fresh(msgspec.json.decode(outputs)))
    body = RunDetail(
        detail.run_id,
        detail.workflow_id,
        detail.status,
        detail.inputs,
        Raw(outputs),
        detail.error,
        detail.total_steps,
        detail.total_tokens,
        int(detail.created_at),
        None if detail.finished_at is None else int(detail.finished_at),
        round(detail.elapsed, 6),
    )
    return encode(body)


def log_entry(record: RunRecord) -> LogEntry:
    """One row of the logs. Source: docs/dify-behaviour.md, “Logs”."""
    identity = record.identity
    trigger = triggered_from(identity.app_id, identity.end_user_id)
    run = LoggedRun(*state(record), identity.run_id, identity.version, record.exceptions_count, trigger or "app-run")
    entry = LogEntry(log_id(identity.run_id), run, None, int(record.created_at))
    if trigger == "schedule":
        entry.created_by_role, entry.created_by_account = "account", _OWNER
    else:
        kind: Literal["service-api", "trigger", "mcp"] = "service-api"
        if trigger or is_mcp_user(identity.user):
            kind = "trigger" if trigger else "mcp"
        entry.created_by_end_user = LoggedUser(identity.end_user_id, identity.user, kind)
    return entry


def log_id(run_id: str) -> str:
    """The id of a run's log row: one row per run, so it is made of the run's id."""
    return f"{run_id[:14]}8{run_id[15:]}"
