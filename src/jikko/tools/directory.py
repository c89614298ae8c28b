"""Tools file, reloaded when it has changed."""

import asyncio
import logging
import os
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar, TypeAlias, TypeVar

from jikko.diagnostics.diagnostic import Phrase
from jikko.errors import InvalidSettings
from jikko.events import Usage
from jikko.ports.served_apps import ServedApp
from jikko.ports.tools import ToolName, ToolNotFound
from jikko.repositories.app_store import AppStore
from jikko.tools.tools_file import Auth, ToolProvider, ToolsFile, line_to_add, read_tools_file
from jikko.values import Json

log = logging.getLogger(__name__)

P = TypeVar("P", bound=ToolProvider)
_State: TypeAlias = tuple[int, int, int] | None


class ToolsDirectory:
    """Looks up entries of the tools file. Implements ``ServedApps``.

    Every lookup checks whether the file has changed, and reloads it in a thread. If it becomes unreadable, that is
    logged, and the old content stays valid.
    """

    def __init__(self, file: Path | None, environment: Mapping[str, str], apps: AppStore) -> None:
        """Load the file. Raises ``InvalidSettings`` if it cannot be read."""
        self._file = file
        self._path = None if file is None else str(file)
        self._environment = environment
        self._apps = apps
        self._state = _state(self._path)
        self._reading = asyncio.Lock()
        self.file: ToolsFile = read_tools_file(file, environment)
        """Its content."""

    def is_current(self) -> bool:
        return self._file is None or _state(self._path) == self._state

    async def refresh(self) -> None:
        if self.is_current():
            return
        async with self._reading:
            state = _state(self._path)
            if state == self._state:
                return
            try:
                self.file = await asyncio.to_thread(read_tools_file, self._file, self._environment)
            except InvalidSettings as error:
                log.error("%s The previous contents stay in effect.", error)
            self._state = state

    def become(self, file: ToolsFile) -> None:
        self.file, self._state = file, _state(self._path)

    async def served(self, code: str) -> ServedApp | None:
        await self.refresh()
        found = self.file.servers.get(code)
        return found if found is not None and found.active else None

    def all_served(self) -> list[ServedApp]:
        return list(self.file.servers.values())

    def provider(self, name: ToolName, kind: type[P]) -> P:
        """Return a provider's entry. Raises ``ToolNotFound``: none of that kind, or an unset value in it."""
        found = self.file.providers.get(name.provider)
        if not isinstance(found, kind):
            params = {"kind": name.provider_type, "provider": name.provider, "tool": str(name)}
            code = "remedy.add_tool" if self.file.source else "remedy.make_tools_file"
            raise ToolNotFound(Phrase("tool.no_entry", params), Phrase(code, {"line": line_to_add(name).strip()}))
        if found.unset:
            params = {"entry": repr(found.id), "names": ", ".join(found.unset)}
            raise ToolNotFound(Phrase("tool.unset", params), Phrase("remedy.set_before_start"))
        return found

    async def credentials(self, provider: ToolProvider, app_id: str) -> Auth:
        """Return an app's credentials for a provider. Raises ``ToolNotFound``: only for other apps."""
        if provider.apps and app_id:
            app = await self._apps.app(app_id)
            own = provider.apps.get(app.name) if app is not None else None
            if own is not None:
                return own
        if provider.auth is None:
            what = Phrase("tool.other_apps", {"entry": repr(provider.id)})
            raise ToolNotFound(what, Phrase("remedy.give_app_entry"))
        return provider.auth


class EntryTools:
    """Base of ``Tools`` whose providers are entries of the file."""

    entries: ClassVar[type[ToolProvider]]
    provider_type: ClassVar[str]

    def __init__(self, directory: ToolsDirectory) -> None:
        self._directory = directory

    def icon(self, name: ToolName) -> Json | None:
        provider = self._directory.file.providers.get(name.provider)
        return None if provider is None else provider.icon

    def providers(self) -> list[ToolName]:
        """Return the providers in file order."""
        return [
            ToolName(provider_type=self.provider_type, provider=entry.id, provider_name=entry.name, tool="")
            for entry in self._directory.file.providers.values()
            if isinstance(entry, self.entries)
        ]


def no_such_tool(what: Phrase, provider: str, known: Iterable[str]) -> ToolNotFound:
    """Return the error for a missing tool, with the provider's first tools."""
    names = list(known)
    has = {"provider": provider, "known": ", ".join(names[:20]) + (", …" if len(names) > 20 else "")}
    return ToolNotFound(what, Phrase("remedy.provider_has", has))


def reported_usage(reported: Mapping[str, Any]) -> Usage:
    """Return the usage of models that a tool reports; invalid values count as 0."""
    counts = [reported.get(f"{part}_tokens") for part in ("prompt", "completion", "total")]
    prompt, completion, total = (each if isinstance(each, int) and 0 <= each < 1 << 53 else 0 for each in counts)
    price = reported.get("total_price") or "0"
    # A number may be written with an exponent.
    text = f"{Decimal(repr(price)):f}" if isinstance(price, float) else str(price)
    return Usage(
        total_tokens=total or prompt + completion,
        prompt_tokens=prompt,
        completion_tokens=completion,
        total_price=text if text.replace(".", "", 1).isdecimal() and len(text) < 40 else "0",
        currency=str(reported.get("currency") or "USD")[:10],
    )


def _state(file: str | None) -> _State:
    if file is None:
        return None
    try:
        # With a plain string as path: this runs before each call.
        found = os.stat(file)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
