"""Read-only access to a database file, without blocking a server."""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

from jikko.errors import StoreUnavailable
from jikko.repositories.shared_sql import id_text
from jikko.store.run_columns import STATUSES
from jikko.store.sqlite.connection import unavailable
from jikko.values import Json

_TIMEOUT_SECONDS: Final = 2.0
_AT_A_KEY_SECONDS: Final = 0.2
_TABLES: Final = "SELECT name FROM sqlite_master WHERE type = 'table' AND name IN ('apps', 'runs')"
_HAS_VALUES: Final = "SELECT 1 FROM pragma_table_info('apps') WHERE name = 'environment'"
_VALUES: Final = "SELECT name, environment FROM apps WHERE environment <> ''"


@contextmanager
def looking_into(path: Path, timeout: float = _TIMEOUT_SECONDS) -> Iterator[sqlite3.Connection]:
    """Open a read-only connection, without migrating an old schema. ``timeout``: Seconds to wait for another process
    that is opening or closing the file. Raises ``StoreUnavailable``: it cannot be read."""
    # Even a reader creates missing write-ahead log files. If they are missing, no process writes: the database can be
    # opened as immutable.
    unused = "" if path.with_name(f"{path.name}-wal").exists() else "&immutable=1"
    try:
        address = f"file:{quote(str(path.absolute()))}?mode=ro{unused}"
        with closing(sqlite3.connect(address, uri=True, timeout=timeout)) as connection:
            yield connection
    except sqlite3.Error as error:
        raise unavailable(path, error) from None


def has_record(path: Path) -> bool:
    """Return whether a file exists and has apps or runs. Raises ``StoreUnavailable``: it cannot be read."""
    if not path.is_file():
        return False
    with looking_into(path) as connection:
        tables = [row[0] for row in connection.execute(_TABLES)]
        return any(connection.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() for table in tables)


def stored_environments(path: Path) -> dict[str, Mapping[str, Json]]:
    """Return the values set by ``jikko apps env``, by app and variable; none if there is no such file.

    Writes nothing, blocks no server, and migrates no old schema. Raises ``StoreUnavailable``: it cannot be read.
    """
    if not path.is_file():
        return {}
    with looking_into(path) as connection:
        if connection.execute(_HAS_VALUES).fetchone() is None:
            return {}
        rows = connection.execute(_VALUES).fetchall()
    try:
        return {name: json.loads(values) for name, values in rows}
    except ValueError:
        raise StoreUnavailable(f"The database {path} is damaged: it has values that are not JSON.") from None


def app_names(database: Path) -> list[str]:
    """Return the names of all apps, sorted. Raises ``StoreUnavailable``: it cannot be read."""
    with looking_into(database, _AT_A_KEY_SECONDS) as connection:
        return [row[0] for row in connection.execute("SELECT name FROM apps ORDER BY name")]


def newest_runs(database: Path, limit: int = 100) -> list[tuple[str, str]]:
    """Return the ids and statuses of the newest runs, newest first. Raises ``StoreUnavailable``: it cannot be read."""
    with looking_into(database, _AT_A_KEY_SECONDS) as connection:
        rows = connection.execute("SELECT run_id, status FROM runs ORDER BY run_id DESC LIMIT ?", (limit,))
        return [(id_text(run_id), STATUSES[status]) for run_id, status in rows]
