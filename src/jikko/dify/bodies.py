"""Records of runs as the bodies of answers. Source: Dify 1.15, spec/records.md, spec/service-api.md."""

import json
import math
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from jikko.dify.events import encode, pause_reason
from jikko.events import FormRequested
from jikko.record import RunDetail, RunRecord
from jikko.values import FILE_IDENTITY, Json

_FILE_IDENTITY = FILE_IDENTITY.encode()


class _Detail(msgspec.Struct):
    """The answer, in its order. It is encoded quicker than a dictionary."""

    id: str
    workflow_id: str
    status: str
    inputs: str
    outputs: msgspec.Raw
    error: str | None
    total_steps: int
    total_tokens: int
    created_at: int
    finished_at: int | None
    elapsed_time: float


def running_body(record: RunRecord) -> bytes:
    """The answer to a run that was accepted: that of a blocking one, as it was then, however quick it has been."""
    accepted = RunRecord(owner=record.owner, created_at=record.created_at)
    return encode(_run_body(accepted, {}))


def blocking_body(record: RunRecord, outputs: dict[str, Json]) -> bytes:
    """The answer to a blocking run that ended."""
    body = _run_body(record, outputs)
    if b"null" in record.outputs and _has_nan(outputs):
        # Dify writes NaN into this one body, which is no JSON. Source: spec/observed.md.
        return json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
    return encode(body)


def _run_body(record: RunRecord, outputs: dict[str, Json]) -> dict[str, Any]:
    owner = record.owner
    data = {
        "id": owner.run_id,
        "workflow_id": owner.workflow_id,
        "status": record.status,
        "outputs": outputs,
        "error": record.error,
        "elapsed_time": record.elapsed,
        "total_tokens": record.total_tokens,
        "total_steps": record.total_steps,
        "created_at": int(record.created_at),
        "finished_at": None if record.finished_at is None else int(record.finished_at),
    }
    return {"task_id": owner.task_id, "workflow_run_id": owner.run_id, "data": data}


def detail_body(run: RunRecord | RunDetail, fresh: Callable[[Json], Json]) -> bytes:
    """Run detail. Source: spec/records.md §5.

    Args:
        fresh: Renews the urls of files; asked only if there may be some.
    """
    detail = run.detail() if isinstance(run, RunRecord) else run
    outputs = b"{}" if detail.status == "paused" else detail.outputs
    if _FILE_IDENTITY in outputs:
        outputs = encode(fresh(msgspec.json.decode(outputs)))
    return encode(
        _Detail(
            detail.run_id,
            detail.workflow_id,
            detail.status,
            detail.inputs,
            msgspec.Raw(outputs),
            detail.error,
            detail.total_steps,
            detail.total_tokens,
            int(detail.created_at),
            None if detail.finished_at is None else int(detail.finished_at),
            round(detail.elapsed, 6),
        )
    )


def log_entry(record: RunRecord) -> dict[str, Json]:
    """One row of the logs. Source: spec/records.md §6."""
    owner = record.owner
    created_at = int(record.created_at)
    return {
        "id": log_id(owner.run_id),
        "workflow_run": {
            "id": owner.run_id,
            "version": owner.version,
            "status": record.status,
            "triggered_from": "app-run",
            "error": record.error,
            "elapsed_time": round(record.elapsed, 6),
            "total_tokens": record.total_tokens,
            "total_steps": record.total_steps,
            "created_at": created_at,
            "finished_at": None if record.finished_at is None else int(record.finished_at),
            "exceptions_count": record.exceptions_count,
        },
        "details": None,
        "created_from": "service-api",
        "created_by_role": "end_user",
        "created_by_account": None,
        "created_by_end_user": {
            "id": owner.end_user_id,
            "type": "service-api",
            "is_anonymous": False,
            "session_id": owner.user,
        },
        "created_at": created_at,
    }


def log_id(run_id: str) -> str:
    """The id of a run's log row: one row per run, so it is made of the run's id."""
    return f"{run_id[:14]}8{run_id[15:]}"


def paused_body(record: RunRecord, forms: Sequence[FormRequested]) -> bytes:
    """The answer to a blocking run that paused."""
    body = _run_body(record, {})
    body["data"] |= {
        "paused_nodes": [form.node_id for form in forms],
        "reasons": [pause_reason(form) for form in forms],
    }
    return encode(body)


def _has_nan(value: Json) -> bool:
    left = [value]
    while left:
        match left.pop():
            case float() as number if not math.isfinite(number):
                return True
            case list() as items:
                left += items
            case dict() as entries:
                left += entries.values()
            case _:
                pass
    return False
