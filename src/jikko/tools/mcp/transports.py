"""Transports of MCP over ``McpRequests``: streamable HTTP, and the legacy HTTP+SSE, in which an event stream names the
URL for messages and carries the answers.

Imported only with the library, whose own transports have neither address policy nor bounds. Source: MCP 2024-11-05,
transports, "HTTP with SSE".
"""

import asyncio
import contextlib
import json
import math
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import anyio
import httpx2
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter

from jikko.concurrency.background_tasks import end_tasks, start_task
from jikko.concurrency.json_in_pieces import LARGE_BYTES, MAX_ELEMENTS, TooManyElements, decode_json, has_more_elements
from jikko.concurrency.run_in_thread import run_in_thread
from jikko.ports.http import HttpFailure, HttpResponse, Pairs
from jikko.ports.tools import ToolFailure
from jikko.tools.mcp.mcp_requests import McpRequests, failed, failure_text, request_id, without_half_pairs
from jikko.values import json_value

_MAX_LINE_BYTES: Final = 16 << 20


class EventReader:
    """Incremental SSE parser. It finds no events in other bodies."""

    def __init__(self) -> None:
        self._rest = b""
        self._name = ""
        self._data: list[bytes] = []

    def feed(self, piece: bytes) -> Iterator[tuple[str, bytes]]:
        """Add a piece. Yields name (``""`` if missing) and data of each complete event."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        if len(self._rest) > _MAX_LINE_BYTES:
            self._rest = b""
        for line in lines:
            field, mark, value = line.rstrip(b"\r").partition(b":")
            if field == b"data" and mark:
                self._data.append(value.removeprefix(b" "))
            elif field == b"event" and mark:
                self._name = value.strip().decode("utf-8", "replace")
            elif not field and not mark:
                name, data, self._name, self._data = self._name, self._data, "", []
                if data:
                    yield name, b"\n".join(data)


class AnswerSeen:
    """Finds the answer to a request in an event stream, and the server's requests before it."""

    def __init__(self, request_id: Any, asked: Callable[[dict[str, Any]], None]) -> None:
        """``request_id``: Of the pending request. ``asked``: Receives each request of the server."""
        self._id = request_id
        self._asked = asked
        self._events = EventReader()
        self.answer: bytes | None = None
        """The answer as JSON, once it has arrived."""

    def feed(self, piece: bytes) -> bool:
        for _, data in self._events.feed(piece):
            if len(data) > LARGE_BYTES and has_more_elements(data, MAX_ELEMENTS):
                # Any content: it is rejected as the answer.
                self.answer = data
                return True
            message = json_value(data)
            if not isinstance(message, dict):
                continue
            if isinstance(message.get("method"), str):
                if isinstance(message.get("id"), (str, int)):
                    self._asked(message)
            elif message.get("id") == self._id and bool({"result", "error"} & message.keys()):
                self.answer = data
                return True
        return False


_ENDED: Final = "the server ended its stream"
_LISTENING: Final = (("Accept", "text/event-stream"), ("Cache-Control", "no-store"))
_SAYING: Final = (("Content-Type", "application/json"), ("Accept", "application/json"))


@asynccontextmanager
async def sse_streams(requests: McpRequests) -> AsyncIterator[tuple[Any, Any]]:
    """Open the streams of a ``ClientSession``. Raises ``ToolFailure`` if the server names no URL for messages."""
    connection = _Connection(requests)
    listening = asyncio.create_task(connection.listen())
    writing = None
    try:
        async with asyncio.timeout(requests.timeouts.connect):
            await asyncio.shield(connection.endpoint)
        writing = asyncio.create_task(connection.write())
        yield connection.read_stream, connection.write_stream
    except TimeoutError:
        raise ToolFailure(
            f"the server did not name its message endpoint within {requests.timeouts.connect:g} s"
        ) from None
    finally:
        tasks = [task for task in (listening, writing) if task is not None]
        await end_tasks(tasks)
        connection.close()


class _Connection:
    def __init__(self, requests: McpRequests) -> None:
        self._requests = requests
        self.endpoint: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        # Unread messages are bounded by the total that may be read.
        self._to_session, self.read_stream = anyio.create_memory_object_stream[SessionMessage | Exception](math.inf)
        self.write_stream, self._from_session = anyio.create_memory_object_stream[SessionMessage](0)
        self._events = EventReader()
        self._open: dict[Any, None] = {}
        """Ids of unanswered requests."""

    async def listen(self) -> None:
        try:
            answer = await self._requests.send("GET", self._requests.url, _LISTENING, None, self._take)
            what = _ENDED if answer.status == 200 else failure_text(answer)
        except HttpFailure as failure:
            what = str(failure)
        if not self.endpoint.done():
            self.endpoint.set_exception(ToolFailure(f"Failed to connect to MCP server: {what}"))
        for id_ in list(self._open):
            self._fail(id_, what)
        self._to_session.close()

    async def write(self) -> None:
        with contextlib.suppress(anyio.ClosedResourceError):
            async for message in self._from_session:
                content = message.message.model_dump_json(by_alias=True, exclude_unset=True).encode("utf-8", "replace")
                await self._say(content)

    def close(self) -> None:
        for stream in (self._to_session, self.read_stream, self.write_stream, self._from_session):
            stream.close()
        if self.endpoint.done() and not self.endpoint.cancelled():
            self.endpoint.exception()  # retrieved, or no longer awaited

    async def _say(self, content: bytes) -> None:
        id_ = request_id(content)
        if id_ is not None:
            self._open[id_] = None
        try:
            answer = await self._requests.send("POST", self.endpoint.result(), _SAYING, content, None)
            what = failure_text(answer) if answer.status >= 300 else ""
        except HttpFailure as failure:
            what = str(failure)
        if what and id_ is not None:
            self._fail(id_, what)

    def _take(self, piece: bytes) -> bool:
        for name, data in self._events.feed(piece):
            if name == "endpoint":
                self._found(data.decode("utf-8", "replace").strip())
                continue
            try:
                message = jsonrpc_message_adapter.validate_json(without_half_pairs(data), by_name=False)
            except ValueError:
                continue
            self._open.pop(getattr(message, "id", None), None)
            self._hand_over(SessionMessage(message))
        return False

    def _found(self, written: str) -> None:
        if self.endpoint.done() or not written:
            return
        base = self._requests.url
        try:
            url = urljoin(base, written)
            is_own = urlsplit(url)[:2] == urlsplit(base)[:2]
        except ValueError:
            is_own = False
        if is_own:
            self.endpoint.set_result(url)
        else:
            self.endpoint.set_exception(ToolFailure("the server wants messages to go to another server"))

    def _fail(self, id_: Any, what: str) -> None:
        if id_ in self._open:
            del self._open[id_]
            self._hand_over(SessionMessage(jsonrpc_message_adapter.validate_python(failed(id_, what))))

    def _hand_over(self, message: SessionMessage) -> None:
        with contextlib.suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
            self._to_session.send_nowait(message)


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
