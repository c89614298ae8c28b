"""HTTP server on loopback, scripted byte by byte. Its responses need not be HTTP."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True)
class Received:
    """Received request."""

    method: str
    target: str
    headers: dict[str, str]
    """By lower-case name."""
    body: bytes
    connection: int
    """Number of its connection, from 1."""


Act: TypeAlias = Callable[[asyncio.StreamWriter, Received], Awaitable[None]]
"""Answers one request; the connection is closed afterwards."""


@dataclass
class RawServer:
    """Answers by path: bytes are sent unchanged and the connection is kept; an ``Act`` is in control."""

    answers: Mapping[str, bytes | Act]
    requests: list[Received] = field(default_factory=list)
    connections: int = 0
    sent: int = 0
    """Bytes sent by acts through ``pour``."""
    lost: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a client disconnects while an act waits for it."""
    port: int = 0
    scheme: str = "http"

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"{self.scheme}://{host}:{self.port}{path}"

    async def pour(self, writer: asyncio.StreamWriter, chunk: bytes, times: int) -> None:
        """Send a chunk repeatedly, as fast as the client reads."""
        for _ in range(times):
            writer.write(chunk)
            await writer.drain()
            self.sent += len(chunk)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        try:
            while (request := await _read(reader, number)) is not None:
                self.requests.append(request)
                answer = self.answers[request.target.partition("?")[0]]
                if not isinstance(answer, bytes):
                    await answer(writer, request)
                    return
                head, mark, _ = answer.partition(b"\r\n\r\n")
                writer.write(head + mark if request.method == "HEAD" else answer)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            self.lost.set()
        finally:
            writer.close()


@asynccontextmanager
async def serving(
    answers: Mapping[str, bytes | Act], *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncIterator[RawServer]:
    server = RawServer(answers, scheme="https" if tls else "http")
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(server.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    listener = await asyncio.start_server(accept, host, 0, ssl=tls)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def answer(body: bytes = b"", status: str = "200 OK", **headers: str) -> bytes:
    """Return a well-formed response; underscores in header names become dashes."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def redirect(location: str, status: int = 302, body: bytes = b"", **headers: str) -> bytes:
    return answer(body, f"{status} Found", Location=location, **headers)


async def _read(reader: asyncio.StreamReader, connection: int) -> Received | None:
    head = await reader.readuntil(b"\r\n\r\n") if not reader.at_eof() else b""
    if not head:
        return None
    first, *lines = head.decode().strip().split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    # The test of a stalled upload requests that its body is not read.
    length = 0 if "/unread" in target else int(headers.get("content-length", 0))
    return Received(method, target, headers, await reader.readexactly(length), connection)
