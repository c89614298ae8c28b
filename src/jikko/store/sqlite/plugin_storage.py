"""What plugins keep, in a SQLite file of its own: made when the first one keeps something, and no run waits for it."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final, TypeVar

from jikko.errors import StoreUnavailable
from jikko.ports.stores.plugin_storage import StorageFull
from jikko.private import make_file, make_folder

T = TypeVar("T")
_TABLE: Final = """
CREATE TABLE IF NOT EXISTS kept (
  plugin TEXT NOT NULL,
  app_id TEXT NOT NULL,
  key TEXT NOT NULL,
  value BLOB NOT NULL,
  PRIMARY KEY (plugin, app_id, key)
) STRICT, WITHOUT ROWID
"""
_GET: Final = "SELECT value FROM kept WHERE plugin = ? AND app_id = ? AND key = ?"
_USED: Final = """
SELECT coalesce(sum(length(value) + length(CAST(key AS BLOB))), 0) FROM kept
WHERE plugin = ? AND NOT (app_id = ? AND key = ?)
"""
_SET: Final = "INSERT OR REPLACE INTO kept (plugin, app_id, key, value) VALUES (?, ?, ?, ?)"
_DELETE: Final = "DELETE FROM kept WHERE plugin = ? AND app_id = ? AND key = ?"
_TIMEOUT_SECONDS: Final = 10.0
"""Seconds that another process may hold the file."""


class SqlitePluginStorage:
    """A ``PluginStorage`` in a file that several processes may use."""

    def __init__(self, path: Path) -> None:
        """Opens nothing yet."""
        self._path = path
        self._lock = threading.Lock()

    async def get(self, app_id: str, plugin: str, key: str) -> bytes | None:
        """See ``PluginStorage.get``."""

        def find(connection: sqlite3.Connection) -> bytes | None:
            found = connection.execute(_GET, (plugin, app_id, key)).fetchone()
            return None if found is None else bytes(found[0])

        return await self._do(find) if self._path.exists() else None

    async def set(self, app_id: str, plugin: str, key: str, value: bytes, *, most: int) -> None:
        """See ``PluginStorage.set``."""

        def keep(connection: sqlite3.Connection) -> None:
            [others] = connection.execute(_USED, (plugin, app_id, key)).fetchone()
            used = others + len(value) + len(key.encode())
            if used > most:
                raise StorageFull(f"The plugin {plugin} may keep {most} bytes; this would be {used}.")
            connection.execute(_SET, (plugin, app_id, key, value))

        await self._do(keep)

    async def delete(self, app_id: str, plugin: str, key: str) -> bool:
        """See ``PluginStorage.delete``."""
        if not self._path.exists():
            return False
        return await self._do(lambda connection: connection.execute(_DELETE, (plugin, app_id, key)).rowcount > 0)

    async def close(self) -> None:
        """See ``PluginStorage.close``: nothing is held between calls."""

    async def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """In a thread, in one transaction."""
        return await asyncio.to_thread(self._in_thread, work)

    def _in_thread(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            with self._lock:
                make_folder(self._path.parent)
                make_file(self._path)
                with closing(sqlite3.connect(self._path, timeout=_TIMEOUT_SECONDS, isolation_level=None)) as connection:
                    connection.execute("PRAGMA synchronous = FULL")
                    connection.execute("BEGIN IMMEDIATE")
                    connection.execute(_TABLE)
                    try:
                        done = work(connection)
                        connection.execute("COMMIT")
                    except BaseException:
                        connection.execute("ROLLBACK")
                        raise
                    return done
        except (sqlite3.Error, OSError) as error:
            raise StoreUnavailable(f"What plugins keep ({self._path}) cannot be reached: {error}") from None
