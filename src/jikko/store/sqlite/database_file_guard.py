"""Guard of inodes: an open database's files must stay at their paths, or writes are lost."""

import os
import sqlite3
from pathlib import Path
from typing import Final, NamedTuple

_ENDINGS: Final = ("", "-wal", "-shm")
"""The database, and SQLite's companion files while it is open."""
_HEAD: Final = 32
"""Bytes of the log's header, which has a new salt each time it restarts. Source: SQLite, file format, 4.1; so are the
offsets below."""
_FRAME_HEAD: Final = 24
"""Bytes of each page's header in the log."""


class _Log(NamedTuple):
    """Last known state of the write-ahead log."""

    size: int
    head: bytes

    @property
    def salt(self) -> bytes:
        """Two numbers, new at each restart and repeated in every valid page; older pages may follow."""
        return self.head[16:24]

    @property
    def frame(self) -> int:
        """Bytes of a page with its header."""
        return _FRAME_HEAD + int.from_bytes(self.head[8:12])


class OpenFiles:
    """Files of an open database, by inode. Thread-safe."""

    def __init__(self, path: Path) -> None:
        """``path``: Path of an open database."""
        files = [Path(f"{path}{ending}") for ending in _ENDINGS]
        self._known = {file: found for file in files if (found := _identity(file)) is not None}

    def diagnose(self) -> str:
        """Describe what happened to the files; ``""`` if they are in place."""
        for file, known in self._known.items():
            if (found := _identity(file)) != known:
                what = "removed" if found is None else "replaced by another one"
                return f"{file.name} was {what} while it was open; put back what was there, or restart the server"
        return ""


class DatabaseFileGuard:
    """``OpenFiles`` that also checks the header of the write-ahead log.

    Only the log may be opened beside SQLite: closing any of the other files releases its locks on them.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        """Args:
        path: Path of the database.
        connection: The writer's, used on the same thread.
        """
        self._path = path
        self._connection = connection
        self._files = OpenFiles(path)
        self._file: int | None = None
        self._log: _Log | None = None
        self._version: int | None = None
        """Changes when other connections have committed."""

    def wrote(self) -> None:
        """Note the log's state after a commit or rollback."""
        self._log = self._look()

    def writes_on(self) -> None:
        """Skip the check: the next transaction follows at once, so that no other process could write in between."""
        self._log = None

    def is_suspicious(self) -> bool:
        """Return whether the log differs from its last known state (two system calls). If so, call ``diagnose``."""
        if (before := self._log) is None or (now := self._look()) is None:
            return False
        return now.head != before.head or now.size < before.size

    @property
    def salt(self) -> bytes:
        """The log's last known salt, new at each restart; ``b""`` if there is no log."""
        return b"" if self._log is None else self._log.salt

    def has_page(self, number: int) -> bool:
        """Return whether the log has page ``number``, from 1, since it restarted. One system call."""
        log = self._log
        if self._file is None or log is None or not log.salt:
            return False
        try:
            return os.pread(self._file, len(log.salt), _HEAD + (number - 1) * log.frame + 8) == log.salt
        except OSError:
            return False

    def diagnose(self) -> str:
        """Describe what happened to the files; ``""`` if they are intact."""
        if diagnosis := self._files.diagnose():
            return diagnosis
        version = self._data_version()
        if self.is_suspicious():
            # SQLite does that only with a transaction, which other connections see. One may have come since.
            if self._data_version() == self._version:
                what = "was written over while it was open"
                return f"{self._path.name}-wal {what}; put back what was there, or restart the server"
            self.wrote()
        self._version = version
        return ""

    def close(self) -> None:
        """Close the log. May be called twice."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _data_version(self) -> int:
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

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
