"""Connections to a PostgreSQL database, from one event loop."""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import cache
from typing import Any, Final, TypeAlias, TypeVar
from urllib.parse import parse_qsl, urlsplit

from jikko.concurrency.patience import within_patience
from jikko.errors import InvalidParam, InvalidSettings, StoreUnavailable
from jikko.extras import how_to_install
from jikko.ports.addresses import diagnose_database_url, shown
from jikko.store.postgres.postgres_refusals import in_words
from jikko.store.postgres.schema_locks import presence
from jikko.store.postgres.sql import PostgresSql, rows_of

T = TypeVar("T")
Row: TypeAlias = Any
"""A row, with values by position. The library's own type needs the library installed."""
Connection: TypeAlias = Any

_FILES: Final = frozenset({"sslcert", "sslcrl", "sslkey", "sslrootcert"})
"""URL parameters that are paths."""
TOO_LONG: Final = "54000"
"""SQLSTATE for a value larger than a page or index entry."""
_OVERTAKEN: Final = frozenset({"23503", "23505", "40001", "40P01"})
"""SQLSTATEs of a transaction that a concurrent one was faster than: it has the key, has removed the row referred to, or
the two waited for each other."""
_MAX_REPEATS: Final = 5
_MAX_SECONDS: Final = 10.0
"""Timeout in seconds for connecting, and for statements other than searches."""
_SEARCH_SECONDS: Final = 60.0
_RELEASE_SECONDS: Final = 1.0
"""Timeout for returning a connection to the pool; then it is dropped."""
_CLOSE_SECONDS: Final = 10.0
"""Timeout for statements in progress at the end."""
_BUSY: Final = "Too many searches at once: try again in a minute, or search fewer runs."
_CROWDED_SECONDS: Final = 2.0
"""Time to wait for an open connection if the server refuses another."""
_RETRY_INTERVAL_SECONDS: Final = 0.05
_MAX_CONNECTIONS: Final = 6
"""Maximum per process, for reads and small writes. The run writer has its own connection."""
_MAX_SEARCHES: Final = 2
"""Connections for searches that may scan very many rows: nothing else waits for them."""
RETRIEVALS: Final = 6
"""The same for datasets, where searches are the main load."""
# Set by statements, not while connecting: a pooler in between refuses or forgets unknown parameters.
_PLAIN: Final = "SET jit = off;"
# Rows are read in index order, so that a full page ends the scan. By its statistics, or without any, the planner would
# now and then sort all rows of an app, scan the table, or search today's runs for an old version. Plans are generic.
_IN_ORDER: Final = f"""
{_PLAIN} SET enable_seqscan = off; SET enable_bitmapscan = off; SET random_page_cost = 1.1;
SET plan_cache_mode = force_generic_plan;
"""
IF_IT_CAN: Final = "DO $$ BEGIN PERFORM set_config('{}', '{}', false); EXCEPTION WHEN OTHERS THEN NULL; END $$;"
# The server cancels statements whose client is gone. On Windows it cannot detect that.
_SEARCHING: Final = f"""
{_PLAIN} SET statement_timeout = '{_SEARCH_SECONDS + _MAX_SECONDS:.0f}s';
{IF_IT_CAN.format("client_connection_check_interval", "5s")}
"""
# Plans are generic. Where every statement uses a key, a custom plan costs more than it gains.
_BY_KEY: Final = f"""
{_PLAIN} SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_hashjoin = off;
SET enable_mergejoin = off;
"""


_LIMITS: Final = {
    # Seconds of silence before the first keepalive probe and between probes, and their number.
    "TCP_KEEPIDLE": 10,
    "TCP_KEEPINTVL": 5,
    "TCP_KEEPCNT": 3,
    # Milliseconds that sent data may stay unacknowledged.
    "TCP_USER_TIMEOUT": 25_000,
}


def notice_loss(transport: asyncio.BaseTransport) -> None:
    """Make a connection break within half a minute of losing its peer, where the system supports it."""
    line = transport.get_extra_info("socket")
    if line is None or line.family not in (socket.AF_INET, socket.AF_INET6):
        return  # local: the system notices
    line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _LIMITS.items():
        if (option := getattr(socket, name, None)) is not None:
            with suppress(OSError):  # a system with the constant but without the option
                line.setsockopt(socket.IPPROTO_TCP, option, value)


class Postgres:
    """A connection pool, opened on demand.

    While the database is away, calls fail with ``StoreUnavailable`` after ten seconds at most; once it is back, they
    succeed. Nothing has to be reopened.
    """

    def __init__(self, url: str, *, searches: int = _MAX_SEARCHES) -> None:
        """Do not connect yet. ``searches``: Maximum at a time. Raises ``InvalidSettings``: bad URL, or no library."""
        if diagnosis := diagnose_database_url(url):
            raise InvalidSettings(f"database_url {diagnosis}.")
        for name, path in parse_qsl(urlsplit(url).query):
            if name in _FILES and not os.path.isfile(path):
                raise InvalidSettings(f"database_url cannot be used: {name}: no such file: {path}")
        try:
            import asyncpg
        except ModuleNotFoundError:
            raise InvalidSettings(f"A database elsewhere needs another library: {how_to_install('cluster')}") from None
        self._api = asyncpg
        self._connection_class = _attentive(asyncpg.Connection)
        self._url = url
        self._pool: Any = None
        self._max_searches = searches
        self._searches: Any = None
        """A separate pool."""
        self._before_close: list[Callable[[], Awaitable[None]]] = []
        self.sql: Final = PostgresSql(self)

    @property
    def address(self) -> str:
        """Address of the database, without user and password."""
        return shown(self._url)

    def connections(self) -> dict[str, int]:
        """Connections of both pools: ``used``, ``idle``, and ``free``, how many more may be opened."""
        pools = [pool for pool in (self._pool, self._searches) if pool is not None]
        size, idle = sum(pool.get_size() for pool in pools), sum(pool.get_idle_size() for pool in pools)
        return {"used": size - idle, "idle": idle, "free": _MAX_CONNECTIONS + self._max_searches - size}

    async def connect(self, *, by_key: bool = False) -> Connection:
        """Open a dedicated connection. ``by_key``: For statements by key. Raises ``StoreUnavailable``: it failed."""
        async with self.guard():
            connection = await self._connected(
                self._api.connect(
                    self._url,
                    timeout=_MAX_SECONDS,
                    command_timeout=_MAX_SECONDS,
                    connection_class=self._connection_class,
                )
            )
            try:
                await connection.execute((_BY_KEY if by_key else _PLAIN) + presence())
            except BaseException:
                connection.terminate()
                raise
            return connection

    async def fetch(self, sql: str, *values: Any) -> list[Row]:
        """Return all rows of a read-only statement."""
        return await self._read(lambda connection: connection.fetch(sql, *values, timeout=_MAX_SECONDS))

    async def search(self, sql: str, *values: Any) -> list[Row]:
        """Like ``fetch``, for statements that may scan very many rows: few at once, with a timeout of a minute."""
        return await self._read(
            lambda connection: connection.fetch(sql, *values, timeout=_SEARCH_SECONDS), searching=True
        )

    async def read_by(self, read: Callable[[Connection, float], Awaitable[T]], *, searching: bool = False) -> T:
        """Read with one connection, or with a second one if the first turns out to be lost.

        Args:
            read: Gets the connection, and a statement timeout in seconds.
            searching: It may scan very many rows: see ``search``.
        """
        seconds = _SEARCH_SECONDS if searching else _MAX_SECONDS
        return await self._read(lambda connection: read(connection, seconds), searching=searching)

    async def row(self, sql: str, *values: Any) -> Row | None:
        """Return the first row of a read-only statement."""
        return await self._read(lambda connection: connection.fetchrow(sql, *values, timeout=_MAX_SECONDS))

    async def value(self, sql: str, *values: Any) -> Any:
        """Return the first column of the first row."""
        row = await self.row(sql, *values)
        return None if row is None else row[0]

    async def execute(self, sql: str, *values: Any) -> int:
        """Change rows, durably. Returns their number."""
        async with self._connection() as connection:
            tag: str = await connection.execute(sql, *values, timeout=_MAX_SECONDS)
        return rows_of(tag)

    async def transact(self, work: Callable[[Connection], Awaitable[T]], *, repeats: int = _MAX_REPEATS) -> T:
        """Run ``work`` in one transaction, and up to ``repeats`` times again if a concurrent one has changed what it
        read. Its exceptions are passed on, after a rollback."""
        while True:
            try:
                async with self._connection() as connection, connection.transaction():
                    return await work(connection)
            except StoreUnavailable as error:
                if not repeats or getattr(error.__cause__, "sqlstate", None) not in _OVERTAKEN:
                    raise
                repeats -= 1

    def is_its_error(self, error: Exception) -> bool:
        """Return whether this is the library's error for an unavailable or refusing database."""
        return isinstance(error, (self._api.PostgresError, self._api.InterfaceError, self._api.InternalClientError))

    def on_close(self, rest: Callable[[], Awaitable[None]]) -> None:
        """Register work to finish before the connections are closed."""
        self._before_close.append(rest)

    async def close(self) -> None:
        """Close all connections. Idempotent."""
        while self._before_close:
            await self._before_close.pop()()
        pools, self._pool, self._searches = (self._pool, self._searches), None, None
        for pool in pools:
            if pool is not None:
                try:
                    async with asyncio.timeout(_CLOSE_SECONDS):
                        await pool.close()
                except TimeoutError:
                    pool.terminate()

    async def patiently(self, reading: Awaitable[T]) -> T:
        """Wait for an answer, no longer than the current request may."""
        async with self.guard():
            return await within_patience(reading)

    async def _read(self, read: Callable[[Connection], Awaitable[T]], *, searching: bool = False) -> T:
        return await self.patiently(self._read_again(read, searching))

    async def _read_again(self, read: Callable[[Connection], Awaitable[T]], searching: bool) -> T:
        """Read with a pooled connection, and retry once if it was lost: restarts and firewalls do not announce that."""
        async with self._connection(searching=searching) as connection:
            try:
                return await read(connection)
            except (self._api.PostgresError, self._api.InterfaceError, OSError):
                if not connection.is_closed():
                    raise
        async with self._connection(searching=searching) as connection:
            return await read(connection)

    @asynccontextmanager
    async def _connection(self, *, searching: bool = False) -> AsyncIterator[Connection]:
        """Provide a pooled connection. Raises ``StoreUnavailable``: none is available, or it fails."""
        if searching and self._searches is None:
            self._searches = self._made(self._max_searches, _SEARCHING)
        elif not searching and self._pool is None:
            self._pool = self._made(_MAX_CONNECTIONS, _IN_ORDER)
        pool = self._searches if searching else self._pool
        async with self.guard():
            # Opens the pool the first time only.
            await pool
            try:
                async with asyncio.timeout(_MAX_SECONDS):
                    connection = await self._acquired(pool)
            except TimeoutError:
                if searching and pool.get_size() == self._max_searches and pool.get_idle_size() == 0:
                    raise StoreUnavailable(_BUSY) from None
                raise
            try:
                yield connection
            finally:
                # Cancelling a statement notifies the server, which may not respond either.
                await pool.release(connection, timeout=_RELEASE_SECONDS)

    async def _acquired(self, pool: Any) -> Connection:
        """Acquire a free or new connection. If the server accepts no more, wait for an open one."""
        end = time.monotonic() + _CROWDED_SECONDS
        while True:
            try:
                return await self._connected(pool.acquire())
            except self._api.TooManyConnectionsError:
                if pool.get_size() == 0 or time.monotonic() > end:
                    raise
                await asyncio.sleep(_RETRY_INTERVAL_SECONDS)

    def _made(self, size: int, settings: str) -> Any:
        """Make a pool. ``settings``: Statements to run on each connection."""

        async def init(connection: Connection) -> None:
            await connection.execute(settings + presence())

        return self._api.create_pool(
            self._url,
            min_size=0,
            max_size=size,
            timeout=_MAX_SECONDS,
            reset=_leave_as_it_is,
            init=init,
            connection_class=self._connection_class,
        )

    @staticmethod
    async def _connected(connecting: Awaitable[Connection]) -> Connection:
        """Connect. Raises ``InvalidSettings``: the URL has meaningless parts."""
        try:
            return await connecting
        except ValueError as error:
            if isinstance(error, OSError):
                raise  # a certificate, which may be fixed while this process runs
            raise InvalidSettings(f"database_url cannot be used: {error}") from None

    @asynccontextmanager
    async def guard(self) -> AsyncIterator[None]:
        """Translate the library's errors, which have several base classes.

        Raises:
            StoreUnavailable: For the library's errors.
            InvalidParam: A value is too long for an index.
        """
        try:
            yield
        except (
            self._api.PostgresError,
            self._api.InterfaceError,
            self._api.InternalClientError,
            OSError,
            TimeoutError,
        ) as error:
            if getattr(error, "sqlstate", None) == TOO_LONG:
                raise InvalidParam("A name or id is longer than the database has room for: 2,700 bytes.") from error
            raise unavailable(error) from error


def unavailable(error: Exception) -> StoreUnavailable:
    """Return the error for clients. The library's text may contain values: it stays in the exception chain."""
    return StoreUnavailable(f"The database cannot be used at the moment: {in_words(error)}.")


@cache
def _attentive(plain: type[Any]) -> type[Any]:
    """Return a connection class that detects a lost peer."""

    class Attentive(plain):  # type: ignore[misc]
        def __init__(self, protocol: Any, transport: asyncio.BaseTransport, *more: Any) -> None:
            super().__init__(protocol, transport, *more)
            notice_loss(transport)

    return Attentive


async def _leave_as_it_is(connection: Connection) -> None:
    """Skip the reset, saving a round trip: connections here keep no session state."""
