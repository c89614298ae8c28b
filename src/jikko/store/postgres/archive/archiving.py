"""Moving runs that have ended into the archive: into an object first, then out of the database, in one transaction."""

import asyncio
import logging
from typing import Final

from jikko.store.archive.archived_run import ArchivedRun
from jikko.store.callback_states import NUMBERS
from jikko.store.event_codec import DamagedLog
from jikko.store.postgres.archive.naming import add_object, end_of_day
from jikko.store.postgres.archive.run_archive import RunArchive
from jikko.store.postgres.columns import id_column
from jikko.store.postgres.database import Connection, Postgres, Row
from jikko.store.postgres.runs.frames import whole_log
from jikko.store.postgres.runs.run_rows import COLUMNS, FIXED, MOVING, record_of

log = logging.getLogger(__name__)

_LOG_END: Final = [*FIXED, *MOVING].index("log_end")
_MAX_RUNS: Final = 2000
_MAX_BYTES: Final = 4 << 20
"""Runs of one object, and bytes of them as the database has them; a single run may have more."""
_DELIVERED: Final = NUMBERS["delivered"]
# A run that may still be asked for by other ways than its id is not archived: those of conversations that are there,
# of idempotency keys that hold, and with call-backs that were not delivered.
_STAYS: Final = f"""
EXISTS (SELECT FROM messages m WHERE m.run_id = r.run_id)
OR EXISTS (SELECT FROM callbacks c WHERE c.run_id = r.run_id AND c.state <> {_DELIVERED})
OR EXISTS (SELECT FROM idempotency_keys k WHERE k.app_id = r.app_id AND k.run_id = r.run_id AND k.expires_at > $2)
"""
_OLD: Final = f"""
SELECT run_id, octet_length(log) + octet_length(outputs) + octet_length(inputs) FROM runs r
WHERE run_id > $1 AND octet_length(run_id) = 16 AND get_byte(run_id, 6) >> 4 = 7
AND finished_at < $2 AND created_at < $2 AND NOT ({_STAYS}) ORDER BY run_id LIMIT {_MAX_RUNS}
"""
_ROWS: Final = f"SELECT {COLUMNS}, log FROM runs WHERE run_id = ANY($1::bytea[]) ORDER BY run_id"
_LOCK: Final = f"SELECT run_id FROM runs r WHERE run_id = ANY($1::bytea[]) AND NOT ({_STAYS}) FOR UPDATE OF r"
_TAKE: Final = (
    "DELETE FROM callbacks WHERE run_id = ANY($1::bytea[])",
    "DELETE FROM runs WHERE run_id = ANY($1::bytea[])",
)


class PostgresArchiving:
    """A ``RunArchiving`` out of PostgreSQL."""

    def __init__(self, database: Postgres, archive: RunArchive) -> None:
        self._database = database
        self._archive = archive

    async def archive(self, before: float) -> int:
        moved, behind = 0, b""
        while ids := await self._next(before, behind):
            behind = ids[-1]
            moved += await self._move(before, ids)
        return moved

    async def sweep(self, now: float) -> int:
        return await self._archive.sweep(now)

    async def _next(self, before: float, behind: bytes) -> list[bytes]:
        """The ids of runs for one object: of one day, and not too many."""
        ids: list[bytes] = []
        size, end = 0, b""
        for run_id, bytes_ in await self._database.search(_OLD, behind, before):
            size += bytes_
            if ids and (run_id >= end or size > _MAX_BYTES):
                break
            end = end or end_of_day(run_id)
            ids.append(run_id)
        return ids

    async def _move(self, before: float, ids: list[bytes]) -> int:
        """Move runs. Returns how many: those whose log is damaged stay, and all if one was removed meanwhile."""
        rows = await self._database.search(_ROWS, ids)
        runs = [run for run in await asyncio.to_thread(lambda: [_archived(row) for row in rows]) if run is not None]
        if not runs:
            return 0
        new = await self._archive.write(runs)
        taken = [id_column(run.record.identity.run_id) for run in runs]

        async def take(connection: Connection) -> bool:
            if len(await connection.fetch(_LOCK, taken, before)) < len(taken):
                return False
            await add_object(connection, new)
            for statement in _TAKE:
                await connection.execute(statement, taken)
            return True

        # What fails here leaves an object that nothing names, which is swept.
        if await self._database.transact(take):
            return len(taken)
        await self._archive.objects.delete(new.path)
        return 0


def _archived(row: Row) -> ArchivedRun | None:
    record, log_end, log_ = record_of(row), row[_LOG_END], row[-1]
    try:
        return ArchivedRun(record, whole_log(log_, log_end), log_end)
    except DamagedLog as damage:
        log.warning("run %s stays in the database, its log is damaged: %s", record.identity.run_id, damage)
        return None
