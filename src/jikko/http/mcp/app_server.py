"""Apps as MCP servers, and JSON-RPC over HTTP: one request, one answer, no session. Source: docs/dify-behaviour.md,
“Apps as MCP servers”."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Annotated, Any, Final, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType

from jikko import __version__
from jikko.apps.end_users import mcp_user
from jikko.apps.keys import digest
from jikko.conversations.turns import TurnRequest
from jikko.dify import mcp
from jikko.dsl.document import CHAT_MODES
from jikko.errors import InvalidParam, NotFound
from jikko.events import RunFinished, RunPaused
from jikko.http.operation import Route
from jikko.http.request_fields import checked, must
from jikko.http.requests import Request
from jikko.http.responses import Response, SendableResponse, json_response
from jikko.http.routes.conversations.turn_routes import fold_of
from jikko.http.starts import promised, starting
from jikko.ports.served_apps import ServedApp
from jikko.ports.stores.messages import Message
from jikko.repositories.app_store import App
from jikko.runs.runs import StartRequest
from jikko.values import Json

INVALID_PARAMS: Final = -32602
UNKNOWN_METHOD: Final = -32601

Params: TypeAlias = Mapping[str, Json]
Respond: TypeAlias = Callable[[str, Params], Awaitable[dict[str, Json]]]
"""Returns the result of a method. Raises ``McpRefused``."""


class McpMessage(Struct):
    """JSON-RPC message. Without ``id`` it is a notification, which is not answered."""

    jsonrpc: Annotated[str, Meta(description="2.0; others count as it.", extra=must("must be a string"))]
    method: Annotated[str, Meta(extra=must("must be a string"))]
    id: Annotated[str | int | float | UnsetType, Meta(extra=must("must be a string or a number"))] = UNSET
    params: Annotated[Any, Meta(extra_json_schema={"type": "object"})] = UNSET


class McpError(Struct):
    code: int
    message: str


class McpAnswer(Struct):
    """Answer to a request: a result or an error."""

    id: str | int | float
    jsonrpc: str = "2.0"
    result: dict[str, Json] | UnsetType = UNSET
    error: McpError | UnsetType = UNSET


class McpRefused(Exception):
    """The request is answered with a JSON-RPC error."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.error = McpError(code, message)


async def message_of(request: Request) -> McpMessage:
    """Read the request's message. Raises like ``Request.json``, and ``InvalidParam``: not JSON-RPC."""
    return checked(await request.json(lists_are=InvalidParam), McpMessage)


async def answered(message: McpMessage, respond: Respond) -> SendableResponse:
    if message.id is UNSET:
        return Response(b"", 202)
    params = {} if message.params is UNSET or message.params is None else message.params
    try:
        if not isinstance(params, dict):
            raise McpRefused(INVALID_PARAMS, "params must be an object")
        return json_response(McpAnswer(message.id, result=await respond(message.method, params)))
    except McpRefused as refused:
        return json_response(McpAnswer(message.id, error=refused.error))


def wanted_version(params: Params) -> str:
    """Return the client's preferred protocol version. Raises ``McpRefused`` if missing."""
    wanted = params.get("protocolVersion")
    if not isinstance(wanted, str):
        raise McpRefused(INVALID_PARAMS, "protocolVersion is required and must be a string")
    return wanted


def called_tool(params: Params) -> tuple[str, dict[str, Json]]:
    """Return the called tool's name and arguments. Raises ``McpRefused`` if invalid."""
    name, arguments = params.get("name"), params.get("arguments")
    if not isinstance(name, str):
        raise McpRefused(INVALID_PARAMS, "name is required and must be a string")
    if not isinstance(arguments, dict | None):
        raise McpRefused(INVALID_PARAMS, "arguments must be an object")
    return name, arguments or {}


def unknown_method(method: str) -> McpRefused:
    return McpRefused(UNKNOWN_METHOD, f"Method not found: {method[:100]}")


class _Failed(Exception):
    """The app failed. The message is for the model to read."""


@Route(
    "POST",
    "/mcp/server/{code}/mcp",
    {200: McpAnswer, 202: "application/json"},
    (404, 429, 503),
    tag="MCP",
    body=McpMessage,
    open=True,
)
async def answer_mcp(request: Request) -> SendableResponse:
    """Send a message to an app that is an MCP server (mcp_servers: of the tools file)."""
    code, api = request.path_params["code"], request.api
    served = await api.served_apps.served(code)
    if served is None:
        raise NotFound("No MCP server at this address.")
    await api.app_keys.count_request(digest(code))
    app = await api.apps.find(served.app)
    return await answered(await message_of(request), partial(_result, request, served, app))


async def _result(request: Request, served: ServedApp, app: App, method: str, params: Params) -> dict[str, Json]:
    api, user = request.api, mcp_user(digest(served.code))
    match method:
        case "initialize":
            wanted = wanted_version(params)
            await api.end_users.known(app.id, user)
            return mcp.initialized(wanted, __version__, served.description or app.description)
        case "ping":
            return {}
        case "tools/list":
            return mcp.tools(served, app, (await api.workflows.get(app)).inputs)
        case "tools/call":
            return await _called(request, app, user, params)
    raise unknown_method(method)


async def _called(request: Request, app: App, user: str, params: Params) -> dict[str, Json]:
    """Run the app. The tool's name is required but ignored: there is only one."""
    _, arguments = called_tool(params)
    if not await request.api.end_users.is_known(app.id, user):
        raise McpRefused(INVALID_PARAMS, "End user not found")
    try:
        start = _ran if app.mode == "workflow" else _asked
        return await starting(request, partial(start, app=app, user=user, arguments=arguments))
    except _Failed as failure:
        return mcp.call_result(str(failure), is_error=True)
    except InvalidParam as error:
        raise McpRefused(INVALID_PARAMS, str(error)) from None


async def _ran(request: Request, app: App, user: str, arguments: dict[str, Json]) -> dict[str, Json]:
    api = request.api
    run = await api.runs.start(app, StartRequest(inputs=arguments, user=user, base_url=request.base_url))
    await promised(request, run)
    outputs = _finished(await run.ended()).outputs
    return mcp.call_result(mcp.outputs_text(api.files.fresh(outputs, base_url=request.base_url)))


async def _asked(request: Request, app: App, user: str, arguments: dict[str, Json]) -> dict[str, Json]:
    query = arguments.get("query") if app.mode in CHAT_MODES else ""
    if not isinstance(query, str):
        raise InvalidParam("query is required" if query is None else "query must be a string")
    turn = TurnRequest(query=query, inputs=arguments, user=user, name_wanted=False, base_url=request.base_url)
    begun = await request.api.chat.turns.begin(app, turn)
    if isinstance(begun, Message):
        return mcp.call_result(begun.answer.text)
    await promised(request, begun.run)
    _finished(await begun.run.ended())
    return mcp.call_result((await fold_of(request.api, begun.run)).text)


def _finished(end: RunFinished | RunPaused) -> RunFinished:
    """Return the end of a run that succeeded, even in part. Raises ``_Failed`` otherwise."""
    if isinstance(end, RunPaused):
        raise _Failed("The workflow waits for a form to be filled in by a human.")
    if end.status in ("failed", "stopped"):
        raise _Failed(end.error or end.status)
    return end
