"""Picks what runs plugins. It is imported when a plugin is called for, or looked at."""

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from jikko.assemble import lazy
from jikko.errors import InvalidSettings
from jikko.outbound.tunnel import Tunnels
from jikko.plugins.host.gate import CONNECTING
from jikko.plugins.install.installed_plugins import InstalledPlugins
from jikko.plugins.plugin_tools import PluginStrategies, PluginTools
from jikko.plugins.plugins_file import read_plugins_file
from jikko.plugins.process.pool import PoolLimits
from jikko.plugins.process.process_usage import FolderQuota
from jikko.plugins.runtime import PluginRuntime, RuntimeLimits
from jikko.plugins.sdk_models import ModelsOfPlugins
from jikko.ports.files.file_store import FileStore
from jikko.ports.models import Models
from jikko.ports.tools import Tools
from jikko.providers.plugin import PluginProviders
from jikko.repositories.plugin_storage import PluginStorage
from jikko.settings import Settings
from jikko.store.sqlite.plugin_file import PluginFile


class MadePlugins(NamedTuple):
    """What runs plugins, and what they are called as."""

    runtime: PluginRuntime
    tools: PluginTools
    strategies: PluginStrategies
    providers: PluginProviders


def make_plugins(
    settings: Settings,
    models: Models,
    files: FileStore,
    tools: Callable[[], Tools],
    *,
    environment: Mapping[str, str] = os.environ,
) -> MadePlugins:
    """The plugins of a data folder. Starts nothing. ``tools``: all tools; asked for when a plugin calls one. Raises
    ``InvalidSettings``: the plugins file, or a setting, cannot be used."""
    runtime = make_runtime(settings, files=files, environment=environment)
    return MadePlugins(
        runtime,
        PluginTools(runtime, models=models, tools=tools),
        PluginStrategies(runtime),
        PluginProviders(ModelsOfPlugins(runtime)),
    )


def make_runtime(settings: Settings, *, files: FileStore, environment: Mapping[str, str] = os.environ) -> PluginRuntime:
    """What runs the plugins of a data folder. Starts nothing.
    Raises ``InvalidSettings``: the plugins file, or a setting, cannot be used."""
    processes = max(1, settings.plugin_processes)
    try:
        tunnels = Tunnels(
            allow=settings.http_allow,
            proxy=settings.http_proxy or None,
            # Threads of their own: a name service that does not answer keeps nobody but plugins waiting.
            threads=ThreadPoolExecutor(CONNECTING * processes, "plugins-look-up"),
        )
    except ValueError as error:
        raise InvalidSettings(f"JIKKO_HTTP_ALLOW: {error}") from None
    limits = RuntimeLimits(
        seconds=settings.plugin_seconds,
        memory=settings.plugin_memory,
        room=FolderQuota(settings.plugin_disk),
        confine=settings.plugins_confine == "require",
        pool=PoolLimits(processes=processes, idle_seconds=settings.plugin_idle_seconds, app_share=settings.app_share),
    )
    return PluginRuntime(
        InstalledPlugins(settings.plugin_folder),
        read_plugins_file(settings.plugins, environment),
        limits,
        connections=tunnels,
        files=files,
        storage=_storage(settings),
    )


def _storage(settings: Settings) -> PluginStorage:
    """What plugins keep, where the record is."""
    if settings.database_url:
        return PluginStorage(lazy.plugin_database(settings))
    return PluginStorage(PluginFile(settings.plugin_folder / "storage.db"))
