"""Factory of the ports of nodes."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from jikko.assemble import lazy
from jikko.assemble.assembly import BuildContext
from jikko.assemble.build_models import default_models, make_models, make_speech
from jikko.assemble.build_tools import later_strategies
from jikko.assemble.knowledge.open_knowledge import later_retrieval
from jikko.assemble.plugins import Plugins
from jikko.assemble.sandboxes import make_sandbox
from jikko.concurrency.lazy_proxy import lazy_proxy
from jikko.documents.processes import DocumentLimits, DocumentProcesses
from jikko.errors import InvalidSettings
from jikko.files.store import Files
from jikko.outbound.outbound_client import AiohttpClient
from jikko.outbound.policy import parse_allow
from jikko.ports.agents import AgentLimits
from jikko.ports.app_calls import InnerWorkflows
from jikko.ports.models import Models
from jikko.ports.node_ports import EarlierTurns, NodePorts, ValueLimits
from jikko.providers.config import Providers
from jikko.settings import Settings
from jikko.values import Json

if TYPE_CHECKING:
    from jikko.knowledge.retrieval.retrieval import Retrieval
    from jikko.repositories.knowledge.knowledge_stores import OpenKnowledge
    from jikko.tools.directory import ToolsDirectory
    from jikko.tools.tools_of_installation import ToolService


class NodeServices(Struct, frozen=True):
    """Ports of nodes; and apart, the tools among them, and the plugins among the tools."""

    ports: NodePorts
    tools: "ToolService"
    plugins: Plugins
    retrieval: "Retrieval"


def build_nodes(
    context: BuildContext,
    providers: Providers,
    directory: "ToolsDirectory",
    inner: InnerWorkflows,
    files: Files,
    datasets: "OpenKnowledge",
    history: EarlierTurns,
) -> NodeServices:
    """Build the ports of a process's nodes.

    Args:
        directory: Contents of the tools file.
        inner: Runs workflows called as tools.
        datasets: Datasets that nodes search.
        history: Earlier turns of conversations.
    """
    settings, stack, workers = context.settings, context.stack, context.workers
    sandbox = make_sandbox(settings, workers, brief=context.brief)
    stack.step("the sandbox", sandbox.close)
    http = context.http or http_client(settings)
    stack.step("HTTP connections", http.close)
    document_limits = DocumentLimits(
        max_seconds=settings.document_seconds,
        max_memory=settings.document_memory,
        max_text=settings.document_text,
        app_share=settings.app_share,
    )
    documents = DocumentProcesses(document_limits.for_worker(workers))
    stack.step("processes of documents", documents.close)
    models: Models = (
        lazy.FakeModels()
        if settings.fake_models
        else make_models(providers, app_share=settings.app_share, plugins=lambda: plugins.model_providers())
    )
    stack.step("models", models.close)
    retrieval = later_retrieval(datasets, http, models, stack)
    plugins = Plugins(settings, models=models, files=files, tools=lambda: tools, environment=context.environment)
    stack.step("plugins", plugins.close)
    tools: ToolService = lazy_proxy(
        lambda: lazy.make_tools(
            settings,
            directory,
            http=http,
            files=files,
            documents=documents,
            sandbox=sandbox,
            workflows=inner,
            speech=make_speech(models),
            defaults=default_models(settings, providers),
            knowledge=retrieval,
            plugins=plugins,
            clock=context.clock,
        )
    )
    ports = NodePorts(
        sandbox=sandbox,
        http=http,
        files=files,
        documents=documents,
        models=models,
        fake_models=lambda: lazy.FakeModels(),
        knowledge=retrieval,
        strategies=later_strategies(plugins),
        agent_limits=AgentLimits(
            model_calls=settings.agent_model_calls,
            tool_calls=settings.agent_tool_calls,
            tokens=settings.agent_tokens,
            price=settings.agent_price,
        ),
        history=history,
        tools=tools,
        limits=ValueLimits(
            max_text=settings.max_text,
            max_strings=settings.max_strings,
            max_objects=settings.max_objects,
            max_numbers=settings.max_numbers,
            max_expanded=settings.max_expanded,
            max_code_requests=settings.code_requests,
            max_http_text=settings.http_max_text,
            max_http_file=settings.http_max_file,
            max_tool_text=settings.tool_max_text,
            max_tool_files=settings.tool_max_files,
            max_tool_file_count=settings.tool_file_count,
            tool_seconds=settings.tool_seconds,
        ),
    )
    return NodeServices(ports, tools, plugins, retrieval)


def http_client(settings: Settings) -> AiohttpClient:
    return AiohttpClient(
        allow=allowed_networks(settings.http_allow),
        proxy=settings.http_proxy or None,
        ssl_verify=settings.http_verify,
        max_connections=max(1, settings.http_connections),
        app_share=settings.app_share,
        trace_hosts=settings.trace_propagate,
    )


def allowed_networks(given: Iterable[str]) -> tuple[str, ...]:
    """Parse the networks of the setting ``http_allow``. Raises ``InvalidSettings``: one is invalid."""
    networks = tuple(given)
    try:
        parse_allow(networks)
    except ValueError as error:
        raise InvalidSettings(f"JIKKO_HTTP_ALLOW: {error}") from None
    return networks


def mocks_of(text: str) -> dict[str, dict[str, Json]]:
    """Parse the outputs of mocked nodes, by node id or title. ``text``: A JSON object of objects, or empty. Raises
    ``InvalidSettings``: it is anything else."""
    try:
        return msgspec.json.decode(text, type=dict[str, dict[str, Any]]) if text.strip() else {}
    except msgspec.DecodeError as error:
        raise InvalidSettings(
            f"JIKKO_MOCKS: {error}. Expected a JSON object of objects: the outputs of each node, by its id or title."
        ) from None
