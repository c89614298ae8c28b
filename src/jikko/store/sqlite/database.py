"""SQLite database file: a writer thread, a connection for quick reads, threads for slow ones, and execution of SQL
written once for both databases."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, nullcontext, suppress
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeVar, cast

from jikko.errors import StoreUnavailable
from jikko.ports.measures import RecordMeasures
from jikko.private import make_file, make_folder
from jikko.repositories.shared_sql import Count, Dialect, Operation, Record, Row, Rows, nothing, storable, stored_id
from jikko.store.sqlite.checkpoints import WRITER_PAGES, Checkpoints
from jikko.store.sqlite.connection import connect, unavailable
from jikko.store.sqlite.database_file_guard import OpenFiles
from jikko.store.sqlite.migrate import Alone, Migration, migrate, migrations
from jikko.store.sqlite.writer import Participant, WriteLock, Writer

T = TypeVar("T")

SQLITE: Final = Dialect("sqlite", to_id=stored_id, to_text=storable)
_WITH_TEXT_IDS: Final = SQLITE.with_text_ids()


def perform(operation: Operation[T], connection: sqlite3.Connection, dialect: Dialect = SQLITE) -> T:
    """Perform an operation on a connection, within its transaction."""
    answer: Any = None
    execute, send, statement_of = connection.execute, operation.send, dialect.statement
    try:
        while True:
            query = send(answer)
            statement, kind = statement_of(query.sql), type(query)
            values: Any = query.values
            if not statement.text:
                answer = nothing(query)
            elif kind is Row:
                answer = execute(*statement.bound(values)).fetchone()
            elif kind is Rows:
                answer = execute(*statement.bound(values)).fetchall()
            elif kind is Count:
                answer = execute(*statement.bound(values)).rowcount
            else:
                connection.executemany(statement.text, [statement.bound(each)[1] for each in values])
                answer = None
    except StopIteration as end:
        result: T = end.value
        return result


class SqliteSql:
    """``Sql`` over one SQLite file."""

    def __init__(self, database: "Database", dialect: Dialect = SQLITE) -> None:
        self._database = database
        self._statement = dialect.statement
        self.dialect: Final = dialect

    def with_text_ids(self) -> "SqliteSql":
        return SqliteSql(self._database, _WITH_TEXT_IDS)

    async def row(self, sql: str, /, **values: Any) -> Record | None:
        bound = self._statement(sql).bound(values)
        return self._database.quick(lambda connection: connection.execute(*bound).fetchone())

    def rows(self, sql: str, /, **values: Any) -> Awaitable[list[Record]]:
        bound = self._statement(sql).bound(values)
        return self._database.read(lambda connection: connection.execute(*bound).fetchall())

    def count(self, sql: str, /, **values: Any) -> Awaitable[int]:
        return self._submitted(sql, values)

    def later(self, sql: str, /, **values: Any) -> None:
        self._submitted(sql, values).add_done_callback(lambda done: done.cancelled() or done.exception())

    async def settled(self) -> None:
        """Return at once: nothing precedes what was submitted."""

    def write(self, operation: Callable[[], Operation[T]]) -> Awaitable[T]:
        return self._database.submit(lambda connection: perform(operation(), connection, self.dialect))

    async def quick(self, operation: Callable[[], Operation[T]]) -> T:
        return self._database.quick(lambda connection: perform(operation(), connection, self.dialect))

    async def once(self, name: Hashable, operation: Callable[[], Operation[T]]) -> T:
        return self._database.quick_once(name, lambda connection: perform(operation(), connection, self.dialect))

    def read(self, operation: Callable[[], Operation[T]]) -> Awaitable[T]:
        return self._database.read(lambda connection: perform(operation(), connection, self.dialect))

    def search(self, operation: Callable[[], Operation[T]]) -> Awaitable[T]:
        return self._database.search(lambda connection: perform(operation(), connection, self.dialect))

    def _submitted(self, sql: str, values: Mapping[str, Any]) -> "asyncio.Future[Any]":
        bound = self._statement(sql).bound(values)
        return self._database.submit(lambda connection: connection.execute(*bound).rowcount)


class Readers:
    """Pool of read-only connections, each used by one thread at a time, and opened when all others are in use."""

    def __init__(self, path: Path, connect: Callable[[], sqlite3.Connection], *, threads: int) -> None:
        """Args:
        path: Path of the database.
        connect: Opens a connection to it.
        """
        self._path = path
        self._connect = connect
        self._idle: SimpleQueue[sqlite3.Connection] = SimpleQueue()
        self._all: list[sqlite3.Connection] = []
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="jikko-reader")
        self._closed = False

    async def run(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Return the result of a read function, whose statements all see one snapshot. Raises ``StoreUnavailable``: the
        database cannot be read, or is closed first."""
        self._require_open()
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._read, query)

    def _require_open(self) -> None:
        if self._closed:
            raise StoreUnavailable(f"The database {self._path.name} is closed.")

    def _read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        try:
            connection = self._taken()
            try:
                # Again: only running reads can be interrupted, so one that waits for a thread must not begin.
                self._require_open()
                connection.execute("BEGIN")
                try:
                    return query(connection)
                finally:
                    _end(connection)
            finally:
                self._idle.put(connection)
        except sqlite3.Error as error:
            raise unavailable(self._path.name, error) from error

    def _taken(self) -> sqlite3.Connection:
        """Return an idle connection, or a new one: there are never more than threads."""
        with suppress(Empty):
            return self._idle.get_nowait()
        self._require_open()
        connection = self._connect()
        self._all.append(connection)
        return connection

    def close(self) -> None:
        """Interrupt running reads, and release the connections. May be called twice; blocks."""
        self._closed = True
        for connection in tuple(self._all):
            connection.interrupt()
        self._pool.shutdown(wait=True)
        for connection in self._all:
            connection.close()
        self._all.clear()


class Database:
    """Database file shared by the stores. Other processes may have it open and write too."""

    def __init__(
        self,
        path: Path,
        writer: Writer,
        quick: sqlite3.Connection,
        readers: Readers,
        searchers: Readers,
        rest: ExitStack,
    ) -> None:
        self.path = path
        self._writer = writer
        self._quick = quick
        self._readers = readers
        self._searchers = searchers
        self._rest = rest
        self._closed = False
        self._snapshot: asyncio.AbstractEventLoop | None = None
        """The loop in whose current turn quick reads share a transaction."""
        self._read: dict[Hashable, Any] = {}
        """Results cached for that transaction."""
        self.sql = SqliteSql(self)

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        busy_timeout: float = 10.0,
        shared: bool = False,
        alone: Alone = nullcontext,
        steps: Sequence[Migration] | None = None,
        page_size: int | None = None,
    ) -> "Database":
        """Open a file, create it if missing, and migrate its schema. Blocks.

        A new file is readable only by its owner.

        Args:
            busy_timeout: Seconds that a write waits for another process's lock.
            shared: Whether other processes write as much as this one. Then they share a lock.
            alone: Creates a block in which no server uses the file, entered around a schema change.
            steps: The schema, if not that of apps and runs.
            page_size: Page size in bytes of a new file; ``None``: SQLite's default.

        Raises:
            StoreUnavailable: The file cannot be opened, read or written.
            InvalidSettings: It has a later schema version; or an earlier one, and a server uses it.
        """
        with ExitStack() as opened:
            try:
                make_folder(path.parent)
                # SQLite gives its other files the same permissions. If the file cannot be created, SQLite reports why.
                with suppress(OSError):
                    make_file(path)
                owned = opened.enter_context(closing(connect(path, busy_timeout=busy_timeout, page_size=page_size)))
                migrate(owned, path, migrations() if steps is None else steps, alone)
                # The event loop must not block for as long as a writer may wait.
                brief = min(busy_timeout, 1.0)
                quick = opened.enter_context(closing(connect(path, busy_timeout=brief, query_only=True)))
                later = partial(_connect_later, path, OpenFiles(path))
                reading = partial(later, busy_timeout, query_only=True)
                readers = opened.enter_context(closing(Readers(path, reading, threads=2)))
                searchers = opened.enter_context(closing(Readers(path, reading, threads=1)))
                lock = opened.enter_context(closing(WriteLock(path))) if shared else None
            except sqlite3.Error as error:
                raise unavailable(path, error) from error
            except OSError as error:
                raise StoreUnavailable(f"The database {path} cannot be opened: {error}.") from error
            # Closed after the writer.
            checkpoints = opened.enter_context(closing(Checkpoints(path, partial(later, brief))))
            owned.execute(f"PRAGMA wal_autocheckpoint = {WRITER_PAGES}")
            writer = opened.enter_context(closing(Writer(owned, path, lock, checkpoints)))
            return cls(path, writer, quick, readers, searchers, opened.pop_all())

    def submit(self, operation: Callable[[sqlite3.Connection], T]) -> "asyncio.Future[T]":
        """Write; see ``Writer.submit``."""
        return self._writer.submit(operation)

    def try_to_write(self) -> "asyncio.Future[None]":
        """See ``Record``: rewrites the schema version unchanged."""
        return self._writer.submit(_rewrite_version)

    @property
    def measures(self) -> RecordMeasures:
        return self._writer.measures

    def join(self, participant: Participant) -> None:
        """Join every transaction; see ``Writer.join``."""
        self._writer.join(participant)

    def quick(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Read a few rows by key, synchronously on the event loop, which waits only for the disk.

        Reads in one turn of the loop share a transaction, since each costs two system calls for its lock. It sees
        everything confirmed before the turn. Raises ``StoreUnavailable``: the database cannot be read.
        """
        try:
            return query(self._in_turn())
        except sqlite3.Error as error:
            raise unavailable(self.path.name, error) from error

    def quick_once(self, name: Hashable, query: Callable[[sqlite3.Connection], T]) -> T:
        """``quick``, cached within the transaction under a name, for reads that many need in the same turn. ``name``:
        The query; unique among all users of the database. Returns one shared value, which must not be changed.
        Raises ``StoreUnavailable``: the database cannot be read."""
        try:
            connection = self._in_turn()
            if name not in self._read:
                self._read[name] = query(connection)
        except sqlite3.Error as error:
            raise unavailable(self.path.name, error) from error
        return cast(T, self._read[name])

    def _in_turn(self) -> sqlite3.Connection:
        if self._closed:
            raise StoreUnavailable(f"The database {self.path.name} is closed.")
        loop = asyncio.get_running_loop()
        if self._snapshot is not loop:
            self._end_snapshot()
            # Scheduled first: the transaction ends before any commit is confirmed that it does not see.
            loop.call_soon(self._end_snapshot)
            self._quick.execute("BEGIN")
            self._snapshot = loop
        return self._quick

    def _end_snapshot(self) -> None:
        self._snapshot = None
        self._read.clear()
        if not self._closed:
            _end(self._quick)

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Read several rows, on a thread; see ``Readers.run``."""
        return await self._readers.run(query)

    async def search(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Read very many rows, on a separate thread: searches wait for each other, and nothing else for them."""
        return await self._searchers.run(query)

    async def in_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        """Run long work that needs no connection off the event loop."""
        return await asyncio.to_thread(work, *arguments)

    async def finish(self) -> None:
        """Commit submitted operations, then release everything. May be called twice."""
        if not self._closed:
            # On the event loop, before another thread closes the connection under its reads.
            self._end_snapshot()
            self._closed = True
        # Pending commits are confirmed on this loop.
        await asyncio.to_thread(self.close)

    def close(self) -> None:
        """Commit submitted operations, then release everything. May be called twice; blocks."""
        self._closed = True
        self._rest.close()


def _end(connection: sqlite3.Connection) -> None:
    """End a transaction that has only read."""
    # Ask the connection: after some errors SQLite has ended the transaction, after others not.
    if connection.in_transaction:
        connection.execute("ROLLBACK")


def _rewrite_version(connection: sqlite3.Connection) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    connection.execute(f"PRAGMA user_version = {version}")


def _connect_later(
    path: Path, files: OpenFiles, busy_timeout: float, *, query_only: bool = False
) -> sqlite3.Connection:
    """Connect to the files that are already open, instead of which SQLite would create new ones.

    Raises:
        StoreUnavailable: They were moved or removed.
        sqlite3.Error: See ``connect``.
    """
    _require_in_place(path, files)
    connection = connect(path, busy_timeout=busy_timeout, query_only=query_only)
    try:
        _require_in_place(path, files)
    except BaseException:
        connection.close()
        raise
    return connection


def _require_in_place(path: Path, files: OpenFiles) -> None:
    if diagnosis := files.diagnose():
        raise StoreUnavailable(f"The database {path.name} cannot be used: {diagnosis}.")
