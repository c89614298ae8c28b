"""Archived runs, moved from the database to objects of the bucket. A run is written to an object first; then it leaves
the database, in one transaction.

Valid objects have a row in ``archives``. Objects are immutable: to remove runs, a new object replaces the old one.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final, TypeAlias

from jikko.errors import StoreUnavailable
from jikko.ports.stores.blob_store import FileMissing
from jikko.repositories.callback_store import NUMBERS
from jikko.store.event_codec import DamagedLog
from jikko.store.postgres.archive.objects import (
    ArchivedRun,
    ArchiveObjects,
    NewObject,
    Stored,
    add_object,
    day_of,
    is_dated,
    later,
)
from jikko.store.postgres.database import Connection, Postgres, Row
from jikko.store.postgres.runs.frames import whole_log
from jikko.store.postgres.runs.run_rows import COLUMNS, FIXED, MOVING, record_of
from jikko.store.postgres.sql import id_column

_COLUMNS: Final = "key, path, check_sum"
_WITH: Final = f"SELECT {_COLUMNS} FROM archives WHERE first_id <= $1 AND last_id BETWEEN $1 AND $2"
_EXPIRED: Final = f"SELECT {_COLUMNS} FROM archives WHERE last_finished < $1 ORDER BY last_finished LIMIT $2"
_EXPIRED_OF_APP: Final = f"""
SELECT {_COLUMNS} FROM archives WHERE last_finished < $1
AND EXISTS (SELECT FROM archived_users WHERE archive = key AND app_id = $2) ORDER BY last_finished LIMIT $3
"""
_OF_USER: Final = f"""
SELECT {_COLUMNS} FROM archives WHERE key IN (SELECT archive FROM archived_users WHERE app_id = $1 AND end_user_id = $2)
ORDER BY key LIMIT $3
"""
_BEGUN_BEFORE: Final = f"SELECT {_COLUMNS} FROM archives WHERE first_created < $1"
_NEXT: Final = f"""
SELECT {_COLUMNS} FROM archives WHERE key > $1 AND last_created >= $2 AND first_created < $3
AND ($4::bytea IS NULL OR EXISTS (SELECT FROM archived_users WHERE archive = key AND app_id = $4)) ORDER BY key LIMIT 1
"""
_COUNT: Final = "SELECT coalesce(sum(runs), 0) FROM archives WHERE last_finished < $1"
_COUNT_OF_APP: Final = """
SELECT coalesce(sum(u.runs), 0) FROM archives JOIN archived_users u ON archive = key
WHERE last_finished < $1 AND app_id = $2
"""
_FORGET: Final = "DELETE FROM archives WHERE key = $1"
_NEWEST: Final = "SELECT max(last_created) FROM archives"
_PATHS: Final = "SELECT path FROM archives"
_ABANDONED_SECONDS: Final = 24 * 3600.0
"""Seconds after which an unreferenced object is abandoned: its writer is gone."""


log = logging.getLogger(__name__)

_Place: TypeAlias = tuple[float, int]
"""Creation time and key of a run."""
_BEGIN: Final[_Place] = (float("-inf"), 0)
_LOG_END: Final = [*FIXED, *MOVING].index("log_end")
_MAX_RUNS: Final = 2000
_MAX_BYTES: Final = 4 << 20
"""Runs of one object, and their bytes in the database; a single run may have more."""
_DELIVERED: Final = NUMBERS["delivered"]
_MAX_SCANNED: Final = 10_000
"""Runs that one statement examines: those kept are met by each sweep."""
# Runs that may still be looked up other than by id are not archived: those of existing conversations, of valid
# idempotency keys, and with undelivered callbacks. Subqueries per run: joins might scan those tables whole.
_IS_FREE: Final = f"""
(SELECT true FROM messages m WHERE m.run_id = r.run_id LIMIT 1) IS NULL
AND (SELECT true FROM callbacks c WHERE c.run_id = r.run_id AND c.state <> {_DELIVERED}) IS NULL
"""
_HELD: Final = "SELECT run_id FROM idempotency_keys WHERE run_id = ANY($1::bytea[]) AND expires_at > $2"
_IS_DATED: Final = "CASE WHEN octet_length(run_id) = 16 THEN get_byte(run_id, 6) >> 4 = 7 ELSE false END"
_ARCHIVABLE: Final = f"""
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


async def count_objects(database: Postgres) -> int:
    """Return the number of objects in the archive. Raises ``StoreUnavailable``: the database cannot be read."""
    if not await database.value("SELECT to_regclass('archives') IS NOT NULL"):
        return 0
    return int(await database.value("SELECT count(*) FROM archives"))


class RunArchive:
    """The archived runs of a database; a ``RunArchiving``."""

    def __init__(self, database: Postgres, objects: ArchiveObjects | None) -> None:
        """``objects``: ``None`` without a bucket: nothing is archived, and archived runs cannot be read."""
        self._database = database
        self._objects = objects

    @property
    def objects(self) -> ArchiveObjects:
        """Return the objects of the bucket. Raises ``StoreUnavailable``: no bucket is configured."""
        if self._objects is None:
            raise StoreUnavailable("The run is in the archive, in a bucket: set files_url to the one that it is in.")
        return self._objects

    async def find(self, run_id: str) -> ArchivedRun | None:
        """Return a run, by its id in lower case. Raises ``StoreUnavailable``: its object is missing or unreadable."""
        wanted = id_column(run_id)
        if not is_dated(wanted):
            return None
        tried: set[str] = set()
        while True:
            found = [Stored(*row) for row in await self._database.fetch(_WITH, wanted, later(wanted))]
            missing = ""
            for each in found:
                try:
                    run = await self.objects.find(each, run_id)
                except FileMissing:
                    missing = each.path
                    continue
                if run is not None:
                    return run
            if not missing:
                return None
            if missing in tried:
                raise self._missing(missing)
            # Another object may have replaced it since.
            tried.add(missing)

    async def newest(self) -> float | None:
        """Return the creation time of the newest archived run, or ``None``. Later runs are all in the database."""
        at: float | None = await self._database.value(_NEWEST)
        return at

    async def each(
        self, app_id: str | None, since: float, until: float, on_damaged: Callable[[StoreUnavailable], None]
    ) -> AsyncIterator[ArchivedRun]:
        """See ``RunStore.archived``. One object at a time is in memory."""
        behind, app = 0, None if app_id is None else id_column(app_id)
        while rows := await self._database.search(_NEXT, behind, since, until, app):
            each = Stored(*rows[0])
            behind = each.key
            try:
                runs = await self._all(each)
            except StoreUnavailable as error:
                on_damaged(error)
                continue
            for run in runs:
                if since <= run.record.created_at < until and app_id in (None, run.record.identity.app_id):
                    yield run

    async def begun_before(self, before: float) -> list[str]:
        """Return the ids of all runs created before a time."""
        rows = await self._database.search(_BEGUN_BEFORE, before)
        ids: list[str] = []
        for each in [Stored(*row) for row in rows]:
            runs = await self._all(each)
            ids += [run.record.identity.run_id for run in runs if run.record.created_at < before]
        return ids

    async def prunable(self, before: float, app_id: str | None) -> int:
        """Return how many runs ``prune`` would remove."""
        if app_id is None:
            return int(await self._database.value(_COUNT, before))
        return int(await self._database.value(_COUNT_OF_APP, before, id_column(app_id)))

    async def prune(self, before: float, app_id: str | None, *, limit: int = 1) -> int:
        """Remove objects whose runs all finished before a time; for one app, its runs from them. ``limit``: Maximum
        number of objects. Returns the number of runs removed; 0 when done."""
        if app_id is None:
            return await self._removed(self._drop, _EXPIRED, before, limit)
        app = app_id.lower()
        remove = partial(self._without, lambda run: run.record.identity.app_id == app)
        return await self._removed(remove, _EXPIRED_OF_APP, before, id_column(app_id), limit)

    async def remove(self, run_id: str) -> bool:
        """Remove a run, by its id in lower case. Returns whether it existed."""
        wanted = id_column(run_id)
        if not is_dated(wanted):
            return False
        remove = partial(self._without, lambda run: run.record.identity.run_id == run_id)
        return await self._removed(remove, _WITH, wanted, later(wanted)) > 0

    async def remove_of_user(self, app_id: str, end_user_id: str, *, limit: int = 1) -> int:
        """Remove the runs of an end user. ``limit``: Maximum number of objects. Returns like ``prune``."""
        who = (id_column(app_id), id_column(end_user_id.lower()))

        def is_theirs(run: ArchivedRun) -> bool:
            identity = run.record.identity
            return (id_column(identity.app_id), id_column(identity.end_user_id)) == who

        return await self._removed(partial(self._without, is_theirs), _OF_USER, *who, limit)

    async def sweep(self, now: float) -> int:
        """Remove objects unreferenced for a day, left by a process that died. Returns their number. Raises
        ``StoreUnavailable``: the bucket or the database is unavailable."""
        written = await self.objects.written()
        # Queried after listing: an object named in between is in both.
        named = {row[0] for row in await self._database.search(_PATHS)}
        left = [path for path, at in written.items() if path not in named and at < now - _ABANDONED_SECONDS]
        for path in left:
            await self.objects.delete(path)
        return len(left)

    async def archive(self, before: float) -> int:
        moved = 0
        behind: _Place | None = _BEGIN
        while behind is not None:
            ids, behind = await self._next(before, behind)
            if ids:
                moved += await self._move(before, ids)
        return moved

    async def _next(self, before: float, behind: _Place) -> tuple[list[bytes], _Place | None]:
        """Return the ids of runs of one day, for one object; and the place to continue from, if there are more."""
        rows = await self._database.fetch(_ARCHIVABLE, before, *behind, _MAX_SCANNED)
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
        """Move runs. Returns their number: those with a damaged log stay, and all if one was removed meanwhile."""
        rows = await self._database.fetch(_ROWS, ids)
        runs = [run for run in await asyncio.to_thread(lambda: [_archived(row) for row in rows]) if run is not None]
        if not runs:
            return 0
        new = await self.write(runs)
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

        # A failure here leaves an unreferenced object, which ``sweep`` removes.
        if await self._database.transact(take):
            return len(taken)
        await self.objects.delete(new.path)
        return 0

    async def _all(self, each: Stored) -> list[ArchivedRun]:
        try:
            return await self.objects.all(each)
        except FileMissing:
            if await self._database.value("SELECT 1 FROM archives WHERE key = $1", each.key) is None:
                return []
            raise self._missing(each.path) from None

    async def _removed(self, remove: Callable[[Stored], Awaitable[int | None]], query: str, *values: Any) -> int:
        """Remove runs from the objects that a query finds, which is repeated if another process has replaced one
        meanwhile. Returns their number."""
        count = 0
        while True:
            removed = [await remove(Stored(*row)) for row in await self._database.fetch(query, *values)]
            count += sum(each or 0 for each in removed)
            if None not in removed:
                return count

    async def _drop(self, each: Stored) -> int | None:
        """Remove an object with all its runs, unread. Returns the number of runs; ``None`` if another process was
        first."""

        async def forget(connection: Connection) -> int | None:
            count: int | None = await connection.fetchval(f"{_FORGET} RETURNING runs", each.key)
            return count

        runs = await self._database.transact(forget)
        if runs is not None:
            await self.objects.delete(each.path)
        return runs

    async def _without(self, is_removed: Callable[[ArchivedRun], bool], each: Stored) -> int | None:
        """Remove runs from an object. Returns their number; ``None`` if another process was first."""
        runs = await self._all(each)
        if not runs:
            return None
        kept = [run for run in runs if not is_removed(run)]
        if len(kept) == len(runs):
            return 0
        new = await self.write(kept) if kept else None

        async def swap(connection: Connection) -> bool:
            if await connection.execute(_FORGET, each.key) != "DELETE 1":
                return False
            if new is not None:
                await add_object(connection, new)
            return True

        done = await self._database.transact(swap)
        if not done and new is not None:
            await self.objects.delete(new.path)
        if done:
            await self.objects.delete(each.path)
        return len(runs) - len(kept) if done else None

    async def write(self, runs: Sequence[ArchivedRun]) -> NewObject:
        """Write runs of one day, in the order of their ids, to a new, unreferenced object. Raises ``StoreUnavailable``
        or ``DamagedArchive`` like ``ArchiveObjects.write``."""
        return await self.objects.write(day_of(id_column(runs[0].record.identity.run_id)), runs)

    def _missing(self, path: str) -> StoreUnavailable:
        return StoreUnavailable(
            f"{self.objects.label(path)}, which has runs of the archive, is missing. Restore it from a backup of "
            "the bucket."
        )


def _archived(row: Row) -> ArchivedRun | None:
    record, log_end, log_ = record_of(row[:-1]), row[_LOG_END], row[-1]
    try:
        return ArchivedRun(record, whole_log(log_, log_end), log_end)
    except DamagedLog as damage:
        log.warning("run %s stays in the database, its log is damaged: %s", record.identity.run_id, damage)
        return None
