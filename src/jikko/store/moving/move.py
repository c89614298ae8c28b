"""Migration of a SQLite file into an empty PostgreSQL database.

It is one transaction: an interruption leaves the database unchanged. Before the commit, row counts of each table and
MD5 sums of the logs of ended runs are compared.
"""

import hashlib
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any, Final

from jikko.errors import InvalidSettings, StoreUnavailable
from jikko.repositories.shared_sql import Many, Operation, id_text
from jikko.store.event_codec import compress
from jikko.store.moving.moved_tables import ENDED_RUNS, OPEN_RUNS, PLUGIN_STORAGE, TABLES, Column, Table, convert_of
from jikko.store.postgres.database import TOO_LONG, Connection, Postgres
from jikko.store.postgres.knowledge.words import ADD_NODE, keyword_of, node_values
from jikko.store.postgres.runs.frames import FRAMES, frame_of
from jikko.store.postgres.sql import perform
from jikko.store.sqlite.runs.large_values import whole

_EXCLUDED_COLUMNS: Final = frozenset({"removals", "changes"})
"""Columns used only by SQLite's caches."""
_NUMBERED: Final = frozenset({"dataset", "document", "segment", "child", "field", "tag", "external_api", "api_key"})
_ORDERED_BY: Final = {
    **dict.fromkeys(_NUMBERED, "key"),
    "source": "document_id",
    "posting": "dataset_id, segment, keyword",
    "field_use": "field_id, document_id",
    "tag_use": "tag_id, dataset_id",
    "alias": "text",
    "workspace": "id",
    "job": "document_id",
    "garbage": "document_id",
}
_NODES: Final = """
SELECT dataset_id, document_id, version, segment_id, child_id, digest, vector, coalesce(words.text, '')
FROM node LEFT JOIN words ON words.rowid = node.key ORDER BY node.key
"""
_BATCH_NODES: Final = 500
"""Nodes written at a time."""


def dataset_tables(connection: sqlite3.Connection) -> Iterator[Table]:
    """Return all tables but nodes. Jobs are requeued: their workers are gone."""
    for name, order in _ORDERED_BY.items():
        columns = [row[0] for row in connection.execute("SELECT name FROM pragma_table_info(?)", (name,))]
        own = tuple(
            Column(each, _source(name, each), keyword_of if each == "keyword" else convert_of(each))
            for each in columns
            if each not in _EXCLUDED_COLUMNS
        )
        target = f"knowledge.{name}"
        sequence = f"pg_get_serial_sequence('{target}', 'key')" if name in _NUMBERED else ""
        # Two long keywords of a segment may be equal once truncated.
        yield Table(target, name, own, order, sequence, distinct=name == "posting")


async def move_nodes(connection: Connection, source: sqlite3.Connection) -> int:
    """Copy nodes with their vectors and words. Returns their number."""
    rows: Iterator[Any] = iter(source.execute(_NODES))
    count = 0
    while batch := list(islice(rows, _BATCH_NODES)):
        await perform(_added(batch), connection)
        count += len(batch)
    return count


def _added(rows: Sequence[Any]) -> Operation[None]:
    ids = ((id_text(row[0]), id_text(row[1]), row[2], id_text(row[3]), row[4] and id_text(row[4])) for row in rows)
    yield Many(ADD_NODE, [node_values(*own, *row[5:]) for own, row in zip(ids, rows, strict=True)])


def _source(table: str, column: str) -> str:
    if table == "job" and column in ("lease_until", "worker"):
        return "0.0" if column == "lease_until" else "''"
    return f'"{column}"'


Progress = Callable[[str, int], None]
"""Called repeatedly with a table and its number of rows copied so far."""

_PATIENCE: Final = 24 * 3600.0
"""Timeout per table, in seconds."""
_STEP: Final = 10_000
"""Rows between two reports."""
_IS_USED: Final = "SELECT EXISTS (SELECT FROM apps) OR EXISTS (SELECT FROM runs) OR EXISTS (SELECT FROM open_runs)"
# Held by a move until it ends. The server notices a dead client only later.
_ALONE: Final = "SELECT pg_advisory_xact_lock(7305809156)"
_SOON: Final = "SET LOCAL lock_timeout = '30s'"
_MARK: Final = "moved"
_NOTE: Final = """
INSERT INTO installation (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value
"""
_NEXT: Final = "SELECT setval({sequence}, greatest((SELECT max(key) FROM {table}), 1))"
# Sum of the first 60 bits of each MD5.
_LOGS: Final = "SELECT coalesce(sum(('x0' || left(md5(log), 15))::bit(64)::bigint), 0) FROM runs"


async def has_arrived(database: Postgres, mark: str) -> bool:
    """Return whether the move with this mark was committed, once no move is in progress. Raises ``StoreUnavailable``:
    the database is unreachable, or a move takes too long."""

    async def look(connection: Connection) -> Any:
        await connection.execute(_SOON)
        await connection.execute(_ALONE)
        return await connection.fetchval("SELECT value FROM installation WHERE name = $1", _MARK)

    there = await database.transact(look)
    return there is not None and bytes(there).decode() == mark


async def move(
    database: Postgres,
    file: Path,
    datasets: Path | None,
    plugin_storage: Path | None,
    report: Progress,
    *,
    mark: str = "",
) -> dict[str, int]:
    """Copy everything, and compare. Returns the number of rows per table.

    Args:
        database: Has all tables, all empty.
        file: The SQLite file, of this version, without writers.
        datasets: The file of datasets, if any; then the database has tables for them.
        plugin_storage: The file of plugin storage, if any.
        mark: Identifies this move for ``has_arrived``.

    Raises:
        InvalidSettings: The database is in use.
        StoreUnavailable: Reading, writing or the comparison failed; nothing was changed.
    """
    moved: dict[str, int] = {}

    async def copy(connection: Connection) -> None:
        await connection.execute(_ALONE)
        if await connection.fetchval(_IS_USED):
            raise InvalidSettings(f"The database {database.address} has apps or runs: a move needs an empty one.")
        with _opened(file) as source:
            for rule in TABLES:
                moved[rule.name] = await _copied(connection, rule.in_file(source), source, report)
            moved["open_runs"] = await _copied(connection, OPEN_RUNS, source, report)
            moved["open_log"] = await _sent(connection, "open_log", OPEN_LOG, open_log(source), report)
            logs: Counter[str] = Counter()
            moved["runs"] = await _sent(connection, "runs", ENDED, _summed(ended_runs(source), logs), report)
            await connection.execute(
                "SELECT setval('run_keys', greatest((SELECT max(key) FROM runs), (SELECT max(key) FROM open_runs), 1))"
            )
            if await connection.fetchval(_LOGS) != logs["runs"]:
                raise StoreUnavailable("The copied logs of runs differ from the originals. Nothing was changed.")
        if datasets is not None:
            with _opened(datasets) as source:
                for table in dataset_tables(source):
                    moved[table.name] = await _copied(connection, table, source, report)
                moved["knowledge.node"] = await move_nodes(connection, source)
        if plugin_storage is not None:
            with _opened(plugin_storage) as kept:
                moved[PLUGIN_STORAGE.name] = await _copied(connection, PLUGIN_STORAGE.in_file(kept), kept, report)
        await connection.execute(_NOTE, _MARK, mark.encode())

    try:
        await database.transact(copy, repeats=0)  # nobody else writes: what fails would fail again
    except sqlite3.Error as error:
        raise StoreUnavailable(f"The database {file} cannot be read: {error}. Nothing was changed.") from None
    return moved


def _opened(file: Path) -> closing[sqlite3.Connection]:
    return closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=rw", uri=True))


async def _copied(connection: Connection, table: Table, source: sqlite3.Connection, report: Progress) -> int:
    rows = table.converted(iter(source.execute(table.select)))
    count = await _sent(connection, table.name, table.names, rows, report)
    if table.sequence and table is not OPEN_RUNS:
        await connection.execute(_NEXT.format(sequence=table.sequence, table=table.name))
    return count


async def _sent(
    connection: Connection, table: str, columns: tuple[str, ...], rows: Iterator[tuple[Any, ...]], report: Progress
) -> int:
    if await connection.fetchval(f"SELECT EXISTS (SELECT FROM {table})"):
        raise InvalidSettings(f"The database already has rows in {table}: a move needs an empty one.")
    sent: Counter[str] = Counter()

    def counted() -> Iterator[tuple[Any, ...]]:
        for row in rows:
            sent[table] += 1
            if sent[table] % _STEP == 0:
                report(table, sent[table])
            yield row

    schema, _, name = table.rpartition(".")
    try:
        await connection.copy_records_to_table(
            name, records=counted(), columns=columns, schema_name=schema or None, timeout=_PATIENCE
        )
    except Exception as error:
        if getattr(error, "sqlstate", None) != TOO_LONG:
            raise
        raise InvalidSettings(
            f"Row {sent[table]} of {table}, or one before it, has a name or id that is longer than PostgreSQL has room "
            "for in an index: 2,700 bytes. Nothing was changed."
        ) from error
    there = await connection.fetchval(f"SELECT count(*) FROM {table}")
    if there != sent[table]:
        raise StoreUnavailable(f"{table} has {there} rows where {sent[table]} were sent. Nothing was changed.")
    report(table, sent[table])
    return sent[table]


def _summed(rows: Iterator[tuple[Any, ...]], sums: Counter[str]) -> Iterator[tuple[Any, ...]]:
    """Yield rows of runs, adding up their logs like ``_LOGS``."""
    for row in rows:
        sums["runs"] += int(hashlib.md5(row[-1], usedforsecurity=False).hexdigest()[:15], 16)
        yield row


# Logs of runs, from SQLite's rows to PostgreSQL's frames. Compressed data is copied unchanged.

_PIECES: Final = "SELECT events FROM run_log WHERE run = ? ORDER BY position"
_OPEN: Final = f"SELECT r.run_id, l.position, l.events FROM {OPEN_RUNS.source.partition(' WHERE ')[0]}"
_OPEN_LOG: Final = f"{_OPEN} JOIN run_log l ON l.run = r.key WHERE r.status < 2 ORDER BY l.run, l.position"
_ENDED: Final = (
    f"SELECT {', '.join(column.source for column in ENDED_RUNS.columns)}, r.key, a.events "
    f"FROM {ENDED_RUNS.source} ORDER BY {ENDED_RUNS.order}"
)

OPEN_LOG: Final = ("run_id", "position", "frame")
ENDED: Final = (*ENDED_RUNS.names, "log")


def open_log(connection: sqlite3.Connection) -> Iterator[tuple[Any, ...]]:
    convert = OPEN_RUNS.columns[1].convert
    for run_id, position, events in connection.execute(_OPEN_LOG):
        yield convert(run_id), position, frame_of(compress(whole(connection, events)))


def ended_runs(connection: sqlite3.Connection) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of ``runs``. Damaged logs are copied as they are."""

    def with_logs() -> Iterator[tuple[tuple[Any, ...], bytes]]:
        for *row, key, archived in connection.execute(_ENDED):
            pieces = [whole(connection, archived)] if archived is not None else []
            if archived is None:  # it ended without a compressed log
                pieces = [compress(whole(connection, events)) for (events,) in connection.execute(_PIECES, (key,))]
            yield tuple(row), FRAMES + b"".join(map(frame_of, pieces))

    for row, log in with_logs():
        [converted] = ENDED_RUNS.converted(iter([row]))
        yield (*converted, log)
