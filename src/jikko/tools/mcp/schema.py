"""Tool schemas of MCP servers. Source: docs/dify-behaviour.md, “MCP tools”."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from jikko.dsl.fields import Fields
from jikko.ports.tools import ToolParameter
from jikko.values import Json, is_too_deep

_TYPES: Final = {"integer": "number", "float": "number", "number": "number", "boolean": "boolean"}
_NESTED_TYPES: Final = ("array", "object")
_MAX_DESCRIPTION: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class McpTool:
    name: str
    description: str = ""
    parameters: tuple[ToolParameter, ...] = ()
    has_output_schema: bool = False
    """Whether it declares structured content, whose keys become outputs."""


def read_tools(listed: Iterable[Fields]) -> dict[str, McpTool]:
    """Parse a tool list, by name: each ``{name, description, inputSchema, outputSchema}``."""
    found: dict[str, McpTool] = {}
    for fields in listed:
        name = fields.text("name", required=True)
        if name:
            found.setdefault(
                name,
                McpTool(
                    name=name,
                    description=fields.text("description")[:_MAX_DESCRIPTION],
                    parameters=_parameters(fields.mapping("inputSchema")),
                    has_output_schema=bool(fields.get("outputSchema")),
                ),
            )
    return found


def _parameters(schema: Fields) -> tuple[ToolParameter, ...]:
    properties = schema.mapping("properties").raw
    required = set(map(str, schema.items("required")))
    return tuple(
        _parameter(str(name), described if isinstance(described, Mapping) else {}, required=str(name) in required)
        for name, described in properties.items()
    )


def _parameter(name: str, schema: Mapping[str, Any], *, required: bool) -> ToolParameter:
    kind = _type(schema)
    return ToolParameter(
        name=name,
        type=kind,
        required=required,
        description=_description(schema),
        schema=schema if kind in _NESTED_TYPES and _stands_alone(schema) else None,
    )


def _stands_alone(schema: Mapping[str, Any]) -> bool:
    """Return whether a schema has no external references, which would be lost."""
    if is_too_deep(schema) or not isinstance(schema.get("type"), str):
        return False
    return '"$ref"' not in json.dumps(schema, default=str)


def _type(schema: Mapping[str, Any]) -> str:
    found = _plain_type(schema.get("type"))
    for combination in ("anyOf", "oneOf", "allOf"):
        members = schema.get(combination)
        for member in members if not found and isinstance(members, list) else ():
            found = found or _plain_type(member.get("type") if isinstance(member, Mapping) else None)
    return found if found in _NESTED_TYPES else _TYPES.get(found, "string")


def _plain_type(written: Json) -> str:
    """Return a schema's type, of several the first except ``null``; ``""`` if there is none."""
    if isinstance(written, list):
        written = next((name for name in written if name != "null"), "")
    return written if isinstance(written, str) and written != "null" else ""


def _description(schema: Json) -> str:
    text = schema.get("description") if isinstance(schema, Mapping) else None
    return text[:_MAX_DESCRIPTION] if isinstance(text, str) else ""
