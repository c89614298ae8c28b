"""Factories of tools."""

import os
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from jikko.assemble import lazy
from jikko.assemble.plugins import Plugins, are_installed, plugins_looked_up
from jikko.concurrency.lazy_proxy import lazy_proxy
from jikko.concurrency.run_in_thread import imported
from jikko.nodes.registry import modules_of, types_in
from jikko.ports.agents import Strategies
from jikko.ports.tools import Tools
from jikko.providers.config import ProviderConfig
from jikko.repositories.app_store import AppStore
from jikko.settings import Settings

if TYPE_CHECKING:
    from jikko.tools.directory import ToolsDirectory
    from jikko.tools.tools_file import ToolsFile


_OF_TOOLS: Final = "jikko.assemble.tool_service"
"""Module imported with the first tool."""
_OF_PLUGINS: Final = "jikko.assemble.plugin_runtime"
"""Module imported with the first tool if a plugin is installed. Needs a system that can run plugins."""


def make_directory(settings: Settings, apps: AppStore, environment: Mapping[str, str] = os.environ) -> "ToolsDirectory":
    """Read the tools file; without one, the directory is made on first use. Raises ``InvalidSettings``: it is
    invalid."""

    def made() -> "ToolsDirectory":
        return lazy.ToolsDirectory(settings.tools, environment, apps)

    return lazy_proxy(made, partial(import_module, "jikko.tools.directory")) if settings.tools is None else made()


def known_strategies(settings: Settings, environment: Mapping[str, str] = os.environ) -> Strategies:
    """Return agent strategies for look-ups only. Raises ``InvalidSettings``: the plugins file is invalid."""
    return later_strategies(plugins_looked_up(settings, environment))


def require_plugin(settings: Settings, environment: Mapping[str, str], config: ProviderConfig) -> None:
    """Raises ``ToolNotFound``: a provider's plugin is not installed, or not fully configured."""
    plugins_looked_up(settings, environment).model_providers().require(config)


def later_strategies(plugins: Plugins) -> Strategies:
    """Return agent strategies, made at the first look-up."""
    return lazy_proxy(lambda: lazy.StrategyService(plugins.strategies))


def tools_file(settings: Settings, environment: Mapping[str, str] = os.environ) -> "ToolsFile":
    """Read the tools file. Raises ``InvalidSettings``: it is invalid."""
    return lazy.read_tools_file(settings.tools, environment)


def known_tools(settings: Settings, environment: Mapping[str, str] = os.environ) -> Tools:
    """Return tools for look-ups only, without what calls need. Raises ``InvalidSettings``: the tools file is
    invalid."""
    nothing: Any = None
    directory = make_directory(settings, nothing, environment)
    plugins = plugins_looked_up(settings, environment, lambda: tools)
    parts = ("http", "files", "documents", "sandbox", "workflows", "knowledge", "speech")
    without = dict.fromkeys(parts, nothing)
    tools: Tools = lazy_proxy(lambda: lazy.make_tools(settings, directory, **without, defaults={}, plugins=plugins))
    return tools


async def import_for_nodes(settings: Settings, source: bytes) -> None:
    """Import the node classes of a DSL file and its tools' modules, off the event loop. Failing imports are reported
    where they are needed, if at all."""
    types = types_in(source)
    modules = modules_of(types)
    if types & {"agent", "tool"}:
        modules.add(_OF_TOOLS)
        if are_installed(settings):
            modules.add(_OF_PLUGINS)
    if types & {"code", "template-transform"}:
        modules.add("jikko.sandbox.programs")
    if "agent" in types:
        modules.add("jikko.strategies.strategy_service")
    if "knowledge-retrieval" in types:
        modules.add("jikko.assemble.knowledge.build_knowledge")
    with suppress(ImportError):
        await imported(*sorted(modules))
