"""Deliveries as stored: calls of webhooks with their outcome."""

from typing import Literal, TypeAlias

from msgspec import Struct

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
