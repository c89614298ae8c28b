"""End users: those added, and those named by runs and conversations."""

from __future__ import annotations  # operations are functions created per call

from typing import Final

import msgspec

from jikko.repositories import APP, NAME_APP, OF_APP, THE_APP
from jikko.repositories.shared_sql import Count, Operation, Row, SqlDatabase, read_aside

_KNOWN: Final = f"""
SELECT 1 FROM end_users WHERE end_user_id = :end_user_id AND {OF_APP}
"""
_ADD: Final = f"""
INSERT INTO end_users ({APP}, session, end_user_id) VALUES ({THE_APP}, :user, :end_user_id) ON CONFLICT DO NOTHING
"""
# SQLite's runs refer to rows of end users; PostgreSQL's contain the names.
_REMOVE: Final = f"""
DELETE FROM end_users WHERE end_user_id = :end_user_id AND {OF_APP}
[sqlite: AND NOT EXISTS (SELECT 1 FROM runs WHERE end_user = end_users.key)
  AND NOT EXISTS (SELECT 1 FROM conversations WHERE end_user = end_users.key)]
"""


def _of(table: str, what: str = "session") -> str:
    return f"(SELECT {what} FROM {table} WHERE app_id = :app_id AND end_user_id = :end_user_id LIMIT 1)"


_TABLES: Final = ("end_users", "runs", "open_runs", "conversations")
_FIND: Final = f"""
[sqlite: SELECT key, session FROM end_users WHERE end_user_id = :end_user_id
  AND app = (SELECT key FROM names WHERE text = :app_id::text) ORDER BY key LIMIT 1]
[postgres: SELECT NULL::int8, coalesce({", ".join(map(_of, _TABLES))})]
"""
_SINCE: Final = f"""
[sqlite: SELECT min(at) FROM (
  SELECT (SELECT created_at FROM runs INDEXED BY runs_of_user WHERE end_user = :key ORDER BY created_at LIMIT 1) AS at
  UNION ALL
  SELECT (SELECT created_at FROM files INDEXED BY files_of_app WHERE app_id = :app_id AND end_user_id = :end_user_id
    ORDER BY created_at LIMIT 1))]
[postgres: SELECT least({", ".join(_of(table, "min(created_at)") for table in ("runs", "open_runs", "files"))})]
"""


class EndUser(msgspec.Struct, frozen=True, kw_only=True):
    """User of one app, as identified by API clients."""

    id: str
    app_id: str
    user: str
    """``user`` of the requests."""
    created_at: float
    """Time of the first stored run or file, in seconds since the Unix epoch."""


class EndUserStore:
    """End users.

    A run makes its user known; a user who only uploads files must be added. A user with neither runs nor files left is
    not found.
    """

    def __init__(self, database: SqlDatabase) -> None:
        self._sql = database.sql

    async def add(self, app_id: str, end_user_id: str, user: str) -> None:
        """Store an end user's name, durably; no-op if it is known. Raises ``StoreUnavailable``: it could not be
        written."""
        values = {"app_id": app_id, "end_user_id": end_user_id.lower(), "user": user}

        def add() -> Operation[None]:
            yield Count(NAME_APP, **values)
            yield Count(_ADD, **values)

        if await self._sql.row(_KNOWN, **values) is None:
            await self._sql.write(add)

    async def remove(self, app_id: str, end_user_id: str) -> None:
        """Delete an end user's name, durably.

        Only if no run, conversation or file of the end user is left, and no other process, which may cache the name,
        uses the store.
        """
        await self._sql.count(_REMOVE, app_id=app_id, end_user_id=end_user_id.lower())

    async def has(self, app_id: str, end_user_id: str) -> bool:
        """Return whether an end user's name is stored, even without any other data."""
        return bool(await self._sql.rows(_KNOWN, app_id=app_id, end_user_id=end_user_id.lower()))

    @read_aside
    def find(self, app_id: str, end_user_id: str) -> Operation[EndUser | None]:
        """Return an end user of the app. ``end_user_id``: Case-insensitive."""
        own = {"app_id": app_id, "end_user_id": end_user_id.lower()}
        found = yield Row(_FIND, **own)
        if found is None or found[1] is None:
            return None
        since = yield Row(_SINCE, key=found[0], **own)
        if since[0] is None:
            return None
        return EndUser(id=own["end_user_id"], app_id=app_id, user=found[1], created_at=since[0])
