"""Streams of server-sent events."""

from collections.abc import AsyncIterator, Mapping
from typing import ClassVar

from starlette.types import Receive, Send

from jikko.http.responses import StreamResponse, encoded

PING = b"event: ping\n\n"
STILL_THERE = b": still there\n\n"
"""A ping for clients that know no such event."""
RETRY = b"retry: 1000\n"
"""How long a client that lost a stream which can be resumed waits before it comes again, in milliseconds."""
PING_SECONDS = 10.0
"""Without a message for so long, a stream sends a ping. Source: docs/dify-behaviour.md, “Transport of a stream”."""

_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    # Proxies such as nginx would otherwise hold events back.
    (b"x-accel-buffering", b"no"),
]


class EventStream(StreamResponse):
    """An answer that sends events as they come."""

    under_way: ClassVar[int] = 0
    """How many this process sends now."""

    def __init__(self, pieces: AsyncIterator[bytes], headers: Mapping[str, str] | None = None) -> None:
        """``pieces``: each one or more whole frames, never empty."""
        super().__init__(pieces, [*_HEADERS, *encoded((headers or {}).items())])

    async def __call__(self, receive: Receive, send: Send) -> None:
        EventStream.under_way += 1
        try:
            await super().__call__(receive, send)
        finally:
            EventStream.under_way -= 1
