"""Call-backs in SQLite."""

import sqlite3
from functools import partial
from typing import Any, Final

from jikko.ports.callback_store import Callback, CallbackState
from jikko.store.sqlite.database import Database
from jikko.store.sqlite.identifiers import id_text, storable, stored_id

_STATES: Final[tuple[CallbackState, ...]] = ("pending", "delivered", "failed")
"""What the numbers in ``callbacks.state`` mean."""
_COLUMNS: Final = "run_id, app_id, url, created_at, state, attempts, first_at, next_at, finished_at, error"
_ENDED: Final = "run_id IN (SELECT run_id FROM runs WHERE runs.run_id = callbacks.run_id AND status > 1)"
_DUE: Final = f"""
SELECT {_COLUMNS} FROM callbacks INDEXED BY callbacks_due
WHERE state = 0 AND next_at <= ? AND {_ENDED} ORDER BY next_at LIMIT ?
"""
_HAS_PENDING: Final = "SELECT 1 FROM callbacks INDEXED BY callbacks_due WHERE state = 0 LIMIT 1"
_SAVE: Final = """
UPDATE callbacks SET state = ?, attempts = ?, first_at = ?, next_at = ?, finished_at = ?, error = ? WHERE run_id = ?
"""
_FIND: Final = f"SELECT {_COLUMNS} FROM callbacks WHERE run_id = ?"
_UNDELIVERED: Final = f"""
SELECT {_COLUMNS} FROM callbacks
WHERE state IN (0, 2) AND (:app IS NULL OR app_id = :app) AND {_ENDED} ORDER BY created_at, run_id LIMIT :limit
"""
_ADD_SECRET: Final = "INSERT INTO webhook_secrets (app_id, secret) VALUES (?, ?) ON CONFLICT DO NOTHING"
_SET_SECRET: Final = "INSERT OR REPLACE INTO webhook_secrets (app_id, secret) VALUES (?, ?)"
_SECRET: Final = "SELECT secret FROM webhook_secrets WHERE app_id = ?"


class SqliteCallbackStore:
    """A ``CallbackStore`` in a SQLite file. The database is closed by whoever opened it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def due(self, now: float, *, limit: int = 100) -> list[Callback]:
        return await self._rows(_DUE, (now, limit))

    async def has_pending(self) -> bool:
        return self._database.quick(lambda connection: connection.execute(_HAS_PENDING).fetchone()) is not None

    async def save(self, callback: Callback) -> None:
        values = (
            _STATES.index(callback.state),
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
        return None if row is None else _callback(row)

    async def undelivered(self, *, app_id: str | None = None, limit: int = 1000) -> list[Callback]:
        return await self._rows(_UNDELIVERED, {"app": None if app_id is None else stored_id(app_id), "limit": limit})

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
        return [_callback(row) for row in rows]


def _secret(app_id: str, new: str, connection: sqlite3.Connection) -> str:
    connection.execute(_ADD_SECRET, (stored_id(app_id), new))
    secret: str = connection.execute(_SECRET, (stored_id(app_id),)).fetchone()[0]
    return secret


def _callback(row: tuple[Any, ...]) -> Callback:
    return Callback(
        run_id=id_text(row[0]),
        app_id=id_text(row[1]),
        url=row[2],
        created_at=row[3],
        state=_STATES[row[4]],
        attempts=row[5],
        first_at=row[6],
        next_at=row[7],
        finished_at=row[8],
        error=row[9],
    )
