"""SQLite file of plugin storage: created on the first write, and never blocking a run."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Final, TypeVar

from jikko.errors import StoreUnavailable
from jikko.private import make_file, make_folder
from jikko.repositories.shared_sql import Count, Operation, Record, Row, SqlQuery
from jikko.store.sqlite.database import SQLITE, perform

T = TypeVar("T")
_DIALECT: Final = SQLITE.with_text_ids()
_TABLE: Final = """
CREATE TABLE IF NOT EXISTS kept (
  plugin TEXT NOT NULL,
  app_id TEXT NOT NULL,
  key TEXT NOT NULL,
  value BLOB NOT NULL,
  PRIMARY KEY (plugin, app_id, key)
) STRICT, WITHOUT ROWID
"""
_TIMEOUT_SECONDS: Final = 10.0
"""Seconds to wait for another process's lock."""


class PluginFile:
    """Database shared by several processes. Holds nothing between calls."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    @property
    def sql(self) -> "PluginFile":
        """The statement interface: this object."""
        return self

    async def row(self, sql: str, /, **values: Any) -> Record | None:
        """See ``Sql.row``; but on a thread."""
        return await self.write(lambda: _requested(Row(sql, **values))) if self._path.exists() else None

    async def count(self, sql: str, /, **values: Any) -> int:
        """See ``Sql.count``. Without a file, nothing is changed."""
        return await self.write(lambda: _requested(Count(sql, **values))) if self._path.exists() else 0

    async def write(self, operation: Callable[[], Operation[T]]) -> T:
        """See ``Sql.write``. Creates the file."""
        return await asyncio.to_thread(self._in_thread, operation)

    async def close(self) -> None:
        """Nothing is held between calls."""

    def _in_thread(self, operation: Callable[[], Operation[T]]) -> T:
        try:
            with self._lock:
                make_folder(self._path.parent)
                make_file(self._path)
                with closing(sqlite3.connect(self._path, timeout=_TIMEOUT_SECONDS, isolation_level=None)) as connection:
                    connection.execute("PRAGMA synchronous = FULL")
                    connection.execute("BEGIN IMMEDIATE")
                    connection.execute(_TABLE)
                    try:
                        done = perform(operation(), connection, _DIALECT)
                        connection.execute("COMMIT")
                    except BaseException:
                        if connection.in_transaction:  # a full disk has already ended it
                            connection.execute("ROLLBACK")
                        raise
                    return done
        except (sqlite3.Error, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise StoreUnavailable(f"The plugin storage ({self._path.name}) cannot be used: {reason}") from None


def _requested(query: SqlQuery) -> Operation[Any]:
    return (yield query)
