"""Tools of an installation, imported with the first look-up."""

import time

from jikko.ports.app_calls import InnerWorkflows
from jikko.ports.clock import Clock
from jikko.ports.files.documents import DocumentReader
from jikko.ports.files.file_store import FileStore
from jikko.ports.http import HttpClient, Timeouts
from jikko.ports.knowledge import KnowledgeSearch
from jikko.ports.models import DefaultModels
from jikko.ports.other_models import Speech
from jikko.ports.sandbox import Sandbox
from jikko.ports.tools import Tools
from jikko.settings import Settings
from jikko.tools.builtin.builtin import BUILTIN, BuiltinTools
from jikko.tools.builtin.builtin_audio import Audio
from jikko.tools.directory import ToolsDirectory
from jikko.tools.given_files import GivenFiles
from jikko.tools.mcp.mcp_tools import McpTools
from jikko.tools.openapi.api_tools import ApiTools
from jikko.tools.tools_of_installation import ToolService
from jikko.tools.workflow_tools import DatasetTools, WorkflowTools


def make_tools(
    settings: Settings,
    directory: ToolsDirectory,
    *,
    http: HttpClient,
    files: FileStore,
    documents: DocumentReader,
    sandbox: Sandbox,
    workflows: InnerWorkflows,
    speech: Speech,
    defaults: DefaultModels,
    knowledge: KnowledgeSearch,
    plugins: Tools,
    clock: Clock = time.time,
) -> ToolService:
    """Build all tools of this installation. Connects to and starts nothing yet. ``defaults``: Speech models for nodes
    that choose none."""
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
        "dataset": DatasetTools(knowledge),
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
