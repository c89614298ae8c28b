"""Append-only audit entries."""

from typing import Final, Literal

from msgspec import Struct

from jikko.values import Json

STARTS: Final = (
    *("ask", "fire_trigger", "replay_delivery", "retry_run", "start_run"),
    *("deliveries replay", "runs retry", "triggers fire"),
)
"""Operations and commands that start a run: their entries expire with retention, as runs do."""


class AuditEntry(Struct, frozen=True, kw_only=True):
    """A recorded change."""

    id: str
    """Sorts by time."""
    at: float
    """Seconds since the Unix epoch."""
    actor: str
    """Name of a token, or of a user of the machine."""
    source: str
    """Id of the token, if any."""
    via: Literal["api", "console", "cli"]
    action: str
    """Operation, such as ``stop_run``, or command, such as ``apps use``."""
    what: str
    app_id: str | None = None
    before: Json = None
    """Previous value, secrets masked; ``None`` if there is nothing to show."""
    after: Json = None


class AuditFilter(Struct, frozen=True, kw_only=True):
    app_ids: tuple[str, ...] | None = None
    actor: str | None = None
    action: str | None = None
    since: float | None = None
    """Inclusive, as is ``until``."""
    until: float | None = None
    behind: str | None = None
    """Id of an entry: only older ones."""
