"""Bringing what was committed from the write-ahead log into the database, beside the thread that writes.

SQLite by itself does that within a commit, once the log has a thousand pages: of a commit of 12 MB it is more than
half, 35 of 60 ms, for which all other writes would wait. On another connection it holds up nobody.
"""

import logging
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import BinaryIO, Final

from jikko.errors import StoreUnavailable

_LOG = logging.getLogger(__name__)

DUE_PAGES: Final = 1_000
"""Pages of the log that are still to be brought over from which on they are: as SQLite does by itself."""
WRITER_PAGES: Final = 16_384
"""Pages of the log from which on a commit brings them over all the same, 64 MiB: the log must not grow without end if
writes never rest."""
_LOOK_TRANSACTIONS: Final = 32
"""Transactions between looks how long the log is."""
_LONG_SECONDS: Final = 0.005
"""What a transaction takes that is looked behind at once."""
_HEAD_BYTES: Final = 32
"""Of the head of the log. Source: SQLite, file format, 4.1; so are the offsets below."""
_FRAME_HEAD_BYTES: Final = 24


def log_pages(log: BinaryIO) -> int:
    """How many pages a write-ahead log has since it was last begun anew.

    Behind them there may be more, of before: what belongs together has the same two numbers ("salt") as the head.
    """
    head = _read(log, 0, _HEAD_BYTES)
    if len(head) < _HEAD_BYTES:
        return 0
    salt, frame_bytes = head[16:24], _FRAME_HEAD_BYTES + int.from_bytes(head[8:12])
    few, many = 0, (log.seek(0, 2) - _HEAD_BYTES) // frame_bytes
    while few < many:
        middle = (few + many + 1) // 2
        if _read(log, _HEAD_BYTES + (middle - 1) * frame_bytes + 8, len(salt)) == salt:
            few = middle
        else:
            many = middle - 1
    return few


def _read(log: BinaryIO, at: int, size: int) -> bytes:
    log.seek(at)
    return log.read(size)


class Checkpoints:
    """Brings over what is due, on a thread that is there once there is something.

    ``committed`` and ``close`` are for the thread that writes, or for one that comes after it.
    """

    def __init__(self, path: Path, connect: Callable[[], sqlite3.Connection]) -> None:
        """Args:
        path: Of the database.
        connect: Makes a connection to it.
        """
        self._path = path
        self._connect = connect
        self._transactions = 0
        self._wanted = threading.Event()
        self._closing = False
        self._thread: threading.Thread | None = None
        self._brought = 0
        """Pages of the log that were brought over."""
        self._fails = False
        """Whether the last look failed."""

    def committed(self, seconds: float) -> None:
        """A transaction was committed.

        Args:
            seconds: That it took.
        """
        self._transactions += 1
        if seconds < _LONG_SECONDS and self._transactions < _LOOK_TRANSACTIONS:
            return
        self._transactions = 0
        self._wanted.set()
        if self._thread is None:
            thread = threading.Thread(target=self._work, name="jikko-checkpoints", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:
                # The system has no room for it: tried again at the next look. What was committed is committed.
                _LOG.warning("The write-ahead log of %s is not brought over: %s.", self._path, error)
            else:
                self._thread = thread

    def close(self) -> None:
        """End the thread behind what it does. May be called twice; blocks."""
        self._closing = True
        self._wanted.set()
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        try:
            # The log is opened apart from SQLite, which has no locks on it, and closed behind the connection.
            with open(f"{self._path}-wal", "rb", buffering=0) as log, closing(self._connect()) as connection:
                while not self._closing:
                    self._wanted.wait()
                    self._wanted.clear()
                    self._try_to_look(log, connection)
        except (sqlite3.Error, OSError, StoreUnavailable):
            # Commits bring it over, as before.
            _LOG.warning("The write-ahead log of %s is brought over by commits only.", self._path, exc_info=True)

    def _try_to_look(self, log: BinaryIO, connection: sqlite3.Connection) -> None:
        """``_look``, and go on if that fails: a disk that is full has room again later."""
        try:
            self._look(log, connection)
            self._fails = False
        except sqlite3.Error as error:
            # Told once: the log of the server may be on the same disk.
            level = logging.DEBUG if self._fails else logging.WARNING
            _LOG.log(level, "The write-ahead log of %s cannot be brought over, trying again: %s", self._path, error)
            self._fails = True

    def _look(self, log: BinaryIO, connection: sqlite3.Connection) -> None:
        pages = log_pages(log)
        if pages < self._brought:
            self._brought = 0  # it has begun anew
        if self._closing or pages - self._brought < DUE_PAGES:
            return
        _, _, brought = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        self._brought = max(brought, 0)
