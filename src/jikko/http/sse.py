"""Streams of events."""

import asyncio
from collections.abc import AsyncIterator

from starlette.types import Receive, Scope, Send

PING = b"event: ping\n\n"
PING_SECONDS = 10.0
"""Without a message for so long, a stream sends a ping. Source: Dify 1.15, spec/events.md §1."""

_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    # Proxies such as nginx would otherwise hold events back.
    (b"x-accel-buffering", b"no"),
]


class EventStream:
    """An ASGI response that sends pieces of a stream as they come. A client that goes away only ends the sending."""

    def __init__(self, pieces: AsyncIterator[bytes], headers: dict[str, str] | None = None) -> None:
        """Args:
        pieces: Each one or more whole frames, never empty.
        """
        self._pieces = pieces
        self._headers = [
            *_HEADERS,
            *((name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in (headers or {}).items()),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self._headers})
        sending = asyncio.ensure_future(self._send(send))
        leaving = asyncio.ensure_future(_disconnected(receive))
        try:
            await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
            if not sending.done():
                sending.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)
        if not sending.cancelled() and (error := sending.exception()) is not None:
            raise error

    async def _send(self, send: Send) -> None:
        async for piece in self._pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _disconnected(receive: Receive) -> None:
    while True:
        if (await receive())["type"] == "http.disconnect":
            return
