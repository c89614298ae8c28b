"""Answer bodies of runs and their nodes. Source: docs/dify-behaviour.md, “Records”, “Service API”."""

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
"""Slice of outputs that is empty unless they are large; large outputs are not encoded again."""


def body_from(source: object, kind: type[T], **others: Any) -> T:
    """Make a body from the fields of ``source`` by name and from ``others``; missing fields keep their defaults."""
    own = {
        name: getattr(source, name) for name in kind.__struct_fields__ if name not in others and hasattr(source, name)
    }
    return kind(**own, **others)


def timed_body_from(source: object, kind: type[T], **others: Any) -> T:
    """Like ``body_from``, with times (``…_at``) in whole seconds."""
    names = [name for name in kind.__struct_fields__ if name.endswith("_at") and name not in others]
    moments = {name: whole_seconds(getattr(source, name)) for name in names if hasattr(source, name)}
    return body_from(source, kind, **moments, **others)


def whole_seconds(moment: float | None) -> int | None:
    """Truncate a time to whole seconds; ``None`` stays."""
    return None if moment is None else int(moment)


class RunResult(RunSummary):
    """Run that ended, paused or was accepted."""

    outputs: dict[str, Json]
    paused_nodes: list[str] | UnsetType = UNSET
    """For paused runs, like ``reasons``."""
    reasons: list[PauseReason] | UnsetType = UNSET


class RunAnswer(Struct):
    """Answer to a run's start."""

    task_id: Uuid
    workflow_run_id: Uuid
    data: RunResult


class RunDetail(Struct):
    """Run with inputs and outputs, in the order of Dify's fields."""

    id: Uuid
    workflow_id: Uuid
    status: RunStatus
    inputs: Annotated[str, Meta(description="Inputs and sys.* variables as JSON text.")]
    outputs: Annotated[Raw, Meta(extra_json_schema={"type": "object"})]
    error: str | None
    total_steps: int
    total_tokens: int
    created_at: Seconds
    finished_at: Seconds | None
    elapsed_time: float


class LoggedRun(RunOutcome):
    """Run in the logs."""

    id: Uuid
    version: str
    exceptions_count: int
    triggered_from: Literal["app-run", "webhook", "schedule", "plugin"] = "app-run"


class LoggedUser(Struct):
    """End user of a run."""

    id: Uuid
    session_id: str
    type: Literal["service-api", "trigger", "mcp"] = "service-api"
    is_anonymous: bool = False


class LoggedAccount(Struct):
    """Workspace owner, in whose name schedules run."""

    id: Uuid
    name: str
    email: str


class LogEntry(Struct):
    """Row of the logs."""

    id: Uuid
    workflow_run: LoggedRun
    created_by_end_user: LoggedUser | None
    created_at: Seconds
    details: None = None
    created_from: str = "service-api"
    created_by_role: Literal["end_user", "account"] = "end_user"
    created_by_account: LoggedAccount | None = None


class LogPage(Struct):
    """Page of the logs, newest first."""

    page: int
    limit: int
    total: int
    has_more: bool
    data: list[LogEntry]
    archived_until: Seconds | UnsetType = UNSET
    """End of the list, if it does not reach the first run: runs created before may be in the archive, and are found by
    their IDs."""


_OWNER: Final = LoggedAccount("6a696b6b-6f00-4000-8000-000000000002", "Owner", "")
"""Stand-in for accounts: an installation is one workspace with one owner."""


class NodeExecutions(Struct):
    """Nodes of a run, in order of start."""

    data: list[NodeExecution]


def running_body(record: RunRecord) -> bytes:
    """Make the answer to an accepted run: a blocking answer in its initial state, even if it has ended."""
    accepted = RunRecord(identity=record.identity, created_at=record.created_at)
    return encode(_answer(accepted, {}))


def blocking_body(record: RunRecord, outputs: dict[str, Json]) -> bytes:
    """Make the answer to an ended blocking run.

    NaN and infinities are null, as in streams and records. Dify writes them into this one body, making it invalid JSON.
    """
    told: Any = Raw(record.outputs) if record.outputs[_IS_LARGE] else outputs
    return encode(_answer(record, told))


def paused_body(record: RunRecord, forms: Sequence[FormRequested]) -> bytes:
    """Make the answer to a paused blocking run."""
    body = _answer(record, {})
    body.data.paused_nodes = [form.node_id for form in forms]
    body.data.reasons = [pause_reason(form) for form in forms]
    return encode(body)


def _answer(record: RunRecord, outputs: dict[str, Json]) -> RunAnswer:
    identity = record.identity
    result = RunResult(
        *totals(record),  # the only place where Dify does not round the elapsed time
        record.error,
        None if record.finished_at is None else int(record.finished_at),
        identity.run_id,
        identity.workflow_id,
        outputs,
    )
    return RunAnswer(identity.task_id, identity.run_id, result)


def detail_body(run: RunRecord | DetailRow, fresh: Callable[[Json], Json]) -> bytes:
    """Make the run detail. Source: docs/dify-behaviour.md, “Run detail”. ``fresh``: Renews file URLs; called only if
    there may be some."""
    detail = run.detail() if isinstance(run, RunRecord) else run
    outputs = b"{}" if detail.status == "paused" else detail.outputs
    if outputs.find(_FILE_IDENTITY) >= 0:  # ``in`` would raise and catch internally first
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
    """Make a row of the logs. Source: docs/dify-behaviour.md, “Logs”."""
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
    """Return a log row's ID, derived from its run's ID: there is one row per run."""
    return f"{run_id[:14]}8{run_id[15:]}"
