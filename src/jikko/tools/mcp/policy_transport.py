"""How the MCP library sends its requests: through the client that has the address policy, its limits and its turns.

Imported only with the library.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import httpx2

from jikko.ports.http import HttpClient, HttpFailure, HttpResponse, OutgoingRequest, Timeouts
from jikko.tools.mcp.event_stream import AnswerSeen

_NOT_SENT: Final = frozenset({"host", "connection", "content-length", "transfer-encoding", "accept-encoding"})
"""Headers that the other client sets itself; answers are not to be compressed, so that their end can be seen."""
_NOT_TAKEN: Final = frozenset({"content-length", "content-encoding", "transfer-encoding"})
"""Headers that speak of what was sent, not of what was read."""
_MAX_QUOTED: Final = 500
_FAILED: Final = -32000
"""The code of an error that this side makes. Source: JSON-RPC 2.0, section 5.1: for implementations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What holds for all requests of one call."""

    timeouts: Timeouts
    max_bytes: int
    app_id: str
    secret_headers: frozenset[str]


class PolicyTransport(httpx2.AsyncBaseTransport):
    """Sends each request by an ``HttpClient``.

    What goes wrong is handed to the library as an answer to its request: an error of JSON-RPC, whose message is for the
    user to read. A stream of the server's own messages is not opened: there is no listener.
    """

    def __init__(self, http: HttpClient, conditions: Conditions) -> None:
        self._http = http
        self._conditions = conditions

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """See ``httpx2.AsyncBaseTransport``."""
        if request.method == "GET":
            return httpx2.Response(405)
        content = await request.aread()
        id_ = _id(content)
        try:
            answer = await self._http.send(
                OutgoingRequest(
                    method=request.method,
                    url=str(request.url),
                    headers=(*_headers(request.headers.multi_items()), ("Accept-Encoding", "identity")),
                    body=content or None,
                    timeouts=self._conditions.timeouts,
                    max_bytes=self._conditions.max_bytes,
                    secret_headers=self._conditions.secret_headers,
                    app_id=self._conditions.app_id,
                    follow_redirects=False,
                    enough=AnswerSeen(id_).feed,
                )
            )
        except HttpFailure as failure:
            return _error(id_, str(failure))
        if answer.status >= 400 and not _is_rpc(answer):
            text = answer.body[:_MAX_QUOTED].decode("utf-8", "replace")
            return _error(id_, f"the server answered with status {answer.status}: {text}")
        headers = [(name, value) for name, value in answer.headers if name.lower() not in _NOT_TAKEN]
        return httpx2.Response(answer.status, headers=headers, content=answer.body)


def _headers(headers: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(name, value) for name, value in headers if name.lower() not in _NOT_SENT]


def _id(content: bytes) -> Any:
    """The id of the request that a message is; ``None`` of one that is none."""
    try:
        message = json.loads(content) if content else None
    except ValueError:
        return None
    return message.get("id") if isinstance(message, dict) else None


def _is_rpc(answer: HttpResponse) -> bool:
    """Whether an answer says in its own words what is wrong."""
    if not answer.header("content-type").lower().startswith("application/json"):
        return False
    try:
        message = json.loads(answer.body)
    except (ValueError, RecursionError):
        return False
    return isinstance(message, dict) and isinstance(message.get("error"), dict) and message.get("jsonrpc") == "2.0"


def _error(id_: Any, message: str) -> httpx2.Response:
    if id_ is None:
        return httpx2.Response(202)
    return httpx2.Response(200, json={"jsonrpc": "2.0", "id": id_, "error": {"code": _FAILED, "message": message}})
