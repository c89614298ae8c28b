"""Apps in memory: for tests, for ``jikko run``, and as the plainest statement of the contract."""

import threading
from collections import defaultdict
from collections.abc import Collection, Mapping

import msgspec

from jikko.errors import Conflict, NameTaken
from jikko.ports.stores.app_store import ApiKey, App, DeletedApp, WorkflowVersion, changed
from jikko.values import Json


class MemoryAppStore:
    """An ``AppStore`` that forgets everything when the process ends."""

    def __init__(self) -> None:
        self._apps: dict[str, App] = {}
        self._versions: defaultdict[str, list[WorkflowVersion]] = defaultdict(list)
        self._keys: dict[bytes, ApiKey] = {}
        self._deleted: list[DeletedApp] = []
        self._publishing = threading.Lock()

    async def publish(self, app: App, version: WorkflowVersion) -> WorkflowVersion:
        # Loops of several threads may share a store, as processes share a database.
        with self._publishing:
            return self._publish(app, version)

    def _publish(self, app: App, version: WorkflowVersion) -> WorkflowVersion:
        versions = self._versions.get(app.id, [])
        if any(known.id.lower() == version.id.lower() for known in versions):
            raise Conflict(f"App {app.id} has a version {version.id} already; versions never change.")
        if any(known.name == app.name and known.id != app.id for known in self._apps.values()):
            raise NameTaken(app.name)
        numbered = msgspec.structs.replace(version, app_id=app.id, number=len(versions) + 1)
        self._versions[app.id].append(numbered)
        known = self._apps.get(app.id)
        environment = "" if known is None else known.environment
        self._apps[app.id] = msgspec.structs.replace(app, workflow_id=version.id, environment=environment)
        return numbered

    async def app(self, app_id: str) -> App | None:
        return self._apps.get(app_id)

    async def app_named(self, name: str) -> App | None:
        return next((app for app in await self.apps() if app.name == name), None)

    async def apps(self) -> list[App]:
        return sorted(self._apps.values(), key=lambda app: app.created_at)

    async def version(self, app_id: str, workflow_id: str) -> WorkflowVersion | None:
        versions = self._versions.get(app_id, ())
        return next((version for version in versions if version.id.lower() == workflow_id.lower()), None)

    async def versions(self, app_id: str) -> list[WorkflowVersion]:
        return [msgspec.structs.replace(version, source=b"") for version in reversed(self._versions.get(app_id, ()))]

    async def make_current(self, app: App) -> bool:
        known = self._apps.get(app.id)
        if known is None or await self.version(app.id, app.workflow_id) is None:
            return False
        self._apps[app.id] = msgspec.structs.replace(app, environment=known.environment)
        return True

    async def set_environment(self, app_id: str, values: Mapping[str, Json], unset: Collection[str] = ()) -> bool:
        known = self._apps.get(app_id)
        if known is None:
            return False
        environment = changed(known.environment, values, unset)
        self._apps[app_id] = msgspec.structs.replace(known, environment=environment)
        return True

    async def delete_app(self, app_id: str, *, at: float) -> bool:
        self._versions.pop(app_id, None)
        self._keys = {digest: key for digest, key in self._keys.items() if key.app_id != app_id}
        app = self._apps.pop(app_id, None)
        if app is not None:
            self._deleted.append(DeletedApp(id=app_id, name=app.name, deleted_at=at))
        return app is not None

    async def deleted_apps(self) -> list[DeletedApp]:
        return list(self._deleted)

    async def add_key(self, key: ApiKey, *, only_first: bool = False) -> bool:
        if key.app_id not in self._apps:
            raise Conflict(f"There is no app {key.app_id} to add a key to.")
        if only_first and any(known.app_id == key.app_id for known in self._keys.values()):
            return False
        if key.digest in self._keys or any(known.id == key.id for known in self._keys.values()):
            raise Conflict(f"The API key {key.hint} exists already.")
        self._keys[key.digest] = key
        return True

    async def keys(self, app_id: str) -> list[ApiKey]:
        return sorted((key for key in self._keys.values() if key.app_id == app_id), key=lambda key: key.created_at)

    async def delete_key(self, app_id: str, key_id: str) -> bool:
        for key in await self.keys(app_id):
            if key.id == key_id:
                del self._keys[key.digest]
                return True
        return False

    async def note_uses(self, used: Mapping[bytes, float]) -> None:
        for digest, at in used.items():
            if digest in self._keys:
                self._keys[digest] = msgspec.structs.replace(self._keys[digest], used_at=at)

    async def app_of_key(self, digest: bytes) -> App | None:
        key = self._keys.get(digest)
        return None if key is None else self._apps.get(key.app_id)
