"""What plugins keep, in PostgreSQL."""

from typing import Final

from jikko.ports.stores.plugin_storage import StorageFull
from jikko.store.postgres.columns import id_column, text
from jikko.store.postgres.database import Connection, Postgres

_GET: Final = "SELECT value FROM plugin_storage WHERE plugin = $1 AND app_id = $2 AND key = $3"
# One write of a plugin at a time, so that two do not both find room for themselves.
_IN_TURN: Final = "SELECT pg_advisory_xact_lock(1785359723, hashtext($1))"
_USED: Final = """
SELECT coalesce(sum(octet_length(value) + octet_length(key)), 0)::int8 FROM plugin_storage
WHERE plugin = $1 AND NOT (app_id = $2 AND key = $3)
"""
_SET: Final = """
INSERT INTO plugin_storage (plugin, app_id, key, value) VALUES ($1, $2, $3, $4)
ON CONFLICT (plugin, app_id, key) DO UPDATE SET value = excluded.value
"""
_DELETE: Final = "DELETE FROM plugin_storage WHERE plugin = $1 AND app_id = $2 AND key = $3"


class PostgresPluginStorage:
    """A ``PluginStorage`` in PostgreSQL, which closes the database."""

    def __init__(self, database: Postgres) -> None:
        self._database = database

    async def get(self, app_id: str, plugin: str, key: str) -> bytes | None:
        value: bytes | None = await self._database.value(_GET, text(plugin), id_column(app_id), text(key))
        return value

    async def set(self, app_id: str, plugin: str, key: str, value: bytes, *, most: int) -> None:
        async def keep(connection: Connection) -> None:
            await connection.execute(_IN_TURN, text(plugin))
            others = await connection.fetchval(_USED, text(plugin), id_column(app_id), text(key))
            used = others + len(value) + len(key.encode())
            if used > most:
                raise StorageFull(f"The plugin {plugin} may keep {most} bytes; this would be {used}.")
            await connection.execute(_SET, text(plugin), id_column(app_id), text(key), value)

        await self._database.transact(keep)

    async def delete(self, app_id: str, plugin: str, key: str) -> bool:
        return await self._database.execute(_DELETE, text(plugin), id_column(app_id), text(key)) > 0

    async def close(self) -> None:
        await self._database.close()
