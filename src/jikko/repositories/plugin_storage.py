"""Key-value storage of plugins."""

from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol, TypeVar

from jikko.repositories.shared_sql import Count, Operation, Record, Row, written

T = TypeVar("T")
_TABLE: Final = "[sqlite: kept][postgres: plugin_storage]"
_THIS: Final = "plugin = :plugin AND app_id = :app_id AND key = :key"
_GET: Final = f"SELECT value FROM {_TABLE} WHERE {_THIS}"
# Serializes a plugin's writes, so that two concurrent ones cannot exceed the quota.
_IN_TURN: Final = "[postgres: SELECT pg_advisory_xact_lock(1785359723, hashtext(:plugin))]"
_USED: Final = f"""
SELECT coalesce(sum(length(value) + length([sqlite: CAST(key AS BLOB)][postgres: convert_to(key, 'UTF8')])), 0)::int8
FROM {_TABLE} WHERE plugin = :plugin AND NOT (app_id = :app_id AND key = :key)
"""
_SET: Final = f"""
INSERT INTO {_TABLE} (plugin, app_id, key, value) VALUES (:plugin, :app_id, :key, :value)
ON CONFLICT (plugin, app_id, key) DO UPDATE SET value = excluded.value
"""
_DELETE: Final = f"DELETE FROM {_TABLE} WHERE {_THIS}"


class _Sql(Protocol):
    """Required part of ``Sql``."""

    async def row(self, sql: str, /, **values: Any) -> Record | None: ...

    def count(self, sql: str, /, **values: Any) -> Awaitable[int]: ...

    def write(self, operation: Callable[[], Operation[T]]) -> Awaitable[T]: ...


class _Database(Protocol):
    @property
    def sql(self) -> _Sql: ...

    async def close(self) -> None: ...


MAX_KEY: Final = 256
"""Longest key in characters."""


class StorageFull(Exception):
    """A plugin exceeds its storage quota. The message states the quota."""


class PluginStorage:
    """Values by key, separate for each plugin and app, in a database that it closes."""

    def __init__(self, database: _Database) -> None:
        self._database = database
        self._sql = database.sql

    async def get(self, app_id: str, plugin: str, key: str) -> bytes | None:
        """Return a value, or ``None``. Raises ``StoreUnavailable``: it cannot be read."""
        row = await self._sql.row(_GET, plugin=plugin, app_id=app_id, key=key)
        return None if row is None else bytes(row[0])

    @written
    def set(self, app_id: str, plugin: str, key: str, value: bytes, *, most: int) -> Operation[None]:
        """Store a value, durably. ``most``: Quota in bytes for all keys and values of the plugin, across apps.

        Raises:
            StorageFull: The quota would be exceeded; nothing was stored.
            StoreUnavailable: It cannot be written.
        """
        yield Row(_IN_TURN, plugin=plugin)
        [others] = yield Row(_USED, plugin=plugin, app_id=app_id, key=key)
        used = others + len(value) + len(key.encode())
        if used > most:
            raise StorageFull(f"The plugin {plugin} may keep {most} bytes; this would be {used}.")
        yield Count(_SET, plugin=plugin, app_id=app_id, key=key, value=value)

    async def delete(self, app_id: str, plugin: str, key: str) -> bool:
        """Delete a value. Returns whether it existed. Raises ``StoreUnavailable``: it cannot be written."""
        return await self._sql.count(_DELETE, plugin=plugin, app_id=app_id, key=key) > 0

    async def close(self) -> None:
        """Close the database. Idempotent."""
        await self._database.close()
