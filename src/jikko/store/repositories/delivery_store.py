"""Deliveries. Those that start a run are added with it: see ``DeliveryReceived``."""

import math
from collections.abc import Sequence
from typing import Any, Final

from jikko.ports.stores.delivery_store import Delivery
from jikko.store.identifiers import id_text
from jikko.store.sql import Record, SqlDatabase

COLUMNS: Final = (
    "delivery_id, app_id, trigger_id, received_at, verdict, reason, sender, method, size, run_id, discarded_at"
)
_SELECT: Final = f"SELECT {COLUMNS} FROM deliveries"
_ADD: Final = f"""
INSERT INTO deliveries ({COLUMNS}) VALUES (:id, :app_id, :trigger_id, :received_at, :verdict, :reason, :sender, :method,
  :size, :run_id, :discarded_at)
"""
_FIND: Final = f"{_SELECT} WHERE delivery_id = :id"
_NEWEST: Final = f"""
{_SELECT} WHERE trigger_id IN :ids AND received_at >= :since
  AND (received_at, delivery_id) < (:at, :before_id)
ORDER BY received_at DESC, delivery_id DESC LIMIT :limit
"""
_REFUSED: Final = """
SELECT count(*) FROM deliveries WHERE trigger_id = :trigger_id AND verdict = 'refused' AND received_at >= :since
"""
_DISCARD: Final = "UPDATE deliveries SET discarded_at = :at WHERE delivery_id = :id"
_PRUNE: Final = """
DELETE FROM deliveries WHERE delivery_id IN (
  SELECT delivery_id FROM deliveries
  WHERE received_at < :before OR (verdict = 'refused' AND received_at < :refused_before) LIMIT :limit)
"""
_LAST: Final = "ffffffff-ffff-ffff-ffff-ffffffffffff"


class SqlDeliveryStore:
    """A ``DeliveryStore`` in a database, which its opener closes."""

    def __init__(self, database: SqlDatabase) -> None:
        self._sql = database.sql

    async def add(self, delivery: Delivery) -> None:
        await self._sql.count(_ADD, **_values(delivery))

    async def find(self, delivery_id: str) -> Delivery | None:
        row = await self._sql.row(_FIND, id=delivery_id.lower())
        return None if row is None else _delivery(row)

    async def newest(
        self, trigger_ids: Sequence[str], *, since: float = 0.0, before: Delivery | None = None, limit: int = 100
    ) -> list[Delivery]:
        at, last = (math.inf, _LAST) if before is None else (before.received_at, before.id)
        given: dict[str, Any] = {"ids": list(trigger_ids), "since": since, "at": at, "before_id": last}
        return [_delivery(row) for row in await self._sql.rows(_NEWEST, limit=limit, **given)]

    async def refused(self, trigger_id: str, *, since: float) -> int:
        rows = await self._sql.rows(_REFUSED, trigger_id=trigger_id, since=since)
        return int(rows[0][0])

    async def discard(self, delivery_id: str, at: float) -> bool:
        return bool(await self._sql.count(_DISCARD, id=delivery_id.lower(), at=at))

    async def prune(self, *, before: float, refused_before: float, limit: int = 500) -> int:
        return await self._sql.count(_PRUNE, before=before, refused_before=refused_before, limit=limit)


def _values(delivery: Delivery) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "app_id": delivery.app_id,
        "trigger_id": delivery.trigger_id,
        "received_at": delivery.received_at,
        "verdict": delivery.verdict,
        "reason": delivery.reason,
        "sender": delivery.sender_id,
        "method": delivery.method,
        "size": delivery.size,
        "run_id": delivery.run_id or None,
        "discarded_at": delivery.discarded_at,
    }


def _delivery(row: Record) -> Delivery:
    return Delivery(
        id=id_text(row[0]),
        app_id=id_text(row[1]),
        trigger_id=id_text(row[2]),
        received_at=row[3],
        verdict=row[4],
        reason=row[5],
        sender_id=row[6],
        method=row[7],
        size=row[8],
        run_id="" if row[9] is None else id_text(row[9]),
        discarded_at=row[10],
    )
