"""Call-backs in PostgreSQL."""

import math
from typing import Any, Final

from jikko.ports.stores.callback_store import Callback
from jikko.store.callback_states import DELIVERED, NUMBERS, PENDING, RUN_GOES_ON
from jikko.store.postgres.columns import id_column, id_of, optional_text
from jikko.store.postgres.database import Postgres
from jikko.store.row_reader import RowReader

_COLUMNS: Final = "run_id, app_id, url, created_at, state, attempts, first_at, next_at, finished_at, error"
# From receiver to receiver, and of each only a few: what waits behind them costs nothing, however much it is.
_RECEIVERS: Final = f"""
WITH RECURSIVE receivers (name) AS (
  (SELECT receiver FROM callbacks WHERE state = {PENDING} ORDER BY receiver LIMIT 1)
  UNION ALL
  SELECT (SELECT receiver FROM callbacks WHERE state = {PENDING} AND receiver > name ORDER BY receiver LIMIT 1)
  FROM receivers WHERE name IS NOT NULL
)
"""
_DUE: Final = f"""
{_RECEIVERS}
SELECT {_COLUMNS} FROM receivers, LATERAL (
  SELECT {_COLUMNS} FROM callbacks WHERE state = {PENDING} AND receiver = name AND next_at <= $1
  ORDER BY next_at, run_id LIMIT $2) c
ORDER BY next_at, run_id LIMIT $3
"""
_NEXT_DUE: Final = f"""
{_RECEIVERS}
SELECT min((SELECT min(next_at) FROM callbacks WHERE state = {PENDING} AND receiver = name AND next_at > $1))
FROM receivers
"""
_SAVE: Final = f"""
UPDATE callbacks SET
  state = CASE state WHEN {RUN_GOES_ON} THEN {RUN_GOES_ON} ELSE $1::int2 END,
  attempts = $2, first_at = $3, next_at = $4, finished_at = $5, error = $6
WHERE run_id = $7 AND NOT (state = {DELIVERED} AND $1::int2 <> {DELIVERED} AND $3::float8 IS NOT NULL)
"""
_PENDING: Final = f"SELECT count(*), min(first_at) FROM callbacks WHERE state = {PENDING}"
_FIND: Final = f"SELECT {_COLUMNS} FROM callbacks WHERE run_id = $1"
_UNDELIVERED: Final = f"""
SELECT {_COLUMNS} FROM callbacks
WHERE state IN (0, 2) AND (created_at, run_id) > ($1, $2) AND ($3::bytea IS NULL OR app_id = $3)
ORDER BY created_at, run_id LIMIT $4
"""
_ADD_SECRET: Final = "INSERT INTO webhook_secrets (app_id, secret) VALUES ($1, $2) ON CONFLICT DO NOTHING"
_SET_SECRET: Final = """
INSERT INTO webhook_secrets (app_id, secret) VALUES ($1, $2) ON CONFLICT (app_id) DO UPDATE SET secret = excluded.secret
"""
_SECRET: Final = "SELECT secret FROM webhook_secrets WHERE app_id = $1"
_READER: Final = RowReader(id_of)


class PostgresCallbackStore:
    """A ``CallbackStore`` in PostgreSQL. The database is closed by its opener."""

    def __init__(self, database: Postgres) -> None:
        self._database = database

    async def due(self, now: float, *, each: int = 100, limit: int = 100) -> list[Callback]:
        return await self._callbacks(_DUE, now, each, limit)

    async def next_due(self, after: float) -> float | None:
        at: float | None = await self._database.value(_NEXT_DUE, after)
        return at

    async def pending(self) -> tuple[int, float | None]:
        row = await self._database.row(_PENDING)
        return (0, None) if row is None else (row[0], row[1])

    async def save(self, callback: Callback) -> None:
        await self._database.execute(
            _SAVE,
            NUMBERS[callback.state],
            callback.attempts,
            callback.first_at,
            callback.next_at,
            callback.finished_at,
            optional_text(callback.error),
            id_column(callback.run_id),
        )

    async def find(self, run_id: str) -> Callback | None:
        row = await self._database.row(_FIND, id_column(run_id.lower()))
        return None if row is None else _READER.callback(row)

    async def undelivered(
        self, *, app_id: str | None = None, after: Callback | None = None, limit: int = 1000
    ) -> list[Callback]:
        at, run_id = (-math.inf, b"") if after is None else (after.created_at, id_column(after.run_id))
        return await self._callbacks(_UNDELIVERED, at, run_id, None if app_id is None else id_column(app_id), limit)

    async def secret(self, app_id: str, new: str) -> str:
        known = await self._database.value(_SECRET, id_column(app_id))
        if known is None:
            await self._database.execute(_ADD_SECRET, id_column(app_id), new)
            known = await self._database.value(_SECRET, id_column(app_id))
        secret: str = known
        return secret

    async def set_secret(self, app_id: str, new: str) -> None:
        await self._database.execute(_SET_SECRET, id_column(app_id), new)

    async def _callbacks(self, sql: str, *values: Any) -> list[Callback]:
        return [_READER.callback(row) for row in await self._database.fetch(sql, *values)]
