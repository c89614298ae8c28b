"""Names of datasets, read without a writer or an upgrade: for forecasts."""

import sqlite3
from contextlib import closing
from pathlib import Path

from jikko.repositories.shared_sql import id_text
from jikko.store.known_datasets import KnownIds


def known_ids(database: Path) -> KnownIds:
    """What workflow files can call the datasets.

    Raises:
        sqlite3.Error: It cannot be read.
    """
    ids = _rows(database, "SELECT id FROM dataset")
    texts = _rows(database, "SELECT text FROM alias WHERE dataset_id IN (SELECT id FROM dataset)")
    # A database that no server has brought up to date yet has none.
    has_workspaces = _rows(database, "SELECT name FROM sqlite_schema WHERE name = 'workspace'")
    workspaces = _rows(database, "SELECT id FROM workspace") if has_workspaces else []
    return KnownIds(
        frozenset([*(id_text(row[0]) for row in ids), *(row[0] for row in texts)]),
        tuple(id_text(row[0]) for row in workspaces),
    )


def _rows(database: Path, query: str) -> list[tuple[str]]:
    if not database.exists():
        return []
    with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True, timeout=0.2)) as connection:
        return connection.execute(query).fetchall()
