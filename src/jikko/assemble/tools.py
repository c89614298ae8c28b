"""Picks what nodes call as tools."""

import os
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from jikko.assemble.plugins import Plugins, are_installed
from jikko.concurrency.import_aside import imported
from jikko.concurrency.later import is_made, later
from jikko.concurrency.shutdown import Shutdown
from jikko.nodes.registry import modules_of, types_in
from jikko.ports.agents import Strategies
from jikko.ports.app_calls.inner_workflows import InnerWorkflows
from jikko.ports.clock import Clock
from jikko.ports.default_models import DefaultModels
from jikko.ports.files.documents import DocumentReader
from jikko.ports.files.file_store import FileStore
from jikko.ports.http import HttpClient, Timeouts
from jikko.ports.sandbox import Sandbox
from jikko.ports.speech import Speech
from jikko.ports.stores.app_store import AppStore
from jikko.ports.tools import Tools
from jikko.settings import Settings

if TYPE_CHECKING:
    from jikko.tools.config import ToolsFile
    from jikko.tools.directory import ToolsDirectory
    from jikko.tools.service import ToolService


_OF_TOOLS: Final = frozenset(
    {
        "jikko.tools.builtin.builtin",
        "jikko.tools.directory",
        "jikko.tools.mcp.mcp_tools",
        "jikko.tools.openapi.api_tools",
        "jikko.tools.service",
        "jikko.tools.workflow_tools",
    }
)
"""Modules that are imported with the first tool."""
_OF_PLUGINS: Final = frozenset({"jikko.plugins.strategies", "jikko.plugins.tools"})
"""The same, where a plugin is installed. They need a system on which plugins run."""


def make_directory(settings: Settings, apps: AppStore, environment: Mapping[str, str] = os.environ) -> "ToolsDirectory":
    """What the tools file says. It is read at once; where there is none, nothing is made before it is asked for.

    Raises:
        InvalidSettings: It cannot be used.
    """

    def made() -> "ToolsDirectory":
        from jikko.tools.directory import ToolsDirectory

        return ToolsDirectory(settings.tools, environment, apps)

    return later(made, partial(import_module, "jikko.tools.directory")) if settings.tools is None else made()


def known_strategies(settings: Settings, environment: Mapping[str, str] = os.environ) -> Strategies:
    """The strategies of agents, only to be looked up.

    Raises:
        InvalidSettings: The plugins file cannot be used.
    """
    nothing: Any = None
    plugins = Plugins(settings, models=nothing, files=nothing, tools=nothing, environment=environment)
    return later_strategies(plugins)


def later_strategies(plugins: Plugins) -> Strategies:
    """The strategies of agents, made with the first that is looked up."""

    def made() -> Strategies:
        from jikko.strategies.service import StrategyService

        return StrategyService(plugins.strategies)

    return later(made)


def tools_file(settings: Settings, environment: Mapping[str, str] = os.environ) -> "ToolsFile":
    """What the tools file says.

    Raises:
        InvalidSettings: It cannot be used.
    """
    from jikko.tools.file import read_tools_file

    return read_tools_file(settings.tools, environment)


def known_tools(settings: Settings, environment: Mapping[str, str] = os.environ) -> Tools:
    """The same, only to be looked up: what they would need to be called is left out.

    Raises:
        InvalidSettings: The tools file cannot be used.
    """
    nothing: Any = None
    directory = make_directory(settings, nothing, environment)
    plugins = Plugins(settings, models=nothing, files=nothing, tools=lambda: tools, environment=environment)
    made = partial(make_tools, http=nothing, files=nothing, documents=nothing, sandbox=nothing, workflows=nothing)
    tools = later(partial(made, settings, directory, speech=nothing, defaults={}, plugins=plugins))
    return tools


def make_tools(
    settings: Settings,
    directory: "ToolsDirectory",
    *,
    http: HttpClient,
    files: FileStore,
    documents: DocumentReader,
    sandbox: Sandbox,
    workflows: InnerWorkflows,
    speech: Speech,
    defaults: DefaultModels,
    plugins: Tools,
    clock: Clock = time.time,
) -> "ToolService":
    """All tools of this installation. Connects to nothing, and starts nothing, yet.

    Args:
        defaults: The models that speak and hear where a node chooses none.
    """
    from jikko.tools.builtin.audio import Audio
    from jikko.tools.builtin.builtin import BUILTIN, BuiltinTools
    from jikko.tools.given_files import GivenFiles
    from jikko.tools.mcp.mcp_tools import McpTools
    from jikko.tools.openapi.api_tools import ApiTools
    from jikko.tools.service import ToolService
    from jikko.tools.workflow_tools import WorkflowTools

    kinds: dict[str, Tools] = {
        "api": ApiTools(directory, http, files, max_bytes=settings.http_max_file, seconds=settings.tool_seconds),
        "mcp": McpTools(
            directory,
            http,
            max_bytes=settings.http_max_file,
            seconds=settings.tool_seconds,
            streams=max(1, settings.http_connections // 4),
        ),
        "workflow": WorkflowTools(directory, workflows),
        "plugin": plugins,
    }
    return ToolService(
        kinds,
        builtin=BuiltinTools(
            audio=Audio(speech, defaults, GivenFiles(files, http, Timeouts(total=settings.tool_seconds))),
            http=http,
            documents=documents,
            sandbox=sandbox,
            clock=clock,
        ),
        builtin_names=frozenset(BUILTIN),
        seconds=settings.tool_seconds,
    )


def importing_for_nodes(settings: Settings) -> Callable[[bytes], Awaitable[None]]:
    """See ``Workflows``: what imports for its nodes what a DSL file needs."""
    return partial(_import_for_nodes, settings)


async def _import_for_nodes(settings: Settings, source: bytes) -> None:
    """Have the classes of the nodes of a DSL file imported beside the event loop, and what their tools need.

    What cannot be imported is told where it is needed, if it is.
    """
    types = types_in(source)
    modules = modules_of(types)
    if types & {"agent", "tool"}:
        modules |= _OF_TOOLS
        if are_installed(settings):
            modules |= _OF_PLUGINS
    if types & {"code", "template-transform"}:
        modules.add("jikko.sandbox.programs")
    if "agent" in types:
        modules.add("jikko.strategies.service")
    if "knowledge-retrieval" in types:
        modules.add("jikko.assemble.knowledge.making")
    with suppress(ImportError):
        await imported(*sorted(modules))


def later_tools(plugins: Plugins, stack: Shutdown, *given: Any, **named: Any) -> "ToolService":
    """All tools of this installation, made with the first that is looked up; the plugins among them are there already.

    Args:
        plugins: As for ``make_tools``.
        stack: Closes them.
        given: As for ``make_tools``.
        named: The same.
    """
    tools = later(partial(make_tools, *given, plugins=plugins, **named))

    async def close() -> None:
        await (tools.close() if is_made(tools) else plugins.close())

    stack.step("plugins and tools", close)
    return tools
