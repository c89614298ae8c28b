"""Queries that may take long, on threads of their own so that they do not hold up the event loop."""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TypeVar

from jikko.errors import StoreUnavailable
from jikko.store.sqlite.connection import unavailable

T = TypeVar("T")


class Readers:
    """A few connections that only read, each used by one thread at a time, and opened when all others are in use."""

    def __init__(self, path: Path, connect: Callable[[], sqlite3.Connection], *, threads: int) -> None:
        """Args:
        path: Of the database.
        connect: Makes a connection to it.
        """
        self._path = path
        self._connect = connect
        self._idle: SimpleQueue[sqlite3.Connection] = SimpleQueue()
        self._all: list[sqlite3.Connection] = []
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="jikko-reader")
        self._closed = False

    async def run(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """The answer of a function that reads. All its statements see the database at one moment.
        Raises ``StoreUnavailable``: the database cannot be read, or is closed before the answer is there."""
        self._require_open()
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._read, query)

    def _require_open(self) -> None:
        if self._closed:
            raise StoreUnavailable(f"The database {self._path} is closed.")

    def _read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        try:
            connection = self._taken()
            try:
                # Again: only what reads can be broken off, so what waits for a thread must not begin.
                self._require_open()
                connection.execute("BEGIN")
                try:
                    return query(connection)
                finally:
                    connection.execute("ROLLBACK")
            finally:
                self._idle.put(connection)
        except sqlite3.Error as error:
            raise unavailable(self._path, error) from error

    def _taken(self) -> sqlite3.Connection:
        """One that is idle, or a new one: there are never more than threads."""
        with suppress(Empty):
            return self._idle.get_nowait()
        self._require_open()
        connection = self._connect()
        self._all.append(connection)
        return connection

    def close(self) -> None:
        """Break off what still reads, and release the connections. May be called twice; blocks."""
        self._closed = True
        for connection in tuple(self._all):
            connection.interrupt()
        self._pool.shutdown(wait=True)
        for connection in self._all:
            connection.close()
        self._all.clear()
