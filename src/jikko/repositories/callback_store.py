"""Pending callbacks and their signing secrets."""

from __future__ import annotations

import math
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import urlsplit

import msgspec

from jikko.repositories.record_table import RecordTable
from jikko.repositories.shared_sql import Operation, Row, SqlDatabase

CallbackState: TypeAlias = Literal["pending", "delivered", "failed"]


class Callback(msgspec.Struct, frozen=True, kw_only=True):
    """Report of a run's end to a URL; at most one per run, deleted with it."""

    run_id: str
    app_id: str
    url: str
    created_at: float
    """Acceptance of the run, in seconds since the Unix epoch."""
    state: CallbackState = "pending"
    """``failed``: given up."""
    attempts: int = 0
    first_at: float | None = None
    """First attempt since it was created or resent."""
    next_at: float = 0.0
    """Earliest next attempt."""
    finished_at: float | None = None
    """Time of delivery or giving up."""
    error: str | None = None
    """Error of the last attempt."""

    @property
    def receiver(self) -> str:
        return receiver_of(self.url)


def receiver_of(url: str) -> str:
    """Return host and port of a URL, as far as present, in lower case."""
    return urlsplit(url).netloc.rpartition("@")[2].lower()


PENDING: Final = 0
DELIVERED: Final = 1
RUN_OPEN: Final = 3
"""Pending, but the run has not ended: in no index, so it costs nothing in queries for due callbacks."""

STATES: Final[dict[int, CallbackState]] = {PENDING: "pending", DELIVERED: "delivered", 2: "failed", RUN_OPEN: "pending"}
NUMBERS: Final[dict[CallbackState, int]] = {"pending": PENDING, "delivered": DELIVERED, "failed": 2}


_TABLE: Final = RecordTable("callbacks", Callback, codecs={"state": (NUMBERS.__getitem__, STATES.__getitem__)})
# Skip scan over receivers, reading only a few callbacks of each: a backlog costs nothing. Each database finds the
# smallest value in an index in its own way.
_RECEIVERS: Final = f"""
WITH RECURSIVE receivers (name) AS (
  [sqlite: SELECT min(receiver) FROM callbacks INDEXED BY callbacks_due WHERE state = {PENDING}]
  [postgres: (SELECT receiver FROM callbacks WHERE state = {PENDING} ORDER BY receiver LIMIT 1)]
  UNION ALL
  SELECT (
    [sqlite: SELECT min(receiver) FROM callbacks INDEXED BY callbacks_due WHERE state = {PENDING} AND receiver > name]
    [postgres: SELECT receiver FROM callbacks WHERE state = {PENDING} AND receiver > name ORDER BY receiver LIMIT 1]
  ) FROM receivers WHERE name IS NOT NULL
)
"""
_OF_RECEIVER: Final = f"""
FROM callbacks INDEXED BY callbacks_due WHERE state = {PENDING} AND receiver = name AND next_at <= :now
ORDER BY next_at, run_id LIMIT :each
"""
_DUE: Final = f"""
{_RECEIVERS}
SELECT {_TABLE.columns} FROM receivers
[sqlite: CROSS JOIN callbacks ON run_id IN (SELECT run_id {_OF_RECEIVER})]
[postgres: , LATERAL (SELECT * {_OF_RECEIVER}) callbacks]
ORDER BY next_at, run_id LIMIT :limit
"""
_NEXT_DUE: Final = f"""
{_RECEIVERS}
SELECT min((
  SELECT min(next_at) FROM callbacks INDEXED BY callbacks_due
  WHERE state = {PENDING} AND receiver = name AND next_at > :after)) FROM receivers
"""
_SAVE: Final = f"""
UPDATE callbacks SET
  state = CASE state WHEN {RUN_OPEN} THEN {RUN_OPEN} ELSE :state::int2 END,
  attempts = :attempts, first_at = :first_at, next_at = :next_at, finished_at = :finished_at, error = :error
WHERE run_id = :run_id
  AND NOT (state = {DELIVERED} AND :state::int2 <> {DELIVERED} AND :first_at::float8 IS NOT NULL)
"""
_PENDING: Final = f"SELECT count(*), min(first_at) FROM callbacks WHERE state = {PENDING}"
_FIND: Final = _TABLE.select("WHERE run_id = :run_id")
_UNDELIVERED: Final = f"""
SELECT {_TABLE.columns} FROM callbacks INDEXED BY callbacks_undelivered
WHERE state IN (0, 2) AND (created_at, run_id) > (:at, :run_id) AND (:app_id::bytea IS NULL OR app_id = :app_id)
ORDER BY created_at, run_id LIMIT :limit
"""
_ADD_SECRET: Final = "INSERT INTO webhook_secrets (app_id, secret) VALUES (:app_id, :secret) ON CONFLICT DO NOTHING"
_SET_SECRET: Final = """
INSERT INTO webhook_secrets (app_id, secret) VALUES (:app_id, :secret)
ON CONFLICT (app_id) DO UPDATE SET secret = excluded.secret
"""
_SECRET: Final = "SELECT secret FROM webhook_secrets WHERE app_id = :app_id"


class CallbackStore:
    """Callbacks. ``RunStore.append`` creates them in the transaction that creates their run."""

    def __init__(self, database: SqlDatabase) -> None:
        self._sql = database.sql

    async def due(self, now: float, *, each: int = 100, limit: int = 100) -> list[Callback]:
        """Return due callbacks of ended runs, the longest overdue first.
        ``each``: Limit per receiver, the longest overdue first."""
        return await self._callbacks(_DUE, now=now, each=each, limit=limit)

    async def next_due(self, after: float) -> float | None:
        """Return the next due time after ``after`` of the callbacks of ended runs; ``None`` if there is none."""
        row = await self._sql.row(_NEXT_DUE, after=after)
        return None if row is None else row[0]

    async def pending(self) -> tuple[int, float | None]:
        """Return the number of pending callbacks of ended runs, and the earliest first attempt among them."""
        [row] = await self._sql.rows(_PENDING)
        return row[0], row[1]

    async def save(self, callback: Callback) -> None:
        """Store the result of an attempt, durably, unless the run was deleted.

        A failed attempt does not change a delivered callback: one of two delivering processes may have stalled. A
        resend, which has no ``first_at``, does.
        """
        await self._sql.count(_SAVE, **_TABLE.values(callback))

    async def find(self, run_id: str) -> Callback | None:
        """Return the callback of a run. ``run_id``: Case-insensitive."""
        return _TABLE.found(await self._sql.row(_FIND, run_id=run_id.lower()))

    async def undelivered(
        self, *, app_id: str | None = None, after: Callback | None = None, limit: int = 1000
    ) -> list[Callback]:
        """Return pending and failed callbacks of ended runs, oldest first.
        ``after``: Start after this one, whatever its state is now."""
        at, run_id = (-math.inf, "") if after is None else (after.created_at, after.run_id)
        return await self._callbacks(_UNDELIVERED, at=at, run_id=run_id, app_id=app_id, limit=limit)

    async def secret(self, app_id: str, new: str) -> str:
        """Return the secret of an app, setting it to ``new`` if missing, durably."""

        def add() -> Operation[str]:
            yield Row(_ADD_SECRET, app_id=app_id, secret=new)
            row = yield Row(_SECRET, app_id=app_id)
            secret: str = row[0]
            return secret

        known = await self._sql.row(_SECRET, app_id=app_id)
        return await self._sql.write(add) if known is None else known[0]

    async def set_secret(self, app_id: str, new: str) -> None:
        """Replace the secret of an app, durably."""
        await self._sql.count(_SET_SECRET, app_id=app_id, secret=new)

    async def _callbacks(self, sql: str, **values: Any) -> list[Callback]:
        return _TABLE.records(await self._sql.rows(sql, **values))
