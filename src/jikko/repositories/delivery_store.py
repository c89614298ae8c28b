"""Deliveries of triggers. One that starts a run is added with it: see ``DeliveryReceived``."""

import math
from collections.abc import Sequence
from typing import Any, Final

from jikko.ports.stores.trigger_store import Delivery, Place
from jikko.repositories.record_table import RecordTable
from jikko.repositories.shared_sql import Count, Operation, SqlDatabase, StoredId, stored_id, written

_TABLE: Final = RecordTable(
    "deliveries", Delivery, columns={"id": "delivery_id", "sender_id": "sender"}, texts=["sender_id"], blanks=["run_id"]
)
# Repeats the condition of the index, which is not used otherwise.
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
_NEXT_POLL: Final = "SELECT min(look_at) FROM deliveries WHERE look_at IS NOT NULL"
# Nearly all of them. Status 2 and 5: succeeded, at least partially (store/run_columns.py).
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
    """Deliveries. ``RunStore.append`` creates accepted ones in the transaction that creates their run."""

    def __init__(self, database: SqlDatabase) -> None:
        self._sql = database.sql

    @written
    def add(self, delivery: Delivery, *, since: float, most: int) -> Operation[None]:
        """Store a delivery that starts no run, durably, up to a limit.

        Args:
            since: Earlier deliveries with the same trigger and verdict are deleted.
            most: Limit per trigger and verdict.
        """
        yield Count(FORGET, trigger_id=delivery.trigger_id, verdict=delivery.verdict, since=since)
        yield Count(ADD, most=most, **_TABLE.values(delivery))

    async def find(self, delivery_id: str) -> Delivery | None:
        """Return a delivery. ``delivery_id``: Case-insensitive."""
        return _TABLE.found(await self._sql.row(_FIND, id=delivery_id.lower()))

    async def newest(
        self, trigger_ids: Sequence[str], *, since: float = 0.0, before: Place | None = None, limit: int = 100
    ) -> list[Delivery]:
        """Return deliveries of some triggers, newest first.

        Args:
            since: Earliest receipt, inclusive.
            before: Start after this place.
        """
        at, last = before or (math.inf, _LAST)
        given: dict[str, Any] = {"ids": list(trigger_ids), "since": since, "at": at, "before_id": last}
        return _TABLE.records(await self._sql.rows(_NEWEST, limit=limit, **given))

    async def refused(self, trigger_id: str, *, since: float) -> int:
        """Return the number of stored refused deliveries of a trigger since a time."""
        rows = await self._sql.rows(COUNT, trigger_id=trigger_id, verdict="refused", since=since)
        return int(rows[0][0])

    async def discard(self, delivery_id: str, run_ids: Sequence[str], at: float) -> bool:
        """Discard a delivery, durably. Returns whether it was discarded: not if it was deleted, or if another run
        repeats one of ``run_ids``.

        Args:
            run_ids: Its runs.
            at: Creation time of the newest run.
        """
        return bool(await self._sql.count(_DISCARD, id=delivery_id.lower(), run_ids=run_ids, at=at))

    async def next_look(self) -> float | None:
        """Return the time of the next check; ``None`` if none is due."""
        row = await self._sql.row(_NEXT_POLL)
        return None if row is None else row[0]

    async def due(self, now: float, limit: int = 100) -> list[Delivery]:
        """Return the deliveries to check now, dead ones last. Deliveries whose first run succeeded need no further
        check."""
        while await self._sql.count(_SUCCEEDED, now=now, limit=1_000) == 1_000:
            pass
        return _TABLE.records(await self._sql.rows(_DUE, now=now, limit=limit))

    async def looked(self, delivery_id: str, look_at: float | None, dead_at: float | None) -> None:
        """Store the next check of a delivery, and since when it is dead, unless it was discarded meanwhile."""
        await self._sql.count(_LOOK, id=delivery_id, look_at=look_at, dead_at=dead_at)

    async def dead(self) -> int:
        return int((await self._sql.rows(_DEAD))[0][0])

    async def prune(self, before: float, *, limit: int = 500) -> int:
        """Delete deliveries without an existing run, received before a time. ``limit``: See ``RunStore.prune``.
        Returns the number deleted; fewer than ``limit`` if none are left."""
        return await self._sql.count(_PRUNE, before=before, limit=limit)


def forget_deliveries(trigger_id: StoredId) -> Operation[None]:
    """Delete the deliveries of a trigger. ``trigger_id``: As stored in ``app_triggers``; text in SQLite."""
    yield Count(_FORGET_ALL, trigger=stored_id(trigger_id) if isinstance(trigger_id, str) else trigger_id)
