"""End users in SQLite. The table is that of the run store, which adds the users who start runs."""

import sqlite3
from functools import partial
from typing import Final

from jikko.ports.stores.end_user_store import EndUser
from jikko.store.identifiers import StoredId, id_text, storable, stored_id
from jikko.store.sqlite.database import Database
from jikko.store.sqlite.runs.run_rows import end_users, names

_KNOWN: Final = """
SELECT end_users.key, session, end_user_id FROM end_users JOIN names ON names.key = app
WHERE end_user_id = ? AND text = ? ORDER BY end_users.key LIMIT 1
"""
_REMOVE: Final = """
DELETE FROM end_users WHERE end_user_id = ? AND app = (SELECT key FROM names WHERE text = ?)
  AND NOT EXISTS (SELECT 1 FROM runs WHERE end_user = end_users.key)
  AND NOT EXISTS (SELECT 1 FROM conversations WHERE end_user = end_users.key)
"""
_FIRST_RUN: Final = "SELECT created_at FROM runs INDEXED BY runs_of_user WHERE end_user = ? ORDER BY created_at LIMIT 1"
_FIRST_FILE: Final = """
SELECT created_at FROM files INDEXED BY files_of_app WHERE app_id = ? AND end_user_id = ? ORDER BY created_at LIMIT 1
"""


class SqliteEndUserStore:
    """An ``EndUserStore`` in a SQLite file. What opened the database closes it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, app_id: str, end_user_id: str, user: str) -> None:
        stored = stored_id(end_user_id.lower())
        if self._database.quick(partial(_known, storable(app_id), stored)) is None:
            await self._database.submit(partial(_add, storable(app_id), stored, storable(user)))

    async def remove(self, app_id: str, end_user_id: str) -> None:
        values = (stored_id(end_user_id.lower()), storable(app_id))
        await self._database.submit(lambda connection: connection.execute(_REMOVE, values).rowcount)

    async def has(self, app_id: str, end_user_id: str) -> bool:
        known = partial(_known, storable(app_id), stored_id(end_user_id.lower()))
        return await self._database.read(known) is not None

    async def find(self, app_id: str, end_user_id: str) -> EndUser | None:
        return await self._database.read(partial(_find, app_id, stored_id(end_user_id.lower())))


def _known(app: str, end_user_id: StoredId, connection: sqlite3.Connection) -> tuple[int, str, StoredId] | None:
    found: tuple[int, str, StoredId] | None = connection.execute(_KNOWN, (end_user_id, app)).fetchone()
    return found


def _add(app: str, end_user_id: StoredId, user: str, connection: sqlite3.Connection) -> None:
    end_users().key(connection, (names().key(connection, (app,)), user, end_user_id))


def _find(app_id: str, end_user_id: StoredId, connection: sqlite3.Connection) -> EndUser | None:
    known = _known(storable(app_id), end_user_id, connection)
    if known is None:
        return None
    key, user, stored = known
    moments = [
        *connection.execute(_FIRST_RUN, (key,)).fetchall(),
        *connection.execute(_FIRST_FILE, (stored_id(app_id), stored)).fetchall(),
    ]
    if not moments:
        return None
    return EndUser(id=id_text(stored), app_id=app_id, user=user, created_at=min(moment for (moment,) in moments))
