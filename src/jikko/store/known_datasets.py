"""Names of the datasets in workflow files, whatever keeps them."""

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from msgspec import Struct

from jikko.dsl.encrypted_ids import DecryptionUnavailable, plain_id
from jikko.repositories.shared_sql import id_text


class KnownIds(Struct, frozen=True):
    """What workflow files can call the datasets: each of it is ``in`` this."""

    texts: frozenset[str] = frozenset()
    """Ids, and texts that are mapped to one."""
    workspaces: tuple[str, ...] = ()
    """Those of Dify whose encrypted ids are understood."""

    def __contains__(self, text: object) -> bool:
        if not isinstance(text, str):
            return False
        if text in self.texts:
            return True
        with suppress(DecryptionUnavailable):
            return any(plain_id(text, workspace) in self.texts for workspace in self.workspaces)
        return False


def known_ids(database: Path) -> KnownIds:
    """What workflow files can call the datasets. Raises ``sqlite3.Error``: it cannot be read."""
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
