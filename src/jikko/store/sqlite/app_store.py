"""Apps, their versions and keys in SQLite. Nothing is remembered between calls: another process may change it all."""

import sqlite3
import zlib
from collections.abc import Collection, Mapping
from functools import partial
from typing import Any, Final

import msgspec

from jikko.errors import Conflict, NameTaken
from jikko.ports.stores.app_store import ApiKey, App, DeletedApp, WorkflowVersion, changed
from jikko.store.identifiers import id_text, storable
from jikko.store.row_reader import RowReader
from jikko.store.sqlite.annotations.jobs import forget_app
from jikko.store.sqlite.database import Database
from jikko.values import Json

_APP_COLUMNS: Final = (
    "app_id, name, mode, description, icon_type, icon, icon_background, use_icon_as_answer_icon, created_at, "
    "workflow_id, environment"
)
_PUT_APP: Final = f"""
INSERT INTO apps ({_APP_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '')
ON CONFLICT (app_id) DO UPDATE SET
  name = excluded.name, mode = excluded.mode, description = excluded.description, icon_type = excluded.icon_type,
  icon = excluded.icon, icon_background = excluded.icon_background,
  use_icon_as_answer_icon = excluded.use_icon_as_answer_icon, created_at = excluded.created_at,
  workflow_id = excluded.workflow_id
"""
_MAKE_CURRENT: Final = """
UPDATE apps SET name = ?2, mode = ?3, description = ?4, icon_type = ?5, icon = ?6, icon_background = ?7,
  use_icon_as_answer_icon = ?8, created_at = ?9, workflow_id = ?10
WHERE app_id = ?1 AND EXISTS (SELECT 1 FROM workflows WHERE app_id = ?1 AND workflow_id = ?10)
"""
_ENVIRONMENT: Final = "SELECT environment FROM apps WHERE app_id = ?"
_SET_ENVIRONMENT: Final = "UPDATE apps SET environment = ? WHERE app_id = ?"
_HAS_APP: Final = "SELECT 1 FROM apps WHERE app_id = ?"
_APP: Final = f"SELECT {_APP_COLUMNS} FROM apps WHERE app_id = ?"
_APP_NAMED: Final = f"SELECT {_APP_COLUMNS} FROM apps WHERE name = ?"
_APPS: Final = f"SELECT {_APP_COLUMNS} FROM apps ORDER BY created_at, key"
_APP_OF_KEY: Final = f"SELECT {_APP_COLUMNS} FROM apps WHERE app_id = (SELECT app_id FROM api_keys WHERE digest = ?)"
_HAS_NAMESAKE: Final = "SELECT 1 FROM apps WHERE name = ? AND app_id <> ?"
_NOTE_DELETION: Final = """
INSERT INTO deleted_apps (app_id, name, deleted_at) SELECT app_id, name, ? FROM apps WHERE app_id = ?
"""
_DELETED_APPS: Final = "SELECT app_id, name, deleted_at FROM deleted_apps ORDER BY rowid"
_DELETE_APP: Final = "DELETE FROM apps WHERE app_id = ?"

_NEXT_NUMBER: Final = "SELECT coalesce(max(number), 0) + 1 FROM workflows WHERE app_id = ?"
_ADD_VERSION: Final = """
INSERT INTO workflows (app_id, workflow_id, number, version, source, created_at) VALUES (?, ?, ?, ?, ?, ?)
"""
_VERSION: Final = """
SELECT workflow_id, app_id, version, number, source, created_at FROM workflows WHERE app_id = ? AND workflow_id = ?
"""
_VERSIONS: Final = """
SELECT workflow_id, app_id, version, number, created_at FROM workflows WHERE app_id = ? ORDER BY number DESC
"""

_HAS_KEY: Final = "SELECT 1 FROM api_keys WHERE app_id = ? LIMIT 1"
_ADD_KEY: Final = """
INSERT INTO api_keys (key_id, app_id, digest, hint, created_at) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
"""
_KEYS: Final = """
SELECT key_id, app_id, digest, hint, created_at, used_at FROM api_keys WHERE app_id = ? ORDER BY created_at, rowid
"""
_NOTE_USE: Final = "UPDATE api_keys SET used_at = ? WHERE digest = ?"
_DELETE_KEY: Final = "DELETE FROM api_keys WHERE app_id = ? AND key_id = ?"

_READER: Final = RowReader(id_text)


class SqliteAppStore:
    """An ``AppStore`` in a SQLite file."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def publish(self, app: App, version: WorkflowVersion) -> WorkflowVersion:
        compressed = zlib.compress(version.source)
        number: int = await self._database.submit(partial(_publish, app, version, compressed))
        return msgspec.structs.replace(version, app_id=app.id, number=number)

    async def app(self, app_id: str) -> App | None:
        return self._database.quick(partial(_one_app, _APP, storable(app_id)))

    async def app_named(self, name: str) -> App | None:
        return self._database.quick(partial(_one_app, _APP_NAMED, storable(name)))

    async def app_of_key(self, digest: bytes) -> App | None:
        return self._database.quick_once(digest, partial(_one_app, _APP_OF_KEY, digest))

    async def apps(self) -> list[App]:
        rows = await self._database.read(lambda connection: connection.execute(_APPS).fetchall())
        return [_READER.app(row) for row in rows]

    async def version(self, app_id: str, workflow_id: str) -> WorkflowVersion | None:
        values = (storable(app_id), storable(workflow_id))
        row = self._database.quick(lambda connection: connection.execute(_VERSION, values).fetchone())
        if row is None:
            return None
        return WorkflowVersion(
            id=row[0], app_id=row[1], version=row[2], number=row[3], source=zlib.decompress(row[4]), created_at=row[5]
        )

    async def versions(self, app_id: str) -> list[WorkflowVersion]:
        rows = await self._database.read(lambda connection: connection.execute(_VERSIONS, (app_id,)).fetchall())
        return [
            WorkflowVersion(id=row[0], app_id=row[1], version=row[2], number=row[3], source=b"", created_at=row[4])
            for row in rows
        ]

    async def make_current(self, app: App) -> bool:
        done: int = await self._database.submit(
            lambda connection: connection.execute(_MAKE_CURRENT, _values(app, app.workflow_id)).rowcount
        )
        return done > 0

    async def set_environment(self, app_id: str, values: Mapping[str, Json], unset: Collection[str] = ()) -> bool:
        done: bool = await self._database.submit(partial(_set_environment, app_id, values, unset))
        return done

    async def delete_app(self, app_id: str, *, at: float) -> bool:
        def delete(connection: sqlite3.Connection) -> bool:
            connection.execute(_NOTE_DELETION, (at, app_id))
            forget_app(app_id, connection)
            return connection.execute(_DELETE_APP, (app_id,)).rowcount > 0

        deleted: bool = await self._database.submit(delete)
        return deleted

    async def deleted_apps(self) -> list[DeletedApp]:
        rows = await self._database.read(lambda connection: connection.execute(_DELETED_APPS).fetchall())
        return [DeletedApp(id=row[0], name=row[1], deleted_at=row[2]) for row in rows]

    async def add_key(self, key: ApiKey, *, only_first: bool = False) -> bool:
        added: bool = await self._database.submit(partial(_add_key, key, only_first))
        return added

    async def keys(self, app_id: str) -> list[ApiKey]:
        rows = await self._database.read(lambda connection: connection.execute(_KEYS, (app_id,)).fetchall())
        return [
            ApiKey(id=row[0], app_id=row[1], digest=row[2], hint=row[3], created_at=row[4], used_at=row[5])
            for row in rows
        ]

    async def note_uses(self, used: Mapping[bytes, float]) -> None:
        values = [(at, digest) for digest, at in used.items()]
        await self._database.submit(lambda connection: connection.executemany(_NOTE_USE, values).rowcount)

    async def delete_key(self, app_id: str, key_id: str) -> bool:
        deleted: int = await self._database.submit(
            lambda connection: connection.execute(_DELETE_KEY, (app_id, key_id)).rowcount
        )
        return deleted > 0


def _publish(app: App, version: WorkflowVersion, source: bytes, connection: sqlite3.Connection) -> int:
    if connection.execute(_VERSION, (app.id, version.id)).fetchone() is not None:
        raise Conflict(f"App {app.id} has a version {version.id} already; versions never change.")
    if connection.execute(_HAS_NAMESAKE, (storable(app.name), app.id)).fetchone() is not None:
        raise NameTaken(app.name)
    number: int = connection.execute(_NEXT_NUMBER, (app.id,)).fetchone()[0]
    connection.execute(_PUT_APP, _values(app, version.id))
    connection.execute(_ADD_VERSION, (app.id, version.id, number, version.version, source, version.created_at))
    return number


def _values(app: App, workflow_id: str) -> tuple[Any, ...]:
    """The columns of an app, but for ``environment``."""
    return (
        app.id,
        storable(app.name),
        app.mode,
        storable(app.description),
        storable(app.icon_type),
        storable(app.icon),
        storable(app.icon_background),
        app.use_icon_as_answer_icon,
        app.created_at,
        workflow_id,
    )


def _set_environment(
    app_id: str, values: Mapping[str, Json], unset: Collection[str], connection: sqlite3.Connection
) -> bool:
    row = connection.execute(_ENVIRONMENT, (app_id,)).fetchone()
    if row is None:
        return False
    connection.execute(_SET_ENVIRONMENT, (changed(row[0], values, unset), app_id))
    return True


def _add_key(key: ApiKey, only_first: bool, connection: sqlite3.Connection) -> bool:
    if connection.execute(_HAS_APP, (key.app_id,)).fetchone() is None:
        raise Conflict(f"There is no app {key.app_id} to add a key to.")
    if only_first and connection.execute(_HAS_KEY, (key.app_id,)).fetchone() is not None:
        return False
    values = (key.id, key.app_id, key.digest, key.hint, key.created_at)
    if connection.execute(_ADD_KEY, values).rowcount == 0:
        raise Conflict(f"The API key {key.hint} exists already.")
    return True


def _one_app(sql: str, value: str | bytes, connection: sqlite3.Connection) -> App | None:
    row = connection.execute(sql, (value,)).fetchone()
    return None if row is None else _READER.app(row)
