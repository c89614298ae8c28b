"""Plugins that a workflow needs, by its file, whether they are installed or not."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

from jikko.dsl.types import APP_STRATEGIES

Need: TypeAlias = Literal["tool", "strategy"]
_OF_JIKKO = frozenset({"time", "webscraper", "code", "audio"})
"""Built-in providers that are no plugins."""


class PluginNeed(NamedTuple):
    """One tool or strategy of a plugin."""

    node: str
    """The title of the node, else its id."""
    kind: Need
    provider: str
    """As the file has it: ``langgenius/tavily/tavily``, ``duckduckgo``."""
    name: str
    plugin: str
    """The identifier that the file was made with; ``""`` if it does not say."""


def plugin_needs(nodes: Iterable[tuple[str, Mapping[str, Any]]]) -> Iterator[PluginNeed]:
    """The tools and strategies of plugins that nodes name, in their order, each once a node.
    ``nodes``: ids and ``data``, whatever is in these."""
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
    """The tools that an agent node lists and has switched on."""
    parameters = data.get("agent_parameters")
    for parameter in parameters.values() if isinstance(parameters, Mapping) else ():
        value = parameter.get("value") if isinstance(parameter, Mapping) else None
        for tool in value if isinstance(value, list) else ():
            if isinstance(tool, Mapping) and tool.get("enabled") is True and _text(tool, "tool_name"):
                yield tool


def _tool(title: str, data: Mapping[str, Any]) -> Iterator[PluginNeed]:
    kind = _text(data, "provider_type") or _text(data, "type")
    provider = _text(data, "provider_id") or _text(data, "provider_name")
    if kind in ("builtin", "plugin", "tool") and provider and provider not in _OF_JIKKO:
        yield PluginNeed(title, "tool", provider, _text(data, "tool_name"), _text(data, "plugin_unique_identifier"))


def _text(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name)
    return value[:300] if isinstance(value, str) else ""
