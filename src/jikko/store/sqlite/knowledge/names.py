"""What datasets there are, read without a writer or an upgrade: for forecasts, and a shell that completes names."""

import sqlite3
from contextlib import closing
from pathlib import Path

from jikko.store.identifiers import id_text


def dataset_names(database: Path) -> list[str]:
    """The names of all datasets, sorted; none if there is no database.

    Raises:
        sqlite3.Error: It cannot be read.
    """
    return [row[0] for row in _rows(database, "SELECT name FROM dataset ORDER BY name")]


def known_ids(database: Path) -> frozenset[str]:
    """What workflow files can call the datasets: their ids, and the texts that are mapped to one.

    Raises:
        sqlite3.Error: It cannot be read.
    """
    ids = _rows(database, "SELECT id FROM dataset")
    texts = _rows(database, "SELECT text FROM alias WHERE dataset_id IN (SELECT id FROM dataset)")
    return frozenset([*(id_text(row[0]) for row in ids), *(row[0] for row in texts)])


def _rows(database: Path, query: str) -> list[tuple[str]]:
    if not database.exists():
        return []
    with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True, timeout=0.2)) as connection:
        return connection.execute(query).fetchall()
