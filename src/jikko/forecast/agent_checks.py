"""Checks of agent nodes, without asking anybody."""

from collections.abc import Iterator

from msgspec.structs import replace

from jikko.apps.model_needs import needs_of_agent
from jikko.apps.plugin_needs import tools_of_agent
from jikko.diagnostics.diagnostic import Diagnostic, Phrase
from jikko.dsl.document import NodeEntry
from jikko.dsl.types import APP_STRATEGIES
from jikko.forecast.known_installation import Installation
from jikko.forecast.model_checks import diagnose_model, diagnose_speech
from jikko.forecast.tool_checks import no_tool
from jikko.nodes.agents.agent import AgentNode
from jikko.ports.tools import ToolNotFound, tool_name


def diagnose_agent(node: AgentNode, entry: NodeEntry, installation: Installation) -> Iterator[Diagnostic]:
    """Why the agent will fail: its strategy, its tools, or its model."""
    # The file of an app without a workflow has the same elsewhere, and a tool that is not there is left out.
    is_app = node.name.provider == APP_STRATEGIES
    where = entry.where if is_app else f"{entry.where}.agent_parameters"
    at_tools = f"{where}.agent_mode.tools" if is_app else f"{where}.tools"
    if node.is_server_side:
        remedy = Phrase("remedy.agent_version")
        yield Diagnostic("node_type.agent", where=f"{entry.where}.type", severity="will_fail", remedy=remedy)
        return
    try:
        strategy = installation.strategies.find(node.name)
    except ToolNotFound as failure:
        yield no_tool(failure, f"{where}.agent_mode" if is_app else f"{entry.where}.agent_strategy_name")
        strategy = None
    for tool in tools_of_agent(entry.data):
        try:
            installation.tools.known(tool_name(tool))
        except ToolNotFound as failure:
            missing = no_tool(failure, at_tools)
            yield replace(missing, severity="warning") if is_app else missing
    yield from diagnose_speech(entry.data, installation, at_tools)
    for name, need in () if installation.fake_models else needs_of_agent(entry.id, entry.data):
        found = diagnose_model(need, installation, f"{where}.{name}")
        if found is not None:
            yield found
    for parameter in () if strategy is None else strategy.parameters:
        name = parameter.declared.name
        if parameter.declared.required and parameter.declared.default is None and not node.gives(name):
            remedy = Phrase("remedy.fill_in")
            yield Diagnostic("tool.agent_parameter", {"name": name}, where=where, severity="will_fail", remedy=remedy)
