"""A guard of inodes: the files of an open database must still be at their paths, or writes are lost."""

import os
import sqlite3
from pathlib import Path
from typing import Final, NamedTuple

_ENDINGS: Final = ("", "-wal", "-shm")
"""The database, and what SQLite puts beside it for as long as it is open."""
_HEAD: Final = 32
"""Bytes of the head of the log, which has a new number each time it starts over. Source: SQLite, file format, 4.1; so
are the places of the numbers below."""
_FRAME_HEAD: Final = 24
"""Bytes of the head of each page in the log."""


class _Log(NamedTuple):
    """The write-ahead log as it was left."""

    size: int
    head: bytes

    @property
    def salt(self) -> bytes:
        """Two numbers, new each time it starts over, that every page of it has, too; older pages may lie behind."""
        return self.head[16:24]

    @property
    def frame(self) -> int:
        """Bytes of a page with its head."""
        return _FRAME_HEAD + int.from_bytes(self.head[8:12])


class OpenFiles:
    """The files of an open database, by what the file system knows them by. For any thread."""

    def __init__(self, path: Path) -> None:
        """``path``: of a database that is open."""
        files = [Path(f"{path}{ending}") for ending in _ENDINGS]
        self._known = {file: found for file in files if (found := _identity(file)) is not None}

    def diagnose(self) -> str:
        """What was done to them, in words; ``""`` if they are where they were."""
        for file, known in self._known.items():
            if (found := _identity(file)) != known:
                what = "removed" if found is None else "replaced by another one"
                return f"{file} was {what} while it was open; put back what was there, or restart the server"
        return ""


class DatabaseFileGuard:
    """The files of an open database, as ``OpenFiles``, and its write-ahead log by its head.

    The log is all that may be opened beside SQLite: closing any of the others gives up the locks that it has on them.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        """Args:
        path: Of the database.
        connection: That writes. The thread that uses it uses this too.
        """
        self._path = path
        self._connection = connection
        self._files = OpenFiles(path)
        self._file: int | None = None
        self._log: _Log | None = None
        self._version: int | None = None
        """Is another one when other connections have committed."""

    def wrote(self) -> None:
        """A transaction was committed or given up: what it left of the log is as it is to be."""
        self._log = self._look()

    def writes_on(self) -> None:
        """The next transaction follows at once: between them there is no time in which somebody else could write."""
        self._log = None

    def is_suspicious(self) -> bool:
        """Whether the log is otherwise than it was left: two system calls. If so, ``diagnose`` says why."""
        if (before := self._log) is None or (now := self._look()) is None:
            return False
        return now.head != before.head or now.size < before.size

    @property
    def salt(self) -> bytes:
        """What the log has as it was left, each time that it starts over another one; ``b""`` if there is no log."""
        return b"" if self._log is None else self._log.salt

    def has_page(self, number: int) -> bool:
        """Whether the log has so many pages, from 1, since it started over. One system call."""
        log = self._log
        if self._file is None or log is None or not log.salt:
            return False
        try:
            return os.pread(self._file, len(log.salt), _HEAD + (number - 1) * log.frame + 8) == log.salt
        except OSError:
            return False

    def diagnose(self) -> str:
        """What was done to them, in words; ``""`` if they are as they were."""
        if diagnosis := self._files.diagnose():
            return diagnosis
        version = self._data_version()
        if self.is_suspicious():
            # SQLite itself does that only with a transaction, which other connections see. One may have come since.
            if self._data_version() == self._version:
                what = "was written over while it was open"
                return f"{self._path}-wal {what}; put back what was there, or restart the server"
            self.wrote()
        self._version = version
        return ""

    def close(self) -> None:
        """Let go of the log. May be called twice."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _data_version(self) -> int:
        version: int = self._connection.execute("PRAGMA data_version").fetchone()[0]
        return version

    def _look(self) -> _Log | None:
        try:
            if self._file is None:
                self._file = os.open(f"{self._path}-wal", os.O_RDONLY | os.O_CLOEXEC)
            return _Log(os.fstat(self._file).st_size, os.pread(self._file, _HEAD, 0))
        except OSError:
            return None


def _identity(file: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_dev, status.st_ino
