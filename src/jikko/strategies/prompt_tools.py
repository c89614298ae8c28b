"""Tools of an agent as functions that a model may call."""

from collections.abc import Iterable
from typing import Any, Final

from jikko.ports.agents import AgentTool
from jikko.ports.models import Tool
from jikko.ports.tools import ToolParameter

_TYPES: Final = {
    "number": "number",
    "integer": "integer",
    "boolean": "boolean",
    "checkbox": "boolean",
    "object": "object",
    "array": "array",
}
_FILES: Final = frozenset({"file", "files", "system-files"})


def functions(tools: Iterable[AgentTool]) -> tuple[Tool, ...]:
    """One function a tool, by the tool's name; of two tools of one name the last."""
    return tuple({tool.tool.name.tool: _function(tool) for tool in tools}.values())


def _function(tool: AgentTool) -> Tool:
    # A model cannot make files.
    parameters = [parameter for parameter in tool.open_parameters if parameter.type not in _FILES]
    schema = {
        "type": "object",
        "properties": {parameter.name: _schema(parameter) for parameter in parameters},
        "required": [parameter.name for parameter in parameters if parameter.required],
    }
    return Tool(tool.tool.name.tool, tool.description or tool.tool.description, schema)


def _schema(parameter: ToolParameter) -> dict[str, Any]:
    if parameter.schema is not None:
        return dict(parameter.schema)
    schema: dict[str, Any] = {"type": _TYPES.get(parameter.type, "string"), "description": parameter.description}
    if schema["type"] == "array":
        schema["items"] = {}
    if parameter.type == "select" and parameter.options:
        schema["enum"] = list(parameter.options)
    return schema
