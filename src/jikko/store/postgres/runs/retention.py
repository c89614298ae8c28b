"""Removing finished runs, with all that is theirs, in one transaction a call."""

from collections.abc import Sequence
from typing import Final

from jikko.repositories.callback_store import PENDING
from jikko.repositories.shared_sql import id_text
from jikko.store.postgres.archive.run_archive import RunArchive
from jikko.store.postgres.database import Connection, Postgres
from jikko.store.postgres.sql import id_column

# A run whose call-back is still tried stays until that was delivered or given up.
_EXPIRED: Final = "FROM runs r WHERE created_at < $1 AND finished_at < $1"
_IS_DONE: Final = f"""
NOT EXISTS (SELECT FROM callbacks c WHERE c.run_id = r.run_id AND c.state = {PENDING})
"""
_OF_APP: Final = "AND app_id = $2"
_OLDEST_FIRST: Final = "ORDER BY created_at LIMIT {} FOR UPDATE OF r SKIP LOCKED"
# A statement for all apps, and one for a single app: each goes by another index.
_COUNT: Final = f"SELECT count(*) {_EXPIRED} AND {_IS_DONE}"
_COUNT_OF_APP: Final = f"{_COUNT} {_OF_APP}"
_SOME: Final = f"SELECT run_id {_EXPIRED} AND {_IS_DONE} {_OLDEST_FIRST.format('$2')}"
_SOME_OF_APP: Final = f"SELECT run_id {_EXPIRED} AND {_IS_DONE} {_OF_APP} {_OLDEST_FIRST.format('$3')}"
_ONE: Final = "SELECT run_id FROM runs WHERE run_id = $1 FOR UPDATE"
_ENDED_OF_USER: Final = "SELECT run_id FROM runs WHERE end_user_id = $1 AND app_id = $2 LIMIT $3 FOR UPDATE SKIP LOCKED"
_OPEN_OF_USER: Final = "SELECT run_id FROM open_runs WHERE end_user_id = $1 AND app_id = $2"
_REMOVE: Final = (
    "DELETE FROM callbacks WHERE run_id = ANY($1::bytea[])",
    "DELETE FROM runs WHERE run_id = ANY($1::bytea[])",
)
_FREE_KEYS: Final = "DELETE FROM idempotency_keys WHERE app_id = $1 AND run_id = ANY($2::bytea[])"


class PostgresRunRetention:
    """The part of ``RunStore`` that removes runs, in PostgreSQL."""

    def __init__(self, database: Postgres, archive: RunArchive) -> None:
        self._database = database
        self._archive = archive

    async def prunable(self, before: float, *, app_id: str | None = None) -> int:
        if app_id is None:
            [row] = await self._database.search(_COUNT, before)
        else:
            [row] = await self._database.search(_COUNT_OF_APP, before, id_column(app_id))
        count: int = row[0]
        return count + await self._archive.prunable(before, app_id)

    async def prune(self, before: float, *, limit: int = 500, app_id: str | None = None) -> int:
        async def remove(connection: Connection) -> int:
            if app_id is None:
                rows = await connection.fetch(_SOME, before, limit)
            else:
                rows = await connection.fetch(_SOME_OF_APP, before, id_column(app_id), limit)
            old = [row[0] for row in rows]
            await _remove(connection, old)
            return len(old)

        removed = await self._database.transact(remove)
        while removed < limit and (archived := await self._archive.prune(before, app_id)):
            removed += archived
        return removed

    async def remove(self, run_id: str) -> bool:
        async def remove(connection: Connection) -> bool:
            found = [row[0] for row in await connection.fetch(_ONE, id_column(run_id.lower()))]
            await _remove(connection, found)
            return bool(found)

        return await self._database.transact(remove) or await self._archive.remove(run_id.lower())

    async def open_of_user(self, app_id: str, end_user_id: str) -> list[str]:
        rows = await self._database.fetch(_OPEN_OF_USER, id_column(end_user_id.lower()), id_column(app_id))
        return [id_text(row[0]) for row in rows]

    async def remove_of_user(self, app_id: str, end_user_id: str, *, limit: int = 500) -> int:
        app, user = id_column(app_id), id_column(end_user_id.lower())

        async def remove(connection: Connection) -> int:
            ended = [row[0] for row in await connection.fetch(_ENDED_OF_USER, user, app, limit)]
            await _remove(connection, ended)
            if ended:
                await connection.execute(_FREE_KEYS, app, ended)
            return len(ended)

        removed = await self._database.transact(remove)
        while removed < limit and (archived := await self._archive.remove_of_user(app_id, end_user_id)):
            removed += archived
        return removed


async def _remove(connection: Connection, run_ids: Sequence[bytes]) -> None:
    for statement in _REMOVE:
        await connection.execute(statement, run_ids)
