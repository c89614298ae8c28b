"""Publishing of apps: import, versions, environment, deletion."""

import secrets
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from jikko.apps.environment import declared, typed
from jikko.apps.versions import check, check_aside, published_at
from jikko.diagnostics.diagnostic import Diagnostic
from jikko.dsl.document import DslDocument, NodeEntry, Variable
from jikko.errors import Conflict, InvalidDocument, NameGivenTwice, NameTaken, NotFound, TooLate
from jikko.ids import is_uuid, new_id
from jikko.ports.clock import Clock
from jikko.ports.stores.trigger_store import Trigger
from jikko.repositories.app_store import App, AppStore, WorkflowVersion, require_expected
from jikko.values import Json

_TRIGGER: Final = "trigger-"
_ADDRESS_BYTES: Final = 18
"""Random bytes of a webhook's address: 24 characters."""


class Published(Struct, frozen=True):
    """Result of an import."""

    app: App
    version: WorkflowVersion
    warnings: tuple[Diagnostic, ...]
    unchanged: bool = False
    """Whether the current version already had this text."""
    has_triggers: bool = False
    """Whether the version has trigger nodes."""
    before: WorkflowVersion | None = None
    """Version that ``publish_if_changed`` has replaced."""


class AppCatalog(Struct, eq=False):
    store: AppStore
    node_classes: Mapping[str, Any]
    clock: Clock = time.time
    trigger_ids: Callable[[], Mapping[str, str]] = dict
    """Ids for new triggers, by ``APP/NODE``; others get random ones."""

    def namesakes(self, files: Iterable[tuple[str, str, bytes]]) -> dict[str, NameGivenTwice]:
        """Return an error for each file that shares its app's name: the second would replace the first, under its key.
        ``files``: Name for messages, ``source`` as for ``publish``, and text of each. The errors are by the name for
        messages. Files that cannot be imported are skipped."""
        seen: dict[str, list[str]] = {}
        for called, source, text in files:
            try:
                document, _ = check(text, source=source, node_classes=self.node_classes).require()
            except InvalidDocument:
                continue
            seen.setdefault(document.name or source, []).append(called)
        return {
            called: NameGivenTwice(
                f"{called} and {alike[alike[0] == called]} are both called {name!r}, so one would become a version of "
                "the other. Change the name in one of them (app.name), or give it another with `jikko apps import FILE "
                "--name NAME`. Versions of one app are imported one by one."
            )
            for name, alike in seen.items()
            if len(alike) > 1
            for called in alike
        }

    async def publish(
        self,
        text: bytes,
        *,
        source: str,
        name: str | None = None,
        environment: Mapping[str, Json] | None = None,
        expected: str | None = None,
        aside: bool = False,
    ) -> Published:
        """Import a DSL file as a new app, or as a new version of the app of that name.

        Args:
            source: Name of the file in messages; also the app's name if the file has none.
            name: The app's name, overriding the file.
            environment: Values to set for environment variables, by name.
            expected: Required id of the current version; ``""``: the app must not exist.
            aside: Whether an existing app keeps its current version.

        Raises:
            InvalidDocument: The file cannot be imported.
            Conflict: The app of that name has another mode.
            NotFound, InvalidEnvironment: See ``set_environment``.
            TooLate: The current version is not ``expected``.

        Nothing was written after an error.
        """
        checked = await check_aside(text, source=source, node_classes=self.node_classes)
        document, _ = checked.require()
        name = name or document.name or source
        values = _converted(environment or {}, document.environment, name)
        while True:
            try:
                app, version = await self._publish(text, document, name, values, expected, aside)
            except (NameTaken, TooLate) as error:
                if expected is not None and isinstance(error, TooLate):
                    raise
                # Another process has created, changed or removed the app: look again.
                continue
            app = await self.store.app(app.id) or app
            return Published(app, version, checked.problems, has_triggers=any(_trigger_nodes(document)))

    async def _publish(
        self,
        text: bytes,
        document: DslDocument,
        name: str,
        values: Mapping[str, Json],
        expected: str | None,
        aside: bool,
    ) -> tuple[App, WorkflowVersion]:
        now = self.clock()
        known = await self.store.app_named(name)
        if known is not None:
            _require_mode(known, document)
        version = WorkflowVersion(
            id=new_id(),
            app_id=known.id if known else new_id(),
            version=published_at(now),
            number=0,
            source=text,
            created_at=now,
        )
        app = App(
            id=version.app_id,
            name=name,
            mode=document.mode,
            created_at=known.created_at if known else now,
            workflow_id=version.id,
            environment=known.environment if known else "",
            **_face(document),
        )
        triggers = self._triggers(document, app, now)
        if expected is None:
            expected = known.workflow_id if known else ""
        return app, await self.store.publish(app, version, triggers, values=values, expected=expected, aside=aside)

    def _triggers(self, document: DslDocument, app: App, now: float) -> list[Trigger]:
        """Return the default triggers of a document's trigger nodes."""
        found: list[Trigger] = []
        nodes = [*_trigger_nodes(document)]
        ids = self.trigger_ids() if nodes else {}
        for node in nodes:
            id_ = ids.get(f"{app.name}/{node.id}") or ids.get(f"{app.id}/{node.id}") or new_id()
            kind: Any = node.type.removeprefix(_TRIGGER)
            address = secrets.token_urlsafe(_ADDRESS_BYTES) if kind == "webhook" else ""
            found.append(Trigger(id=id_, app_id=app.id, node_id=node.id, kind=kind, address=address, created_at=now))
        return found

    async def publish_if_changed(
        self,
        text: bytes,
        *,
        source: str,
        name: str | None = None,
        environment: Mapping[str, Json] | None = None,
        expected: str | None = None,
    ) -> Published:
        """Import as ``publish``, unless the current version has exactly this text. Concurrent calls with the same text
        publish one version."""
        while True:
            name, found = await self.standing(text, source=source, name=name)
            if found is not None and found.unchanged:
                break
            compared = None if found is None else found.version
            only_after = expected if expected is not None else compared.id if compared else ""
            try:
                made = await self.publish(text, source=source, name=name, environment=environment, expected=only_after)
            except TooLate:
                if expected is not None:
                    raise
                # A concurrent import has published: compare with its version.
            else:
                return msgspec.structs.replace(made, before=compared)
        require_expected(name, expected, found.version.id)
        if environment:
            await self.set_environment(found.app, environment)
        if found.has_triggers:
            # An earlier version of Jikko, without triggers, may have published it.
            document = check(text, source=source, node_classes=self.node_classes).require()[0]
            await self.store.keep_triggers(self._triggers(document, found.app, self.clock()))
        return found

    async def standing(self, text: bytes, *, source: str, name: str | None = None) -> tuple[str, Published | None]:
        """Return a DSL file's app name, and the app with its current version, if it exists. Writes nothing. Raises
        ``InvalidDocument``: the file cannot be imported; ``Conflict``: the app of that name has another mode."""
        checked = await check_aside(text, source=source, node_classes=self.node_classes)
        document, _ = checked.require()
        name = name or document.name or source
        app = await self.store.app_named(name)
        if app is None:
            return name, None
        _require_mode(app, document)
        version = await self.store.version(app.id, app.workflow_id)
        if version is None:
            return name, None
        has_triggers = any(_trigger_nodes(document))
        return name, Published(app, version, checked.problems, version.source == text, has_triggers)

    async def find(self, name_or_id: str) -> App:
        """Find an app by id or exact name. Raises ``NotFound`` if there is none."""
        app = await self.store.app(name_or_id.lower()) if is_uuid(name_or_id) else None
        app = app or await self.store.app_named(name_or_id)
        if app is None:
            raise NotFound(f"No app {name_or_id!r}; `jikko apps list` lists the apps.")
        return app

    async def all(self) -> list[App]:
        return await self.store.apps()

    async def versions(self, app: App) -> list[WorkflowVersion]:
        return await self.store.versions(app.id)

    async def version(self, app: App, which: str) -> WorkflowVersion:
        """Find a version of an app by number or id; ``""`` for the current one. Raises ``NotFound``."""
        versions = await self.store.versions(app.id)
        numbers = {str(version.number): version.id for version in versions}
        found = await self.store.version(app.id, numbers.get(which, which or app.workflow_id))
        if found is None:
            last = f"1 to {versions[0].number}" if versions else "none"
            raise NotFound(f"App {app.name!r} has no version {which!r}; it has {last}.")
        return found

    async def use(self, app: App, version: WorkflowVersion) -> App:
        """Make a version the current one for new runs; existing runs keep theirs. Raises ``NotFound``: app or version
        were removed; ``InvalidDocument``: this version of Jikko cannot read it."""
        source = f"{app.name}, version {version.number}"
        checked = await check_aside(version.source, source=source, node_classes=self.node_classes)
        document, _ = checked.require()
        used = msgspec.structs.replace(app, workflow_id=version.id, **_face(document))
        if not await self.store.make_current(used, self._triggers(document, app, self.clock())):
            raise NotFound(f"App {app.name!r} has no version {version.number} any more.")
        return used

    async def environment(self, app: App) -> tuple[Variable, ...]:
        """Return the environment variables of the current version, as in its file. Raises ``NotFound``: the app was
        removed; ``InvalidDocument``: this version of Jikko cannot read it."""
        version = await self.version(app, "")
        source = f"{app.name}, version {version.number}"
        checked = await check_aside(version.source, source=source, node_classes=self.node_classes)
        return checked.require()[0].environment

    async def set_environment(self, app: App, values: Mapping[str, Json], unset: Collection[str] = ()) -> App:
        """Set and unset values for an app's environment variables.

        Args:
            values: By the names of variables of the current version.
            unset: Names; those without a value are skipped.

        Returns:
            The updated app.

        Raises:
            NotFound: No such variable, or the app was removed. Nothing was written.
            InvalidEnvironment: A value does not fit the variable's type. Nothing was written.
        """
        converted = _converted(values, await self.environment(app), app.name) if values else {}
        if not await self.store.set_environment(app.id, converted, unset):
            raise NotFound(f"The app {app.name!r} no longer exists.")
        return await self.find(app.id)

    async def past_and_present(self, name_or_id: str | None = None, *, removed: bool = False) -> list[tuple[str, str]]:
        """Return id and name of apps, including removed ones, whose runs may still exist. ``name_or_id``: The app of
        that id or, failing that, all apps that have or had that name. ``removed``: Without a name, whether to
        include removed apps. Raises ``NotFound`` if there never was such an app."""
        known = [(app.id, app.name) for app in await self.store.apps()]
        gone = [(app.id, f"{app.name} (removed)", app.name) for app in await self.store.deleted_apps()]
        if name_or_id is None:
            return known + [(id_, shown) for id_, shown, _ in gone if removed]
        found = [(id_, name) for id_, name in known if name_or_id.lower() == id_ or name_or_id == name]
        found += [(id_, shown) for id_, shown, name in gone if name_or_id.lower() == id_ or name_or_id == name]
        if not found:
            await self.find(name_or_id)
        return found

    async def delete(self, app: App) -> None:
        """Delete an app with its versions, keys and values. Its runs and conversations stay, for the operator."""
        await self.store.delete_app(app.id, at=self.clock())


def _converted(values: Mapping[str, Json], variables: Iterable[Variable], app_name: str) -> dict[str, Json]:
    return {name: typed(declared(variables, name, app_name), value, "", app_name) for name, value in values.items()}


def _require_mode(app: App, document: DslDocument) -> None:
    if app.mode != document.mode:
        raise Conflict(
            f"The app {app.name!r} is of mode {app.mode}; a file of mode {document.mode} cannot become a version of "
            "it. Import it under another name (`jikko apps import FILE --name NAME`), or remove the app."
        )


def _trigger_nodes(document: DslDocument) -> Iterator[NodeEntry]:
    return (node for node in document.nodes if node.container is None and node.type.startswith(_TRIGGER))


def _face(document: DslDocument) -> dict[str, Any]:
    """Return the fields that an app takes from its current version."""
    return {
        "description": document.description,
        "icon_type": document.icon_type,
        "icon": document.icon,
        "icon_background": document.icon_background,
        "use_icon_as_answer_icon": document.use_icon_as_answer_icon,
    }
