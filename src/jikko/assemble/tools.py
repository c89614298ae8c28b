"""Picks what nodes call as tools."""

import os
import time
from collections.abc import Mapping
from typing import Any

from jikko.assemble.plugins import Plugins
from jikko.ports.agents import Strategies
from jikko.ports.app_calls.inner_workflows import InnerWorkflows
from jikko.ports.clock import Clock
from jikko.ports.files.documents import DocumentReader
from jikko.ports.files.file_store import FileStore
from jikko.ports.http import HttpClient
from jikko.ports.sandbox import Sandbox
from jikko.ports.stores.app_store import AppStore
from jikko.ports.tools import Tools
from jikko.settings import Settings
from jikko.strategies.service import StrategyService
from jikko.tools.builtin.builtin import BUILTIN, BuiltinTools
from jikko.tools.config import ToolsFile
from jikko.tools.directory import ToolsDirectory
from jikko.tools.file import read_tools_file
from jikko.tools.mcp.mcp_tools import McpTools
from jikko.tools.openapi.api_tools import ApiTools
from jikko.tools.service import ToolService
from jikko.tools.workflow_tools import WorkflowTools


def make_directory(settings: Settings, apps: AppStore, environment: Mapping[str, str] = os.environ) -> ToolsDirectory:
    """What the tools file says.

    Raises:
        InvalidSettings: It cannot be used.
    """
    return ToolsDirectory(settings.tools, environment, apps)


def known_strategies(settings: Settings, environment: Mapping[str, str] = os.environ) -> Strategies:
    """The strategies of agents, only to be looked up.

    Raises:
        InvalidSettings: The plugins file cannot be used.
    """
    nothing: Any = None
    plugins = Plugins(settings, models=nothing, files=nothing, tools=nothing, environment=environment)
    return StrategyService(plugins.strategies)


def tools_file(settings: Settings, environment: Mapping[str, str] = os.environ) -> ToolsFile:
    """What the tools file says.

    Raises:
        InvalidSettings: It cannot be used.
    """
    return read_tools_file(settings.tools, environment)


def known_tools(settings: Settings, environment: Mapping[str, str] = os.environ) -> Tools:
    """The same, only to be looked up: what they would need to be called is left out.

    Raises:
        InvalidSettings: The tools file cannot be used.
    """
    nothing: Any = None
    directory = make_directory(settings, nothing, environment)
    plugins = Plugins(settings, models=nothing, files=nothing, tools=lambda: tools, environment=environment)
    tools = make_tools(
        settings,
        directory,
        http=nothing,
        files=nothing,
        documents=nothing,
        sandbox=nothing,
        workflows=nothing,
        plugins=plugins,
    )
    return tools


def make_tools(
    settings: Settings,
    directory: ToolsDirectory,
    *,
    http: HttpClient,
    files: FileStore,
    documents: DocumentReader,
    sandbox: Sandbox,
    workflows: InnerWorkflows,
    plugins: Tools,
    clock: Clock = time.time,
) -> ToolService:
    """All tools of this installation. Connects to nothing, and starts nothing, yet."""
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
        builtin=BuiltinTools(http=http, documents=documents, sandbox=sandbox, clock=clock),
        builtin_names=frozenset(BUILTIN),
        seconds=settings.tool_seconds,
    )
