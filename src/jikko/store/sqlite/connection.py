"""Opening a connection, and saying in words what SQLite says in codes."""

import sqlite3
import time
from pathlib import Path
from typing import Final

from jikko.errors import InvalidSettings, StoreUnavailable

OLDEST_SQLITE: Final = (3, 37, 0)
"""``STRICT`` tables came with it."""

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
    """SQLite's name for an error, ``SQLITE_BUSY`` say; empty for an error of Python's own, which has none."""
    return getattr(error, "sqlite_errorname", None) or ""


def unavailable(path: Path, error: sqlite3.Error) -> StoreUnavailable:
    """The error to raise for one of SQLite's: what happened, where, and what to do."""
    name = error_name(error)
    # Extended codes begin with the plain one: SQLITE_READONLY_DIRECTORY.
    hint = next((hint for code, hint in _HINTS.items() if name.startswith(code)), None)
    return StoreUnavailable(f"The database {path} cannot be used: {error}" + (f"; {hint}." if hint else "."))


def connect(
    path: Path, *, busy_timeout: float, query_only: bool = False, page_size: int | None = None
) -> sqlite3.Connection:
    """A connection in autocommit mode that any one thread at a time may use.

    Args:
        busy_timeout: Seconds to wait for another process's lock.
        page_size: Bytes of a page, if the file is new; ``None``: SQLite's own.

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
            # Gives retention a way to make the file smaller. Later it has no effect, but writes.
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        _use_wal(connection, busy_timeout)
        # FULL: a commit is on the disk when it returns, also if the machine loses power.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        # Some builds overwrite deleted bytes with zeros on the disk; here that would be every open log.
        connection.execute("PRAGMA secure_delete = FAST")
        connection.execute("PRAGMA cache_size = -16000")
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute("PRAGMA journal_size_limit = 67108864")
        # SQLite's own `lower` knows letters of ASCII alone.
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
            # Two processes that open a new file at once: SQLite refuses one without waiting for its time-out.
            if not error_name(error).startswith("SQLITE_BUSY") or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
