"""What is wrong with a tool node, as far as can be known without asking anybody."""

from collections.abc import Iterator
from typing import Final

from jikko.dsl.document import NodeEntry
from jikko.forecast.finding import Trouble
from jikko.nodes.tools.tool import ToolNode
from jikko.ports.tools import ToolNotFound, Tools

_CHECKED: Final = frozenset({"builtin", "api"})
"""Kinds of tools that fail without a required parameter; others are called without it, and decide for themselves."""

_ANSWERING: Final = frozenset({"webscraper/webscraper"})
"""Tools that say so in their answer when a required parameter is missing, and do not fail. [QUIRK]"""


def troubles_of_tool(node: ToolNode, entry: NodeEntry, tools: Tools) -> Iterator[Trouble]:
    """Every reason why a call will fail, and what is said to no purpose."""
    where = f"{entry.where}.tool_name" if entry.data.get("tool_name") else f"{entry.where}.type"
    try:
        tool = tools.known(node.name)
    except ToolNotFound as failure:
        yield Trouble("tool", where, failure.what, failure.hint)
        return
    if tool is None:
        return
    given = {given.name for given in node.given.parameters}
    for parameter in tool.parameters:
        needed = parameter.required and parameter.form == "llm" and parameter.default is None
        if needed and parameter.name not in given and node.name.provider_type in _CHECKED:
            what = f"the parameter {parameter.name} of the tool {node.name} is required, and nothing is given for it"
            harmless = str(node.name) in _ANSWERING
            yield Trouble("tool", f"{entry.where}.tool_parameters", what, "fill it in", harmless=harmless)
    for name in given:
        if tool.parameter(name) is None:
            has = ", ".join(parameter.name for parameter in tool.parameters) or "none"
            what = f"the tool {node.name} has no parameter {name}, so that it is null (it has {has})"
            yield Trouble("tool", f"{entry.where}.tool_parameters.{name}", what, harmless=True)
