"""Streams of server-sent events."""

from collections.abc import AsyncIterator, Mapping

from jikko.http.responses import Stream, encoded

PING = b"event: ping\n\n"
PING_SECONDS = 10.0
"""Without a message for so long, a stream sends a ping. Source: Dify 1.15, spec/events.md §1."""

_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    # Proxies such as nginx would otherwise hold events back.
    (b"x-accel-buffering", b"no"),
]


class EventStream(Stream):
    """An answer that sends events as they come."""

    def __init__(self, pieces: AsyncIterator[bytes], headers: Mapping[str, str] | None = None) -> None:
        """Args:
        pieces: Each one or more whole frames, never empty.
        """
        super().__init__(pieces, [*_HEADERS, *encoded((headers or {}).items())])
