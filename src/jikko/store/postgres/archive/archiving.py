"""Moving runs that have ended into the archive: into an object first, then out of the database, in one transaction."""

import asyncio
import logging
from typing import Final, TypeAlias

from jikko.repositories.callback_store import NUMBERS
from jikko.store.event_codec import DamagedLog
from jikko.store.postgres.archive.objects import ArchivedRun, add_object, day_of
from jikko.store.postgres.archive.run_archive import RunArchive
from jikko.store.postgres.database import Connection, Postgres, Row
from jikko.store.postgres.runs.frames import whole_log
from jikko.store.postgres.runs.run_rows import COLUMNS, FIXED, MOVING, record_of
from jikko.store.postgres.sql import id_column

log = logging.getLogger(__name__)

_Place: TypeAlias = tuple[float, int]
"""When a run was created, and its key."""
_BEGIN: Final[_Place] = (float("-inf"), 0)
_LOG_END: Final = [*FIXED, *MOVING].index("log_end")
_MAX_RUNS: Final = 2000
_MAX_BYTES: Final = 4 << 20
"""Runs of one object, and bytes of them as the database has them; a single run may have more."""
_DELIVERED: Final = NUMBERS["delivered"]
_LOOKED_AT: Final = 10_000
"""Runs that one statement looks at: those that stay are met by each sweep."""
# A run that may still be asked for by other ways than its id is not archived: those of conversations that are there,
# of idempotency keys that hold, and with call-backs that were not delivered. Each run is looked for by itself in what
# may keep it: joined, all of that may be gone through.
_IS_FREE: Final = f"""
(SELECT true FROM messages m WHERE m.run_id = r.run_id LIMIT 1) IS NULL
AND (SELECT true FROM callbacks c WHERE c.run_id = r.run_id AND c.state <> {_DELIVERED}) IS NULL
"""
_HELD: Final = "SELECT run_id FROM idempotency_keys WHERE run_id = ANY($1::bytea[]) AND expires_at > $2"
_IS_DATED: Final = "CASE WHEN octet_length(run_id) = 16 THEN get_byte(run_id, 6) >> 4 = 7 ELSE false END"
_EXPIRED: Final = f"""
SELECT run_id, size, passes, created_at, key, is_last FROM (
  SELECT *, row_number() OVER (ORDER BY created_at, key) = $4 AS is_last,
    finished_at < $1 AND {_IS_DATED} AND {_IS_FREE} AS passes
  FROM (
    SELECT created_at, key, run_id, finished_at,
      octet_length(log) + octet_length(outputs) + octet_length(inputs) AS size
    FROM runs WHERE created_at < $1 AND (created_at, key) > ($2, $3)
    ORDER BY created_at, key LIMIT $4) AS r) AS looked_at
WHERE passes OR is_last ORDER BY created_at, key LIMIT {_MAX_RUNS}
"""
_ROWS: Final = f"SELECT {COLUMNS}, log FROM runs WHERE run_id = ANY($1::bytea[]) ORDER BY run_id"
_LOCK: Final = f"SELECT run_id FROM runs r WHERE run_id = ANY($1::bytea[]) AND {_IS_FREE} FOR UPDATE OF r"
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
        moved = 0
        behind: _Place | None = _BEGIN
        while behind is not None:
            ids, behind = await self._next(before, behind)
            if ids:
                moved += await self._move(before, ids)
        return moved

    async def sweep(self, now: float) -> int:
        return await self._archive.sweep(now)

    async def _next(self, before: float, behind: _Place) -> tuple[list[bytes], _Place | None]:
        """The ids of runs for one object: of one day, and not too many; and behind which place to go on, if there are
        more."""
        rows = await self._database.fetch(_EXPIRED, before, *behind, _LOOKED_AT)
        passing = [row[0] for row in rows if row[2]]
        held = {row[0] for row in await self._database.search(_HELD, passing, before)} if passing else set()
        ids: list[bytes] = []
        size, place = 0, behind
        for run_id, bytes_, passes, created_at, key, _ in rows:
            if passes and run_id not in held:
                size += bytes_
                if ids and (day_of(run_id) != day_of(ids[0]) or size > _MAX_BYTES):
                    return ids, place
                ids.append(run_id)
            place = (created_at, key)
        has_more = bool(rows) and (len(rows) == _MAX_RUNS or rows[-1][5])
        return ids, place if has_more else None

    async def _move(self, before: float, ids: list[bytes]) -> int:
        """Move runs. Returns how many: those whose log is damaged stay, and all if one was removed meanwhile."""
        rows = await self._database.fetch(_ROWS, ids)
        runs = [run for run in await asyncio.to_thread(lambda: [_archived(row) for row in rows]) if run is not None]
        if not runs:
            return 0
        new = await self._archive.write(runs)
        taken = [id_column(run.record.identity.run_id) for run in runs]

        async def take(connection: Connection) -> bool:
            if len(await connection.fetch(_LOCK, taken)) < len(taken):
                return False
            if await connection.fetch(_HELD, taken, before):
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
    record, log_end, log_ = record_of(row[:-1]), row[_LOG_END], row[-1]
    try:
        return ArchivedRun(record, whole_log(log_, log_end), log_end)
    except DamagedLog as damage:
        log.warning("run %s stays in the database, its log is damaged: %s", record.identity.run_id, damage)
        return None
