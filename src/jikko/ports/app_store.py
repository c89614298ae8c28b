"""Where apps, their versions and their API keys are kept."""

from typing import Protocol

import msgspec


class App(msgspec.Struct, frozen=True, kw_only=True):
    """One app. Its workflow is published in versions; one of them is current."""

    id: str
    name: str
    mode: str
    """``workflow`` or ``advanced-chat``."""
    description: str = ""
    icon_type: str = "emoji"
    icon: str = ""
    icon_background: str = "#FFFFFF"
    use_icon_as_answer_icon: bool = False
    created_at: float
    workflow_id: str
    """The current version."""


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


class AppStore(Protocol):
    """Apps, versions and keys. What an implementation must do is in ``tests/contract/test_app_store.py``.

    Another process may change the same store at any time; every answer is up to date.
    """

    async def publish(self, app: App, version: WorkflowVersion) -> WorkflowVersion:
        """Create or update an app (by ``app.id``) and add a version to it, which becomes the current one.

        Returns:
            The version with its ``number``.

        Raises:
            NameTaken: Another app has the name. Nothing was written.
            Conflict: The app has a version of that id already. Nothing was written.
        """
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

    async def delete_app(self, app_id: str) -> bool:
        """Remove an app with its versions and keys. Its runs stay readable to nobody, and go with retention."""
        ...

    async def add_key(self, key: ApiKey) -> None: ...

    async def keys(self, app_id: str) -> list[ApiKey]:
        """The keys of an app, oldest first."""
        ...

    async def delete_key(self, app_id: str, key_id: str) -> bool: ...

    async def app_of_key(self, digest: bytes) -> App | None:
        """The app that a key opens. On the path of every request: must not wait for anything but the disk."""
        ...
