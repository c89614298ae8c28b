"""Responses: complete, chunked, or server-sent events. Long lists are encoded off the event loop."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Final, TypeAlias, TypeVar

from starlette.types import Receive, Send

from jikko.concurrency.run_in_thread import giving_way, run_in_thread
from jikko.dify.dify_events import encode
from jikko.long_texts import encode_giving_way

Headers = list[tuple[bytes, bytes]]
"""Names in lower case."""
SendWhole: TypeAlias = Callable[[int, Headers, bytes], Awaitable[None]]
"""Sends status, headers and body of an answer."""


class Response:
    """Complete answer."""

    __slots__ = ("body", "headers", "status")

    def __init__(
        self,
        body: bytes,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        media_type: bytes = b"application/json",
    ) -> None:
        self.body = body
        self.status = status
        self.headers = [(b"content-length", b"%d" % len(body)), (b"content-type", media_type)]
        if headers:
            self.headers += encoded(headers.items())

    def __call__(self, receive: Receive, send: Send) -> Awaitable[None]:
        return send_whole(send, self.status, self.headers, self.body)


def send_whole(send: Send, status: int, headers: Headers, body: bytes) -> Awaitable[None]:
    """Send a complete answer, by ``send.whole`` if the server has it, else by ASGI messages."""
    whole: SendWhole | None = getattr(send, "whole", None)
    return _sent_in_parts(send, status, headers, body) if whole is None else whole(status, headers, body)


async def _sent_in_parts(send: Send, status: int, headers: Headers, body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def redirect(location: str) -> Response:
    """Make a redirect of a browser, without an answer for other clients."""
    answer = Response(b"", 302, media_type=b"text/html; charset=utf-8")
    answer.headers.append((b"location", location.encode("latin-1", "replace")))
    return answer


def no_content() -> Response:
    response = Response(b"", 204)
    response.headers.clear()
    return response


def deleted() -> Response:
    """Make a 204 with JSON as content type. (Dify: datasets and annotations)"""
    response = no_content()
    response.headers.append((b"content-type", b"application/json"))
    return response


def json_response(body: Any, status: int = 200) -> Response:
    return Response(encode(body), status)


class StreamResponse:
    """Answer sent in chunks as they come. A client that leaves ends only the sending."""

    def __init__(self, pieces: AsyncIterator[bytes], headers: Headers) -> None:
        self._pieces = pieces
        self.headers = headers

    def through(self, way: Callable[[AsyncIterator[bytes]], AsyncIterator[bytes]]) -> None:
        """Wrap the chunks in another iterator."""
        self._pieces = way(self._pieces)

    async def __call__(self, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.headers})
        sending = asyncio.current_task()
        assert sending is not None
        # Of the server, if it has it: a task takes a kilobyte.
        leaving: asyncio.Future[None] = getattr(send, "leaving", None) or asyncio.ensure_future(_disconnected(receive))
        # The request's own task sends. A disconnect cancels it, which is distinguished from other cancellations.
        has_left = is_over = False

        def leave(_: asyncio.Future[None]) -> None:
            nonlocal has_left
            if not (is_over or leaving.cancelled()):
                has_left = True
                sending.cancel()

        leaving.add_done_callback(leave)
        try:
            await self._send(send)
        except asyncio.CancelledError:
            if not has_left or sending.uncancel() > 0:
                raise
        finally:
            is_over = True  # ``leave`` may be running
            leaving.cancel()

    async def _send(self, send: Send) -> None:
        async for piece in self._pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


SendableResponse: TypeAlias = Response | StreamResponse
"""Answer ready to be sent; headers may still be added."""


async def _disconnected(receive: Receive) -> None:
    while True:
        if (await receive())["type"] == "http.disconnect":
            return


def encoded(headers: Iterable[tuple[str, str]]) -> Headers:
    """Encode headers for ASGI."""
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]


PING = b"event: ping\n\n"
STILL_THERE = b": still there\n\n"
"""Ping as a comment, for clients without ping events."""
RETRY = b"retry: 1000\n"
"""Reconnection time of a resumable stream: 1,000 ms."""
PING_SECONDS = 10.0
"""Ping interval of an idle stream. Source: docs/dify-behaviour.md, “Transport of a stream”."""

_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    # Keeps proxies such as nginx from buffering events.
    (b"x-accel-buffering", b"no"),
]


class EventStream(StreamResponse):
    """Answer that sends events as they come."""

    under_way: ClassVar[int] = 0
    """Streams currently sent by this process."""

    def __init__(self, pieces: AsyncIterator[bytes], headers: Mapping[str, str] | None = None) -> None:
        """``pieces``: Each one or more whole frames, never empty."""
        super().__init__(pieces, [*_HEADERS, *encoded((headers or {}).items())])

    async def __call__(self, receive: Receive, send: Send) -> None:
        EventStream.under_way += 1
        try:
            await super().__call__(receive, send)
        finally:
            EventStream.under_way -= 1


A = TypeVar("A")

_MAX_INLINE_ENTRIES: Final = 200
"""Entries above which a list is long: some milliseconds."""


async def list_response(entries: Sequence[A], make: Callable[[int, A], Any]) -> Response:
    """Answer ``{"data": […]}``. ``make``: Maps index and entry to a list item; runs in a thread for long lists."""
    if len(entries) <= _MAX_INLINE_ENTRIES:
        made = {"data": [make(position, entry) for position, entry in enumerate(entries)]}
        return Response(await encode_giving_way(made))

    def compute(numbered: Sequence[A]) -> bytes:
        parts = [encode(make(position, entry)) for position, entry in giving_way(enumerate(numbered), 20)]
        return b'{"data":[' + b",".join(parts) + b"]}"

    return Response(await run_in_thread(compute, entries, queue="records"))
