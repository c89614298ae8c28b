"""Bringing a database to the schema of this version of the code.

The files in ``migrations`` are numbered without gaps. Each runs once, in order, in one transaction with the row in
``schema_version`` that says so. A file that was released is never changed.
"""

import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from jikko.errors import InvalidSettings

_CREATE_VERSIONS = """
CREATE TABLE IF NOT EXISTS schema_version (
  version INTEGER PRIMARY KEY,
  applied_at REAL NOT NULL
) STRICT
"""
_HAS_VERSIONS = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'schema_version'"
_READ_VERSION = "SELECT coalesce(max(version), 0) FROM schema_version"
_ADD_VERSION = "INSERT INTO schema_version (version, applied_at) VALUES (?, ?)"


@dataclass(frozen=True, slots=True)
class Migration:
    """One step from one version of the schema to the next."""

    version: int
    """Counted from 1."""
    script: str


def migrations() -> list[Migration]:
    """All migrations, in order."""
    files = [file for file in resources.files(f"{__package__}.migrations").iterdir() if file.name.endswith(".sql")]
    return sorted(
        (Migration(int(file.name.split("_", 1)[0]), file.read_text("utf-8")) for file in files),
        key=lambda migration: migration.version,
    )


def migrate(connection: sqlite3.Connection, path: Path, steps: Sequence[Migration]) -> None:
    """Apply the steps that the database has not seen. Any number of processes may call this at once.

    A database that already has a schema is copied first, to ``<name>.before-<version>`` beside it.

    Raises:
        InvalidSettings: The database is of a later version than ``steps``.
        sqlite3.Error: It cannot be read or written; nothing was changed.
    """
    newest = steps[-1].version
    if _version(connection, path, newest) == newest:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Read again under the lock: another process may have been faster.
        current = _version(connection, path, newest)
        if 0 < current < newest:
            # The lock keeps other writers out, so the copy has all that the migration starts from.
            with closing(sqlite3.connect(path)) as source:
                copy_database(source, path.with_name(f"{path.name}.before-{newest:04d}"))
        connection.execute(_CREATE_VERSIONS)
        for step in steps:
            if step.version > current:
                for statement in statements(step.script):
                    connection.execute(statement)
                connection.execute(_ADD_VERSION, (step.version, time.time()))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _version(connection: sqlite3.Connection, path: Path, newest: int) -> int:
    if connection.execute(_HAS_VERSIONS).fetchone() is None:
        return 0
    current: int = connection.execute(_READ_VERSION).fetchone()[0]
    if current > newest:
        raise InvalidSettings(
            f"The database {path} has schema version {current}; this version of Jikko knows up to {newest}. "
            "Start the version that wrote it, or a later one."
        )
    return current


def statements(script: str) -> Iterator[str]:
    """The statements of a script, one by one: ``executescript`` would commit the transaction that they belong to."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def copy_database(source: sqlite3.Connection, target: Path) -> None:
    """Copy a live database, as it is at one moment, to a file. The file is complete or does not appear at all.

    Raises:
        sqlite3.Error: One of the two cannot be read or written.
        OSError: The file cannot be put in place.
    """
    part = target.with_name(f"{target.name}.part")
    part.unlink(missing_ok=True)
    try:
        with closing(sqlite3.connect(part)) as copy:
            source.backup(copy)
            # The copy took over the mode of the original; one file is easier to carry than three.
            copy.execute("PRAGMA journal_mode = DELETE")
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)
