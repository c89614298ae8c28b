"""Names of datasets in workflow files, independent of the store."""

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from msgspec import Struct

from jikko.dsl.encrypted_ids import DecryptionUnavailable, plain_id
from jikko.repositories.shared_sql import id_text


class KnownIds(Struct, frozen=True):
    """Ids that workflow files may use for existing datasets: supports ``in``."""

    texts: frozenset[str] = frozenset()
    """Ids, and texts mapped to an id."""
    workspaces: tuple[str, ...] = ()
    """Dify workspaces whose encrypted ids can be decrypted."""

    def __contains__(self, text: object) -> bool:
        if not isinstance(text, str):
            return False
        if text in self.texts:
            return True
        with suppress(DecryptionUnavailable):
            return any(plain_id(text, workspace) in self.texts for workspace in self.workspaces)
        return False


def known_ids(database: Path) -> KnownIds:
    """Return the dataset ids for workflow files. Raises ``sqlite3.Error``: not readable."""
    ids = _rows(database, "SELECT id FROM dataset")
    texts = _rows(database, "SELECT text FROM alias WHERE dataset_id IN (SELECT id FROM dataset)")
    # Missing in a database that no server has migrated yet.
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
