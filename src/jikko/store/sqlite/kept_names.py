"""Names of what a database has, read without a writer or an upgrade: for a shell that completes them."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from jikko.repositories.shared_sql import id_text
from jikko.store.run_columns import STATUSES


def app_names(database: Path) -> list[str]:
    """The names of all apps, sorted. Raises ``sqlite3.Error``: it cannot be read."""
    with _reading(database) as connection:
        return [row[0] for row in connection.execute("SELECT name FROM apps ORDER BY name")]


def newest_runs(database: Path, limit: int = 100) -> list[tuple[str, str]]:
    """The ids and statuses of the newest runs, newest first. Raises ``sqlite3.Error``: it cannot be read."""
    with _reading(database) as connection:
        rows = connection.execute("SELECT run_id, status FROM runs ORDER BY run_id DESC LIMIT ?", (limit,))
        return [(id_text(run_id), STATUSES[status]) for run_id, status in rows]


@contextmanager
def _reading(database: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True, timeout=0.2)) as connection:
        yield connection
