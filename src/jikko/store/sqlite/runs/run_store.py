"""Run store in SQLite: an open run is a row and a row per append, a finished one is a row and its compressed log.

Large inputs have their own row.
"""

import asyncio
import contextlib
import json
import math
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from jikko.errors import StoreUnavailable
from jikko.events import Event, RunStarted
from jikko.ports.stores.run_store import MAX_CHANGES, Append, Change, LogQuery, RunSlice
from jikko.record import DetailRecord, RetryRecord, RunRecord
from jikko.repositories.shared_sql import StoredId, id_text, storable, stored_id
from jikko.store.event_codec import (
    DamagedLog,
    beginning,
    decode_events,
    decompress,
    decompress_beginning,
    encode_events,
    pack_events,
    some_events,
)
from jikko.store.run_columns import STATUSES, moving
from jikko.store.sqlite.console.run_pages import list_runs
from jikko.store.sqlite.database import Database
from jikko.store.sqlite.keywords.counts import KeywordCounts
from jikko.store.sqlite.keywords.index import KeywordIndex, supported
from jikko.store.sqlite.runs.archiving import LargeAppends
from jikko.store.sqlite.runs.large_values import whole
from jikko.store.sqlite.runs.projections import DueCallbacks, Projections, run_of_key
from jikko.store.sqlite.runs.retention import RunPruning, open_of_user
from jikko.store.sqlite.runs.run_rows import COLUMNS, RunRows, inputs_of
from jikko.store.sqlite.runs.run_writes import LogWrite, RunWrites
from jikko.store.sqlite.runs.totals import Costs, Totals, VersionHours, apps_of

_CREATED_BEFORE: Final = "SELECT run_id FROM runs INDEXED BY runs_listed WHERE app = ? AND created_at < ?"
_SCAN: Final = f"SELECT {COLUMNS} FROM runs WHERE run_id > :after ORDER BY run_id LIMIT :limit"
_SCAN_APP: Final = f"""
SELECT {COLUMNS} FROM runs
WHERE run_id > :after AND app = (SELECT key FROM names WHERE text = :app) ORDER BY run_id LIMIT :limit
"""
# The ids, of 16 bytes each, are concatenated in one value.
MOVED: Final = f"""
SELECT known.key AS number, {COLUMNS} FROM json_each(:ends) AS known
LEFT JOIN runs ON run_id = substr(:ids, 16 * known.key + 1, 16)
WHERE runs.key IS NULL OR log_end > known.value LIMIT {MAX_CHANGES}
"""


def created_before(before: float, connection: sqlite3.Connection) -> list[str]:
    """See ``RunStore.created_before``."""
    apps = apps_of(connection)
    return [id_text(row[0]) for app in apps for row in connection.execute(_CREATED_BEFORE, (app, before))]


def moved(
    connection: sqlite3.Connection, rows: RunRows, known: Mapping[str, int]
) -> list[tuple[str, RunRecord | None]]:
    """Return the runs of ``RunStore.changes`` with their records; ``None`` for a missing one."""
    ids = {run_id: stored for run_id in known if isinstance(stored := stored_id(run_id), bytes)}
    numbered, ends = list(ids), json.dumps([known[run_id] for run_id in ids])
    found = connection.execute(MOVED, {"ids": b"".join(ids.values()), "ends": ends}).fetchall()
    return [
        (numbered[number], None if row[0] is None else rows.record(connection, tuple(row))) for number, *row in found
    ]


_RECORD: Final = f"SELECT {COLUMNS} FROM runs WHERE run_id = ?"
# `status < 2` repeats the index's condition, without which SQLite cannot use the partial index.
_OPEN: Final = (
    f"SELECT {COLUMNS} FROM runs INDEXED BY runs_open WHERE status < 2 AND status = 0 "
    "AND (:holder IS NULL OR lease_owner = :holder) ORDER BY created_at, key"
)
_HOLDERS: Final = (
    "SELECT DISTINCT lease_owner FROM runs INDEXED BY runs_open WHERE status < 2 AND status = 0 AND lease_owner > ''"
)
_PAUSED: Final = "SELECT count(*) FROM runs INDEXED BY runs_open WHERE status < 2 AND status = 1"
_NEXT_WAKE: Final = "SELECT min(wake_at) FROM runs INDEXED BY runs_waking WHERE status = 1 AND wake_at > ?"
_DUE: Final = f"""
SELECT {COLUMNS} FROM runs INDEXED BY runs_waking
WHERE status = 1 AND wake_at <= :now
AND (wake_at, key) > (:wake_at, coalesce((SELECT key FROM runs WHERE run_id = :run_id), 0))
ORDER BY wake_at, key LIMIT :limit
"""
_TASK: Final = f"""
SELECT {COLUMNS} FROM runs INDEXED BY runs_open
WHERE task_id = ? AND app = (SELECT key FROM names WHERE text = ?) AND status < 2
"""
_RETRIES: Final = """
SELECT run_id, status, created_at FROM runs INDEXED BY runs_retrying WHERE retry_of = ? AND retry_of IS NOT NULL
ORDER BY created_at, key
"""
_DETAIL: Final = f"""
SELECT
  (SELECT text FROM names WHERE key = workflow), status, {inputs_of("runs")}, outputs, error, elapsed, total_tokens,
  total_steps, created_at, finished_at
FROM runs
WHERE run_id = ? AND app = (SELECT names.key FROM api_keys JOIN names ON text = app_id WHERE digest = ?)
"""
_LOG_OF: Final = "SELECT key, log_end, status FROM runs WHERE run_id = ?"
_ARCHIVED: Final = "SELECT events FROM run_archive WHERE run = ?"
# Starts at the array with the first wanted event.
_PIECES: Final = """
SELECT position, events FROM run_log
WHERE run = :run AND position >= coalesce(
  (SELECT max(position) FROM run_log WHERE run = :run AND position <= :first), 0)
ORDER BY position
"""


class SqliteRunStore:
    """``RunStore`` in a SQLite file.

    Args:
        keyword_index: Whether to keep and use a keyword index; by default, if this build of SQLite can.
        scan_up_to: Number of runs that a keyword search scans without the index, which would gain little.
    """

    def __init__(self, database: Database, *, keyword_index: bool | None = None, scan_up_to: int = 10_000) -> None:
        self.on_rollback: Callable[[], None] = lambda: None
        self.may_lose_commits = False
        self._database = database
        self._indexed = supported() if keyword_index is None else keyword_index
        self._index = KeywordIndex(usable=self._indexed)
        self._keyword_counts = KeywordCounts()
        self._scan_up_to: float = scan_up_to if self._indexed else math.inf
        self._rows = RunRows()
        projections = Projections((Totals(), Costs(), VersionHours(), DueCallbacks(), self._index))
        self._writes = RunWrites(projections)
        self._large = LargeAppends(database, self._writes)
        self._retention = RunPruning(projections)
        database.join(self._writes)
        database.join(projections)

    def append(self, batch: Append) -> "asyncio.Future[None]":
        record, identity = batch.record, batch.record.identity
        write = LogWrite(
            run_id=stored_id(batch.run_id),
            at=batch.at,
            events=batch.packed or encode_events(batch.events),
            identity=identity,
            task_id=stored_id(identity.task_id),
            retry_of=None if identity.retry_of is None else stored_id(identity.retry_of),
            created_at=record.created_at,
            inputs=storable(record.inputs),
            projections=tuple(batch.projections),
            columns=(*moving(batch, storable), record.holder or None, float(batch.mark) or None),
            withdrawal=batch.withdrawal,
        )
        if write.is_large:
            return self._large.append(write)
        return self._database.submit(partial(self._writes.append, write))

    def pack(self, events: Sequence[Event]) -> tuple[bytes, Sequence[int]]:
        return pack_events(events)

    async def claimed(self, app_id: str, key: str, *, now: float) -> tuple[str, bytes] | None:
        return self._database.quick(partial(run_of_key, app_id, key, now))

    async def record(self, run_id: str, app_id: str | None = None) -> RunRecord | None:
        record = self._database.quick(partial(self._one, _RECORD, (stored_id(run_id.lower()),)))
        return None if record is None or app_id not in (None, record.identity.app_id) else record

    async def detail(self, run_id: str, key: bytes) -> DetailRecord | None:
        return self._database.quick(partial(_detail, run_id.lower(), key))

    async def find_task(self, app_id: str, task_id: str) -> RunRecord | None:
        return self._database.quick(partial(self._one, _TASK, (stored_id(task_id.lower()), storable(app_id))))

    def _one(self, sql: str, values: tuple[StoredId, ...], connection: sqlite3.Connection) -> RunRecord | None:
        row = connection.execute(sql, values).fetchone()
        return None if row is None else self._rows.record(connection, row)

    async def _records(self, sql: str, values: Mapping[str, Any]) -> list[RunRecord]:
        return await self._database.read(
            lambda connection: [
                self._rows.record(connection, row) for row in connection.execute(sql, values).fetchall()
            ]
        )

    async def open_runs(self, holder: str | None = None) -> list[RunRecord]:
        return await self._records(_OPEN, {"holder": holder})

    async def paused(self) -> int:
        return int(await self._database.read(lambda connection: connection.execute(_PAUSED).fetchone()[0]))

    async def holders(self) -> set[str]:
        return await self._database.read(lambda connection: {row[0] for row in connection.execute(_HOLDERS)})

    async def next_wake(self, after: float) -> float | None:
        at: float | None = self._database.quick(
            lambda connection: connection.execute(_NEXT_WAKE, (after,)).fetchone()[0]
        )
        return at

    async def due_runs(self, now: float, *, after: RunRecord | None = None, limit: int = 100) -> list[RunRecord]:
        wake_at, run_id = (0.0, None) if after is None else (after.wake_at, stored_id(after.identity.run_id))
        values = {"now": now, "wake_at": wake_at, "run_id": run_id, "limit": limit}
        return await self._records(_DUE, values)

    async def retries(self, run_id: str) -> list[RetryRecord]:
        values = (stored_id(run_id.lower()),)
        rows = await self._database.read(lambda connection: connection.execute(_RETRIES, values).fetchall())
        return [RetryRecord(id_text(row[0]), STATUSES[row[1]], row[2]) for row in rows]

    async def list_runs(self, query: LogQuery) -> RunSlice:
        # A keyword search may read very many rows.
        read = self._database.search if query.keyword else self._database.read
        return await read(
            lambda connection: list_runs(
                connection, query, self._rows, self._keyword_counts, scan_up_to=self._scan_up_to
            )
        )

    async def events(self, run_id: str, *, after: int = -1, most: int = 0) -> list[Event]:
        try:
            return await self._database.read(partial(_events, stored_id(run_id.lower()), max(after + 1, 0), most))
        except DamagedLog as error:
            raise error.of_run(run_id) from error

    async def changes(self, known: Mapping[str, int]) -> dict[str, Change]:
        return await self._database.read(partial(self._changes, known))

    def _changes(self, known: Mapping[str, int], connection: sqlite3.Connection) -> dict[str, Change]:
        changes = {}
        for run_id, record in moved(connection, self._rows, known):
            events: list[Event] = []
            with contextlib.suppress(DamagedLog):
                events = _events(stored_id(run_id), known[run_id], 0, connection)
            changes[run_id] = Change(record, events)
        return changes

    async def log_end(self, run_id: str) -> int:
        return self._database.quick(partial(_log_end, stored_id(run_id.lower())))

    async def archived_until(self) -> float | None:
        # SQLite has no archive.
        return None

    async def archived(
        self, *, app_id: str | None, since: float, until: float, on_damaged: Callable[[StoreUnavailable], None]
    ) -> AsyncIterator[tuple[RunRecord, list[Event]]]:
        nothing: Sequence[tuple[RunRecord, list[Event]]] = ()
        for run in nothing:
            yield run

    async def created_before(self, before: float) -> list[str]:
        return await self._database.read(partial(created_before, before))

    async def scan(self, *, app_id: str | None = None, after: str = "", limit: int = 100) -> list[RunRecord]:
        # A text sorts before all bytes, so an empty one is before every id.
        values = {"after": stored_id(after), "limit": limit, "app": storable(app_id or "")}
        return await self._records(_SCAN if app_id is None else _SCAN_APP, values)

    async def prunable(self, before: float, *, app_id: str | None = None) -> int:
        return await self._database.read(partial(self._retention.prunable, before, app_id))

    async def prune(self, before: float, *, limit: int = 500, app_id: str | None = None) -> int:
        return await self._database.submit(partial(self._retention.prune, before, limit, app_id))

    async def remove(self, run_id: str) -> bool:
        return await self._database.submit(partial(self._retention.remove, run_id.lower()))

    async def open_of_user(self, app_id: str, end_user_id: str) -> list[str]:
        return await self._database.read(partial(open_of_user, app_id, end_user_id))

    async def remove_of_user(self, app_id: str, end_user_id: str, *, limit: int = 500) -> int:
        return await self._database.submit(partial(self._retention.remove_of_user, app_id, end_user_id, limit))

    async def index(self, *, limit: int) -> int:
        return await self._database.submit(partial(self._index.fill, limit))

    async def close(self) -> None:
        await self._large.rest()
        await self._database.finish()


def _detail(run_id: str, key: bytes, connection: sqlite3.Connection) -> DetailRecord | None:
    stored = stored_id(run_id)
    # Python looks up an adapter for every bytes value, which takes time, but not for a bytearray.
    wanted = (bytearray(stored) if isinstance(stored, bytes) else stored, bytearray(key))
    row = connection.execute(_DETAIL, wanted).fetchone()
    return None if row is None else DetailRecord(run_id, row[0], STATUSES[row[1]], *row[2:])


def _events(run_id: StoredId, first: int, most: int, connection: sqlite3.Connection) -> list[Event]:
    run = connection.execute(_LOG_OF, (run_id,)).fetchone()
    if run is None or run[1] <= first:
        return []
    key, log_end, status = run
    if status > 1:
        archived = connection.execute(_ARCHIVED, (key,)).fetchone()
        if archived is None:
            raise DamagedLog("it is missing")
        compressed = whole(connection, archived[0])
        try:
            if most:
                return some_events(decompress(compressed), first, most)
            return _whole(decode_events(decompress(compressed)), 0, log_end)[first:]
        except DamagedLog as damage:
            found = beginning(decompress_beginning(compressed))
            # Pieces may have been missing in the middle; without the first, no position is known.
            damage.readable = found[first:] if found and isinstance(found[0], RunStarted) else []
            raise
    pieces, is_whole = _pieces(key, first, most, connection)
    start = pieces[0][0] if pieces else 0
    try:
        events = [event for _, piece in pieces for event in decode_events(piece)]
        if is_whole:
            _whole(events, start, log_end)
        return events[first - start :]
    except DamagedLog as damage:
        damage.readable = _beginning_of(pieces, first)
        raise


def _pieces(key: int, first: int, most: int, connection: sqlite3.Connection) -> tuple[list[tuple[int, bytes]], bool]:
    """Return arrays of an open log with their positions, and whether these are all."""
    pieces: list[tuple[int, bytes]] = []
    size = 0
    for position, events in connection.execute(_PIECES, {"run": key, "first": first}):
        if most and size >= most and position > first:
            return pieces, False
        pieces.append((position, whole(connection, events)))
        size += len(pieces[-1][1])
    return pieces, True


def _log_end(run_id: StoredId, connection: sqlite3.Connection) -> int:
    run = connection.execute(_LOG_OF, (run_id,)).fetchone()
    return 0 if run is None else int(run[1])


def _whole(events: list[Event], start: int, log_end: int) -> list[Event]:
    if start + len(events) != log_end:
        raise DamagedLog(f"it has {start + len(events)} events, not {log_end}")
    return events


def _beginning_of(pieces: Sequence[tuple[int, bytes]], first: int) -> list[Event]:
    """Return the events from position ``first`` on, up to what is damaged or missing."""
    if not pieces or pieces[0][0] > first:
        return []
    start, events = pieces[0][0], list[Event]()
    for position, piece in pieces:
        if position != start + len(events):
            break
        events += beginning(piece)
    return events[first - start :]
