"""Checks of tool nodes, without asking anybody."""

from collections.abc import Iterator
from typing import Final

from jikko.diagnostics.diagnostic import Diagnostic, Phrase, Severity
from jikko.dsl.document import NodeEntry
from jikko.forecast.known_installation import Installation
from jikko.forecast.model_checks import diagnose_speech
from jikko.nodes.tools.tool import ToolNode
from jikko.ports.tools import ToolNotFound

_CHECKED: Final = frozenset({"builtin", "api"})
"""Kinds of tools that fail without a required parameter; others are called without it, and decide for themselves."""

_ANSWERING: Final = frozenset({"webscraper/webscraper"})
"""Tools that say so in their answer when a required parameter is missing, and do not fail. [QUIRK]"""


def diagnose_tool(node: ToolNode, entry: NodeEntry, installation: Installation) -> Iterator[Diagnostic]:
    """Every reason why a call will fail, and what is said to no purpose."""
    where = f"{entry.where}.tool_name" if entry.data.get("tool_name") else f"{entry.where}.type"
    try:
        tool = installation.tools.known(node.name)
    except ToolNotFound as failure:
        yield no_tool(failure, where)
        return
    if tool is None:
        return
    tool = tool.with_settings(node.given.settings)
    yield from diagnose_speech(entry.data, installation, f"{entry.where}.tool_configurations")
    given = {given.name for given in node.given.parameters}
    for parameter in tool.parameters:
        needed = parameter.required and parameter.form == "llm" and parameter.default is None
        if needed and parameter.name not in given and node.name.provider_type in _CHECKED:
            severity: Severity = "warning" if str(node.name) in _ANSWERING else "will_fail"
            params = {"name": parameter.name, "tool": str(node.name)}
            where, remedy = f"{entry.where}.tool_parameters", Phrase("remedy.fill_in")
            yield Diagnostic("tool.parameter", params, where=where, severity=severity, remedy=remedy)
        chosen = node.given.settings.get(parameter.name)
        if node.is_current or parameter.type != "select" or chosen is None or not chosen.is_constant:
            continue
        if parameter.form == "form" and parameter.options and chosen.constant not in ("", *parameter.options):
            params = {"name": parameter.name, "options": ", ".join(parameter.options)}
            where = f"{entry.where}.tool_configurations.{parameter.name}"
            yield Diagnostic("tool.no_option", params, where=where, severity="will_fail")
    for name in given:
        if tool.parameter(name) is None:
            has = ", ".join(parameter.name for parameter in tool.parameters) or "none"
            params = {"name": name, "tool": str(node.name), "known": has}
            where = f"{entry.where}.tool_parameters.{name}"
            yield Diagnostic("tool.unknown_parameter", params, where=where, severity="warning")


def no_tool(failure: ToolNotFound, where: str) -> Diagnostic:
    """A tool or a strategy that is not here."""
    what = failure.what
    return Diagnostic(what.code, what.params, where=where, severity="will_fail", remedy=failure.remedy)
