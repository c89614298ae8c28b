"""Publishing apps, and the keys that open them."""

import hashlib
import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from jikko.apps.versions import check
from jikko.concurrency.rate_limit import Rate
from jikko.dsl.document import Document
from jikko.errors import Conflict, InvalidDocument, NameTaken, NotFound, Problem, Unauthorized
from jikko.ids import is_uuid, new_id
from jikko.ports.app_store import ApiKey, App, AppStore, WorkflowVersion
from jikko.ports.clock import Clock

_HINT_LENGTH = 8


@dataclass(frozen=True, slots=True)
class Published:
    """What came of an import."""

    app: App
    version: WorkflowVersion
    warnings: tuple[Problem, ...]


class Apps:
    """Apps, their versions and keys."""

    def __init__(
        self,
        store: AppStore,
        node_classes: Mapping[str, Any],
        clock: Clock = time.time,
        *,
        rate: Rate | None = None,
    ) -> None:
        self._store = store
        self._rate = rate if rate is not None and rate.is_limited else None
        self._classes = node_classes
        self._clock = clock

    @property
    def counts_requests(self) -> bool:
        """Whether ``authenticate`` is to be called for each request, and once."""
        return self._rate is not None

    def require_names_of_their_own(self, files: Iterable[tuple[str, str, bytes]]) -> None:
        """See that no two files are of one app: the second would take the place of the first, under its key.

        Args:
            files: What each is called in messages, its ``source`` as for ``publish``, and its text. Those that cannot
                be imported are passed over.

        Raises:
            Conflict: Two files give their apps the same name.
        """
        seen: dict[str, str] = {}
        for called, source, text in files:
            try:
                document, _ = check(text, source=source, node_classes=self._classes).require()
            except InvalidDocument:
                continue
            name = document.name or source
            if name in seen:
                raise Conflict(
                    f"{seen[name]} and {called} are both called {name!r}, so the second would become a version of the "
                    "first. Nothing was imported. Change the name in one of them (app.name), or give it another with "
                    "`jikko apps import FILE --name NAME`. Versions of one app are imported one by one."
                )
            seen[name] = called

    async def publish(self, text: bytes, *, source: str, name: str | None = None) -> Published:
        """Import a DSL file: as a new app, or as a new version of the app with the same name.

        Args:
            source: What the file is called in messages; also the app's name if the file gives none.
            name: The app's name, whatever the file says.

        Raises:
            InvalidDocument: The file cannot be imported. Nothing was written.
            Conflict: The app with that name is of another mode. Nothing was written.
        """
        checked = check(text, source=source, node_classes=self._classes)
        document, _ = checked.require()
        while True:
            try:
                app, version = await self._publish(text, document, name or document.name or source)
            except NameTaken:
                # Somebody else has just made the app: this is a version of it.
                continue
            return Published(app, version, checked.problems)

    async def _publish(self, text: bytes, document: Document, name: str) -> tuple[App, WorkflowVersion]:
        now = self._clock()
        known = await self._store.app_named(name)
        if known is not None and known.mode != document.mode:
            raise Conflict(
                f"The app {name!r} is of mode {known.mode}; a file of mode {document.mode} cannot become a version of "
                "it. Import it under another name (`jikko apps import FILE --name NAME`), or remove the app."
            )
        version = WorkflowVersion(
            id=new_id(),
            app_id=known.id if known else new_id(),
            version=datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M:%S.%f"),
            number=0,
            source=text,
            created_at=now,
        )
        app = App(
            id=version.app_id,
            name=name,
            mode=document.mode,
            description=document.description,
            icon_type=document.icon_type,
            icon=document.icon,
            icon_background=document.icon_background,
            use_icon_as_answer_icon=document.use_icon_as_answer_icon,
            created_at=known.created_at if known else now,
            workflow_id=version.id,
        )
        return app, await self._store.publish(app, version)

    async def publish_if_changed(self, text: bytes, *, source: str) -> Published:
        """Import a DSL file unless the app's current version is made of just that text.

        Raises:
            InvalidDocument: The file cannot be imported. Nothing was written.
            Conflict: The app with that name is of another mode. Nothing was written.
        """
        checked = check(text, source=source, node_classes=self._classes)
        document, _ = checked.require()
        app = await self._store.app_named(document.name or source)
        if app is not None:
            version = await self._store.version(app.id, app.workflow_id)
            if version is not None and version.source == text:
                return Published(app, version, checked.problems)
        return await self.publish(text, source=source)

    async def issue_key(self, app_id: str) -> str:
        """Make an API key. It is told here and never again; only its digest is kept."""
        key = f"app-{secrets.token_urlsafe(24)}"
        await self._store.add_key(
            ApiKey(
                id=new_id(),
                app_id=app_id,
                digest=digest(key),
                hint=f"{key[:_HINT_LENGTH]}…",
                created_at=self._clock(),
            )
        )
        return key

    async def authenticate(self, key: bytes) -> App:
        """The app that a key opens.

        Looked up by the key's digest, so that how long it takes tells nothing of any key.

        Args:
            key: Its digest.

        Raises:
            Unauthorized: No app has that key.
            TooManyRequests: The key was used too often in the last minute.
        """
        app = await self._store.app_of_key(key)
        if app is None:
            raise Unauthorized("Access token is invalid")
        if self._rate is not None:
            await self._rate.take(key)
        return app

    async def find(self, name_or_id: str) -> App:
        """An app by its id or its exact name.

        Raises:
            NotFound: There is none.
        """
        app = await self._store.app(name_or_id.lower()) if is_uuid(name_or_id) else None
        app = app or await self._store.app_named(name_or_id)
        if app is None:
            raise NotFound(f"There is no app {name_or_id!r}; `jikko apps list` shows those that there are.")
        return app

    async def all(self) -> list[App]:
        return await self._store.apps()

    async def versions(self, app: App) -> list[WorkflowVersion]:
        return await self._store.versions(app.id)

    async def keys(self, app: App) -> list[ApiKey]:
        return await self._store.keys(app.id)

    async def revoke_key(self, app: App, key_id: str) -> None:
        """Remove a key, which opens nothing from now on.

        Raises:
            NotFound: The app has no such key.
        """
        if not await self._store.delete_key(app.id, key_id):
            raise NotFound(f"App {app.name!r} has no key {key_id!r}.")

    async def delete(self, app: App) -> None:
        await self._store.delete_app(app.id)


def digest(key: str) -> bytes:
    """What is kept of a key. A key has 192 random bits, so a plain hash is as good as a slow one."""
    return hashlib.sha256(key.encode("utf-8", "replace")).digest()
