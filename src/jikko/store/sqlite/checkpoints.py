"""Checkpoints of the write-ahead log, on a separate thread from the writer.

By default SQLite does that within a commit, once the log has a thousand pages: that is more than half of a commit of 12
MB, 35 of 60 ms, for which all other writes would wait. On another connection it delays no write.
"""

import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

from msgspec import Struct, field

from jikko.errors import StoreUnavailable
from jikko.store.sqlite.database_file_guard import DatabaseFileGuard

_LOG = logging.getLogger(__name__)

DUE_PAGES: Final = 1_000
"""New pages of the log after which a checkpoint is due: SQLite's default."""
WRITER_PAGES: Final = 16_384
"""Pages of the log, 64 MiB, from which on commits checkpoint after all: bounds the log under steady writes."""
_POLL_SECONDS: Final = 0.003
"""CPU seconds of the writer thread between checks of the log's length: less than that many pages take. Waiting for the
disk does not count, so a slow disk causes no more checks."""


class Checkpoints(Struct, eq=False):
    """Runs due checkpoints, on a thread that starts with the first one.

    All but the checkpoint itself is for the writer thread, or a later one.
    """

    _path: Path
    """Path of the database."""
    _connect: Callable[[], sqlite3.Connection]
    """Opens a connection to it."""
    _salt: bytes = b""
    _due: int = DUE_PAGES
    """Page of the log that makes the next checkpoint due."""
    _looked: float = 0.0
    """CPU seconds of the thread at the last check."""
    _wanted: threading.Event = field(default_factory=threading.Event)
    _closing: bool = False
    _thread: threading.Thread | None = None
    _fails: bool = False

    def is_due(self) -> bool:
        """Return whether enough may have been committed since the last ``look`` to justify its system calls.

        Each of them releases the GIL to the event loop, from which it must be regained.
        """
        return time.thread_time() - self._looked >= _POLL_SECONDS

    def look(self, log: DatabaseFileGuard) -> None:
        """Start a checkpoint if due. ``log``: State after the last transaction."""
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
                # The system has no room for a thread: retried when the next is due. The commit stands.
                _LOG.warning("No thread for checkpoints of %s: %s.", self._path, error)
            else:
                self._thread = thread

    def close(self) -> None:
        """End the thread after its current work. May be called twice; blocks."""
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
            # Commits do it, as SQLite does by default.
            _LOG.warning("Checkpoints of %s are only made by commits.", self._path, exc_info=True)

    def _bring_over(self, connection: sqlite3.Connection) -> None:
        """Run a checkpoint, and continue if it fails: a full disk has room again later."""
        try:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            self._fails = False
        except sqlite3.Error as error:
            # Logged once: the server's log may be on the same disk.
            level = logging.DEBUG if self._fails else logging.WARNING
            _LOG.log(level, "A checkpoint of %s failed, retrying: %s", self._path, error)
            self._fails = True
