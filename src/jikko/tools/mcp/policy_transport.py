"""Transport of the MCP library over ``McpRequests``. Imported only with the library."""

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
"""Headers that the HTTP client sets itself."""
_NOT_TAKEN: Final = frozenset({"content-length", "content-encoding", "transfer-encoding"})
"""Headers about the sent form of a body, not its content."""


class PolicyTransport(httpx2.AsyncBaseTransport):
    """Sends each request by ``McpRequests``.

    Failures are passed to the library as answers: JSON-RPC errors with messages for the user. No stream for the
    server's own messages is opened: there is no listener.
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
            # Alone: the library rejects events of more than 1 MiB, and nobody waits for earlier ones.
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
                pass  # the library reports it
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
"""Maximum number of replies during one answer."""
_SENT: Final = frozenset({"accept", "content-type", "mcp-session-id", "mcp-protocol-version"})
"""Headers that a reply copies from the pending request."""
_NOT_FOUND: Final = -32601
"""Source: JSON-RPC 2.0, section 5.1: no such method."""


class PingReplies:
    """Replies to the server's requests during an answer. Only pings succeed: this client offers no model or user."""

    def __init__(self, requests: McpRequests, url: str, headers: Pairs) -> None:
        """``headers``: Of the pending request."""
        self._requests = requests
        self._url = url
        self._headers = tuple((name, value) for name, value in headers if name.lower() in _SENT)
        self._tasks: set[asyncio.Task[None]] = set()
        self._sending = asyncio.Lock()
        """One at a time: replies are outside of the request limit."""
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
        """Stop: the answer has arrived, or will not."""
        await end_tasks(self._tasks)

    async def _send(self, body: bytes) -> None:
        # The pending answer shows whether it arrived.
        with contextlib.suppress(HttpFailure):
            async with self._sending:
                await self._requests.reply(self._url, self._headers, body)
