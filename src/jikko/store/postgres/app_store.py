"""Apps, their versions and keys in PostgreSQL. Only which app a key opens is remembered (``KnownKeys``)."""

import json
import zlib
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, Final, TypeVar

import msgspec

from jikko.errors import Conflict, NameTaken
from jikko.ports.stores.app_store import ApiKey, App, DeletedApp, WorkflowVersion, changed
from jikko.store.postgres.annotation_jobs import forget_app
from jikko.store.postgres.columns import id_column, id_of, text
from jikko.store.postgres.database import Connection, Postgres, Row, rows_of
from jikko.store.postgres.known_keys import KnownKeys
from jikko.store.postgres.runs.together import Together
from jikko.store.row_reader import RowReader
from jikko.values import Json

T = TypeVar("T")

_APP_COLUMNS: Final = (
    "app_id, name, mode, description, icon_type, icon, icon_background, use_icon_as_answer_icon, created_at, "
    "workflow_id, environment"
)
_PUT_APP: Final = """
INSERT INTO apps (app_id, name, mode, description, icon_type, icon, icon_background, use_icon_as_answer_icon,
  created_at, workflow_id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (app_id) DO UPDATE SET
  name = excluded.name, mode = excluded.mode, description = excluded.description, icon_type = excluded.icon_type,
  icon = excluded.icon, icon_background = excluded.icon_background,
  use_icon_as_answer_icon = excluded.use_icon_as_answer_icon, created_at = excluded.created_at,
  workflow_id = excluded.workflow_id
"""
_MAKE_CURRENT: Final = """
UPDATE apps SET name = $2, mode = $3, description = $4, icon_type = $5, icon = $6, icon_background = $7,
  use_icon_as_answer_icon = $8, created_at = $9, workflow_id = $10
WHERE app_id = $1 AND EXISTS (SELECT FROM workflows WHERE app_id = $1 AND workflow_id = $10)
"""
# One publication at a time, so that of two of one name, or two of one app, the second sees the first.
_IN_TURN: Final = "LOCK TABLE apps IN SHARE ROW EXCLUSIVE MODE"
_ENVIRONMENT: Final = "SELECT environment FROM apps WHERE app_id = $1 FOR UPDATE"
_ENVIRONMENTS: Final = "SELECT name, environment FROM apps WHERE environment <> ''"
_SET_ENVIRONMENT: Final = "UPDATE apps SET environment = $1 WHERE app_id = $2"
_HAS_APP: Final = "SELECT 1 FROM apps WHERE app_id = $1 FOR SHARE"
# Two first keys wait for each other, and for any other key.
_HOLD_APP: Final = "SELECT 1 FROM apps WHERE app_id = $1 FOR NO KEY UPDATE"
_APP: Final = f"SELECT {_APP_COLUMNS} FROM apps WHERE app_id = $1"
_APP_NAMED: Final = f"SELECT {_APP_COLUMNS} FROM apps WHERE name = $1"
_APPS: Final = f"SELECT {_APP_COLUMNS} FROM apps ORDER BY created_at, key"
_OF_KEY: Final = f"SELECT 1::int8, {', '.join('a.' + name for name in _APP_COLUMNS.split(', '))} FROM "
_APP_OF_KEY: Final = f"{_OF_KEY} api_keys k JOIN apps a USING (app_id) WHERE k.digest = $1"
_APPS_OF_KEYS: Final = (
    f"{_OF_KEY.replace('1::int8', 'u.number')} unnest($1::bytea[]) WITH ORDINALITY AS u (digest, number) "
    "JOIN api_keys k USING (digest) JOIN apps a USING (app_id)"
)
_HAS_NAMESAKE: Final = "SELECT 1 FROM apps WHERE name = $1 AND app_id <> $2"
_NOTE_DELETION: Final = """
INSERT INTO deleted_apps (app_id, name, deleted_at) SELECT app_id, name, $1 FROM apps WHERE app_id = $2
"""
_DELETED_APPS: Final = "SELECT app_id, name, deleted_at FROM deleted_apps ORDER BY key"
_DELETE_APP: Final = "DELETE FROM apps WHERE app_id = $1"

_NEXT_NUMBER: Final = "SELECT coalesce(max(number), 0) + 1 FROM workflows WHERE app_id = $1"
_ADD_VERSION: Final = """
INSERT INTO workflows (app_id, workflow_id, number, version, source, created_at) VALUES ($1, $2, $3, $4, $5, $6)
"""
_VERSION: Final = """
SELECT workflow_id, app_id, version, number, created_at, source FROM workflows WHERE app_id = $1 AND workflow_id = $2
"""
_VERSIONS: Final = """
SELECT workflow_id, app_id, version, number, created_at FROM workflows WHERE app_id = $1 ORDER BY number DESC
"""

_ADD_KEY: Final = """
INSERT INTO api_keys (key_id, app_id, digest, hint, created_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING
"""
_KEYS: Final = """
SELECT key_id, app_id, digest, hint, created_at, used_at FROM api_keys WHERE app_id = $1 ORDER BY created_at, key
"""
_NOTE_USES: Final = """
UPDATE api_keys k SET used_at = u.at FROM unnest($1::bytea[], $2::float8[]) AS u (digest, at) WHERE k.digest = u.digest
"""
_DELETE_KEY: Final = "DELETE FROM api_keys WHERE app_id = $1 AND key_id = $2"
_READER: Final = RowReader(id_of)


class PostgresAppStore:
    """An ``AppStore`` in PostgreSQL. The database is closed by its opener."""

    def __init__(self, database: Postgres) -> None:
        self._database = database
        self._of_keys = Together(database, _APPS_OF_KEYS, one=_APP_OF_KEY)
        self._known = KnownKeys(database, self._asked_app_of_key)
        database.on_close(self._of_keys.close)
        database.on_close(self._known.close)

    async def publish(self, app: App, version: WorkflowVersion) -> WorkflowVersion:
        compressed = zlib.compress(version.source)

        async def work(connection: Connection) -> int:
            return await _publish(connection, app, version, compressed)

        number = await self._change(work)
        return msgspec.structs.replace(version, app_id=app.id, number=number)

    async def app(self, app_id: str) -> App | None:
        return _optional_app(await self._database.row(_APP, id_column(app_id)))

    async def app_named(self, name: str) -> App | None:
        return _optional_app(await self._database.row(_APP_NAMED, text(name)))

    async def app_of_key(self, digest: bytes) -> App | None:
        return await self._known.app(digest)

    async def _asked_app_of_key(self, digest: bytes) -> App | None:
        row = await self._of_keys.ask(digest)
        return None if row is None else _READER.app(tuple(row)[1:])

    async def apps(self) -> list[App]:
        return [_READER.app(row) for row in await self._database.fetch(_APPS)]

    async def version(self, app_id: str, workflow_id: str) -> WorkflowVersion | None:
        row = await self._database.row(_VERSION, id_column(app_id), id_column(workflow_id.lower()))
        return None if row is None else _version(row, zlib.decompress(row[5]))

    async def versions(self, app_id: str) -> list[WorkflowVersion]:
        return [_version(row, b"") for row in await self._database.fetch(_VERSIONS, id_column(app_id))]

    async def make_current(self, app: App) -> bool:
        async def work(connection: Connection) -> bool:
            return rows_of(await connection.execute(_MAKE_CURRENT, *_values(app, app.workflow_id))) > 0

        return await self._change(work)

    async def set_environment(self, app_id: str, values: Mapping[str, Json], unset: Collection[str] = ()) -> bool:
        async def work(connection: Connection) -> bool:
            row = await connection.fetchrow(_ENVIRONMENT, id_column(app_id))
            if row is None:
                return False
            await connection.execute(_SET_ENVIRONMENT, changed(row[0], values, unset), id_column(app_id))
            return True

        return await self._change(work)

    async def environments(self) -> dict[str, Mapping[str, Json]]:
        """The values that were set for environment variables, by the names of apps."""
        return {row[0]: json.loads(row[1]) for row in await self._database.fetch(_ENVIRONMENTS)}

    async def delete_app(self, app_id: str, *, at: float) -> bool:
        async def work(connection: Connection) -> bool:
            stored = id_column(app_id)
            await connection.execute(_NOTE_DELETION, at, stored)
            await forget_app(connection, stored)
            return rows_of(await connection.execute(_DELETE_APP, stored)) > 0

        return await self._change(work)

    async def deleted_apps(self) -> list[DeletedApp]:
        rows = await self._database.fetch(_DELETED_APPS)
        return [DeletedApp(id=id_of(row[0]), name=row[1], deleted_at=row[2]) for row in rows]

    async def add_key(self, key: ApiKey, *, only_first: bool = False) -> bool:
        async def work(connection: Connection) -> bool:
            app_id = id_column(key.app_id)
            if await connection.fetchval(_HOLD_APP if only_first else _HAS_APP, app_id) is None:
                raise Conflict(f"There is no app {key.app_id} to add a key to.")
            if only_first and await connection.fetchrow(_KEYS, app_id) is not None:
                return False
            values = (id_column(key.id), app_id, key.digest, text(key.hint), key.created_at)
            if rows_of(await connection.execute(_ADD_KEY, *values)) == 0:
                raise Conflict(f"The API key {key.hint} exists already.")
            return True

        return await self._change(work)

    async def keys(self, app_id: str) -> list[ApiKey]:
        rows = await self._database.fetch(_KEYS, id_column(app_id))
        return [
            ApiKey(
                id=id_of(row[0]), app_id=id_of(row[1]), digest=row[2], hint=row[3], created_at=row[4], used_at=row[5]
            )
            for row in rows
        ]

    async def note_uses(self, used: Mapping[bytes, float]) -> None:
        await self._database.execute(_NOTE_USES, list(used), list(used.values()))

    async def delete_key(self, app_id: str, key_id: str) -> bool:
        async def work(connection: Connection) -> bool:
            return rows_of(await connection.execute(_DELETE_KEY, id_column(app_id), id_column(key_id))) > 0

        return await self._change(work)

    async def _change(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """``Postgres.transact`` of what apps or keys are changed by."""
        try:
            return await self._database.transact(work)
        finally:
            # Others hear of it; this process is not to be later than its own answer.
            self._known.forget()


async def _publish(connection: Connection, app: App, version: WorkflowVersion, source: bytes) -> int:
    await connection.execute(_IN_TURN)
    app_id, workflow_id = id_column(app.id), id_column(version.id)
    if await connection.fetchrow(_VERSION, app_id, workflow_id) is not None:
        raise Conflict(f"App {app.id} has a version {version.id} already; versions never change.")
    if await connection.fetchval(_HAS_NAMESAKE, text(app.name), app_id) is not None:
        raise NameTaken(app.name)
    number: int = await connection.fetchval(_NEXT_NUMBER, app_id)
    await connection.execute(_PUT_APP, *_values(app, version.id))
    await connection.execute(
        _ADD_VERSION, app_id, workflow_id, number, text(version.version), source, version.created_at
    )
    return number


def _values(app: App, workflow_id: str) -> tuple[Any, ...]:
    """The columns of an app, but for ``environment``."""
    return (
        id_column(app.id),
        text(app.name),
        app.mode,
        text(app.description),
        text(app.icon_type),
        text(app.icon),
        text(app.icon_background),
        app.use_icon_as_answer_icon,
        app.created_at,
        id_column(workflow_id),
    )


def _optional_app(row: Row | None) -> App | None:
    return None if row is None else _READER.app(row)


def _version(row: Row, source: bytes) -> WorkflowVersion:
    return WorkflowVersion(
        id=id_of(row[0]), app_id=id_of(row[1]), version=row[2], number=row[3], source=source, created_at=row[4]
    )
