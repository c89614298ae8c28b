"""Messages of JSON-RPC over HTTP: one request, one answer, no session."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Final, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType

from jikko.errors import InvalidParam
from jikko.http.request_fields import checked, must
from jikko.http.requests import Request
from jikko.http.responses import Response, SendableResponse, json_response
from jikko.values import Json

INVALID_PARAMS: Final = -32602
UNKNOWN_METHOD: Final = -32601

Params: TypeAlias = Mapping[str, Json]
Respond: TypeAlias = Callable[[str, Params], Awaitable[dict[str, Json]]]
"""The result of a method. Raises ``McpRefused``: it has none."""


class McpMessage(Struct):
    """A message of JSON-RPC. One without ``id`` tells something, and is not answered."""

    jsonrpc: Annotated[str, Meta(description="2.0", extra=must("must be a string"))]
    method: Annotated[str, Meta(extra=must("must be a string"))]
    id: Annotated[str | int | float | None, Meta(extra=must("must be a string or a number"))] = None
    params: Annotated[Any, Meta(extra_json_schema={"type": "object"})] = None


class McpError(Struct):
    """Why a request has no result."""

    code: int
    message: str


class McpAnswer(Struct):
    """What a request is answered with: a result or an error."""

    id: str | int | float
    jsonrpc: str = "2.0"
    result: dict[str, Json] | UnsetType = UNSET
    error: McpError | UnsetType = UNSET


class McpRefused(Exception):
    """A request is answered with an error of JSON-RPC."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.error = McpError(code, message)


async def message_of(request: Request) -> McpMessage:
    """The message that a request brings. Raises as ``Request.json``, and ``InvalidParam``: it is not one."""
    return checked(await request.json(lists_are=InvalidParam), McpMessage)


async def answered(message: McpMessage, respond: Respond) -> SendableResponse:
    """The answer to a message."""
    if message.id is None:
        return Response(b"", 202)
    params = message.params if message.params is not None else {}
    try:
        if not isinstance(params, dict):
            raise McpRefused(INVALID_PARAMS, "params must be an object")
        return json_response(McpAnswer(message.id, result=await respond(message.method, params)))
    except McpRefused as refused:
        return json_response(McpAnswer(message.id, error=refused.error))


def wanted_version(params: Params) -> str:
    """The version of the protocol that a client would like. Raises ``McpRefused``: it does not say."""
    wanted = params.get("protocolVersion")
    if not isinstance(wanted, str):
        raise McpRefused(INVALID_PARAMS, "protocolVersion is required and must be a string")
    return wanted


def called_tool(params: Params) -> tuple[str, dict[str, Json]]:
    """The name of the tool that is called, and its arguments. Raises ``McpRefused``: they are not what they must be."""
    name, arguments = params.get("name"), params.get("arguments")
    if not isinstance(name, str):
        raise McpRefused(INVALID_PARAMS, "name is required and must be a string")
    if not isinstance(arguments, dict | None):
        raise McpRefused(INVALID_PARAMS, "arguments must be an object")
    return name, arguments or {}


def unknown_method(method: str) -> McpRefused:
    """The refusal of a method that there is not."""
    return McpRefused(UNKNOWN_METHOD, f"Method not found: {method[:100]}")
