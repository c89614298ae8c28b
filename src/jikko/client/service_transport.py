"""Transports of the Service API: to a server, or to an application in this process."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from jikko.client.answers import ServiceError
from jikko.errors import system_reason

_CONNECT_SECONDS = 10.0
_IDLE_SECONDS = 45.0
"""Timeout of a stream without any byte: Dify and Jikko send a ping every ten seconds."""
_KEEP_ALIVE_SECONDS = 1.5
"""Idle time of kept connections: shorter than any server's."""
_APP_HOST = "localhost"
"""Host of an application in this process, in URLs of its files."""


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """Head of an answer, with its body as a stream."""

    status: int
    pieces: AsyncIterator[bytes]
    media_type: str = ""
    server: str = ""
    """Its address; empty for an application in this process."""


class Transport(Protocol):
    """Sends requests."""

    def send(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"", *, idle: bool = False
    ) -> AbstractAsyncContextManager[ResponseHead]:
        """Send a request; its answer is read in the block. Leaving the block closes it.

        Args:
            path: With its query; or a whole URL, also of another server.
            idle: Whether the answer is a stream with pings, which counts as dead without them.

        Raises:
            ServiceError: No answer, or an interrupted one.
        """

    async def close(self) -> None:
        """Close all connections."""


class HttpTransport:
    """Transport to a server. Implements ``Transport``."""

    def __init__(self, url: str) -> None:
        """``url``: Address of the server, with or without a trailing ``/v1``."""
        self._url = url.rstrip("/").removesuffix("/v1")
        self._session: Any = None

    @asynccontextmanager
    async def send(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"", *, idle: bool = False
    ) -> AsyncIterator[ResponseHead]:
        import aiohttp

        if self._session is None:
            # No limit: streams occupy connections, and a stop must not wait for one.
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_ALIVE_SECONDS)
            self._session = aiohttp.ClientSession(connector=connector)
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=_CONNECT_SECONDS, sock_read=_IDLE_SECONDS if idle else None
        )
        address = path if "://" in path else self._url + path
        parts = urlsplit(address)
        # The rest of a file's URL would open it.
        where = self._url if address != path else f"{parts.scheme}://{parts.hostname}"
        try:
            async with self._session.request(method, address, headers=headers, data=body, timeout=timeout) as response:
                yield ResponseHead(response.status, response.content.iter_any(), response.content_type, where)
        except (aiohttp.ClientError, OSError) as error:
            why = (system_reason(error) if isinstance(error, OSError) else str(error)) or type(error).__name__
            raise ServiceError(f"{where}: the server does not answer: {why}", 0, "no_server") from None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


class AppTransport:
    """Transport to an ASGI application of this process, on its event loop, without a socket. Implements ``Transport``.

    URLs of other hosts are requested there.
    """

    def __init__(self, app: Any) -> None:
        self._app = app
        self._elsewhere = HttpTransport("")

    @asynccontextmanager
    async def send(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"", *, idle: bool = False
    ) -> AsyncIterator[ResponseHead]:
        parts = urlsplit(path)
        if parts.netloc not in ("", _APP_HOST):
            async with self._elsewhere.send(method, path, headers, body, idle=idle) as answer:
                yield answer
            return
        path, query = unquote(parts.path), parts.query
        raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": parts.path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(b"host", _APP_HOST.encode()), *raw],
            "client": ("127.0.0.1", 0),
            "server": (_APP_HOST, 80),
        }
        received = iter([{"type": "http.request", "body": body, "more_body": False}])
        left = asyncio.Event()
        sent: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()

        async def receive() -> dict[str, Any]:
            message = next(received, None)
            if message is None:
                await left.wait()
                return {"type": "http.disconnect"}
            return message

        async def send(message: dict[str, Any]) -> None:
            sent.put_nowait(message)

        task = asyncio.get_running_loop().create_task(self._app(scope, receive, send))
        task.add_done_callback(lambda _: sent.put_nowait(None))
        try:
            start = await sent.get()
            if start is None:
                await task
                raise ServiceError("the application gives no answer", 0, "no_server")
            kind = dict(start.get("headers") or ()).get(b"content-type", b"")
            yield ResponseHead(start["status"], _pieces(sent), kind.decode("latin-1"))
        finally:
            left.set()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def close(self) -> None:
        await self._elsewhere.close()


async def _pieces(sent: "asyncio.Queue[dict[str, Any] | None]") -> AsyncIterator[bytes]:
    while (message := await sent.get()) is not None:
        yield message.get("body", b"")
        if not message.get("more_body", False):
            return
