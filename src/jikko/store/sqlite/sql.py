"""Statements and operations of repositories on SQLite: writes by the thread that writes, reads where they fit."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

from jikko.repositories.identifiers import storable, stored_id
from jikko.repositories.shared_sql import Count, Dialect, Operation, Record, Row, Rows, nothing

if TYPE_CHECKING:
    from jikko.store.sqlite.database import Database

T = TypeVar("T")

SQLITE: Final = Dialect("sqlite", to_id=stored_id, to_text=storable)
_WITH_TEXT_IDS: Final = SQLITE.with_text_ids()


def perform(operation: Operation[T], connection: sqlite3.Connection, dialect: Dialect = SQLITE) -> T:
    """Do an operation by a connection, within its transaction."""
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
        """Nothing comes before what was submitted."""

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
