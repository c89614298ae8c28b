"""Going through many runs, a piece at a time."""

import json
import sqlite3
from collections.abc import Mapping
from typing import Any, Final

from jikko.ports.stores.run_store import MAX_CHANGES
from jikko.record import RunRecord
from jikko.repositories.identifiers import id_text, storable, stored_id
from jikko.store.sqlite.runs.run_rows import COLUMNS, RunRows

_APPS: Final = "SELECT DISTINCT app FROM run_totals"
_CREATED_BEFORE: Final = "SELECT run_id FROM runs INDEXED BY runs_listed WHERE app = ? AND created_at < ?"
_SCAN: Final = f"SELECT {COLUMNS} FROM runs WHERE run_id > :after ORDER BY run_id LIMIT :limit"
_SCAN_APP: Final = f"""
SELECT {COLUMNS} FROM runs
WHERE run_id > :after AND app = (SELECT key FROM names WHERE text = :app) ORDER BY run_id LIMIT :limit
"""
# The ids, of 16 bytes each, lie behind each other in one value.
MOVED: Final = f"""
SELECT known.key AS number, {COLUMNS} FROM json_each(:ends) AS known
LEFT JOIN runs ON run_id = substr(:ids, 16 * known.key + 1, 16)
WHERE runs.key IS NULL OR log_end > known.value LIMIT {MAX_CHANGES}
"""


def created_before(before: float, connection: sqlite3.Connection) -> list[str]:
    """See ``RunStore.created_before``."""
    apps = connection.execute(_APPS).fetchall()
    return [id_text(row[0]) for (app,) in apps for row in connection.execute(_CREATED_BEFORE, (app, before))]


def scan(
    connection: sqlite3.Connection, rows: RunRows, *, app_id: str | None, after: str, limit: int
) -> list[RunRecord]:
    """See ``RunStore.scan``."""
    # A text is less than all bytes, so that an empty one is before every id.
    values: dict[str, Any] = {"after": stored_id(after), "limit": limit}
    sql = _SCAN
    if app_id is not None:
        sql, values = _SCAN_APP, {**values, "app": storable(app_id)}
    return [rows.record(connection, row) for row in connection.execute(sql, values).fetchall()]


def moved(
    connection: sqlite3.Connection, rows: RunRows, known: Mapping[str, int]
) -> list[tuple[str, RunRecord | None]]:
    """The runs of ``RunStore.changes``: with their records, ``None`` for one that is not there."""
    ids = {run_id: stored for run_id in known if isinstance(stored := stored_id(run_id), bytes)}
    numbered, ends = list(ids), json.dumps([known[run_id] for run_id in ids])
    found = connection.execute(MOVED, {"ids": b"".join(ids.values()), "ends": ends}).fetchall()
    return [
        (numbered[number], None if row[0] is None else rows.record(connection, tuple(row))) for number, *row in found
    ]
