"""MCP server of the management API: each tool is one of its operations, with its rules and scopes."""

import json
from collections.abc import Iterable, Mapping
from functools import partial
from types import ModuleType
from typing import Any, Final, cast
from urllib.parse import urlencode

from msgspec import Struct

from jikko import __version__
from jikko.concurrency.run_in_thread import run_in_thread
from jikko.dify import mcp
from jikko.errors import JikkoError
from jikko.http.console.visitor_gate import ConsoleRequest, VisitorGate
from jikko.http.mcp.app_server import (
    INVALID_PARAMS,
    McpAnswer,
    McpMessage,
    McpRefused,
    Params,
    answered,
    called_tool,
    message_of,
    unknown_method,
    wanted_version,
)
from jikko.http.operation import Operation, Route, Schema
from jikko.http.reference.openapi import described
from jikko.http.requests import Request
from jikko.http.responses import Response, SendableResponse
from jikko.http.starts import starting
from jikko.repositories.console_store import Scope
from jikko.values import Json, encode_json

_ROUTE: Final = Route(
    "POST", "/mcp/manage", {200: McpAnswer, 202: "application/json"}, (503,), tag="MCP", body=McpMessage, key="console"
)
_INSTRUCTIONS: Final = (
    "Workflows and chatflows of the Dify DSL on a Jikko server. To change an app: list_apps, read_source, check_app "
    "with the changed file, publish_app with if_match, start_run, read_run; compare_runs and retry_run show what a "
    "change does to an earlier run. Ids of apps and runs are UUIDs. A start answers at once; read_run tells the rest."
)
_CHECK: Final = (
    "Check a file as `jikko check` does on this server, and compare it with the current version of the app of that "
    "name. Nothing is published."
)
_FILE: Final = "file"
"""Argument for a body other than JSON."""
_OPERATIONS: Final[Mapping[str, tuple[str, Mapping[str, str]]]] = {
    "check_app": ("put_app", {"dry_run": "1"}),
    "publish_app": ("put_app", {"dry_run": ""}),
    "use_version": ("publish_version", {}),
    **{
        name: (name, {})
        for name in (
            *("list_apps", "read_app", "list_versions", "read_source", "compare_versions"),
            *("start_run", "ask", "list_runs", "read_run", "read_log", "stop_run", "retry_run", "make_test"),
            *("list_forms", "answer_form", "list_triggers", "fire_trigger"),
            *("list_deliveries", "read_delivery", "replay_delivery"),
        )
    },
    "compare_runs": ("compare_run", {}),
}
"""Operation by tool, with the parameters that the tool fixes."""


class ManageTool(Struct, frozen=True):
    operation: Operation
    fixed: Mapping[str, str]
    schema: Schema
    """Schema of its arguments."""
    places: Mapping[str, tuple[str, str]]
    """By argument, its part of the request (``path``, ``query``, ``header``, ``body``, ``file``) and name there."""

    def listed(self, name: str) -> dict[str, Json]:
        """Return its entry in ``tools/list``."""
        operation, is_check = self.operation, bool(self.fixed.get("dry_run"))
        words = [_CHECK] if is_check else [f"{operation.summary}.", operation.description]
        return {
            "name": name,
            "description": "\n\n".join(filter(None, (*words, f"Scope: {operation.scope}."))),
            "inputSchema": self.schema,
            "annotations": {"readOnlyHint": is_check or operation.method == "GET"},
        }


class ManageServer:
    """MCP server whose tools are operations of the management API."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self._operations = [operation for operation in operations if operation.described]
        self._tools: Mapping[str, ManageTool] = {}

    async def manage(self, call: ConsoleRequest) -> SendableResponse:
        """Send a message to the MCP server of management."""
        return await answered(await message_of(call.request), partial(self._result, call))

    async def _result(self, call: ConsoleRequest, method: str, params: Params) -> dict[str, Json]:
        match method:
            case "initialize":
                return mcp.initialized(wanted_version(params), __version__, _INSTRUCTIONS)
            case "ping":
                return {}
            case "tools/list":
                tools = await self._all()
                scopes = {name: cast("Scope | None", tool.operation.scope) for name, tool in tools.items()}
                return {"tools": [tool.listed(name) for name, tool in tools.items() if call.visitor.may(scopes[name])]}
            case "tools/call":
                name, arguments = called_tool(params)
                tool = (await self._all()).get(name)
                if tool is None:
                    raise McpRefused(INVALID_PARAMS, f"unknown tool {name[:100]!r}")
                return await _called(call.request, tool, arguments)
        raise unknown_method(method)

    async def _all(self) -> Mapping[str, ManageTool]:
        if not self._tools:
            self._tools = await run_in_thread(_tools, self._operations, queue="records")
        return self._tools


def manage_operations(gate: VisitorGate, *modules: ModuleType) -> list[Operation]:
    """Return the server's operation. ``modules``: Modules of the operations that become tools."""
    server = ManageServer(gate.operations_in(*modules))
    return [_ROUTE(gate.for_visitors(server.manage, None))]


def _tools(operations: Iterable[Operation]) -> Mapping[str, ManageTool]:
    by_name = {operation.handler.__name__: operation for operation in operations}
    return {name: _tool(by_name[operation], fixed) for name, (operation, fixed) in _OPERATIONS.items()}


def _tool(operation: Operation, fixed: Mapping[str, str]) -> ManageTool:
    """Make a tool whose arguments are the operation's public parameters."""
    description = described([operation], title="", version="", description="", root_path="", schemes={"": {}})
    told = description["paths"][operation.path][operation.method.lower()]
    properties: dict[str, Any] = {}
    places: dict[str, tuple[str, str]] = {}
    required: list[str] = []
    for parameter in told.get("parameters", ()):
        name = parameter["name"].lower().replace("-", "_")
        if name not in fixed:
            properties[name] = {**parameter["schema"], "description": parameter.get("description", "")}
            places[name] = parameter["in"], parameter["name"]
            required += [name] if parameter["required"] else []
    if operation.body is not None:
        body = description["components"]["schemas"][operation.body.__name__]
        properties |= body["properties"]
        required += body.get("required", [])
        places |= {name: ("body", name) for name in body["properties"]}
    elif operation.body_media_type != "application/json":
        properties[_FILE] = {"type": "string", "description": "The DSL file, as text."}
        places[_FILE] = _FILE, _FILE
        required.append(_FILE)
    schema = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    return ManageTool(operation, fixed, schema, places)


async def _called(request: Request, tool: ManageTool, arguments: Params) -> dict[str, Json]:
    """Call an operation, and return its answer or error as text."""
    operation = tool.operation
    asked = _request(request, tool, arguments)
    if request.reservation is not None:
        # Released before the body reserves its own: waiting for memory while holding some could deadlock.
        request.reservation.leave()
        request.reservation = None
    try:
        answer = await (starting(asked, operation.handler) if operation.starts else operation.handler(asked))
    except JikkoError as error:
        return mcp.call_result(f"{error.code}: {error}", is_error=True)
    finally:
        if asked.reservation is not None:
            asked.reservation.leave()
    assert isinstance(answer, Response)  # no tool streams
    return mcp.call_result(answer.body.decode("utf-8", "replace"))


def _request(request: Request, tool: ManageTool, arguments: Params) -> Request:
    """Make the operation's request, from the same client and with its token.
    Raises ``McpRefused``: missing, unknown or invalid argument."""
    operation = tool.operation
    parts: dict[str, dict[str, Any]] = {"path": {}, "query": {**tool.fixed}, "header": {}, "body": {}, _FILE: {}}
    for name, value in arguments.items():
        if name not in tool.places:
            known = ", ".join(tool.places)
            raise McpRefused(INVALID_PARAMS, f"unknown argument {name[:100]!r}; known: {known}")
        part, own_name = tool.places[name]
        if part == "body":
            parts[part][own_name] = value
        elif value is not None:
            parts[part][own_name] = _text(name, value)
    for name, (part, own_name) in tool.places.items():
        if part in ("path", _FILE) and own_name not in parts[part]:
            raise McpRefused(INVALID_PARAMS, f"{name} is required")
    body = parts[_FILE][_FILE].encode() if _FILE in tool.places else encode_json(parts["body"])
    headers = {"Content-Type": operation.body_media_type, "Content-Length": str(len(body)), **parts["header"]}
    scope = {
        **request.scope,
        "method": operation.method,
        "path": operation.path,
        "raw_path": b"",
        "query_string": urlencode(parts["query"]).encode(),
        "headers": [
            *((name, value) for name, value in request.scope["headers"] if name in (b"authorization", b"host")),
            *((name.lower().encode(), value.encode()) for name, value in headers.items()),
        ],
    }
    pieces = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> Any:
        return next(pieces, None) or await request.receive()  # after the body: the disconnect

    return Request(request.api, request.front, scope, receive, parts["path"], iter((request.id,)), operation)


def _text(name: str, value: Json) -> str:
    if isinstance(value, (dict, list)):
        raise McpRefused(INVALID_PARAMS, f"{name} must be a text, a number or a boolean")
    return value if isinstance(value, str) else json.dumps(value)
