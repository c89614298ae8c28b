"""Configuration files of the operator, reloaded at run time; and digests of the configuration that all servers must
share."""

import asyncio
import hashlib
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec import Struct, field

from jikko.assemble import lazy
from jikko.assemble.build_models import providers_of
from jikko.assemble.build_tools import tools_file
from jikko.assemble.plugins import Plugins
from jikko.build_commit import version
from jikko.diagnostics.diagnostic import Diagnostic
from jikko.errors import InvalidSettings, JikkoError
from jikko.files.signing_keys import KeyFiles, SigningKeys
from jikko.providers.config import Providers
from jikko.sandbox.packages.installed import PackageFolder, Unreadable
from jikko.settings import Settings

if TYPE_CHECKING:
    from jikko.assemble.build_schedules import ScheduleServices
    from jikko.tools.directory import ToolsDirectory
    from jikko.triggers.triggers import Triggers
    from jikko.triggers.webhook_options import WebhookOptions


log = logging.getLogger(__name__)


def key_files(settings: Settings) -> KeyFiles:
    """Return the key files for file links. Opens nothing yet."""
    return KeyFiles(settings.signing_key)


class Configuration(Struct, eq=False):
    """Operator's files (providers, tools, plugins, triggers), and signing keys of file links."""

    settings: Settings
    providers: Providers
    directory: "ToolsDirectory"
    plugins: Plugins
    webhooks: dict[str, "WebhookOptions"]
    schedules: "ScheduleServices"
    signing_keys: SigningKeys
    workers: int
    """Number of processes that share the limits."""
    triggers: "Triggers"
    """Triggers that entries of the triggers file name."""
    environment: Mapping[str, str] = os.environ
    """Values of ``${NAME}`` in the files."""
    _reading: asyncio.Lock = field(default_factory=asyncio.Lock)
    __repr__ = object.__repr__  # the environment holds secrets

    async def read_again(self) -> None:
        """Reload all files, for calls that start from now on. Raises ``InvalidSettings``: files are invalid. Then all
        of them stay in effect as they were."""
        async with self._reading:
            use = await asyncio.to_thread(self._read)
            for each in use:
                each()
        await self.warn()

    async def warn(self) -> None:
        """Log entries of the triggers file that match no trigger, or the same one: they have no effect."""
        try:
            for found in await self.misfits():
                log.warning("%s", found)
        except JikkoError as error:
            log.warning("the triggers file cannot be compared with the triggers: %s", error)

    async def misfits(self) -> list[Diagnostic]:
        """Return a warning for each entry of the triggers file that matches no trigger, and for entries of the same
        one."""
        webhooks, schedules = self.webhooks, self.schedules.options
        if not webhooks and not schedules:
            return []
        unmatched, doubled = await self.triggers.misfits(webhooks, schedules)
        found = [("triggers.unmatched", name) for name in unmatched]
        found += [("triggers.doubled", ", ".join(names)) for names in doubled]
        file = str(self.settings.triggers)
        return [
            Diagnostic(code, {"file": file, "name": name}, where="triggers", severity="warning") for code, name in found
        ]

    def _go_by(self, read: "dict[str, WebhookOptions]") -> None:
        self.webhooks.clear()
        self.webhooks.update(read)

    def _read(self) -> list[Callable[[], None]]:
        settings, environment = self.settings, self.environment
        found: list[Callable[[], None]] = []
        wrong: list[str] = []

        def providers() -> None:
            read = providers_of(settings, environment).for_worker(self.workers)
            found.append(lambda: self.providers.become(read))

        def tools() -> None:
            read = tools_file(settings, environment)
            found.append(lambda: self.directory.become(read))

        def plugins() -> None:
            found.append(self.plugins.read_again())

        def triggers() -> None:
            if settings.triggers is not None:
                found.append(partial(self._go_by, lazy.read_webhook_options(settings.triggers, environment)))
                found.append(partial(self.schedules.go_by, lazy.read_triggers_file(settings.triggers)))

        def keys() -> None:
            read = key_files(settings).load_or_create()
            found.append(lambda: self.signing_keys.become(read))

        # Several servers have them in their database, not in files.
        for read in (
            (providers, tools, plugins, triggers) if settings.nats_url else (providers, tools, plugins, triggers, keys)
        ):
            try:
                read()
            except InvalidSettings as error:
                wrong.append(str(error))
        if wrong:
            raise InvalidSettings("\n".join(wrong))
        return found


_OF_ONE: Final = frozenset(
    """
    host port workers knowledge_workers knowledge_memory code_processes code_queue plugin_processes plugin_memory
    plugin_disk runs_memory body_memory document_memory http_connections max_runs max_queued_runs trusted_proxies
    lame_duck_seconds public_url root_path console_token http_proxy plugins_market nats_url database_url files_url
    backup_url log_level log_format log_runs log_requests metrics_port metrics_by_app keys
    """.split()
)
"""Settings that may differ, such as those for machine sizes, or that hold secrets."""


def configuration_of(settings: Settings) -> dict[str, str]:
    """Return the version, operator's files, plugins, packages, and settings changed from their defaults, as values or
    digests by name. Reads files; unreadable ones count as missing."""
    files = {
        "providers": settings.providers,
        "tools": settings.tools,
        "plugins file": settings.plugins,
        "triggers": settings.triggers,
    }
    found = {name: digest_of(file) for name, file in files.items() if file is not None}
    plugins = _plugins(settings)
    packages = _packages(settings)
    return {
        "version": version(),
        **found,
        **({"plugins": _digest("\n".join(plugins).encode())} if plugins else {}),
        **({"packages": _digest("\n".join(packages).encode())} if packages else {}),
        **_settings(settings),
    }


def digest_of(file: Path | None) -> str:
    """Return a digest for comparing a file across servers: 12 hexadecimal digits, or ``none``."""
    try:
        return "none" if file is None else _digest(file.read_bytes())
    except OSError:
        return "none"


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


def _plugins(settings: Settings) -> list[str]:
    try:
        return sorted(entry.plugin.identifier for entry in lazy.InstalledPlugins(settings.plugin_folder).entries())
    except InvalidSettings:
        return []


def _packages(settings: Settings) -> list[str]:
    try:
        installed = PackageFolder(settings.packages_folder).current()
    except Unreadable:
        return []
    return [] if installed is None else [f"{package.name} {package.version}" for package in installed.packages]


def _settings(settings: Settings) -> dict[str, str]:
    found = {}
    for each in fields(settings):
        value = getattr(settings, each.name)
        plain = isinstance(value, (int, float, str, tuple)) and each.name not in (*_OF_ONE, "env")
        if plain and value != each.default:
            text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
            found[each.name] = _digest(text.encode()) if isinstance(value, (str, tuple)) else text
    return found
