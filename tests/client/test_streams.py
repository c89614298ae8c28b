"""Streams of the clients, at applications that answer by a script."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from jikko import AsyncClient, Client
from tests.effort import PATIENCE

STREAM = b"text/event-stream; charset=utf-8"


async def begin(send: Any, kind: bytes = STREAM) -> None:
    """The head of an answer."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})


async def tell(send: Any, event: str, position: int | None = None) -> None:
    """An event of a stream."""
    line = b"" if position is None else f"id: {position}\n".encode()
    data = f"data: {json.dumps({'event': event, 'text': '世界 🙂'})}\n\n".encode()
    await send({"type": "http.response.body", "body": line + data, "more_body": True})


@asynccontextmanager
async def silent_streams() -> AsyncIterator[str]:
    """A server whose streams never end after their first event. Gives its address."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        if b"/events" in asked:
            head, body = b"Content-Type: text/event-stream", b'id: 0\ndata: {"event": "run_started"}\n\n'
        else:
            head, body = b"Content-Length: 2", b"{}"
        writer.write(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n" + body)
        await reader.read()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0, backlog=200) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.anyio
async def test_however_many_streams_are_open_the_next_request_is_sent() -> None:
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(silent_streams())
        client = await stack.enter_async_context(AsyncClient(url, "app-x"))
        async with asyncio.timeout(PATIENCE):
            streams = [client.events(f"run {number}") for number in range(101)]
            first = await asyncio.gather(*(anext(stream) for stream in streams))
            assert await client.info() == {}
            assert [event.kind for event in first] == ["run_started"] * 101
            for stream in streams:
                await stream.aclose()  # type: ignore[attr-defined]


def test_ctrl_c_while_a_stream_is_waited_for_is_a_keyboard_interrupt_and_hangs_up() -> None:
    left: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await begin(send)
        signal.raise_signal(signal.SIGINT)
        try:
            await asyncio.Event().wait()
        finally:
            left.append(scope["path"])

    with Client(app=app) as client:
        with pytest.raises(KeyboardInterrupt):
            next(client.events("1"))
        assert left == ["/v1/workflows/run/1/events"]
