"""End users in PostgreSQL: those who were added, and those whom runs and conversations name."""

from typing import Final

from jikko.ports.stores.end_user_store import EndUser
from jikko.store.postgres.columns import id_column, id_of, text
from jikko.store.postgres.database import Postgres

_ADD: Final = """
INSERT INTO end_users (app_id, end_user_id, session) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING
"""
_HAS: Final = "SELECT 1 FROM end_users WHERE app_id = $1 AND end_user_id = $2"
_REMOVE: Final = "DELETE FROM end_users WHERE app_id = $1 AND end_user_id = $2"
_TABLES: Final = ("end_users", "runs", "open_runs", "conversations")
_KNOWN: Final = "SELECT coalesce({})".format(
    ", ".join(f"(SELECT session FROM {table} WHERE app_id = $1 AND end_user_id = $2 LIMIT 1)" for table in _TABLES)
)
_SINCE: Final = "SELECT least({})".format(
    ", ".join(
        f"(SELECT min(created_at) FROM {table} WHERE app_id = $1 AND end_user_id = $2)"
        for table in ("runs", "open_runs", "files")
    )
)


class PostgresEndUserStore:
    """An ``EndUserStore`` in PostgreSQL. The database is closed by its opener."""

    def __init__(self, database: Postgres) -> None:
        self._database = database

    async def add(self, app_id: str, end_user_id: str, user: str) -> None:
        await self._database.execute(_ADD, id_column(app_id), id_column(end_user_id.lower()), text(user))

    async def remove(self, app_id: str, end_user_id: str) -> None:
        await self._database.execute(_REMOVE, id_column(app_id), id_column(end_user_id.lower()))

    async def has(self, app_id: str, end_user_id: str) -> bool:
        return await self._database.value(_HAS, id_column(app_id), id_column(end_user_id.lower())) is not None

    async def find(self, app_id: str, end_user_id: str) -> EndUser | None:
        wanted = (id_column(app_id), id_column(end_user_id.lower()))
        created_at = await self._database.value(_SINCE, *wanted)
        user = await self._database.value(_KNOWN, *wanted)
        if created_at is None or user is None:
            return None
        return EndUser(id=id_of(wanted[1]), app_id=app_id, user=user, created_at=created_at)
