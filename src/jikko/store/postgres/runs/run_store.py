"""Runs in PostgreSQL. See ``appends`` for how they are written."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Final

from jikko.errors import StoreUnavailable
from jikko.events import LOG_FORMAT, Event
from jikko.ids import is_uuid
from jikko.ports.measures import RecordMeasures
from jikko.ports.stores.run_store import MAX_CHANGES, Append, Change, LogQuery, RunSlice
from jikko.record import DetailRecord, RetryRecord, RunRecord
from jikko.repositories.callback_store import PENDING
from jikko.repositories.shared_sql import id_text
from jikko.store.event_codec import DamagedLog, decode_known_events, encode_events, pack_events
from jikko.store.postgres.archive.run_archive import RunArchive
from jikko.store.postgres.console.run_pages import list_runs
from jikko.store.postgres.database import Connection, Postgres, Row
from jikko.store.postgres.runs.frames import FRAMES, events_of
from jikko.store.postgres.runs.hour_counts import HourCounts
from jikko.store.postgres.runs.key_claims import OWNER_OF_KEY, owner_of
from jikko.store.postgres.runs.query_batcher import QueryBatcher
from jikko.store.postgres.runs.run_rows import ALL_RUNS, COLUMNS, record_of, write_of
from jikko.store.postgres.runs.run_writer import Rehearsal, RunWriter
from jikko.store.postgres.sql import id_column, text
from jikko.store.run_columns import STATUSES

# A run whose callback is still retried stays until it was delivered or given up.
_EXPIRED: Final = "FROM runs r WHERE created_at < $1 AND finished_at < $1"
_IS_DONE: Final = f"""
NOT EXISTS (SELECT FROM callbacks c WHERE c.run_id = r.run_id AND c.state = {PENDING})
"""
_OF_ONE_APP: Final = "AND app_id = $2"
_LOCKED: Final = "ORDER BY created_at LIMIT {} FOR UPDATE OF r SKIP LOCKED"
# A statement for all apps, and one for a single app: they use different indexes.
_COUNT: Final = f"SELECT count(*) {_EXPIRED} AND {_IS_DONE}"
_COUNT_OF_APP: Final = f"{_COUNT} {_OF_ONE_APP}"
_SOME: Final = f"SELECT run_id {_EXPIRED} AND {_IS_DONE} {_LOCKED.format('$2')}"
_SOME_OF_APP: Final = f"SELECT run_id {_EXPIRED} AND {_IS_DONE} {_OF_ONE_APP} {_LOCKED.format('$3')}"
_ONE: Final = "SELECT run_id FROM runs WHERE run_id = $1 FOR UPDATE"
_ENDED_OF_USER: Final = "SELECT run_id FROM runs WHERE end_user_id = $1 AND app_id = $2 LIMIT $3 FOR UPDATE SKIP LOCKED"
_OPEN_OF_USER: Final = "SELECT run_id FROM open_runs WHERE end_user_id = $1 AND app_id = $2"
_REMOVE: Final = (
    "DELETE FROM callbacks WHERE run_id = ANY($1::bytea[])",
    "DELETE FROM runs WHERE run_id = ANY($1::bytea[])",
)
_FREE_KEYS: Final = "DELETE FROM idempotency_keys WHERE app_id = $1 AND run_id = ANY($2::bytea[])"


async def _remove(connection: Connection, run_ids: Sequence[bytes]) -> None:
    for statement in _REMOVE:
        await connection.execute(statement, run_ids)


_LOG_END_OF: Final = COLUMNS.split(", ").index("log_end")
_RECORD: Final = f"SELECT {COLUMNS}, format FROM {ALL_RUNS} WHERE run_id = $1"
_RECORD_OF_APP: Final = f"{_RECORD} AND app_id = $2"
_SHOWN: Final = (
    "workflow_id, status, inputs, outputs, error, elapsed, total_tokens, total_steps, created_at, finished_at"
)
_ASKED: Final = "unnest($1::bytea[], $2::bytea[]) WITH ORDINALITY AS u (run_id, digest, number)"
# By run id first: by the key's app, all its runs would be scanned (`OFFSET 0` stops a planner without statistics).
DETAILS: Final = " UNION ALL ".join(
    f"SELECT u.number, r.run_id, {', '.join('r.' + name for name in _SHOWN.split(', '))} FROM {_ASKED} "
    f"CROSS JOIN LATERAL (SELECT run_id, app_id, {_SHOWN} FROM {table} WHERE run_id = u.run_id OFFSET 0) r "
    "WHERE r.app_id = (SELECT app_id FROM api_keys k WHERE k.digest = u.digest)"
    for table in ("runs", "open_runs")
)
DETAIL: Final = " UNION ALL ".join(
    f"SELECT 1::int8, run_id, {_SHOWN} FROM "
    f"(SELECT run_id, app_id, {_SHOWN} FROM {table} WHERE run_id = $1 OFFSET 0) r WHERE "
    "app_id = (SELECT app_id FROM api_keys WHERE digest = $2)"
    for table in ("runs", "open_runs")
)


_MAX_SCANNED: Final = 20_000
"""Runs of all apps that one statement examines for those of one: no index has these by id."""
_OF_ALL: Final = f"SELECT {COLUMNS} FROM {ALL_RUNS} WHERE run_id > $1 ORDER BY run_id LIMIT $2"
_OF_APP: Final = f"""
SELECT run_id, is_own, is_last FROM (
  SELECT run_id, app_id = $2 AS is_own, row_number() OVER (ORDER BY run_id) = $4 AS is_last FROM (
    SELECT run_id, app_id FROM {ALL_RUNS} WHERE run_id > $1 ORDER BY run_id LIMIT $4) AS r) AS looked_at
WHERE is_own OR is_last ORDER BY run_id LIMIT $3
"""
_THESE: Final = f"SELECT {COLUMNS} FROM {ALL_RUNS} WHERE run_id = ANY($1::bytea[]) ORDER BY run_id"
_CREATED_BEFORE: Final = f"""
SELECT created_at, key, run_id FROM {ALL_RUNS} WHERE (created_at, key) > ($2, $3) AND created_at < $1
ORDER BY created_at, key LIMIT $4
"""


async def scan(database: Postgres, app_id: str | None, after: str, limit: int) -> list[Row]:
    """See ``RunStore.scan``: rows with the columns ``COLUMNS``."""
    behind = id_column(after) if after else b""
    if app_id is None:
        return await database.fetch(_OF_ALL, behind, limit)
    own: list[bytes] = []
    more = True
    while more and len(own) < limit:
        rows = await database.fetch(_OF_APP, behind, id_column(app_id), limit - len(own), _MAX_SCANNED)
        own += [row[0] for row in rows if row[1]]
        behind, more = (rows[-1][0], len(own) == limit or rows[-1][2]) if rows else (behind, False)
    return await database.fetch(_THESE, own)


async def created_before(database: Postgres, before: float) -> list[bytes]:
    """Return the ids of all runs created before a time, oldest first."""
    ids: list[bytes] = []
    place = (float("-inf"), 0)
    while rows := await database.fetch(_CREATED_BEFORE, before, *place, _MAX_SCANNED):
        ids += [row[2] for row in rows]
        place = (rows[-1][0], rows[-1][1])
    return ids


def _frames(run: str, first: str) -> str:
    """Return the frames of an open run, from the one with the first wanted event on."""
    return f"""
SELECT min(position) AS start, array_agg(frame ORDER BY position) AS frames FROM open_log WHERE run_id = {run}
AND position >= coalesce((SELECT max(position) FROM open_log WHERE run_id = {run} AND position <= {first}), 0)
"""


# All in one snapshot.
_LOG: Final = f"""
SELECT log_end, log, NULL::int4, NULL::bytea[] FROM runs WHERE run_id = $1
UNION ALL SELECT o.log_end, NULL, l.start, l.frames FROM open_runs o, LATERAL ({_frames("o.run_id", "$2")}) l
WHERE o.run_id = $1
"""
# For an unchanged run, one row is read: unchanged runs are excluded first (`OFFSET 0`), each by its key (`LIMIT 1`),
# also while PostgreSQL's statistics say that no run is open.
CHANGED: Final = f"""
SELECT {", ".join(f"r.{name}" for name in COLUMNS.split(", "))}, r.format, r.log, l.start, l.frames, u.number
FROM (
  SELECT u.* FROM unnest($1::bytea[], $2::int4[]) WITH ORDINALITY AS u (run_id, known, number)
  LEFT JOIN LATERAL (SELECT log_end FROM open_runs WHERE run_id = u.run_id LIMIT 1) o ON true
  WHERE o.log_end IS NULL OR o.log_end > u.known OFFSET 0
) u
LEFT JOIN LATERAL (
  SELECT {COLUMNS}, format, NULL::bytea AS log FROM open_runs WHERE run_id = u.run_id
  UNION ALL SELECT {COLUMNS}, 1::int2, log FROM runs WHERE run_id = u.run_id
) r ON true
LEFT JOIN LATERAL ({_frames("r.run_id", "u.known")}) l ON r.log IS NULL
WHERE r.run_id IS NULL OR r.log_end > u.known LIMIT {MAX_CHANGES}
"""
_LOG_END: Final = f"SELECT log_end FROM {ALL_RUNS} WHERE run_id = $1"
_OPEN: Final = f"SELECT {COLUMNS}, format FROM open_runs WHERE status = 0"
_OLDEST_FIRST: Final = "ORDER BY created_at, key"
_HOLDERS: Final = "SELECT DISTINCT holder FROM open_runs WHERE status = 0 AND holder > ''"
_PAUSED: Final = "SELECT count(*) FROM open_runs WHERE status = 1"
_NEXT_WAKE: Final = "SELECT min(wake_at) FROM open_runs WHERE status = 1 AND wake_at > $1"
_DUE: Final = f"""
SELECT {COLUMNS} FROM open_runs WHERE status = 1 AND wake_at <= $1 AND format <= {LOG_FORMAT}
AND (wake_at, key) > ($2, coalesce((SELECT key FROM open_runs WHERE run_id = $3), 0))
ORDER BY wake_at, key LIMIT $4
"""
_TASK: Final = f"SELECT {COLUMNS} FROM open_runs WHERE task_id = $1 AND app_id = $2"
_RETRIES: Final = (
    " UNION ALL ".join(
        f"SELECT run_id, status, created_at FROM {table} WHERE retry_of = $1"
        for table in ("runs", "open_runs", "archived_retries")
    )
    + " ORDER BY created_at, run_id"
)


class PostgresRunStore:
    """A ``RunStore`` in PostgreSQL. The database is closed by its opener."""

    def __init__(self, database: Postgres, archive: RunArchive | None = None) -> None:
        """``archive``: Archived runs, found by id."""
        self.may_lose_commits = True  # a promoted standby may lack commits
        self._database = database
        self._archive = archive or RunArchive(database, None)
        self._writer = RunWriter(database)
        self._details = QueryBatcher(database, DETAILS, one=DETAIL)
        self._hours = HourCounts(database)

    @property
    def on_rollback(self) -> Callable[[], None]:
        return self._writer.on_rollback

    @on_rollback.setter
    def on_rollback(self, call: Callable[[], None]) -> None:
        self._writer.on_rollback = call

    @property
    def measures(self) -> RecordMeasures:
        """Measures of the transactions of appends."""
        return self._writer.measures

    def rehearse(self, rehearsal: Rehearsal) -> "asyncio.Future[Any]":
        """See ``RunWriter.rehearse``."""
        return self._writer.rehearse(rehearsal)

    def append(self, batch: Append) -> "asyncio.Future[None]":
        return self._writer.submit(write_of(batch, batch.packed or encode_events(batch.events)))

    def pack(self, events: Sequence[Event]) -> tuple[bytes, Sequence[int]]:
        return pack_events(events)

    async def claimed(self, app_id: str, key: str, *, now: float) -> tuple[str, bytes] | None:
        return owner_of(await self._database.row(OWNER_OF_KEY, id_column(app_id), text(key), now))

    async def record(self, run_id: str, app_id: str | None = None) -> RunRecord | None:
        wanted = id_column(run_id.lower())
        if app_id is None:
            row = await self._database.row(_RECORD, wanted)
        else:
            row = await self._database.row(_RECORD_OF_APP, wanted, id_column(app_id))
        if row is not None:
            return record_of(row)
        archived = await self._archive.find(run_id.lower())
        return archived.record if archived and app_id in (None, archived.record.identity.app_id) else None

    async def detail(self, run_id: str, key: bytes) -> DetailRecord | None:
        row = await self._details.ask(id_column(run_id.lower()), key)
        if row is None:
            archived = await self._archive.find(run_id.lower())
            if archived and archived.record.identity.app_id == await self._opened_by(key):
                return archived.record.detail()
            return None
        return DetailRecord(id_text(row[1]), id_text(row[2]), STATUSES[row[3]], *row[4:])

    async def events(self, run_id: str, *, after: int = -1, most: int = 0) -> list[Event]:
        first = max(after + 1, 0)
        row = await self._database.row(_LOG, id_column(run_id.lower()), first)
        if row is None:
            archived = await self._archive.find(run_id.lower())
            return [] if archived is None else decode_known_events(archived.log)[first:]
        if row[0] <= first:
            return []
        try:
            return await _events_of(*row, first=first, most=most)
        except DamagedLog as error:
            raise error.of_run(run_id) from error

    async def changes(self, known: Mapping[str, int]) -> dict[str, Change]:
        ids = list(filter(is_uuid, known))
        asked = [id_column(run_id) for run_id in ids], [known[run_id] for run_id in ids]
        changes = {}
        for row in await self._database.fetch(CHANGED, *asked):
            *_, log, start, frames, number = row
            run_id = ids[number - 1]
            # An unreadable run of the archive does not fail the others.
            with contextlib.suppress(StoreUnavailable, DamagedLog):
                changes[run_id] = await self._change(run_id, known[run_id], row, log, start, frames)
        return changes

    async def _change(self, run_id: str, first: int, row: Row, log: Any, start: Any, frames: Any) -> Change:
        if row[0] is None:
            archived = await self._archive.find(run_id)
            return Change(archived.record, decode_known_events(archived.log)[first:]) if archived else Change(None)
        events: list[Event] = []
        with contextlib.suppress(DamagedLog):
            events = await _events_of(row[_LOG_END_OF], log, start, frames, first=first)
        return Change(record_of(row), events)

    async def log_end(self, run_id: str) -> int:
        end: int | None = await self._database.value(_LOG_END, id_column(run_id.lower()))
        if end is None:
            archived = await self._archive.find(run_id.lower())
            return 0 if archived is None else archived.log_end
        return end

    async def open_runs(self, holder: str | None = None) -> list[RunRecord]:
        if holder is None:
            return await self._records(f"{_OPEN} {_OLDEST_FIRST}")
        return await self._records(f"{_OPEN} AND holder = $1 {_OLDEST_FIRST}", text(holder))

    async def paused(self) -> int:
        return int(await self._database.value(_PAUSED))

    async def holders(self) -> set[str]:
        return {row[0] for row in await self._database.fetch(_HOLDERS)}

    async def due_runs(self, now: float, *, after: RunRecord | None = None, limit: int = 100) -> list[RunRecord]:
        wake_at, run_id = (0.0, b"") if after is None else (after.wake_at, id_column(after.identity.run_id))
        return await self._records(_DUE, now, wake_at, run_id, limit)

    async def next_wake(self, after: float) -> float | None:
        at: float | None = await self._database.value(_NEXT_WAKE, after)
        return at

    async def find_task(self, app_id: str, task_id: str) -> RunRecord | None:
        row = await self._database.row(_TASK, id_column(task_id.lower()), id_column(app_id))
        return None if row is None else record_of(row)

    async def retries(self, run_id: str) -> list[RetryRecord]:
        rows = await self._database.fetch(_RETRIES, id_column(run_id.lower()))
        return [RetryRecord(id_text(row[0]), STATUSES[row[1]], row[2]) for row in rows]

    async def list_runs(self, query: LogQuery) -> RunSlice:
        total, rows = await list_runs(self._database, self._hours, query)
        return RunSlice(total=total, records=[record_of(row) for row in rows])

    async def archived_until(self) -> float | None:
        return await self._archive.newest()

    async def archived(
        self, *, app_id: str | None, since: float, until: float, on_damaged: Callable[[StoreUnavailable], None]
    ) -> AsyncIterator[tuple[RunRecord, list[Event]]]:
        async for run in self._archive.each(app_id, since, until, on_damaged):
            yield run.record, decode_known_events(run.log)

    async def created_before(self, before: float) -> list[str]:
        ids = [id_text(run_id) for run_id in await created_before(self._database, before)]
        return ids + await self._archive.begun_before(before)

    async def scan(self, *, app_id: str | None = None, after: str = "", limit: int = 100) -> list[RunRecord]:
        return [record_of(row) for row in await scan(self._database, app_id, after, limit)]

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

    async def index(self, *, limit: int) -> int:
        # Keywords are searched in the runs themselves.
        return 0

    async def close(self) -> None:
        await self._writer.close()
        await self._details.close()

    async def _opened_by(self, key: bytes) -> str | None:
        app_id: bytes | None = await self._database.value("SELECT app_id FROM api_keys WHERE digest = $1", key)
        return None if app_id is None else id_text(app_id)

    async def _records(self, sql: str, *values: Any) -> list[RunRecord]:
        return [record_of(row) for row in await self._database.fetch(sql, *values)]


async def _events_of(
    log_end: int, log: bytes | None, start: int | None, frames: list[bytes] | None, *, first: int, most: int = 0
) -> list[Event]:
    """Return the events of a log from position ``first`` on, from an ended run's log or an open run's frames. Raises
    ``DamagedLog``: the data was altered."""
    if log is None:
        return await events_of(frames or [], start=start or 0, end=log_end, first=first, most=most)
    if log[:1] != FRAMES:
        raise DamagedLog(f"format {log[:1].hex() or 'missing'} is not known")
    return await events_of([log[1:]], start=0, end=log_end, first=first, most=most)
