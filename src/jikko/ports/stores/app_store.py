"""Where apps, their versions and their API keys are kept."""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

import msgspec

from jikko.ports.stores.trigger_store import Trigger
from jikko.values import Json


class App(msgspec.Struct, frozen=True, kw_only=True):
    """One app. Its workflow is published in versions; one of them is current."""

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
    """The current version."""
    environment: str = ""
    """A JSON object: the values that were set for environment variables of the app. Empty: none were."""


class WorkflowVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One published version of an app's workflow. Never changes."""

    id: str
    app_id: str
    version: str
    """When it was published, as text in UTC: ``2025-06-01 08:00:00.123456``."""
    number: int
    """Counted from 1 within the app."""
    source: bytes
    """The DSL file, as imported."""
    created_at: float


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """An API key. The key itself is not kept, only its SHA-256."""

    id: str
    app_id: str
    digest: bytes
    hint: str
    """First characters of the key, to tell keys apart: ``app-AbC…``."""
    created_at: float
    used_at: float | None = None
    """To a minute or two; ``None``: never since this is noted."""


class DeletedApp(msgspec.Struct, frozen=True, kw_only=True):
    """An app that was removed. Its runs may still be there."""

    id: str
    name: str
    deleted_at: float


class AppStore(Protocol):
    """Apps, versions and keys. What an implementation must do is in ``tests/contract/test_app_store.py``.

    Another process may change the same store at any time; every answer is up to date.
    """

    async def publish(self, app: App, version: WorkflowVersion, triggers: Sequence[Trigger] = ()) -> WorkflowVersion:
        """Create or update an app (by ``app.id``) and add a version to it, which becomes the current one.

        What was set for its environment variables stays as it is.

        Args:
            triggers: One for each trigger node of the version; see ``keep_triggers``.

        Returns:
            The version with its ``number``.

        Raises:
            NameTaken: Another app has the name. Nothing was written.
            Conflict: The app has a version of that id already. Nothing was written.
        """
        ...

    async def keep_triggers(self, triggers: Sequence[Trigger]) -> None:
        """Add the triggers of nodes that have none yet; those that there are keep id, address and switch."""
        ...

    async def app(self, app_id: str) -> App | None: ...

    async def app_named(self, name: str) -> App | None:
        """The app with exactly that name."""
        ...

    async def apps(self) -> list[App]:
        """All apps, oldest first."""
        ...

    async def version(self, app_id: str, workflow_id: str) -> WorkflowVersion | None:
        """One version of an app; ``None`` if it is unknown or another app's. ``workflow_id`` in any case."""
        ...

    async def versions(self, app_id: str) -> list[WorkflowVersion]:
        """All versions of an app, newest first, each with an empty ``source``."""
        ...

    async def make_current(self, app: App) -> bool:
        """Have an app be described by ``app`` from now on, its current version with it; but for ``environment``.

        Returns:
            Whether there is such an app, with that version.
        """
        ...

    async def set_environment(self, app_id: str, values: Mapping[str, Json], unset: Collection[str] = ()) -> bool:
        """Set values for environment variables of an app, and take others back. Those not named stay as they are.

        Returns:
            Whether there is such an app.
        """
        ...

    async def delete_app(self, app_id: str, *, at: float) -> bool:
        """Remove an app with its versions, keys and values. Its runs stay, for the operator, until retention."""
        ...

    async def deleted_apps(self) -> list[DeletedApp]:
        """The apps that were removed, in the order in which they were."""
        ...

    async def add_key(self, key: ApiKey, *, only_first: bool = False) -> bool:
        """Add a key.

        Args:
            only_first: Only if the app has none: of several that are added so at once, one is.

        Returns:
            Whether it was added.

        Raises:
            Conflict: There is no such app, or the key is known.
        """
        ...

    async def keys(self, app_id: str) -> list[ApiKey]:
        """The keys of an app, oldest first."""
        ...

    async def delete_key(self, app_id: str, key_id: str) -> bool: ...

    async def note_uses(self, used: Mapping[bytes, float]) -> None:
        """Keep when keys were used last, by their digests. Those that are gone are passed over."""
        ...

    async def app_of_key(self, digest: bytes) -> App | None:
        """The app that a key opens. On the path of every request: must not wait for anything but the disk."""
        ...


def changed(environment: str, values: Mapping[str, Json], unset: Collection[str]) -> str:
    """``App.environment`` with some values set and others taken back."""
    known: dict[str, Json] = json.loads(environment) if environment else {}
    kept = {name: value for name, value in (known | dict(values)).items() if name not in unset}
    # Halves of characters, which no database takes, are escaped.
    return json.dumps(kept) if kept else ""
