"""Factories of the plugin runtime, imported when a plugin is called or inspected."""

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
    """Build the plugins of a data folder. Starts nothing. ``tools``: All tools, requested when a plugin calls one.
    Raises ``InvalidSettings``: the plugins file, or a setting, is invalid."""
    runtime = make_runtime(settings, files=files, environment=environment)
    return MadePlugins(
        runtime,
        PluginTools(runtime, models=models, tools=tools),
        PluginStrategies(runtime),
        PluginProviders(ModelsOfPlugins(runtime)),
    )


def make_runtime(settings: Settings, *, files: FileStore, environment: Mapping[str, str] = os.environ) -> PluginRuntime:
    """Build the plugin runtime of a data folder. Starts nothing. Raises ``InvalidSettings``: the plugins file, or a
    setting, is invalid."""
    processes = max(1, settings.plugin_processes)
    try:
        tunnels = Tunnels(
            allow=settings.http_allow,
            proxy=settings.http_proxy or None,
            # Separate threads: a hanging name server blocks only plugins.
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
    """Build the plugins' key-value storage, beside the record."""
    if settings.database_url:
        return PluginStorage(lazy.plugin_database(settings))
    return PluginStorage(PluginFile(settings.plugin_folder / "storage.db"))
