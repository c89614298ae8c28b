"""Picks what nodes call as tools."""

import os
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from jikko.assemble import lazy
from jikko.assemble.plugins import Plugins, are_installed, plugins_looked_up
from jikko.concurrency.lazy_proxy import is_made, lazy_proxy
from jikko.concurrency.run_in_thread import imported
from jikko.concurrency.shutdown import Shutdown
from jikko.nodes.registry import modules_of, types_in
from jikko.ports.agents import Strategies
from jikko.ports.tools import Tools
from jikko.providers.config import ProviderConfig
from jikko.repositories.app_store import AppStore
from jikko.settings import Settings

if TYPE_CHECKING:
    from jikko.tools.directory import ToolsDirectory
    from jikko.tools.tools_config import ToolsFile
    from jikko.tools.tools_of_installation import ToolService


_OF_TOOLS: Final = "jikko.assemble.tool_service"
"""What is imported with the first tool."""
_OF_PLUGINS: Final = "jikko.assemble.plugin_runtime"
"""The same, where a plugin is installed. They need a system on which plugins run."""


def make_directory(settings: Settings, apps: AppStore, environment: Mapping[str, str] = os.environ) -> "ToolsDirectory":
    """What the tools file says. It is read at once; where there is none, nothing is made before it is asked for.
    Raises ``InvalidSettings``: it cannot be used."""

    def made() -> "ToolsDirectory":
        return lazy.ToolsDirectory(settings.tools, environment, apps)

    return lazy_proxy(made, partial(import_module, "jikko.tools.directory")) if settings.tools is None else made()


def known_strategies(settings: Settings, environment: Mapping[str, str] = os.environ) -> Strategies:
    """The strategies of agents, only to be looked up. Raises ``InvalidSettings``: the plugins file cannot be used."""
    return later_strategies(plugins_looked_up(settings, environment))


def require_plugin(settings: Settings, environment: Mapping[str, str], config: ProviderConfig) -> None:
    """Raises ``ToolNotFound``: the plugin of a provider is not installed, or not told all that it needs."""
    plugins_looked_up(settings, environment).model_providers().require(config)


def later_strategies(plugins: Plugins) -> Strategies:
    """The strategies of agents, made with the first that is looked up."""
    return lazy_proxy(lambda: lazy.StrategyService(plugins.strategies))


def tools_file(settings: Settings, environment: Mapping[str, str] = os.environ) -> "ToolsFile":
    """What the tools file says. Raises ``InvalidSettings``: it cannot be used."""
    return lazy.read_tools_file(settings.tools, environment)


def known_tools(settings: Settings, environment: Mapping[str, str] = os.environ) -> Tools:
    """The same, only to be looked up: what they would need to be called is left out.
    Raises ``InvalidSettings``: the tools file cannot be used."""
    nothing: Any = None
    directory = make_directory(settings, nothing, environment)
    plugins = plugins_looked_up(settings, environment, lambda: tools)
    parts = ("http", "files", "documents", "sandbox", "workflows", "knowledge", "speech")
    without = dict.fromkeys(parts, nothing)
    tools: Tools = lazy_proxy(lambda: lazy.make_tools(settings, directory, **without, defaults={}, plugins=plugins))
    return tools


async def import_for_nodes(settings: Settings, source: bytes) -> None:
    """Have the classes of the nodes of a DSL file imported beside the event loop, and what their tools need.

    What cannot be imported is told where it is needed, if it is.
    """
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


def later_tools(plugins: Plugins, stack: Shutdown, *given: Any, **named: Any) -> "ToolService":
    """All tools of this installation, made with the first that is looked up; the plugins among them are there already.

    Args:
        plugins: As for ``tool_service.make_tools``.
        stack: Closes them.
        given: As for ``tool_service.make_tools``.
        named: The same.
    """
    tools = lazy_proxy(lambda: lazy.make_tools(*given, plugins=plugins, **named))

    async def close() -> None:
        await (tools.close() if is_made(tools) else plugins.close())

    stack.step("plugins and tools", close)
    return tools
