"""Bringing what was committed from the write-ahead log into the database, beside the thread that writes.

SQLite by itself does that within a commit, once the log has a thousand pages: of a commit of 12 MB it is more than
half, 35 of 60 ms, for which all other writes would wait. On another connection it holds up nobody.
"""

import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

from jikko.errors import StoreUnavailable
from jikko.store.sqlite.database_file_guard import DatabaseFileGuard

_LOG = logging.getLogger(__name__)

DUE_PAGES: Final = 1_000
"""So many pages of the log more, and it is to be brought over: as SQLite does by itself."""
WRITER_PAGES: Final = 16_384
"""Pages of the log from which on a commit brings them over all the same, 64 MiB: the log must not grow without end if
writes never rest."""
_POLL_SECONDS: Final = 0.003
"""What the thread that writes works between looks how long the log is: less than it needs for that many pages. What it
waits for the disk does not count, and so a slow one brings no more looks."""


class Checkpoints:
    """Brings over what is due, on a thread that is there once there is something.

    All but the work itself is for the thread that writes, or for one that comes after it.
    """

    def __init__(self, path: Path, connect: Callable[[], sqlite3.Connection]) -> None:
        """Args:
        path: Of the database.
        connect: Makes a connection to it.
        """
        self._path = path
        self._connect = connect
        self._salt = b""
        """Of the log that is counted."""
        self._due = DUE_PAGES
        """The page of the log with which the next are due."""
        self._looked = 0.0
        """What the thread had worked by then, in seconds."""
        self._wanted = threading.Event()
        self._closing = False
        self._thread: threading.Thread | None = None
        self._fails = False
        """Whether the last time that it was brought over failed."""

    def wants_a_look(self) -> bool:
        """Whether so much may have been committed since the last ``look`` that another one is worth its system calls.

        Each of these gives the interpreter to the event loop, from which it is to be had back.
        """
        return time.thread_time() - self._looked >= _POLL_SECONDS

    def look(self, log: DatabaseFileGuard) -> None:
        """Have brought over what is due. ``log``: as the last transaction left it."""
        self._looked = time.thread_time()
        if log.salt != self._salt:
            self._salt, self._due = log.salt, DUE_PAGES
        if not log.has_page(self._due):
            return
        while log.has_page(self._due):
            self._due += DUE_PAGES
        self._wanted.set()
        if self._thread is None:
            thread = threading.Thread(target=self._work, name="jikko-checkpoints", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:
                # The system has no room for it: tried again when the next are due. What was committed is committed.
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
            with closing(self._connect()) as connection:
                while True:
                    self._wanted.wait()
                    self._wanted.clear()
                    if self._closing:
                        return
                    self._bring_over(connection)
        except (sqlite3.Error, StoreUnavailable):
            # Commits bring it over, as before.
            _LOG.warning("The write-ahead log of %s is brought over by commits only.", self._path, exc_info=True)

    def _bring_over(self, connection: sqlite3.Connection) -> None:
        """Bring over what is there, and go on if that fails: a disk that is full has room again later."""
        try:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            self._fails = False
        except sqlite3.Error as error:
            # Told once: the log of the server may be on the same disk.
            level = logging.DEBUG if self._fails else logging.WARNING
            _LOG.log(level, "The write-ahead log of %s cannot be brought over, trying again: %s", self._path, error)
            self._fails = True
