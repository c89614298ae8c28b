"""``GET /metrics`` on a port of its own."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from jikko.observing.metrics.snapshot import Snapshot
from jikko.observing.metrics.text import MEDIA_TYPE, Exposition

Gather = Callable[[], Awaitable[Snapshot]]
"""Gathers the numbers of the whole server."""


class _Server(uvicorn.Server):
    """Signals are for the server whose metrics these are."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def metrics_page(listening: socket.socket, gather: Gather) -> AsyncIterator[None]:
    """Answer on a socket for as long as the block lasts."""
    config = uvicorn.Config(
        metrics_app(gather), log_config=None, access_log=False, server_header=False, lifespan="off", ws="none"
    )
    server = _Server(config)
    serving = asyncio.ensure_future(server.serve(sockets=[listening]))
    try:
        yield
    finally:
        server.should_exit = True
        await serving


def metrics_app(gather: Gather) -> ASGIApp:
    """The application: numbers at ``/metrics``, nothing elsewhere."""
    exposition = Exposition()

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] != "/metrics":
            await _answer(send, 404, "There is /metrics, and nothing else.\n", "text/plain; charset=utf-8")
        elif scope["method"] not in ("GET", "HEAD"):
            await _answer(send, 405, "Only to be read.\n", "text/plain; charset=utf-8", allow="GET, HEAD")
        else:
            await _answer(send, 200, exposition.text(await gather()), MEDIA_TYPE)

    return application


async def _answer(send: Send, status: int, text: str, media_type: str, **more: str) -> None:
    body = text.encode()
    headers: Any = {"content-type": media_type, "content-length": str(len(body)), **more}
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})
