"""The transport of the MCP library: through ``McpRequests``. Imported only with the library."""

import asyncio
import contextlib
import json
from collections.abc import Sequence
from typing import Any, Final

import httpx2

from jikko.concurrency.background_tasks import end_tasks, start_task
from jikko.concurrency.json_in_pieces import LARGE_BYTES, TooManyElements, decode_json
from jikko.concurrency.run_in_thread import run_in_thread
from jikko.ports.http import HttpFailure, HttpResponse, Pairs
from jikko.tools.mcp.mcp_requests import McpRequests, failed, failure_text, request_id, without_half_pairs
from jikko.tools.mcp.mcp_sse import AnswerSeen

_NOT_SENT: Final = frozenset({"host", "connection", "content-length", "transfer-encoding", "accept-encoding"})
"""Headers that the other client sets itself."""
_NOT_TAKEN: Final = frozenset({"content-length", "content-encoding", "transfer-encoding"})
"""Headers that speak of what was sent, not of what was read."""


class PolicyTransport(httpx2.AsyncBaseTransport):
    """Sends each request by ``McpRequests``.

    What goes wrong is handed to the library as an answer to its request: an error of JSON-RPC, whose message is for the
    user to read. A stream of the server's own messages is not opened: there is no listener.
    """

    def __init__(self, requests: McpRequests) -> None:
        self._requests = requests

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.method == "GET":
            return httpx2.Response(405)
        content = await request.aread()
        id_ = request_id(content)
        sent = _headers(request.headers.multi_items())
        replies = PingReplies(self._requests, str(request.url), sent)
        seen = AnswerSeen(id_, replies.reply)
        try:
            answer = await self._requests.send(request.method, str(request.url), sent, content or None, seen.feed)
        except HttpFailure as failure:
            return _error(id_, str(failure))
        finally:
            await replies.end()
        if answer.status >= 400 and not await _is_rpc(answer):
            return _error(id_, failure_text(answer))
        headers = [(name, value) for name, value in answer.headers if name.lower() not in _NOT_TAKEN]
        body = answer.body
        if seen.answer is not None and answer.header("content-type").lower().startswith("text/event-stream"):
            # By itself: the library takes no event of more than 1 MiB, and what came before it nobody waits for.
            body = seen.answer
            headers = [(name, value) for name, value in headers if name.lower() != "content-type"]
            headers.append(("Content-Type", "application/json"))
        if len(body) <= LARGE_BYTES:
            body = without_half_pairs(body)
        else:
            body = await run_in_thread(without_half_pairs, body)
            # The library decodes it at once.
            try:
                await decode_json(body, json.loads)
            except TooManyElements as error:
                return _error(id_, f"the answer of the server has {error}")
            except (ValueError, RecursionError):
                pass  # the library says so
        return httpx2.Response(answer.status, headers=headers, content=body)


def _headers(headers: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in headers if name.lower() not in _NOT_SENT)


async def _is_rpc(answer: HttpResponse) -> bool:
    if not answer.header("content-type").lower().startswith("application/json"):
        return False
    try:
        message = await decode_json(answer.body, json.loads)
    except (ValueError, RecursionError):
        return False
    return isinstance(message, dict) and isinstance(message.get("error"), dict) and message.get("jsonrpc") == "2.0"


def _error(id_: Any, message: str) -> httpx2.Response:
    if id_ is None:
        return httpx2.Response(202)
    return httpx2.Response(200, json=failed(id_, message))


# What a server that asks in the middle of its answer is told: it waits for that, and the call with it.

_MAX_REPLIES: Final = 100
"""That one answer has room for; a server that asks more often waits in vain."""
_SENT: Final = frozenset({"accept", "content-type", "mcp-session-id", "mcp-protocol-version"})
"""Headers of the request under way that a reply has, too."""
_NOT_FOUND: Final = -32601
"""Source: JSON-RPC 2.0, section 5.1: no such method."""


class PingReplies:
    """Sends replies while an answer is read. Only pings are answered: nobody here has a model or a user to ask."""

    def __init__(self, requests: McpRequests, url: str, headers: Pairs) -> None:
        """``headers``: those of the request that is being answered."""
        self._requests = requests
        self._url = url
        self._headers = tuple((name, value) for name, value in headers if name.lower() in _SENT)
        self._tasks: set[asyncio.Task[None]] = set()
        self._sending = asyncio.Lock()
        """One at a time: they are none of the requests that are counted."""
        self._count = 0

    def reply(self, message: dict[str, Any]) -> None:
        if self._count >= _MAX_REPLIES:
            return
        self._count += 1
        outcome = (
            {"result": {}}
            if message["method"] == "ping"
            else {"error": {"code": _NOT_FOUND, "message": "This client has nothing to answer that with."}}
        )
        body = json.dumps({"jsonrpc": "2.0", "id": message["id"], **outcome}).encode()
        start_task(self._send(body), self._tasks)

    async def end(self) -> None:
        """Send nothing more: the answer has come, or will not."""
        await end_tasks(self._tasks)

    async def _send(self, body: bytes) -> None:
        # What became of it, the answer tells.
        with contextlib.suppress(HttpFailure):
            async with self._sending:
                await self._requests.reply(self._url, self._headers, body)
