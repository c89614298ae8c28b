"""Logs of runs, from SQLite's rows to PostgreSQL's frames. What is compressed already is taken as it is."""

import sqlite3
from collections.abc import Iterator
from typing import Any, Final

from jikko.store.event_codec import compress
from jikko.store.moving.tables import ENDED_RUNS, OPEN_RUNS
from jikko.store.postgres.runs.frames import FRAMES, frame_of
from jikko.store.sqlite.runs.large_values import whole

_PIECES: Final = "SELECT events FROM run_log WHERE run = ? ORDER BY position"
_OPEN: Final = f"SELECT r.run_id, l.position, l.events FROM {OPEN_RUNS.source.partition(' WHERE ')[0]}"
_OPEN_LOG: Final = f"{_OPEN} JOIN run_log l ON l.run = r.key WHERE r.status < 2 ORDER BY l.run, l.position"
_ENDED: Final = (
    f"SELECT {', '.join(column.source for column in ENDED_RUNS.columns)}, r.key, a.events "
    f"FROM {ENDED_RUNS.source} ORDER BY {ENDED_RUNS.order}"
)

OPEN_LOG: Final = ("run_id", "position", "frame")
"""Columns of ``open_log``."""
ENDED: Final = (*ENDED_RUNS.names, "log")
"""Columns of ``runs``."""


def open_log(connection: sqlite3.Connection) -> Iterator[tuple[Any, ...]]:
    """The rows of ``open_log``."""
    convert = OPEN_RUNS.columns[1].convert
    for run_id, position, events in connection.execute(_OPEN_LOG):
        yield convert(run_id), position, frame_of(compress(whole(connection, events)))


def ended_runs(connection: sqlite3.Connection) -> Iterator[tuple[Any, ...]]:
    """The rows of ``runs``. A log that is damaged stays so: what cannot be read here cannot be read there either."""

    def with_logs() -> Iterator[tuple[tuple[Any, ...], bytes]]:
        for *row, key, archived in connection.execute(_ENDED):
            pieces = [whole(connection, archived)] if archived is not None else _left_over(connection, key)
            yield tuple(row), FRAMES + b"".join(map(frame_of, pieces))

    for row, log in with_logs():
        [converted] = ENDED_RUNS.converted(iter([row]))
        yield (*converted, log)


def _left_over(connection: sqlite3.Connection, key: int) -> list[bytes]:
    """Of a run that was ended without a compressed log: its log as it is."""
    return [compress(whole(connection, events)) for (events,) in connection.execute(_PIECES, (key,))]
