"""SQL statements and operations of repositories on PostgreSQL, with converted ids and texts."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

from jikko.concurrency.background_tasks import start_task
from jikko.errors import JikkoError
from jikko.repositories.shared_sql import (
    Count,
    Dialect,
    Many,
    Operation,
    Record,
    Row,
    SqlQuery,
    nothing,
    storable,
    stored_id,
)

if TYPE_CHECKING:
    from jikko.store.postgres.database import Postgres


_IS_TEXT = b"\x00"


def text(value: str) -> str:
    """Replace what a ``text`` column cannot hold: U+0000 by U+FFFD, and lone surrogates by ``?``."""
    return storable(value).replace("\0", "\ufffd")


def optional_text(value: str | None) -> str | None:
    return None if value is None else text(value)


def id_column(value: str) -> bytes:
    """Return an id's stored form: 16 bytes for a canonical UUID, else a zero byte and the text."""
    stored = stored_id(value)
    if isinstance(stored, bytes):
        return stored
    raw = _IS_TEXT + text(stored).encode()
    # The length of a UUID: another zero byte, which no text contains, distinguishes it.
    return raw + _IS_TEXT if len(raw) == 16 else raw


T = TypeVar("T")

POSTGRES: Final = Dialect("postgres", to_id=id_column, to_text=text)


async def perform(operation: Operation[T], connection: Any, seconds: float | None = None) -> T:
    """Run an operation on a connection. ``seconds``: Timeout per statement."""
    answer = None
    try:
        while True:
            answer = await _answer(operation.send(answer), connection, seconds)
    except StopIteration as end:
        result: T = end.value
        return result


async def _answer(query: SqlQuery | Many, connection: Any, seconds: float | None) -> Any:
    statement = POSTGRES.statement(query.sql)
    if not statement.text:
        return nothing(query)
    if type(query) is Many:
        if query.values:
            rows = [statement.bound(values)[1] for values in query.values]
            await connection.executemany(statement.text, rows, timeout=seconds)
        return None
    assert isinstance(query, SqlQuery)
    _, values = statement.bound(query.values)
    if type(query) is Row:
        return await connection.fetchrow(statement.text, *values, timeout=seconds)
    if type(query) is Count:
        return rows_of(await connection.execute(statement.text, *values, timeout=seconds))
    return await connection.fetch(statement.text, *values, timeout=seconds)


def rows_of(tag: str) -> int:
    """Return the number of changed rows in the server's tag: ``UPDATE 3``."""
    number = tag.rpartition(" ")[2]
    return int(number) if number.isdigit() else 0


class PostgresSql:
    """``Sql`` over a connection pool."""

    dialect: Final = POSTGRES

    def __init__(self, database: "Postgres") -> None:
        self._database = database
        self._begun: set[asyncio.Task[None]] = set()
        database.on_close(self.settled)

    def with_text_ids(self) -> "PostgresSql":
        return self

    async def row(self, sql: str, /, **values: Any) -> Record | None:
        return await self._database.row(*self._bound(sql, values))

    def rows(self, sql: str, /, **values: Any) -> Awaitable[list[Record]]:
        return self._database.fetch(*self._bound(sql, values))

    def count(self, sql: str, /, **values: Any) -> Awaitable[int]:
        return self._database.execute(*self._bound(sql, values))

    def later(self, sql: str, /, **values: Any) -> None:
        start_task(self._try_to_write(sql, values), self._begun)

    async def settled(self) -> None:
        await asyncio.gather(*self._begun)

    def write(self, operation: Callable[[], Operation[T]]) -> Awaitable[T]:
        return self._database.transact(lambda connection: perform(operation(), connection))

    def quick(self, operation: Callable[[], Operation[T]]) -> Awaitable[T]:
        return self.read(operation)

    def once(self, name: Hashable, operation: Callable[[], Operation[T]]) -> Awaitable[T]:
        return self.read(operation)

    def read(self, operation: Callable[[], Operation[T]]) -> Awaitable[T]:
        return self._database.read_by(lambda connection, seconds: perform(operation(), connection, seconds))

    def search(self, operation: Callable[[], Operation[T]]) -> Awaitable[T]:
        return self._database.read_by(
            lambda connection, seconds: perform(operation(), connection, seconds), searching=True
        )

    async def _try_to_write(self, sql: str, values: Mapping[str, Any]) -> None:
        try:
            await self.count(sql, **values)
        except JikkoError:
            return

    def _bound(self, sql: str, values: Mapping[str, Any]) -> tuple[Any, ...]:
        text, bound = POSTGRES.statement(sql).bound(values)
        return text, *bound
