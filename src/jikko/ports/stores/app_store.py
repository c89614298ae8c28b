"""Apps, their versions and their API keys, as stored."""

import json
from collections.abc import Collection, Mapping

import msgspec

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


def changed(environment: str, values: Mapping[str, Json], unset: Collection[str]) -> str:
    """``App.environment`` with some values set and others taken back."""
    known: dict[str, Json] = json.loads(environment) if environment else {}
    kept = {name: value for name, value in (known | dict(values)).items() if name not in unset}
    # Halves of characters, which no database takes, are escaped.
    return json.dumps(kept) if kept else ""
