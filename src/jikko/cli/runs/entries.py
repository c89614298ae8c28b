"""Runs as the commands print them."""

import json
import time
from datetime import UTC, datetime
from typing import Any

from jikko.apps.end_users import triggered_from

_DAY = 86_400.0


def entry(record: Any) -> dict[str, Any]:
    """A run as JSON."""
    return {
        "workflow_run_id": record.identity.run_id,
        "task_id": record.identity.task_id,
        "app_id": record.identity.app_id,
        "workflow_id": record.identity.workflow_id,
        "user": record.identity.user,
        "triggered_from": triggered_from(record.identity.app_id, record.identity.end_user_id) or "app-run",
        "status": record.status,
        "inputs": json.loads(record.inputs),
        "outputs": json.loads(record.outputs),
        "error": record.error,
        "elapsed_time": record.elapsed,
        "total_steps": record.total_steps,
        "total_tokens": record.total_tokens,
        "exceptions_count": record.exceptions_count,
        "created_at": int(record.created_at),
        "finished_at": None if record.finished_at is None else int(record.finished_at),
        "started": iso(record.created_at),
        "finished": None if record.finished_at is None else iso(record.finished_at),
    }


def at_work(record: Any, at: Any) -> dict[str, Any]:
    """What of an open run as JSON is known from its log only."""
    return {
        "status": status_of(record, at),
        "elapsed_time": round(at.elapsed, 3),
        "total_steps": at.steps,
        "total_tokens": at.tokens,
        "current_nodes": at.current,
    }


def status_of(record: Any, at: Any) -> str:
    """The status, with ``queued`` for a run that waits for its turn."""
    return "queued" if record.status == "running" and at is not None and not at.has_begun else str(record.status)


def iso(seconds: float, timespec: str = "milliseconds") -> str:
    """A time in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec=timespec).replace("+00:00", "Z")


def ago(seconds: float, now: float | None = None) -> str:
    """A time as people read it: how long ago, or the local date and time of more than a day and of the future."""
    passed = (time.time() if now is None else now) - seconds
    if -5 < passed < 90:  # clocks of several servers differ a little
        return f"{max(0.0, passed):.0f} s ago"
    if 0 < passed < 5400:
        return f"{passed / 60:.0f} min ago"
    if 0 < passed < _DAY:
        return f"{passed / 3600:.0f} h ago"
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M")


def took(seconds: float) -> str:
    """A length of time: ``1.25 s``, ``3:20 min``, ``2:05 h``."""
    if seconds < 100:
        return f"{seconds:.2f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 100:
        return f"{minutes}:{rest:02} min"
    hours, rest = divmod(minutes, 60)
    return f"{hours}:{rest:02} h"
