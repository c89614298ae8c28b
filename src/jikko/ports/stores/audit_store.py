"""Audit entries: added, and never changed."""

from typing import Final, Literal

from msgspec import Struct

from jikko.values import Json

STARTS: Final = (
    *("ask", "fire_trigger", "replay_delivery", "retry_run", "start_run"),
    *("deliveries replay", "runs retry", "triggers fire"),
)
"""Operations and commands that start a run: their entries go with retention, as runs do."""


class AuditEntry(Struct, frozen=True, kw_only=True):
    """A change that somebody made."""

    id: str
    """Later ones sort behind earlier ones."""
    at: float
    """Seconds since the Unix epoch."""
    actor: str
    """The name of a token, or of a user of the machine."""
    source: str
    """The id of the token; empty for none."""
    via: Literal["api", "console", "cli"]
    action: str
    """The operation, such as ``stop_run``, or the command, such as ``apps use``."""
    what: str
    app_id: str | None = None
    before: Json = None
    """What was there, secrets masked; ``None``: nothing to tell."""
    after: Json = None


class AuditFilter(Struct, frozen=True, kw_only=True):
    """Which entries are asked for."""

    app_ids: tuple[str, ...] | None = None
    actor: str | None = None
    action: str | None = None
    since: float | None = None
    """Made then or later; so ``until``, or earlier."""
    until: float | None = None
    behind: str | None = None
    """The id of an entry: only older ones."""
