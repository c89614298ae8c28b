"""Stored triggers of apps."""

from typing import Final, Literal, TypeAlias, get_args

from msgspec import Struct

TriggerKind: TypeAlias = Literal["webhook", "schedule", "plugin"]
KINDS: Final[tuple[TriggerKind, ...]] = get_args(TriggerKind)


class Trigger(Struct, frozen=True, kw_only=True):
    """A trigger node of an app, since the first version that enables it. Later ones keep id, address and switch."""

    id: str
    app_id: str
    node_id: str
    kind: TriggerKind
    address: str = ""
    """Last part of a webhook's URL, 24 characters of ``A–Z a–z 0–9 - _``."""
    enabled: bool = True
    created_at: float
    """Seconds since the Unix epoch."""


DueState: TypeAlias = Literal["waiting", "started", "skipped"]


class ScheduleState(Struct, frozen=True, kw_only=True):
    """Progress of a schedule. Times are in seconds since the Unix epoch."""

    trigger_id: str
    plan: str = ""
    """Digest of the planned configuration. If it differs from the current one, the schedule is planned again."""
    changed_at: float
    """When its app was last published, or the schedule was paused or resumed."""
    handled: float
    """Time up to which due times are handled."""
    wake: float | None = 0.0
    """Time of the next check; ``None``: only after a change."""
    paused: str | None = None
    """Reason of the pause; ``None`` if not paused."""
    paused_until: float | None = None
    """End of the pause; for a schedule that is not paused, when it ended."""


class DueTime(Struct, frozen=True, kw_only=True):
    """A due time that was reached, or several that were skipped together."""

    trigger_id: str
    due: float
    """The first of them."""
    last: float
    count: int = 1
    state: DueState
    at: float
    """When ``state`` was set."""
    run_id: str = ""
    """Started run, if any."""
    why: str = ""
    """If skipped: ``missed``, ``paused``, ``overlap`` or ``dropped``. If waiting: its overlap rule; empty for the
    schedule's; ``by hand``: it starts at once, even while the schedule is off or paused."""


Verdict: TypeAlias = Literal["accepted", "duplicate", "refused"]
Place: TypeAlias = tuple[float, str]
"""Sort key of a delivery: ``received_at`` and id."""


class Delivery(Struct, frozen=True, kw_only=True):
    """A webhook call. Its content is among the inputs of its run."""

    id: str
    app_id: str
    trigger_id: str
    received_at: float
    """Seconds since the Unix epoch, like all times here."""
    verdict: Verdict = "accepted"
    """``duplicate``: an earlier call had the sender's id, and started the run."""
    reason: str = ""
    """Why it was refused."""
    sender_id: str = ""
    """Id assigned by the sender, if any."""
    method: str = ""
    size: int = 0
    """Bytes of the body."""
    run_id: str = ""
    """Run that it started, if any. Runs that repeat it are found by it."""
    discarded_at: float | None = None
    """Creation time of the newest run with which it was discarded."""
    retries: int = 0
    """Retries of a failed run, as set in the trigger."""
    look_at: float | None = None
    """When to check whether its run has failed; ``None``: never."""
    dead_at: float | None = None
    """When its last retry failed."""
