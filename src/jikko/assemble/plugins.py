"""Picks what runs plugins: nothing, before one is installed and used."""

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from jikko.diagnostics.diagnostic import Phrase
from jikko.dsl.repair import tool_provider
from jikko.errors import InvalidSettings
from jikko.events import Usage
from jikko.outbound.tunnel import Tunnels
from jikko.ports.agents import AgentHost, Strategy, StrategyCall, StrategyName
from jikko.ports.files.file_store import FileStore
from jikko.ports.models import Models
from jikko.ports.stores.plugin_storage import PluginStorage
from jikko.ports.tools import (
    Emit,
    Tool,
    ToolCall,
    ToolFailure,
    ToolMessage,
    ToolName,
    ToolNotFound,
    Tools,
    plugin_missing,
)
from jikko.settings import Settings
from jikko.values import Json

if TYPE_CHECKING:
    from jikko.plugins.runtime import PluginRuntime
    from jikko.plugins.strategies import PluginStrategies
    from jikko.plugins.tools import PluginTools


def are_installed(settings: Settings) -> bool:
    """Whether any plugin is."""
    return (settings.plugin_folder / "installed.json").exists()


class PluginsAtHand(NamedTuple):
    """What there is of plugins."""

    installed: int
    landlock: int
    """The version of Landlock that the kernel has; 0: none."""
    groups: str
    """Where the server, or else this process, has control groups for them; ``""``: nowhere."""
    no_groups: str
    """Why it has none."""


class Plugins:
    """The plugins of one process: ``Tools``, and ``strategies``. What runs them is imported when one is called for.

    The plugins file is read at once, so that a wrong one is told when the server starts.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        models: Models,
        files: FileStore,
        tools: Callable[[], Tools],
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        """Args:
        tools: All tools; asked for when a plugin calls one.
        environment: What ``${NAME}`` in the plugins file stands for.

        Raises:
            InvalidSettings: The plugins file cannot be used.
        """
        self._settings = settings
        self._models = models
        self._files = files
        self._all_tools = tools
        self._environment = environment
        self._made: tuple[PluginRuntime, PluginTools, PluginStrategies] | None = None
        self._closed = False
        self.strategies = _Strategies(self)
        if settings.plugins is not None:
            self.made()

    def made(self) -> "tuple[PluginRuntime, PluginTools, PluginStrategies]":
        """What runs them."""
        if self._made is None:
            from jikko.plugins.strategies import PluginStrategies
            from jikko.plugins.tools import PluginTools

            runtime = make_runtime(self._settings, files=self._files, environment=self._environment)
            tools = PluginTools(runtime, models=self._models, tools=self._all_tools)
            self._made = (runtime, tools, PluginStrategies(runtime))
        return self._made

    def read_again(self) -> Callable[[], None]:
        """Read the plugins file. Returns what has calls from now on see it.

        Raises:
            InvalidSettings: It cannot be used.
        """
        from jikko.plugins.file import read_plugins_file

        config = read_plugins_file(self._settings.plugins, self._environment)

        def use() -> None:
            if self._made is not None:  # otherwise it is read when it is wanted first
                self._made[0].config = config

        return use

    def are_there(self) -> bool:
        """Whether any is installed."""
        return self._made is not None or are_installed(self._settings)

    def icon(self, name: ToolName) -> Json | None:
        """See ``Tools.icon``."""
        return self.made()[1].icon(name) if self.are_there() else None

    def known(self, name: ToolName, *, app_id: str = "") -> Tool | None:
        """See ``Tools.known``."""
        return self._tools(name).known(name, app_id=app_id)

    async def find(self, name: ToolName, *, app_id: str = "") -> Tool:
        """See ``Tools.find``."""
        return await self._tools(name).find(name, app_id=app_id)

    async def call(self, call: ToolCall, emit: Emit) -> Usage | None:
        """See ``Tools.call``."""
        try:
            tools = self._tools(call.tool.name)
        except ToolNotFound as failure:
            raise ToolFailure(str(failure), reported=False) from None
        return await tools.call(call, emit)

    async def close(self) -> None:
        """See ``Tools.close``."""
        self._closed = True
        if self._made is not None:
            await self._made[0].close()

    def _tools(self, name: ToolName) -> "PluginTools":
        if not self.are_there():
            raise missing(Phrase("tool.the_tool", {"name": str(name)}), name.provider, name.plugin)
        return self.made()[1]


class _Strategies:
    """``Strategies`` of plugins."""

    def __init__(self, plugins: Plugins) -> None:
        self._plugins = plugins

    def icon(self, name: StrategyName) -> Json | None:
        """See ``Strategies.icon``."""
        return None

    def find(self, name: StrategyName) -> Strategy:
        """See ``Strategies.find``."""
        if not self._plugins.are_there():
            raise missing(Phrase("tool.the_strategy", {"name": name.strategy}), name.provider, name.plugin)
        return self._plugins.made()[2].find(name)

    async def invoke(self, call: StrategyCall, host: AgentHost, emit: Callable[[ToolMessage], None]) -> None:
        """See ``Strategies.invoke``."""
        await self._plugins.made()[2].invoke(call, host, emit)

    async def close(self) -> None:
        """See ``Strategies.close``."""


def plugins_at_hand(settings: Settings, environment: Mapping[str, str] = os.environ) -> PluginsAtHand:
    """What there is of plugins in a data folder. Starts nothing.

    Raises:
        InvalidSettings: The plugins file, or the list of plugins, cannot be read.
    """
    from jikko.cluster.data_folder_lock import owner_of
    from jikko.locks.calls import landlock_abi
    from jikko.plugins.file import read_plugins_file
    from jikko.plugins.install.installed import Installed
    from jikko.plugins.process.cgroups import find

    read_plugins_file(settings.plugins, environment)
    owner = owner_of(settings.home)
    groups = find("self" if owner is None else owner.pid)
    installed = len(Installed(settings.plugin_folder).entries())
    return PluginsAtHand(installed, landlock_abi(), str(groups.base or ""), groups.reason)


def missing(subject: Phrase, provider: str, exact: str) -> ToolNotFound:
    """What a workflow is told where no plugin is installed at all."""
    plugin = exact.partition("@")[0] or "/".join(tool_provider(provider).split("/")[:2])
    return plugin_missing(subject, plugin)


def make_runtime(
    settings: Settings, *, files: FileStore, environment: Mapping[str, str] = os.environ
) -> "PluginRuntime":
    """What runs the plugins of a data folder. Starts nothing.

    Raises:
        InvalidSettings: The plugins file, or a setting, cannot be used.
    """
    from jikko.plugins.file import read_plugins_file
    from jikko.plugins.host.gate import CONNECTING
    from jikko.plugins.install.installed import Installed
    from jikko.plugins.process.pool import PoolLimits
    from jikko.plugins.process.usage import Room
    from jikko.plugins.runtime import PluginRuntime, RuntimeLimits

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
        room=Room(settings.plugin_disk),
        confine=settings.plugins_confine == "require",
        pool=PoolLimits(
            processes=processes,
            idle_seconds=settings.plugin_idle_seconds,
            app_share=settings.app_share,
        ),
    )
    return PluginRuntime(
        Installed(settings.plugin_folder),
        read_plugins_file(settings.plugins, environment),
        limits,
        connections=tunnels,
        files=files,
        storage=_storage(settings),
    )


def _storage(settings: Settings) -> PluginStorage:
    """What plugins keep, where the record is."""
    from jikko.store.repositories.plugin_storage import SqlPluginStorage

    if settings.database_url:
        from jikko.assemble.postgres.stores import plugin_database

        return SqlPluginStorage(plugin_database(settings))
    from jikko.store.sqlite.plugin_file import PluginFile

    return SqlPluginStorage(PluginFile(settings.plugin_folder / "storage.db"))
