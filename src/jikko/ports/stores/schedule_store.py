"""Schedules as stored: their progress, and the outcome of their due times."""

from typing import Literal, TypeAlias

from msgspec import Struct

DueState: TypeAlias = Literal["waiting", "started", "skipped"]


class ScheduleState(Struct, frozen=True, kw_only=True):
    """How far a schedule is. Times are in seconds since the Unix epoch."""

    trigger_id: str
    plan: str = ""
    """What it was planned by: a digest of its configuration. Another one now: it is to be planned anew."""
    changed_at: float
    """When its app was published last, or it was paused or went on."""
    handled: float
    """Due times up to here are done with."""
    wake: float | None = 0.0
    """When it is looked at next; ``None``: when it was changed."""
    paused: str | None = None
    """Why it is paused; ``None``: it is not."""
    paused_until: float | None = None
    """When the pause ends; of a schedule that is not paused, when it ended."""


class DueTime(Struct, frozen=True, kw_only=True):
    """A due time that was reached, or several that were skipped together."""

    trigger_id: str
    due: float
    """The first of them."""
    last: float
    count: int = 1
    state: DueState
    at: float
    """When that became of it."""
    run_id: str = ""
    """Of one that was started."""
    why: str = ""
    """Of one that was skipped: ``missed``, ``paused``, ``overlap`` or ``dropped``. Of one that waits: its rule of
    overlap; empty: that of the schedule; ``by hand``: it starts at once, also while the schedule is off or paused."""
