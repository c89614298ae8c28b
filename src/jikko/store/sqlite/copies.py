"""Copies of databases, for backups."""

import os
import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from jikko.errors import StoreUnavailable
from jikko.store.sqlite.connection import connect, error_name, unavailable
from jikko.store.sqlite.migrate import copy_database, folder_id

if TYPE_CHECKING:
    from collections.abc import Iterator

_TIMEOUT_SECONDS: Final = 10.0
"""Seconds to wait for another process's lock, and for a moment without writes to any of the databases."""
_POLL_SECONDS: Final = 0.002
"""Seconds between attempts to find such a moment."""


class SqliteCopies:
    """``DatabaseCopies`` with SQLite's backup."""

    def folder_id(self, database: Path) -> str:
        with _telling(database), closing(connect(database, busy_timeout=_TIMEOUT_SECONDS, query_only=True)) as reader:
            return folder_id(reader)

    def folder_id_of_copy(self, copy: Path) -> str:
        with (
            suppress(sqlite3.Error),
            closing(sqlite3.connect(f"file:{quote(str(copy.resolve()))}?mode=ro", uri=True)) as connection,
        ):
            return folder_id(connection)
        return ""

    def copy(self, targets: Mapping[Path, Path]) -> None:
        fresh = {database: target.with_name(f"{target.name}.fresh") for database, target in targets.items()}
        try:
            with ExitStack() as stack:
                readers = _readers_of_one_moment(list(targets), stack)
                # Smallest first: without a write-ahead log, writers wait until the copy is done.
                for database in sorted(targets, key=lambda each: each.stat().st_size):
                    with _telling_of_copy(database), closing(readers[database]) as reader:
                        copy_database(reader, fresh[database])
            for database, copied in fresh.items():
                with _telling_of_copy(database):
                    _check(database, copied)
            for database, target in targets.items():
                for left_over in ("-wal", "-shm"):
                    target.with_name(target.name + left_over).unlink(missing_ok=True)
                os.replace(fresh[database], target)
        finally:
            for copied in fresh.values():
                copied.unlink(missing_ok=True)


def _readers_of_one_moment(databases: Sequence[Path], stack: ExitStack) -> dict[Path, sqlite3.Connection]:
    """Return a read transaction on each database, all with the same point in time.

    Writers are not blocked: instead, a write to any database while the transactions begin is detected.
    """

    def opened(database: Path) -> sqlite3.Connection:
        with _telling(database):
            reader = sqlite3.connect(database, timeout=_TIMEOUT_SECONDS, isolation_level=None, check_same_thread=False)
            stack.callback(reader.close)
            reader.execute("PRAGMA query_only = ON")
            return reader

    readers = {database: opened(database) for database in databases}
    lookouts = {database: opened(database) for database in databases}
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    while True:
        before = _changes(lookouts)
        for database, reader in readers.items():
            with _telling(database):
                reader.execute("BEGIN")
                # The first read fixes the transaction's snapshot.
                reader.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if _changes(lookouts) == before:
            return readers
        for reader in readers.values():
            reader.execute("ROLLBACK")
        if time.monotonic() > deadline:
            raise StoreUnavailable(f"{', '.join(map(str, databases))} are written to continuously; try again later.")
        time.sleep(_POLL_SECONDS)


def _changes(lookouts: Mapping[Path, sqlite3.Connection]) -> list[int]:
    """Return numbers that change when another connection writes to any of the databases."""
    found = []
    for database, lookout in lookouts.items():
        with _telling(database):
            found.append(int(lookout.execute("PRAGMA data_version").fetchone()[0]))
    return found


def _check(database: Path, copied: Path) -> None:
    with closing(sqlite3.connect(copied)) as connection:
        found: str = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise StoreUnavailable(f"the database {database} is damaged ({found}); restore a backup.")


@contextmanager
def _telling(database: Path) -> "Iterator[None]":
    """Raises ``StoreUnavailable`` for errors of SQLite."""
    try:
        yield
    except sqlite3.Error as error:
        raise unavailable(database, error) from None


@contextmanager
def _telling_of_copy(database: Path) -> "Iterator[None]":
    """Raises:
    StoreUnavailable: The database is damaged.
    OSError: Any other error of SQLite, which concerns the copy.
    """
    try:
        yield
    except sqlite3.Error as error:
        if error_name(error).startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
            raise unavailable(database, error) from None
        raise OSError(str(error)) from error
