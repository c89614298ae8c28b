"""Deliveries. Those that start a run are added with it: see ``DeliveryReceived``."""

import math
from collections.abc import Sequence
from typing import Any, Final

from jikko.ports.stores.trigger_store import Delivery, Place
from jikko.repositories.record_table import RecordTable
from jikko.repositories.shared_sql import Count, Operation, SqlDatabase, StoredId, stored_id, written

_TABLE: Final = RecordTable(
    "deliveries",
    Delivery,
    columns={"id": "delivery_id", "sender_id": "sender"},
    texts=["sender_id"],
    blanks=["run_id"],
)
# As the condition of the index, which is not used otherwise.
_NOT_ACCEPTED: Final = "trigger_id = :trigger_id AND verdict = :verdict AND verdict <> 'accepted'"
FORGET: Final = f"DELETE FROM deliveries WHERE {_NOT_ACCEPTED} AND received_at < :since"
ADD: Final = f"""
INSERT INTO deliveries (
  delivery_id, app_id, trigger_id, received_at, verdict, reason, sender, method, size, run_id, discarded_at,
  retries, look_at, dead_at)
SELECT :id::bytea, :app_id::bytea, :trigger_id::bytea, :received_at::float8, :verdict::text, :reason::text,
  :sender_id::text, :method::text, :size::int8, :run_id::bytea, :discarded_at::float8,
  :retries::int4, :look_at::float8, :dead_at::float8
WHERE (SELECT count(*) FROM deliveries WHERE {_NOT_ACCEPTED}) < :most
"""
_FIND: Final = _TABLE.select("WHERE delivery_id = :id")
_NEWEST: Final = _TABLE.select("""
WHERE trigger_id IN :ids AND received_at >= :since
  AND (received_at, delivery_id) < (:at, :before_id)
ORDER BY received_at DESC, delivery_id DESC LIMIT :limit
""")
COUNT: Final = f"SELECT count(*) FROM deliveries WHERE {_NOT_ACCEPTED} AND received_at >= :since"
_FORGET_ALL: Final = "DELETE FROM deliveries WHERE trigger_id = :trigger"
_REPEATED: Final = "SELECT 1 FROM {} r WHERE r.retry_of IN :run_ids AND NOT (r.run_id IN :run_ids)"
_DISCARD: Final = f"""
UPDATE deliveries SET discarded_at = :at, look_at = NULL, dead_at = NULL
WHERE delivery_id = :id AND NOT EXISTS ({_REPEATED.format("runs")} AND r.retry_of IS NOT NULL)
  [postgres: AND NOT EXISTS ({_REPEATED.format("open_runs")})]
"""
_NEXT_LOOK: Final = "SELECT min(look_at) FROM deliveries WHERE look_at IS NOT NULL"
# Nearly all of them. 2 and 5: they succeeded, also if partially (store/run_columns.py).
_SUCCEEDED: Final = """
UPDATE deliveries SET look_at = NULL WHERE delivery_id IN (
  SELECT d.delivery_id FROM deliveries d JOIN runs r ON r.run_id = d.run_id
  WHERE d.look_at <= :now AND d.dead_at IS NULL
    AND r.status IN (2, 5) LIMIT :limit)
"""
_DUE: Final = _TABLE.select("WHERE look_at <= :now ORDER BY dead_at IS NOT NULL, look_at, delivery_id LIMIT :limit")
_LOOK: Final = """
UPDATE deliveries SET look_at = :look_at, dead_at = :dead_at::float8 WHERE delivery_id = :id AND look_at IS NOT NULL
"""
_DEAD: Final = "SELECT count(*) FROM deliveries WHERE dead_at IS NOT NULL"
_PRUNE: Final = """
DELETE FROM deliveries WHERE delivery_id IN (
  SELECT d.delivery_id FROM deliveries d WHERE d.received_at < :before
  AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.run_id = d.run_id)
  [postgres: AND NOT EXISTS (SELECT 1 FROM open_runs r WHERE r.run_id = d.run_id)] LIMIT :limit)
"""
_LAST: Final = "ffffffff-ffff-ffff-ffff-ffffffffffff"


class DeliveryStore:
    """Deliveries. Accepted ones are made by ``RunStore.append``, in the transaction that creates their run."""

    def __init__(self, database: SqlDatabase) -> None:
        self._sql = database.sql

    @written
    def add(self, delivery: Delivery, *, since: float, most: int) -> Operation[None]:
        """Keep one that starts no run, unless there are enough. Durable when this returns.

        Args:
            since: Those of the same trigger and verdict that were received earlier are removed.
            most: How many of them are kept.
        """
        yield Count(FORGET, trigger_id=delivery.trigger_id, verdict=delivery.verdict, since=since)
        yield Count(ADD, most=most, **_TABLE.values(delivery))

    async def find(self, delivery_id: str) -> Delivery | None:
        """One delivery. ``delivery_id`` in any case."""
        return _TABLE.found(await self._sql.row(_FIND, id=delivery_id.lower()))

    async def newest(
        self, trigger_ids: Sequence[str], *, since: float = 0.0, before: Place | None = None, limit: int = 100
    ) -> list[Delivery]:
        """Deliveries of some triggers, newest first.

        Args:
            since: Only those received at this moment or later.
            before: Begin behind this place.
        """
        at, last = before or (math.inf, _LAST)
        given: dict[str, Any] = {"ids": list(trigger_ids), "since": since, "at": at, "before_id": last}
        return _TABLE.records(await self._sql.rows(_NEWEST, limit=limit, **given))

    async def refused(self, trigger_id: str, *, since: float) -> int:
        """How many of a trigger were refused since a moment, of those that are kept."""
        rows = await self._sql.rows(COUNT, trigger_id=trigger_id, verdict="refused", since=since)
        return int(rows[0][0])

    async def discard(self, delivery_id: str, run_ids: Sequence[str], at: float) -> bool:
        """Note that a delivery is set aside. Durable when it returns. Returns whether it was: not if it is gone, or if
        another run than these repeats one of them.

        Args:
            run_ids: Its runs.
            at: When the newest of them was created.
        """
        return bool(await self._sql.count(_DISCARD, id=delivery_id.lower(), run_ids=run_ids, at=at))

    async def next_look(self) -> float | None:
        """When the next one is to be looked at; ``None``: none is."""
        row = await self._sql.row(_NEXT_LOOK)
        return None if row is None else row[0]

    async def due(self, now: float, limit: int = 100) -> list[Delivery]:
        """Those to be looked at by now, but for those whose first run succeeded, which need no look any more.
        Dead ones come last."""
        while await self._sql.count(_SUCCEEDED, now=now, limit=1_000) == 1_000:
            pass
        return _TABLE.records(await self._sql.rows(_DUE, now=now, limit=limit))

    async def looked(self, delivery_id: str, look_at: float | None, dead_at: float | None) -> None:
        """Keep when to look at one next, and since when it is dead; unless it was set aside meanwhile."""
        await self._sql.count(_LOOK, id=delivery_id, look_at=look_at, dead_at=dead_at)

    async def dead(self) -> int:
        return int((await self._sql.rows(_DEAD))[0][0])

    async def prune(self, before: float, *, limit: int = 500) -> int:
        """Remove those received before a moment whose run is gone, or that have none. ``limit``: as of
        ``RunStore.prune``. Returns how many were removed. Fewer than ``limit``: there are no more."""
        return await self._sql.count(_PRUNE, before=before, limit=limit)


def forget_deliveries(trigger_id: StoredId) -> Operation[None]:
    """Remove those of a trigger. ``trigger_id``: as ``app_triggers`` has it, in SQLite as a text."""
    yield Count(_FORGET_ALL, trigger=stored_id(trigger_id) if isinstance(trigger_id, str) else trigger_id)
