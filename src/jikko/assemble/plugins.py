"""Plugins of a process, whose runtime is made on first use."""

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from jikko.assemble import lazy
from jikko.diagnostics.diagnostic import Phrase
from jikko.events import Usage
from jikko.ports.agents import AgentHost, Strategy, StrategyCall, StrategyName
from jikko.ports.files.file_store import FileStore
from jikko.ports.models import Models
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
    from jikko.assemble.plugin_runtime import MadePlugins
    from jikko.plugins.plugin_tools import PluginTools
    from jikko.providers.plugin import PluginProviders


def are_installed(settings: Settings) -> bool:
    return (settings.plugin_folder / "installed.json").exists()


class Plugins:
    """Plugins of one process: ``Tools``, and ``strategies``. Their runtime is imported on first use. The plugins file
    is read at once, so that its errors appear when the server starts."""

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
        tools: All tools, requested when a plugin calls one.
        environment: Values of ``${NAME}`` in the plugins file.

        Raises:
            InvalidSettings: The plugins file is invalid.
        """
        self._settings = settings
        self._models = models
        self._files = files
        self._all_tools = tools
        self._environment = environment
        self._made: MadePlugins | None = None
        self.strategies = _Strategies(self)
        if settings.plugins is not None:
            self.made()

    def made(self) -> "MadePlugins":
        if self._made is None:
            self._made = lazy.make_plugins(
                self._settings, self._models, self._files, self._all_tools, environment=self._environment
            )
        return self._made

    def model_providers(self) -> "PluginProviders":
        return self.made().providers

    def read_again(self) -> Callable[[], None]:
        """Read the plugins file. Returns a function that applies it to future calls. Raises ``InvalidSettings``: it is
        invalid."""
        config = lazy.read_plugins_file(self._settings.plugins, self._environment)

        def use() -> None:
            if self._made is not None:  # otherwise it is read on first use
                self._made.runtime.config = config

        return use

    def are_there(self) -> bool:
        return self._made is not None or are_installed(self._settings)

    def icon(self, name: ToolName) -> Json | None:
        """See ``Tools.icon``. Jikko does not serve the icon files of plugins."""
        return None

    def known(self, name: ToolName, *, app_id: str = "") -> Tool | None:
        return self._tools(name).known(name, app_id=app_id)

    def providers(self) -> list[ToolName]:
        return self.made().tools.providers() if self.are_there() else []

    async def offered(self, provider: ToolName) -> list[Tool]:
        return await self._tools(provider).offered(provider)

    async def find(self, name: ToolName, *, app_id: str = "") -> Tool:
        return await self._tools(name).find(name, app_id=app_id)

    async def call(self, call: ToolCall, emit: Emit) -> Usage | None:
        try:
            tools = self._tools(call.tool.name)
        except ToolNotFound as failure:
            raise ToolFailure(str(failure), reported=False) from None
        return await tools.call(call, emit)

    async def close(self) -> None:
        if self._made is not None:
            await self._made.runtime.close()

    def _tools(self, name: ToolName) -> "PluginTools":
        if not self.are_there():
            raise missing(Phrase("tool.the_tool", {"name": str(name)}), name.provider, name.plugin)
        return self.made().tools


def plugins_looked_up(
    settings: Settings, environment: Mapping[str, str], tools: Callable[[], Tools] | None = None
) -> Plugins:
    """Return the plugins for look-ups only. Raises ``InvalidSettings``: the plugins file is invalid."""
    nothing: Any = None
    return Plugins(settings, models=nothing, files=nothing, tools=tools or nothing, environment=environment)


class _Strategies:
    def __init__(self, plugins: Plugins) -> None:
        self._plugins = plugins

    def find(self, name: StrategyName) -> Strategy:
        if not self._plugins.are_there():
            raise missing(Phrase("tool.the_strategy", {"name": name.strategy}), name.provider, name.plugin)
        return self._plugins.made().strategies.find(name)

    async def invoke(self, call: StrategyCall, host: AgentHost, emit: Callable[[ToolMessage], None]) -> None:
        await self._plugins.made().strategies.invoke(call, host, emit)


def missing(subject: Phrase, provider: str, exact: str) -> ToolNotFound:
    """Return the error for workflows if no plugin is installed at all."""
    return plugin_missing(subject, exact.partition("@")[0] or lazy.provider_name(provider).plugin)
