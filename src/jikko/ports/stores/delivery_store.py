"""Where deliveries are kept: what became of calls of webhooks."""

from collections.abc import Sequence
from typing import Literal, Protocol, TypeAlias

from msgspec import Struct

Verdict: TypeAlias = Literal["accepted", "duplicate", "refused"]


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
    """When it was set aside."""


class DeliveryStore(Protocol):
    """Deliveries. Accepted ones are made by ``RunStore.append``, in the transaction that creates their run.

    What an implementation must do is in ``tests/contract/test_delivery_store.py``.
    """

    async def add(self, delivery: Delivery, *, since: float, most: int) -> None:
        """Keep one that starts no run, unless there are enough. Durable when this returns.

        Args:
            since: Those of the same trigger and verdict that were received earlier are removed.
            most: How many of them are kept.
        """
        ...

    async def find(self, delivery_id: str) -> Delivery | None:
        """One delivery. ``delivery_id`` in any case."""
        ...

    async def newest(
        self, trigger_ids: Sequence[str], *, since: float = 0.0, before: Delivery | None = None, limit: int = 100
    ) -> list[Delivery]:
        """Deliveries of some triggers, newest first.

        Args:
            since: Only those received at this moment or later.
            before: Begin behind this one.
        """
        ...

    async def refused(self, trigger_id: str, *, since: float) -> int:
        """How many of a trigger were refused since a moment, of those that are kept."""
        ...

    async def discard(self, delivery_id: str, at: float) -> bool:
        """Note that a delivery is set aside. Durable when it returns. Returns whether there is one."""
        ...

    async def prune(self, before: float, *, limit: int = 500) -> int:
        """Remove those received before a moment whose run is gone, or that have none.

        Args:
            limit: As of ``RunStore.prune``.

        Returns:
            How many were removed. Fewer than ``limit``: there are no more.
        """
        ...
