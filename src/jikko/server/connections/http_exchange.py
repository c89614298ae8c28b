"""HTTP exchange, one request and its response: ASGI's ``receive`` and ``send``."""

import asyncio
import logging
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from starlette.types import ASGIApp, Message, Scope

from jikko.concurrency.alarm import ConditionVariable
from jikko.errors import JikkoError
from jikko.server.connections.connection_bytes import MAX_HELD_BYTES

if TYPE_CHECKING:
    from jikko.server.connections.http_protocol import HttpProtocol

log = logging.getLogger(__name__)

MAX_UNREAD_BYTES: Final = 65_536
"""Unread bytes of a body, beyond which reading from the connection pauses."""

_WAKE_BYTES: Final = 16_384
"""Bytes of an incomplete body that wake the application: as often for single bytes as for others."""
_CONTROLS: Final = bytes({*range(32), 127} - {9})
"""Characters forbidden in headers; two of them end the line."""
_BODILESS: Final = (204, 304)
_FAULT: Final = (
    {
        "type": "http.response.start",
        "status": 500,
        "headers": [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", b"21"),
            (b"connection", b"close"),
        ],
    },
    {"type": "http.response.body", "body": b"Internal Server Error"},
)

Headers = list[tuple[bytes, bytes]]


class Exchange(Struct, eq=False):
    """A request, while its body is received, and its response, while it is sent. Objects are made lazily: most bodies
    are never waited for, and header lines shared by all responses are encoded once."""

    _connection: "HttpProtocol"
    scope: Scope
    keep_alive: bool
    """Whether the connection stays open after the response."""
    _expects_continue: bool
    """Whether the client sends the body after ``100 Continue``."""
    task: asyncio.Task[None] | None = None
    disconnected: bool = False
    _body: bytes | bytearray = b""
    has_more: bool = True
    _has_news: bool = False
    _news: ConditionVariable | None = None
    """Wakes the application, if it waits."""
    _leaving: asyncio.Future[None] | None = None
    is_started: bool = False
    """Whether the head was passed to the connection."""
    is_complete: bool = False
    """Whether all of the response was passed to the connection."""
    _is_chunked: bool = False
    _left: int | None = 0
    """Announced bytes of the body still to send; ``None``: ends with the connection (HTTP/1.0 has no chunks)."""

    # The request.

    def add(self, body: bytes) -> None:
        if self._leaving is not None:
            return  # The application waits for the client's leaving only: unread, a body would hide it.
        if not self._body:
            self._body = body
        else:
            if isinstance(self._body, bytes):
                self._body = bytearray(self._body)
            self._body += body
        size = len(self._body)
        if size > MAX_UNREAD_BYTES:
            self._connection.intake.pause_reading()
        if size >= _WAKE_BYTES:
            self._wake()

    @property
    def awaits_continue(self) -> bool:
        """Whether the client still waits for ``100 Continue``."""
        return self._expects_continue

    def end_body(self) -> None:
        self.has_more = False
        self._wake()

    def disconnect(self) -> None:
        """Handle the end of the connection, or unreadable input."""
        if not self.is_complete:
            self.disconnected = True
            if self._leaving is not None and not self._leaving.done():
                self._leaving.set_result(None)
        self._wake()

    def _wake(self) -> None:
        self._has_news = True
        if self._news is not None:
            self._news.notify_all()

    async def receive(self) -> Message:
        if self._expects_continue and not self._connection.transport.is_closing():
            self._connection.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._expects_continue = False
        if not (self.disconnected or self.is_complete):
            self._connection.intake.resume_reading()
            if not self._has_news:
                if self._news is None:
                    self._news = ConditionVariable()
                await self._news.wait()
            self._has_news = False
        if self.disconnected or self.is_complete:
            return {"type": "http.disconnect"}
        body, self._body = self._body, b""
        return {"type": "http.request", "body": bytes(body), "more_body": self.has_more}

    # The response.

    @property
    def leaving(self) -> "asyncio.Future[None]":
        """Done once the client has left before the response's end: no task has to wait for that by ``receive``."""
        if self._leaving is None:
            self._leaving = asyncio.get_running_loop().create_future()
            if self.disconnected:
                self._leaving.set_result(None)
            else:
                self._body = b""
                self._connection.intake.resume_reading()
        return self._leaving

    async def run(self, application: ASGIApp, running: "set[asyncio.Task[None]]") -> None:
        """Run the application. ``running``: All responding tasks; ``task`` leaves them."""
        try:
            try:
                await application(self.scope, self.receive, self)
            except JikkoError as error:
                # Behind the head: a stored file or a model of which the rest does not come.
                log.error("an answer was cut off: %s", error)
            except BaseException as error:
                log.error("Exception in ASGI application", exc_info=error)
            if not self.is_complete:
                await self._end()
        finally:
            running.discard(self.task)
            # The task's context may refer back to the exchange: a cycle, left to the garbage collector.
            self.task = None

    async def _end(self) -> None:
        """End a response that the application left incomplete."""
        if self.disconnected:
            return
        if self.is_started:
            # Cut off. The application has logged the reason.
            self._connection.transport.close()
            return
        for message in _FAULT:
            await self(message)

    async def whole(self, status: int, headers: Headers, body: bytes) -> None:
        """Send a response with a complete body."""
        connection = self._connection
        if connection.write_paused and not self.disconnected:
            await connection.writable.wait()
        if self.disconnected:
            return
        head, size = self._head(status, headers), len(body)
        self.is_started = True
        if self._left == size < MAX_HELD_BYTES and not self._is_chunked and self.scope["method"] != "HEAD":
            connection.transport.write(head + body)
            self._left = 0
            self._end_answer()
        else:
            connection.transport.write(head)
            self._send_body(body, False)

    async def __call__(self, message: Message) -> None:
        """Implement ASGI's ``send``."""
        connection = self._connection
        if connection.write_paused and not self.disconnected:
            await connection.writable.wait()
        if self.disconnected:
            return
        kind = message["type"]
        if kind == "http.response.start" and not self.is_started:
            connection.transport.write(self._head(message["status"], message.get("headers") or []))
            self.is_started = True
        elif kind == "http.response.body" and self.is_started and not self.is_complete:
            self._send_body(message.get("body", b""), message.get("more_body", False))
        else:
            raise RuntimeError(f"The application sent {kind!r} where it may not.")

    def _head(self, status: int, headers: Headers) -> bytes:
        """Encode status line and headers, with the body's framing. Raises ``RuntimeError``: invalid header."""
        if self._expects_continue and self.has_more:
            # The client may send the body now, or omit it: the start of the next request is unknown.
            self.keep_alive = False
        self._expects_continue = False
        default, closes = _default_lines(tuple(self._connection.default_headers))
        named = dict(headers)
        if (length := named.get(b"content-length")) is not None:
            self._left = int(length)
        if b"connection" in named:
            closes |= any(name == b"connection" and b"close" in value.lower() for name, value in headers)
        own = b"\r\n".join(map(b": ".join, [*headers, ()]))
        if len(own) - len(own.translate(None, _CONTROLS)) != 2 * len(headers):
            raise RuntimeError("A header of an answer has a control character in it.")
        more = b"\r\n"
        if closes:
            self.keep_alive = False
        elif not self.keep_alive:
            more = b"connection: close\r\n\r\n"
        if length is None and status not in _BODILESS and self.scope["method"] != "HEAD":
            if self.scope["http_version"] == "1.0":
                self._left = None
            else:
                self._is_chunked = True
                more = b"transfer-encoding: chunked\r\n" + more
        return b"".join((_status_line(status), default, own, more))

    def _send_body(self, body: bytes, more: bool) -> None:
        transport = self._connection.transport
        if self.scope["method"] == "HEAD":
            self._left = 0
        elif self._is_chunked:
            end = b"" if more else b"0\r\n\r\n"
            if len(body) >= MAX_HELD_BYTES:
                transport.write(b"%x\r\n" % len(body))
                transport.write(body)  # without a copy, which takes 10 ms for 28 MB
                transport.write(b"\r\n" + end)
            elif more and body:
                # A stream's client waits for each chunk; those of this turn are one chunk already.
                transport.write_now(b"%x\r\n%b\r\n" % (len(body), body))
            else:
                transport.write(b"%x\r\n%b\r\n%b" % (len(body), body, end) if body else end)
        else:
            if self._left is not None:
                if len(body) > self._left:
                    raise RuntimeError("The body of an answer is longer than its head declares.")
                self._left -= len(body)
            transport.write(body)
        if more:
            return
        if self._left:
            raise RuntimeError("The body of an answer is shorter than its head declares.")
        self._end_answer()

    def _end_answer(self) -> None:
        self.is_complete = True
        self._wake()
        self._connection.answered()


@lru_cache(maxsize=64)
def _status_line(status: int) -> bytes:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return f"HTTP/1.1 {status} {phrase}\r\n".encode()


@lru_cache(maxsize=4)
def _default_lines(headers: tuple[tuple[bytes, bytes], ...]) -> tuple[bytes, bool]:
    """Return headers as lines, and whether they close the connection. Their date changes each second."""
    lines = b"".join(b"%b: %b\r\n" % header for header in headers)
    return lines, (b"connection", b"close") in headers
