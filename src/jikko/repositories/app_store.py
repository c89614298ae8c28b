"""Apps, their versions and API keys. Nothing is cached: other processes may change everything."""

from __future__ import annotations  # operations are functions created per call

import json
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final, TypeVar

import msgspec

from jikko.errors import Conflict, NameTaken, NotFound, TooLate
from jikko.ids import new_id
from jikko.ports.stores.trigger_store import Trigger
from jikko.repositories.annotation_store import forget_app
from jikko.repositories.delivery_store import forget_deliveries
from jikko.repositories.record_table import RecordTable
from jikko.repositories.shared_sql import Count, Many, Operation, Record, Row, Rows, SqlDatabase, id_text, written
from jikko.values import Json


class App(msgspec.Struct, frozen=True, kw_only=True):
    """App, whose workflow is published in versions; one of them is current."""

    id: str
    name: str
    mode: str
    """See ``dsl.document.AppMode``."""
    description: str = ""
    icon_type: str = "emoji"
    icon: str = ""
    icon_background: str = "#FFFFFF"
    use_icon_as_answer_icon: bool = False
    created_at: float
    workflow_id: str
    """Current version."""
    environment: str = ""
    """Values set for the app's environment variables, as a JSON object; empty if there are none."""


class WorkflowVersion(msgspec.Struct, frozen=True, kw_only=True):
    """Published version of an app's workflow; immutable."""

    id: str
    app_id: str
    version: str
    """Publication time as UTC text: ``2025-06-01 08:00:00.123456``."""
    number: int
    """Counted from 1 within the app."""
    source: bytes
    """DSL file as imported."""
    created_at: float


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """API key. Only its SHA-256 is stored."""

    id: str
    app_id: str
    digest: bytes
    hint: str
    """First characters, to tell keys apart: ``app-AbC…``."""
    created_at: float
    used_at: float | None = None
    """Last use, within a minute or two; ``None`` if no use was recorded."""


class DeletedApp(msgspec.Struct, frozen=True, kw_only=True):
    """Deleted app. Its runs may still exist."""

    id: str
    name: str
    deleted_at: float


def changed(environment: str, values: Mapping[str, Json], unset: Collection[str]) -> str:
    """Return ``App.environment`` with some values set and others unset."""
    known: dict[str, Json] = json.loads(environment) if environment else {}
    kept = {name: value for name, value in (known | dict(values)).items() if name not in unset}
    # Lone surrogates, which neither database accepts, are escaped.
    return json.dumps(kept) if kept else ""


T = TypeVar("T")

APPS: Final = RecordTable("apps", App, columns={"id": "app_id"})
_DESCRIBED: Final = [field for field in App.__struct_fields__ if field not in ("id", "environment")]
# Changes of apps are serialized, so that of two with the same name or app the second sees the first.
_IN_TURN: Final = "[postgres: LOCK TABLE apps IN SHARE ROW EXCLUSIVE MODE]"
_PUT_APP: Final = f"""
{APPS.insert} ON CONFLICT (app_id) DO UPDATE SET {", ".join(f"{each} = excluded.{each}" for each in _DESCRIBED)}
"""
_MAKE_CURRENT: Final = f"""
UPDATE apps SET {", ".join(f"{each} = :{each}" for each in _DESCRIBED)}
WHERE app_id = :id AND EXISTS (SELECT 1 FROM workflows WHERE app_id = :id AND workflow_id = :workflow_id)
"""
_STANDING: Final = "SELECT workflow_id, environment FROM apps WHERE app_id = :app_id"
_SET_ENVIRONMENT: Final = "UPDATE apps SET environment = :environment WHERE app_id = :app_id"
_HAS_APP: Final = "SELECT 1 FROM apps WHERE app_id = :app_id FOR SHARE"
# Serializes first keys among themselves and with any other key.
_HOLD_APP: Final = "SELECT 1 FROM apps WHERE app_id = :app_id FOR NO KEY UPDATE"
_APP: Final = APPS.select("WHERE app_id = :app_id")
_APP_NAMED: Final = APPS.select("WHERE name = :name")
_APPS: Final = APPS.select("ORDER BY created_at, key")
_APP_OF_KEY: Final = APPS.select("WHERE app_id = (SELECT app_id FROM api_keys WHERE digest = :digest)")
_HAS_NAMESAKE: Final = "SELECT 1 FROM apps WHERE name = :name AND app_id <> :app_id"
_NOTE_DELETION: Final = """
INSERT INTO deleted_apps (app_id, name, deleted_at) SELECT app_id, name, :at FROM apps WHERE app_id = :app_id
"""
_DELETED: Final = RecordTable("deleted_apps", DeletedApp, columns={"id": "app_id"})
_DELETED_APPS: Final = _DELETED.select("ORDER BY [sqlite: rowid][postgres: key]")
_DELETE_APP: Final = "DELETE FROM apps WHERE app_id = :app_id"

_NEXT_NUMBER: Final = "SELECT coalesce(max(number), 0) + 1 FROM workflows WHERE app_id = :app_id"
_ADD_VERSION: Final = """
INSERT INTO workflows (app_id, workflow_id, number, version, source, created_at)
VALUES (:app_id, :workflow_id, :number, :version, :source, :created_at)
"""
_VERSION_COLUMNS: Final = "workflow_id, app_id, version, number, created_at"
_VERSION: Final = f"""
SELECT {_VERSION_COLUMNS}, source FROM workflows WHERE app_id = :app_id AND workflow_id = :workflow_id
"""
_VERSIONS: Final = f"SELECT {_VERSION_COLUMNS} FROM workflows WHERE app_id = :app_id ORDER BY number DESC"
_VERSION_IDS: Final = "SELECT app_id, workflow_id FROM workflows"

_HAS_KEY: Final = "SELECT 1 FROM api_keys WHERE app_id = :app_id LIMIT 1"
_KEYS: Final = RecordTable("api_keys", ApiKey, columns={"id": "key_id"})
_ADD_KEY: Final = f"{_KEYS.insert} ON CONFLICT DO NOTHING"
# An existing trigger of the node keeps everything but its kind; an address is never removed.
_KEEP_TRIGGER: Final = """
INSERT INTO app_triggers (trigger_id, app_id, node, kind, address, enabled, created_at)
VALUES (:id, :app_id, :node, :kind, :address, :enabled, :created_at)
ON CONFLICT (app_id, node) DO UPDATE SET
  kind = excluded.kind, address = coalesce(app_triggers.address, excluded.address)
"""
# An id set by the operator may belong to a node of a renamed app.
_OTHER_TRIGGER: Final = "SELECT 1 FROM app_triggers WHERE trigger_id = :id AND NOT (app_id = :app_id AND node = :node)"
# The leader plans it again.
_KEEP_SCHEDULE: Final = """
INSERT INTO schedules (trigger_id, plan, changed_at, handled, wake)
SELECT trigger_id, '', :created_at::float8, :created_at::float8, 0 FROM app_triggers
WHERE app_id = :app_id AND node = :node AND kind = 'schedule'
ON CONFLICT (trigger_id) DO UPDATE SET changed_at = excluded.changed_at, wake = 0
"""
_TRIGGERS: Final = "SELECT trigger_id FROM app_triggers WHERE app_id = :app_id"
_KEYS_OF: Final = _KEYS.select("WHERE app_id = :app_id ORDER BY created_at, [sqlite: rowid][postgres: key]")
_KEYS_LIKE: Final = _KEYS.select("WHERE hint = :hint ORDER BY created_at, [sqlite: rowid][postgres: key]")
_NOTE_USE: Final = "UPDATE api_keys SET used_at = :at WHERE digest = :digest"
_DELETE_KEY: Final = "DELETE FROM api_keys WHERE app_id = :app_id AND key_id = :id"


class AppStore:
    """Apps, versions and keys. Every result is up to date, though other processes may change the store at any time."""

    def __init__(self, database: SqlDatabase) -> None:
        self._sql = database.sql.with_text_ids()

    async def publish(
        self,
        app: App,
        version: WorkflowVersion,
        triggers: Sequence[Trigger] = (),
        *,
        values: Mapping[str, Json] | None = None,
        expected: str | None = None,
        aside: bool = False,
    ) -> WorkflowVersion:
        """Create or update an app (by ``app.id``) and add a version, which becomes current.

        Args:
            triggers: One per trigger node of the version; see ``keep_triggers``.
            values: To set for environment variables; others keep theirs.
            expected: Id that the current version must have; ``""`` if the app must not exist.
            aside: Whether an existing app and its triggers stay as they are.

        Returns:
            The version with its ``number``.

        Raises:
            NameTaken: Another app has the name. Nothing was written.
            Conflict: The app already has a version of that id. Nothing was written.
            TooLate: The current version is not ``expected``. Nothing was written.
        """
        compressed = zlib.compress(version.source)
        number = await self._change(lambda: _publish(app, version, compressed, triggers, values or {}, expected, aside))
        return msgspec.structs.replace(version, app_id=app.id, number=number)

    async def keep_triggers(self, triggers: Sequence[Trigger]) -> None:
        """Add triggers of nodes of one app that have none; existing ones keep id, address and switch. No-op if the app
        was removed."""

        def keep() -> Operation[None]:
            if triggers and (yield Row(_HAS_APP, app_id=triggers[0].app_id)) is not None:
                yield from _keep(triggers)

        await self._sql.write(keep)

    async def app(self, app_id: str) -> App | None:
        def find() -> Operation[App | None]:
            return _app((yield Row(_APP, app_id=app_id)))

        return await self._sql.once(("app", app_id), find)

    async def app_named(self, name: str) -> App | None:
        return _app(await self._sql.row(_APP_NAMED, name=name))

    async def app_of_key(self, digest: bytes) -> App | None:
        """Return the app of an API key. On the path of every request: must not wait for anything but the disk."""

        def find() -> Operation[App | None]:
            return _app((yield Row(_APP_OF_KEY, digest=digest)))

        return await self._sql.once(digest, find)

    async def apps(self) -> list[App]:
        """Return all apps, oldest first."""
        return [app_of(row) for row in await self._sql.rows(_APPS)]

    async def version(self, app_id: str, workflow_id: str) -> WorkflowVersion | None:
        """Return a version of an app; ``None`` if unknown or another app's. ``workflow_id``: Case-insensitive."""
        row = await self._sql.row(_VERSION, app_id=app_id, workflow_id=workflow_id.lower())
        return None if row is None else self._version(row, zlib.decompress(row[5]))

    async def versions(self, app_id: str) -> list[WorkflowVersion]:
        """Return all versions of an app, newest first, with an empty ``source``."""
        return [self._version(row, b"") for row in await self._sql.rows(_VERSIONS, app_id=app_id)]

    async def version_ids(self) -> list[tuple[str, str]]:
        return [(id_text(row[0]), id_text(row[1])) for row in await self._sql.rows(_VERSION_IDS)]

    async def make_current(self, app: App, triggers: Sequence[Trigger] = ()) -> bool:
        """Update an app and its current version, but not ``environment``. Returns whether the app with that version
        exists. ``triggers``: As for ``publish``."""

        def change() -> Operation[bool]:
            if not (yield Count(_MAKE_CURRENT, **APPS.values(app))):
                return False
            yield from _keep(triggers)
            return True

        return await self._change(change)

    async def set_environment(self, app_id: str, values: Mapping[str, Json], unset: Collection[str] = ()) -> bool:
        """Set and unset values of an app's environment variables; others are kept. Returns whether the app exists."""

        def change() -> Operation[bool]:
            yield Count(_IN_TURN)
            row = yield Row(_STANDING, app_id=app_id)
            if row is None:
                return False
            yield Count(_SET_ENVIRONMENT, app_id=app_id, environment=changed(row[1], values, unset))
            return True

        return await self._change(change)

    async def delete_app(self, app_id: str, *, at: float) -> bool:
        """Delete an app with its versions, keys and values. Its runs stay, for the operator, until retention. Returns
        whether it existed."""

        def delete() -> Operation[bool]:
            yield Count(_IN_TURN)
            yield Count(_NOTE_DELETION, app_id=app_id, at=at)
            yield from forget_app(app_id)
            for row in (yield Rows(_TRIGGERS, app_id=app_id)):
                yield from forget_deliveries(row[0])
            return bool((yield Count(_DELETE_APP, app_id=app_id)))

        return await self._change(delete)

    async def deleted_apps(self) -> list[DeletedApp]:
        """Return the deleted apps in order of deletion."""
        return _DELETED.records(await self._sql.rows(_DELETED_APPS))

    async def add_key(self, key: ApiKey, *, only_first: bool = False) -> bool:
        """Add a key. ``only_first``: Only if the app has none; of several concurrent calls one succeeds. Returns
        whether it was added: not if the key exists. Raises ``NotFound``: the app does not exist."""
        return await self._change(lambda: _add_key(key, only_first))

    async def keys(self, app_id: str) -> list[ApiKey]:
        """Return the keys of an app, oldest first."""
        return _KEYS.records(await self._sql.rows(_KEYS_OF, app_id=app_id))

    async def keys_like(self, hint: str) -> list[ApiKey]:
        return _KEYS.records(await self._sql.rows(_KEYS_LIKE, hint=hint))

    @written
    def note_uses(self, used: Mapping[bytes, float]) -> Operation[None]:
        """Store the time of the last use of keys, by digest. Unknown keys are ignored."""
        # Sorted, so that two servers do not deadlock.
        yield Many(_NOTE_USE, [{"digest": digest, "at": used[digest]} for digest in sorted(used)])

    async def delete_key(self, app_id: str, key_id: str) -> bool:
        def delete() -> Operation[bool]:
            return bool((yield Count(_DELETE_KEY, app_id=app_id, id=key_id)))

        return await self._change(delete)

    async def _change(self, operation: Callable[[], Operation[T]]) -> T:
        return await self._sql.write(operation)

    def _version(self, row: Record, source: bytes) -> WorkflowVersion:
        return WorkflowVersion(
            id=id_text(row[0]), app_id=id_text(row[1]), version=row[2], number=row[3], source=source, created_at=row[4]
        )


def _app(row: Record | None) -> App | None:
    return None if row is None else app_of(row)


def app_of(row: Record) -> App:
    """Read an app from a row of either database."""
    # Called for each request: a generic record table takes ten times as long.
    return App(
        id=id_text(row[0]),
        name=row[1],
        mode=row[2],
        description=row[3],
        icon_type=row[4],
        icon=row[5],
        icon_background=row[6],
        use_icon_as_answer_icon=bool(row[7]),
        created_at=row[8],
        workflow_id=id_text(row[9]),
        environment=row[10],
    )


def _publish(
    app: App,
    version: WorkflowVersion,
    source: bytes,
    triggers: Sequence[Trigger],
    values: Mapping[str, Json],
    expected: str | None,
    aside: bool,
) -> Operation[int]:
    yield Count(_IN_TURN)
    current = yield Row(_STANDING, app_id=app.id)
    require_expected(app.name, expected, "" if current is None else id_text(current[0]))
    own = {"app_id": app.id, "workflow_id": version.id}
    if (yield Row(_VERSION, **own)) is not None:
        raise Conflict(f"App {app.id} already has a version {version.id}; versions never change.")
    if (yield Row(_HAS_NAMESAKE, name=app.name, app_id=app.id)) is not None:
        raise NameTaken(app.name)
    number: int = (yield Row(_NEXT_NUMBER, app_id=app.id))[0]
    stays = aside and current is not None
    if not stays:
        yield Count(_PUT_APP, **APPS.values(msgspec.structs.replace(app, workflow_id=version.id, environment="")))
    rest = {"number": number, "version": version.version, "source": source, "created_at": version.created_at}
    yield Count(_ADD_VERSION, **own, **rest)
    if values:
        was = "" if current is None else current[1]
        yield Count(_SET_ENVIRONMENT, app_id=app.id, environment=changed(was, values, ()))
    if not stays:
        yield from _keep(triggers)
    return number


def require_expected(name: str, expected: str | None, current: str) -> None:
    """Check that an app's current version is the expected one; both are ids, ``""`` for a missing app. Raises
    ``TooLate`` otherwise."""
    if expected is not None and expected != current:
        found = "another version is the current one" if current else "no such app"
        told = found if expected else "it exists already"
        raise TooLate(f"The app {name!r} is not as expected: {told}. Nothing was written.", code="version_changed")


def _keep(triggers: Sequence[Trigger]) -> Operation[None]:
    for trigger in triggers:
        is_taken = yield Row(_OTHER_TRIGGER, id=trigger.id, app_id=trigger.app_id, node=trigger.node_id)
        yield Count(
            _KEEP_TRIGGER,
            id=new_id() if is_taken else trigger.id,
            app_id=trigger.app_id,
            node=trigger.node_id,
            kind=trigger.kind,
            address=trigger.address or None,
            enabled=trigger.enabled,
            created_at=trigger.created_at,
        )
        if trigger.kind == "schedule":
            own = {"app_id": trigger.app_id, "node": trigger.node_id, "created_at": trigger.created_at}
            yield Count(_KEEP_SCHEDULE, **own)


def _add_key(key: ApiKey, only_first: bool) -> Operation[bool]:
    if (yield Row(_HOLD_APP if only_first else _HAS_APP, app_id=key.app_id)) is None:
        raise NotFound(f"No app {key.app_id} to add a key to.")
    if only_first and (yield Row(_HAS_KEY, app_id=key.app_id)) is not None:
        return False
    return bool((yield Count(_ADD_KEY, **_KEYS.values(key))))
