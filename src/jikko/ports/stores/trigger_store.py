"""Triggers of apps, as stored."""

from typing import Final, Literal, TypeAlias, get_args

from msgspec import Struct

TriggerKind: TypeAlias = Literal["webhook", "schedule", "plugin"]
KINDS: Final[tuple[TriggerKind, ...]] = get_args(TriggerKind)


class Trigger(Struct, frozen=True, kw_only=True):
    """A trigger node of an app, from the first version that has it on: later versions keep id, address and switch."""

    id: str
    app_id: str
    node_id: str
    kind: TriggerKind
    address: str = ""
    """Of a webhook: the last part of its address, 24 characters of ``A–Z a–z 0–9 - _``."""
    enabled: bool = True
    created_at: float
    """Seconds since the Unix epoch."""


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


Verdict: TypeAlias = Literal["accepted", "duplicate", "refused"]
Place: TypeAlias = tuple[float, str]
"""Of a delivery among others: ``received_at`` and id."""


class Delivery(Struct, frozen=True, kw_only=True):
    """A call of a webhook. What it brought is among the inputs of its run."""

    id: str
    app_id: str
    trigger_id: str
    received_at: float
    """Seconds since the Unix epoch; so everywhere here."""
    verdict: Verdict = "accepted"
    """``duplicate``: an earlier call had the sender's id; the run is that of the earlier one."""
    reason: str = ""
    """Why it was refused."""
    sender_id: str = ""
    """The id that the sender gave it; empty: none."""
    method: str = ""
    size: int = 0
    """Bytes of the body."""
    run_id: str = ""
    """The run that it started; empty: none. Runs that repeat it are found by it."""
    discarded_at: float | None = None
    """When the newest run was created with which it was set aside."""
    retries: int = 0
    """How often its run is retried if it fails, as its trigger asks for it."""
    look_at: float | None = None
    """When it is to be looked at whether its run has failed; ``None``: never."""
    dead_at: float | None = None
    """When its last retry had failed."""
