"""Plugins that a workflow file requires, installed or not."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

from jikko.dsl.types import APP_STRATEGIES

Need: TypeAlias = Literal["tool", "strategy"]
_OF_JIKKO = frozenset({"time", "webscraper", "code", "audio"})
"""Built-in providers that are not plugins."""


class PluginNeed(NamedTuple):
    """A plugin's tool or strategy that a node uses."""

    node: str
    """Title of the node, or its id."""
    kind: Need
    provider: str
    """As written in the file: ``langgenius/tavily/tavily``, ``duckduckgo``."""
    name: str
    plugin: str
    """Plugin identifier in the file; ``""`` if there is none."""


def plugin_needs(nodes: Iterable[tuple[str, Mapping[str, Any]]]) -> Iterator[PluginNeed]:
    """Yield the plugin tools and strategies that nodes use, in order, each once per node. ``nodes``: Ids and
    unvalidated ``data``."""
    for node_id, data in nodes:
        title = _text(data, "title") or node_id
        match data.get("type"):
            case "tool":
                yield from _tool(title, data)
            case "agent":
                provider = _text(data, "agent_strategy_provider_name")
                if provider and provider != APP_STRATEGIES:
                    plugin, name = _text(data, "plugin_unique_identifier"), _text(data, "agent_strategy_name")
                    yield PluginNeed(title, "strategy", provider, name, plugin)
                for tool in tools_of_agent(data):
                    yield from _tool(title, tool)


def tools_of_agent(data: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the enabled tools of an agent node."""
    parameters = data.get("agent_parameters")
    for parameter in parameters.values() if isinstance(parameters, Mapping) else ():
        value = parameter.get("value") if isinstance(parameter, Mapping) else None
        for tool in value if isinstance(value, list) else ():
            if isinstance(tool, Mapping) and tool.get("enabled") is True and _text(tool, "tool_name"):
                yield tool


def _tool(title: str, data: Mapping[str, Any]) -> Iterator[PluginNeed]:
    kind = _text(data, "provider_type") or _text(data, "type")
    provider = _text(data, "provider_id") or _text(data, "provider_name")
    if kind in ("builtin", "plugin", "tool") and provider not in ("", kind) and provider not in _OF_JIKKO:
        yield PluginNeed(title, "tool", provider, _text(data, "tool_name"), _text(data, "plugin_unique_identifier"))


def _text(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name)
    return value[:300] if isinstance(value, str) else ""
