"""Call-backs in SQLite."""

import math
import sqlite3
from functools import partial
from typing import Any, Final

from jikko.ports.stores.callback_store import Callback
from jikko.store.callback_states import DELIVERED, NUMBERS, PENDING, RUN_GOES_ON
from jikko.store.identifiers import id_text, storable, stored_id
from jikko.store.row_reader import RowReader
from jikko.store.sqlite.database import Database

_COLUMNS: Final = "run_id, app_id, url, created_at, state, attempts, first_at, next_at, finished_at, error"
# From receiver to receiver, and of each only a few: what waits behind them costs nothing, however much it is.
_DUE: Final = f"""
WITH RECURSIVE receivers (name) AS (
  SELECT min(receiver) FROM callbacks INDEXED BY callbacks_due WHERE state = {PENDING}
  UNION ALL
  SELECT (SELECT min(receiver) FROM callbacks INDEXED BY callbacks_due WHERE state = {PENDING} AND receiver > name)
  FROM receivers WHERE name IS NOT NULL
)
SELECT {_COLUMNS} FROM receivers CROSS JOIN callbacks ON run_id IN (
  SELECT run_id FROM callbacks INDEXED BY callbacks_due
  WHERE state = {PENDING} AND receiver = name AND next_at <= :now ORDER BY next_at, run_id LIMIT :each)
ORDER BY next_at, run_id LIMIT :limit
"""
# From receiver to receiver, too: of each, the index knows the next one.
_NEXT_DUE: Final = f"""
WITH RECURSIVE receivers (name) AS (
  SELECT min(receiver) FROM callbacks INDEXED BY callbacks_due WHERE state = {PENDING}
  UNION ALL
  SELECT (SELECT min(receiver) FROM callbacks INDEXED BY callbacks_due WHERE state = {PENDING} AND receiver > name)
  FROM receivers WHERE name IS NOT NULL
)
SELECT min((
  SELECT min(next_at) FROM callbacks INDEXED BY callbacks_due
  WHERE state = {PENDING} AND receiver = name AND next_at > ?)) FROM receivers
"""
_SAVE: Final = f"""
UPDATE callbacks SET
  state = CASE state WHEN {RUN_GOES_ON} THEN {RUN_GOES_ON} ELSE ?1 END,
  attempts = ?2, first_at = ?3, next_at = ?4, finished_at = ?5, error = ?6
WHERE run_id = ?7 AND NOT (state = {DELIVERED} AND ?1 <> {DELIVERED} AND ?3 IS NOT NULL)
"""
_PENDING: Final = f"SELECT count(*), min(first_at) FROM callbacks WHERE state = {PENDING}"
_FIND: Final = f"SELECT {_COLUMNS} FROM callbacks WHERE run_id = ?"
_UNDELIVERED: Final = f"""
SELECT {_COLUMNS} FROM callbacks INDEXED BY callbacks_undelivered
WHERE state IN (0, 2) AND (created_at, run_id) > (:at, :run_id) AND (:app IS NULL OR app_id = :app)
ORDER BY created_at, run_id LIMIT :limit
"""
_ADD_SECRET: Final = "INSERT INTO webhook_secrets (app_id, secret) VALUES (?, ?) ON CONFLICT DO NOTHING"
_SET_SECRET: Final = "INSERT OR REPLACE INTO webhook_secrets (app_id, secret) VALUES (?, ?)"
_SECRET: Final = "SELECT secret FROM webhook_secrets WHERE app_id = ?"

_READER: Final = RowReader(id_text)


class SqliteCallbackStore:
    """A ``CallbackStore`` in a SQLite file. What opened the database closes it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def due(self, now: float, *, each: int = 100, limit: int = 100) -> list[Callback]:
        return await self._rows(_DUE, {"now": now, "each": each, "limit": limit})

    async def next_due(self, after: float) -> float | None:
        row = self._database.quick(lambda connection: connection.execute(_NEXT_DUE, (after,)).fetchone())
        at: float | None = row[0]
        return at

    async def pending(self) -> tuple[int, float | None]:
        found: tuple[int, float | None] = await self._database.read(
            lambda connection: connection.execute(_PENDING).fetchone()
        )
        return found

    async def save(self, callback: Callback) -> None:
        values = (
            NUMBERS[callback.state],
            callback.attempts,
            callback.first_at,
            callback.next_at,
            callback.finished_at,
            None if callback.error is None else storable(callback.error),
            stored_id(callback.run_id),
        )
        await self._database.submit(lambda connection: connection.execute(_SAVE, values).rowcount)

    async def find(self, run_id: str) -> Callback | None:
        values = (stored_id(run_id.lower()),)
        row = self._database.quick(lambda connection: connection.execute(_FIND, values).fetchone())
        return None if row is None else _READER.callback(row)

    async def undelivered(
        self, *, app_id: str | None = None, after: Callback | None = None, limit: int = 1000
    ) -> list[Callback]:
        values = {
            "app": None if app_id is None else stored_id(app_id),
            "at": -math.inf if after is None else after.created_at,
            "run_id": "" if after is None else stored_id(after.run_id),
            "limit": limit,
        }
        return await self._rows(_UNDELIVERED, values)

    async def secret(self, app_id: str, new: str) -> str:
        values = (stored_id(app_id),)
        known = self._database.quick(lambda connection: connection.execute(_SECRET, values).fetchone())
        secret: str = known[0] if known else await self._database.submit(partial(_secret, app_id, new))
        return secret

    async def set_secret(self, app_id: str, new: str) -> None:
        values = (stored_id(app_id), new)
        await self._database.submit(lambda connection: connection.execute(_SET_SECRET, values).rowcount)

    async def _rows(self, sql: str, values: Any) -> list[Callback]:
        rows = await self._database.read(lambda connection: connection.execute(sql, values).fetchall())
        return [_READER.callback(row) for row in rows]


def _secret(app_id: str, new: str, connection: sqlite3.Connection) -> str:
    connection.execute(_ADD_SECRET, (stored_id(app_id), new))
    secret: str = connection.execute(_SECRET, (stored_id(app_id),)).fetchone()[0]
    return secret
