"""What is wrong with an agent node, as far as can be known without asking anybody."""

from collections.abc import Iterator

from jikko.apps.model_needs import needs_of_agent
from jikko.apps.plugin_needs import tools_of_agent
from jikko.dsl.document import NodeEntry
from jikko.forecast.finding import Trouble
from jikko.forecast.installation import Installation
from jikko.forecast.model_objections import objection
from jikko.nodes.agents.agent import SERVER_SIDE, AgentNode
from jikko.nodes.agents.agent_parameters import tool_name
from jikko.ports.tools import ToolNotFound


def troubles_of_agent(node: AgentNode, entry: NodeEntry, installation: Installation) -> Iterator[Trouble]:
    """Why the agent will fail: its strategy, its tools, or its model."""
    where = f"{entry.where}.agent_parameters"
    if node.is_server_side:
        yield Trouble("node_type", f"{entry.where}.type", "this agent cannot be run by Jikko", SERVER_SIDE)
        return
    try:
        strategy = installation.strategies.find(node.name)
    except ToolNotFound as failure:
        yield Trouble("tool", f"{entry.where}.agent_strategy_name", failure.what, failure.hint)
        strategy = None
    for tool in tools_of_agent(entry.data):
        try:
            installation.tools.known(tool_name(tool))
        except ToolNotFound as failure:
            yield Trouble("tool", f"{where}.tools", failure.what, failure.hint)
    for name, need in () if installation.fake_models else needs_of_agent(entry.id, entry.data):
        found = objection(need, installation.providers, installation.missing_library)
        if found is not None:
            yield Trouble("model", f"{where}.{name}", found.what, found.hint)
    for parameter in () if strategy is None else strategy.parameters:
        name = parameter.declared.name
        if parameter.declared.required and parameter.declared.default is None and not node.gives(name):
            what = f"the parameter {name} of the agent is required, and nothing is given for it"
            yield Trouble("tool", where, what, "fill it in")
