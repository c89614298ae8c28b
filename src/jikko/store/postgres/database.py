"""Connections to one PostgreSQL database, of one event loop."""

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
"""A row: values by position. The library has no type for it that stands without being installed."""
Connection: TypeAlias = Any

_FILES: Final = frozenset({"sslcert", "sslcrl", "sslkey", "sslrootcert"})
"""Parts of an address that are paths."""
TOO_LONG: Final = "54000"
"""PostgreSQL's code for what is larger than a page or an entry of an index may be."""
_MAX_SECONDS: Final = 10.0
"""Seconds to wait for a connection, and for an answer to what is no search."""
_SEARCH_SECONDS: Final = 60.0
_RELEASE_SECONDS: Final = 1.0
"""For which a connection may take to be ready for another use; then it is given up."""
_CLOSE_SECONDS: Final = 10.0
"""For what is still under way at the end."""
_BUSY: Final = "As many searches as may go on at once do: try again in a minute, or look at fewer runs."
_CROWDED_SECONDS: Final = 2.0
"""For which one of those that are there is waited for, if the server takes no more."""
_AGAIN_SECONDS: Final = 0.05
_MAX_CONNECTIONS: Final = 6
"""At most, of each process: for reads and small writes. The writer of runs has one of its own."""
_MAX_SEARCHES: Final = 2
"""Connections of their own for what may look at very many rows: nothing else waits for it, however long it takes."""
RETRIEVALS: Final = 6
"""Likewise where searches are what the database is for: datasets."""
# Said by statements, and not while connecting: a pooler in between refuses what it does not know, or forgets it.
_PLAIN: Final = "SET jit = off;"
# Rows are found by indices, in their order, so that a page ends when it is full. By what the server knows of its
# tables, or not yet, it would now and then collect and sort all rows of an app for it, go through the table, or look
# for a version that many runs had long ago among those of today. Plans are made once, for any values.
_IN_ORDER: Final = f"""
{_PLAIN} SET enable_seqscan = off; SET enable_bitmapscan = off; SET random_page_cost = 1.1;
SET plan_cache_mode = force_generic_plan;
"""
IF_IT_CAN: Final = "DO $$ BEGIN PERFORM set_config('{}', '{}', false); EXCEPTION WHEN OTHERS THEN NULL; END $$;"
# The server ends by itself what nobody waits for any more: the process that has asked may be gone. On Windows it cannot
# see that.
_SEARCHING: Final = f"""
{_PLAIN} SET statement_timeout = '{_SEARCH_SECONDS + _MAX_SECONDS:.0f}s';
{IF_IT_CAN.format("client_connection_check_interval", "5s")}
"""
# Plans are made once. A plan for the values at hand costs more than it gains where every statement goes by a key.
_BY_KEY: Final = f"""
{_PLAIN} SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_hashjoin = off;
SET enable_mergejoin = off;
"""


_LIMITS: Final = {
    # Seconds of silence until the other end is asked whether it is there, between such questions, and how many.
    "TCP_KEEPIDLE": 10,
    "TCP_KEEPINTVL": 5,
    "TCP_KEEPCNT": 3,
    # Milliseconds for which what was sent may be unconfirmed.
    "TCP_USER_TIMEOUT": 25_000,
}


def notice_loss(transport: asyncio.BaseTransport) -> None:
    """Have a connection break within half a minute of the loss of its other end, as far as the system knows how."""
    line = transport.get_extra_info("socket")
    if line is None or line.family not in (socket.AF_INET, socket.AF_INET6):
        return  # of the same machine, whose system knows
    line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _LIMITS.items():
        if (option := getattr(socket, name, None)) is not None:
            with suppress(OSError):  # of a system that knows the name, and not what it stands for
                line.setsockopt(socket.IPPROTO_TCP, option, value)


class Postgres:
    """A pool of connections, each opened when it is needed.

    A database that goes away is waited for: what is asked meanwhile fails with ``StoreUnavailable`` after ten seconds
    at most, and once the database is there again, what is asked then succeeds. Nothing has to be opened anew.
    """

    def __init__(self, url: str, *, searches: int = _MAX_SEARCHES) -> None:
        """Connects to nothing yet. ``searches``: that go on at once, at most. Raises ``InvalidSettings``: that is no
        address of a database, or the library is missing."""
        if diagnosis := diagnose_database_url(url):
            raise InvalidSettings(f"database_url {diagnosis}.")
        for name, path in parse_qsl(urlsplit(url).query):
            if name in _FILES and not os.path.isfile(path):
                raise InvalidSettings(f"database_url cannot be used: {name} names no file: {path}")
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
        """Another pool."""
        self._before_close: list[Callable[[], Awaitable[None]]] = []
        self.sql: Final = PostgresSql(self)

    @property
    def address(self) -> str:
        """Where the database is, without user and password."""
        return shown(self._url)

    def connections(self) -> dict[str, int]:
        """Those of both pools: ``used``, ``idle``, and ``free``: how many more may be opened."""
        pools = [pool for pool in (self._pool, self._searches) if pool is not None]
        size, idle = sum(pool.get_size() for pool in pools), sum(pool.get_idle_size() for pool in pools)
        return {"used": size - idle, "idle": idle, "free": _MAX_CONNECTIONS + self._max_searches - size}

    async def connect(self, *, by_key: bool = False) -> Connection:
        """A connection of one's own. ``by_key``: it is for statements that go by keys. Raises ``StoreUnavailable``:
        there is none to be had."""
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
        """All rows of a statement that only reads."""
        rows: list[Row] = await self._read(lambda connection: connection.fetch(sql, *values, timeout=_MAX_SECONDS))
        return rows

    async def search(self, sql: str, *values: Any) -> list[Row]:
        """``fetch`` for what may look at very many rows: few at once, for a minute each at most."""
        rows: list[Row] = await self._read(
            lambda connection: connection.fetch(sql, *values, timeout=_SEARCH_SECONDS), searching=True
        )
        return rows

    async def read_by(self, read: Callable[[Connection, float], Awaitable[T]], *, searching: bool = False) -> T:
        """What is read by one connection, a second one if the first turns out to be lost.

        Args:
            read: Gets the connection, and the seconds that a statement may take.
            searching: It may look at very many rows: see ``search``.
        """
        seconds = _SEARCH_SECONDS if searching else _MAX_SECONDS
        return await self._read(lambda connection: read(connection, seconds), searching=searching)

    async def row(self, sql: str, *values: Any) -> Row | None:
        """The first row of a statement that only reads."""
        return await self._read(lambda connection: connection.fetchrow(sql, *values, timeout=_MAX_SECONDS))

    async def value(self, sql: str, *values: Any) -> Any:
        """The first column of the first row."""
        row = await self.row(sql, *values)
        return None if row is None else row[0]

    async def execute(self, sql: str, *values: Any) -> int:
        """Change rows, durably. Returns how many."""
        async with self._connection() as connection:
            tag: str = await connection.execute(sql, *values, timeout=_MAX_SECONDS)
        return rows_of(tag)

    async def transact(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Do some work in one transaction. What it raises is raised, and nothing was changed."""
        async with self._connection() as connection, connection.transaction():
            return await work(connection)

    def is_its_error(self, error: Exception) -> bool:
        """Whether the library says that the database cannot be used, or refuses."""
        return isinstance(error, (self._api.PostgresError, self._api.InterfaceError, self._api.InternalClientError))

    def on_close(self, rest: Callable[[], Awaitable[None]]) -> None:
        """Have something done before the connections are closed: a store that has more to do."""
        self._before_close.append(rest)

    async def close(self) -> None:
        """Close all connections. May be called twice."""
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
        """Wait for an answer, for no longer than the request that asks may wait."""
        async with self.guard():
            return await within_patience(reading)

    async def _read(self, read: Callable[[Connection], Awaitable[T]], *, searching: bool = False) -> T:
        return await self.patiently(self._read_again(read, searching))

    async def _read_again(self, read: Callable[[Connection], Awaitable[T]], searching: bool) -> T:
        """Read by any connection of the pool. A second time if the first has turned out to be lost: a database that was
        restarted, or a firewall in between, does not say so before.
        """
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
        """A connection of a pool, for one piece of work.
        Raises ``StoreUnavailable``: there is none to be had, or it fails."""
        if searching and self._searches is None:
            self._searches = self._made(self._max_searches, _SEARCHING)
        elif not searching and self._pool is None:
            self._pool = self._made(_MAX_CONNECTIONS, _IN_ORDER)
        pool = self._searches if searching else self._pool
        async with self.guard():
            # Does nothing from the second time on.
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
                # One whose statement was given up has the server told so, which may not listen either.
                await pool.release(connection, timeout=_RELEASE_SECONDS)

    async def _acquired(self, pool: Any) -> Connection:
        """A connection that is free, or a new one. If the server takes no more, those that are there have to do."""
        end = time.monotonic() + _CROWDED_SECONDS
        while True:
            try:
                return await self._connected(pool.acquire())
            except self._api.TooManyConnectionsError:
                if pool.get_size() == 0 or time.monotonic() > end:
                    raise
                await asyncio.sleep(_AGAIN_SECONDS)

    def _made(self, size: int, settings: str) -> Any:
        """A pool. ``settings``: statements for each of its connections."""

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
        """Raises ``InvalidSettings``: the address has parts that mean nothing."""
        try:
            return await connecting
        except ValueError as error:
            if isinstance(error, OSError):
                raise  # a certificate, which may be mended while this process runs
            raise InvalidSettings(f"database_url cannot be used: {error}") from None

    @asynccontextmanager
    async def guard(self) -> AsyncIterator[None]:
        """Raises:
        StoreUnavailable: For what the library raises, whose errors are of several families.
        InvalidParam: What is to be kept is too long for an index.
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
    """What clients read of an error of the library. Its text may have values in it: it stays in the chain of causes."""
    return StoreUnavailable(f"The database cannot be used at the moment: {in_words(error)}.")


@cache
def _attentive(plain: type[Any]) -> type[Any]:
    """Connections that notice the loss of their other end."""

    class Attentive(plain):  # type: ignore[misc]
        def __init__(self, protocol: Any, transport: asyncio.BaseTransport, *more: Any) -> None:
            super().__init__(protocol, transport, *more)
            notice_loss(transport)

    return Attentive


async def _leave_as_it_is(connection: Connection) -> None:
    """No connection here keeps anything that another user of it would have to be spared: that saves a round trip."""
