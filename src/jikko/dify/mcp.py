"""Messages of an app as an MCP server. Source: docs/dify-behaviour.md, “Apps as MCP servers”."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from jikko.dsl.document import CHAT_MODES
from jikko.dsl.start_variables import StartVariable
from jikko.ports.served_apps import ServedApp
from jikko.repositories.app_store import App
from jikko.values import Json, encode_json

_VERSIONS: Final = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
"""Protocol versions, newest first. The parts in use are the same in all."""
_TYPES: Final = {
    "text-input": "string",
    "paragraph": "string",
    "select": "string",
    "number": "number",
    "checkbox": "boolean",
    "json_object": "object",
}
"""JSON Schema types of start variables; without files, which a model cannot provide."""
_SCHEMA_KEYS: Final = ("properties", "required", "additionalProperties")
_QUERY: Final = {"type": "string", "description": "User Input/Question content"}


def initialized(wanted: str, version: str, instructions: str) -> dict[str, Json]:
    """Make the result of ``initialize``. ``wanted``: The client's preferred protocol version. ``version``: Jikko's."""
    return {
        "protocolVersion": wanted if wanted in _VERSIONS else _VERSIONS[0],
        "capabilities": {"tools": {"listChanged": False}},
        "serverInfo": {"name": "jikko", "version": version},
        "instructions": instructions,
    }


def tools(served: ServedApp, app: App, variables: Iterable[StartVariable]) -> dict[str, Json]:
    """Make the result of ``tools/list``: the app is the only tool."""
    properties: dict[str, Json] = {"query": dict(_QUERY)} if app.mode in CHAT_MODES else {}
    required = list(properties)
    for variable in variables:
        if variable.type in _TYPES:
            properties[variable.name] = _property(variable, served.parameters)
            required += [variable.name] if variable.required else []
    schema: Json = {"type": "object", "properties": properties, "required": required}
    tool = {"name": app.name, "description": served.description or app.description, "inputSchema": schema}
    return {"tools": [tool]}


def call_result(text: str, *, is_error: bool = False) -> dict[str, Json]:
    """Make the result of ``tools/call``."""
    return {"content": [{"type": "text", "text": text}], "isError": is_error}


def outputs_text(outputs: Json) -> str:
    """Encode a workflow's outputs as text. NaN and infinities are null, as in other answers."""
    try:
        return json.dumps(outputs, ensure_ascii=False, allow_nan=False)
    except ValueError:
        return json.dumps(msgspec.json.decode(encode_json(outputs)), ensure_ascii=False)


def _property(variable: StartVariable, meanings: Mapping[str, str]) -> dict[str, Json]:
    found: dict[str, Any] = {
        "description": meanings.get(variable.name) or variable.description,
        "type": _TYPES[variable.type],
    }
    if variable.type == "select":
        found["enum"] = list(variable.options)
    if variable.type == "json_object" and variable.json_schema:
        found |= {key: variable.json_schema[key] for key in _SCHEMA_KEYS if key in variable.json_schema}
    return found
