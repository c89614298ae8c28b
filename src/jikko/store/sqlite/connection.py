"""SQLite connections, and readable messages for SQLite's error codes."""

import sqlite3
import time
from pathlib import Path
from typing import Final

from jikko.errors import InvalidSettings, StoreUnavailable

OLDEST_SQLITE: Final = (3, 37, 0)
"""First version with ``STRICT`` tables."""

_HINTS: Final = {
    "SQLITE_FULL": "free some space on the disk",
    "SQLITE_BUSY": "another process holds it for too long",
    "SQLITE_LOCKED": "another process holds it for too long",
    "SQLITE_READONLY": "check that the file and its folder may be written",
    "SQLITE_CANTOPEN": "check that the folder exists and may be written",
    "SQLITE_PERM": "check that the file and its folder may be written",
    "SQLITE_NOTADB": "choose another file, or restore a backup",
    "SQLITE_CORRUPT": "restore a backup",
    "SQLITE_IOERR": "check the disk",
}


def error_name(error: sqlite3.Error) -> str:
    """Return SQLite's name of an error, such as ``SQLITE_BUSY``; empty for Python's own errors."""
    return getattr(error, "sqlite_errorname", None) or ""


def unavailable(database: Path | str, error: sqlite3.Error) -> StoreUnavailable:
    """Return the error to raise for one of SQLite's: what happened, where, and what to do.

    ``database``: Its path where only the operator reads the message; its name where clients do.
    """
    name = error_name(error)
    # Extended codes begin with the plain one: SQLITE_READONLY_DIRECTORY.
    hint = next((hint for code, hint in _HINTS.items() if name.startswith(code)), None)
    return StoreUnavailable(f"The database {database} cannot be used: {error}" + (f"; {hint}." if hint else "."))


def connect(
    path: Path, *, busy_timeout: float, query_only: bool = False, page_size: int | None = None
) -> sqlite3.Connection:
    """Connect in autocommit mode, for use by one thread at a time.

    Args:
        busy_timeout: Seconds to wait for another process's lock.
        page_size: Page size in bytes of a new file; ``None``: SQLite's default.

    Raises:
        sqlite3.Error: It cannot be opened.
    """
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        wanted = ".".join(map(str, OLDEST_SQLITE))
        raise InvalidSettings(f"This Python has SQLite {sqlite3.sqlite_version}; {wanted} or later is needed.")
    connection = sqlite3.connect(
        path, timeout=busy_timeout, isolation_level=None, check_same_thread=False, cached_statements=256
    )
    try:
        if not query_only and connection.execute("PRAGMA page_count").fetchone() == (0,):
            if page_size is not None:
                connection.execute(f"PRAGMA page_size = {page_size}")
            # Lets retention shrink the file. Later it has no effect, but writes.
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        _use_wal(connection, busy_timeout)
        # FULL: a commit is on the disk when it returns, surviving a power failure.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        # Some builds zero deleted bytes on the disk; here that would be every open log.
        connection.execute("PRAGMA secure_delete = FAST")
        connection.execute("PRAGMA cache_size = -16000")
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute("PRAGMA journal_size_limit = 67108864")
        # SQLite's own `lower` handles only ASCII letters.
        connection.create_function("lowercase", 1, str.lower, deterministic=True)
        if query_only:
            connection.execute("PRAGMA query_only = ON")
    except BaseException:
        connection.close()
        raise
    return connection


def _use_wal(connection: sqlite3.Connection, busy_timeout: float) -> None:
    deadline = time.monotonic() + busy_timeout
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            # When two processes open a new file at once, SQLite refuses one without waiting for its timeout.
            if not error_name(error).startswith("SQLITE_BUSY") or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
