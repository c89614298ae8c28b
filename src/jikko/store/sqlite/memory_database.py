"""In-memory SQLite database without a thread: for one command-line run, and for tests."""

import asyncio
import sqlite3
import weakref
from collections.abc import Callable, Hashable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Final, TypeVar

from jikko.errors import StoreUnavailable
from jikko.ports.measures import RecordMeasures
from jikko.store.sqlite.connection import connect, unavailable
from jikko.store.sqlite.database import Database, SqliteSql
from jikko.store.sqlite.migrate import migrate, migrations
from jikko.store.sqlite.writer import Participant, transact

T = TypeVar("T")
_PATH: Final = Path(":memory:")


def new_connection() -> sqlite3.Connection:
    """Return a connection to a new in-memory database, with the schema of apps and runs."""
    connection = connect(_PATH, busy_timeout=0)
    migrate(connection, _PATH, migrations(), nullcontext)
    return connection


class MemoryDatabase(Database):
    """``Database`` that lives as long as its one connection. Operations run synchronously on the caller's thread."""

    def __init__(self, connection: sqlite3.Connection | None = None) -> None:
        """``connection``: From ``new_connection``, by default a new one."""
        self.path = _PATH
        self.sql = SqliteSql(self)
        self._connection = connection or new_connection()
        self._measures = RecordMeasures()
        self._participants: list[Participant] = []
        self._closed = False
        self._release = weakref.finalize(self, self._connection.close)

    def submit(self, operation: Callable[[sqlite3.Connection], T]) -> "asyncio.Future[T]":
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        try:
            [(_, result, refusal)] = transact(self._open(), [(operation, done)], self._participants)
        except Exception as error:
            self._roll_back()
            done.set_exception(unavailable(_PATH, error) if isinstance(error, sqlite3.OperationalError) else error)
        else:
            if refusal is None:
                done.set_result(result)
            else:
                done.set_exception(refusal)
        return done

    def _roll_back(self) -> None:
        if not self._closed and self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        for participant in self._participants:
            participant.rolled_back()

    @property
    def measures(self) -> RecordMeasures:
        return self._measures

    def join(self, participant: Participant) -> None:
        self._participants.append(participant)

    def try_to_write(self) -> "asyncio.Future[None]":
        return self.submit(lambda _: None)

    def quick(self, query: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return query(self._open())
        except sqlite3.Error as error:
            raise unavailable(_PATH, error) from error

    def quick_once(self, name: Hashable, query: Callable[[sqlite3.Connection], T]) -> T:
        return self.quick(query)

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        return self.quick(query)

    async def search(self, query: Callable[[sqlite3.Connection], T]) -> T:
        return self.quick(query)

    async def in_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        return work(*arguments)

    def _open(self) -> sqlite3.Connection:
        if self._closed:
            raise StoreUnavailable("The database in memory is closed.")
        return self._connection

    async def finish(self) -> None:
        self.close()

    def close(self) -> None:
        self._closed = True
        self._release()
