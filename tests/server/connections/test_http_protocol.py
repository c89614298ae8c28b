"""Output of a connection, and its chunks."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from jikko.server.connections.connection_bytes import Intake, Outbox
from jikko.server.connections.http_exchange import Exchange
from jikko.server.connections.http_protocol import HttpProtocol
from jikko.server.connections.slow_readers import BodyWatch

pytestmark = pytest.mark.anyio


class Wire(asyncio.Transport):
    """A transport that notes what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []
        self.closed = False
        self.answered = asyncio.Event()
        self.ended = asyncio.Event()

    def write(self, data: Any) -> None:
        assert not self.closed
        self.pieces.append(bytes(data))
        self.answered.set()

    def close(self) -> None:
        self.closed = True
        self.ended.set()

    def is_closing(self) -> bool:
        return self.closed

    def can_write_eof(self) -> bool:
        return False

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


def head(**headers: str) -> dict[str, Any]:
    found = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http.response.start", "status": 200, "headers": found}


def body(data: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": more}


def connected(application: Any, outbox: Outbox | None = None) -> tuple[HttpProtocol, Wire]:
    """A connection on which nothing has come yet."""
    wire = Wire()
    config = uvicorn.Config(application, lifespan="off", log_config=None)
    outbox = outbox or Outbox(asyncio.get_running_loop())
    protocol = HttpProtocol(outbox, config=config, server_state=ServerState(), app_state={})
    protocol.connection_made(wire)
    return protocol, wire


@asynccontextmanager
async def asked(
    application: Any, *, connection: str = "keep-alive", outbox: Outbox | None = None
) -> AsyncIterator[Wire]:
    """A connection on which one request came."""
    protocol, wire = connected(application, outbox)
    protocol.data_received(f"GET / HTTP/1.1\r\nhost: x\r\nconnection: {connection}\r\n\r\n".encode())
    try:
        yield wire
    finally:
        protocol.connection_lost(None)


async def test_a_closed_connection_leaves_nothing_to_the_garbage_collector() -> None:
    receiving: ContextVar[Any] = ContextVar("receiving")

    async def application(scope: Any, receive: Any, send: Any) -> None:
        receiving.set(receive)  # timers of the connection have this context
        await send(head(content_length="5"))
        await send(body(b"hello"))

    def of_connections() -> int:
        return sum(type(each) in (HttpProtocol, Exchange, Intake, BodyWatch) for each in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        before = of_connections()
        async with asked(application) as wire:
            await wire.answered.wait()
            assert of_connections() == before + 4
        await asyncio.sleep(0)
        del wire
        assert of_connections() == before
    finally:
        gc.enable()


async def test_head_and_body_of_an_answer_leave_in_one_piece() -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send(head(content_length="5"))
        await send(body(b"hello"))

    async with asked(application) as wire:
        await wire.answered.wait()
    assert len(wire.pieces) == 1
    assert wire.pieces[0].startswith(b"HTTP/1.1 200 OK\r\n")
    assert wire.pieces[0].endswith(b"\r\n\r\nhello")


async def test_a_piece_of_a_stream_leaves_before_the_next_one_comes() -> None:
    go_on = asyncio.Event()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send(head())
        await send(body(b"first", more=True))
        await go_on.wait()
        await send(body(b"second"))

    async with asked(application) as wire:
        await wire.answered.wait()
        assert wire.pieces[0].endswith(b"5\r\nfirst\r\n")
        wire.answered.clear()
        go_on.set()
        await wire.answered.wait()
    assert wire.pieces[1:] == [b"6\r\nsecond\r\n0\r\n\r\n"]


async def test_answers_given_in_one_turn_of_the_loop_leave_together() -> None:
    outbox = Outbox(asyncio.get_running_loop())
    sent_before: list[int] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        sent_before.append(len(first.pieces))
        await send(head(content_length="5"))
        await send(body(b"hello"))

    async with asked(application, outbox=outbox) as first, asked(application, outbox=outbox) as second:
        await second.answered.wait()
    assert sent_before == [0, 0]
    assert len(first.pieces) == len(second.pieces) == 1


async def test_a_client_that_vanished_keeps_no_answer_of_others_back() -> None:
    outbox = Outbox(asyncio.get_running_loop())
    wires: list[Wire] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send(head(content_length="5"))
        await send(body(b"hello"))
        # As a transport does once the connection was reset: it is closed, and refuses to be written to.
        wires[0].closed = True

    async with asked(application, outbox=outbox) as first:
        wires.append(first)
        async with asked(application, outbox=outbox) as second:
            await second.answered.wait()
        async with asked(application, outbox=outbox) as third:
            await third.answered.wait()
    assert first.pieces == []


async def test_a_client_that_has_nothing_more_to_say_gets_its_answer() -> None:
    done = asyncio.Event()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send(head(content_length="5"))
        await send(body(b"hello"))
        protocol.eof_received()
        wire.close()
        done.set()

    wire = Wire()
    config = uvicorn.Config(application, lifespan="off", log_config=None)
    outbox = Outbox(asyncio.get_running_loop())
    protocol = HttpProtocol(outbox, config=config, server_state=ServerState(), app_state={})
    protocol.connection_made(wire)
    protocol.data_received(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    await done.wait()
    assert b"".join(wire.pieces).endswith(b"\r\n\r\nhello")
    protocol.connection_lost(None)


async def test_an_answer_that_took_longer_leaves_at_once() -> None:
    go_on = asyncio.Event()
    sent: list[int] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await go_on.wait()
        await send(head(content_length="5"))
        await send(body(b"hello"))
        sent.append(len(wire.pieces))

    async with asked(application) as wire:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        go_on.set()
        await wire.answered.wait()
    assert sent == [1]


async def test_a_server_that_ends_closes_connections_at_rest_and_others_behind_their_answer() -> None:
    go_on = asyncio.Event()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send(head(content_length="5"))
        await go_on.wait()
        await send(body(b"hello"))

    protocol, wire = connected(application)
    other, resting = connected(application)
    other.shutdown()
    assert resting.closed
    protocol.data_received(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    protocol.shutdown()
    assert not wire.closed
    go_on.set()
    await wire.ended.wait()
    assert b"".join(wire.pieces).endswith(b"hello")
    for each in (protocol, other):
        each.connection_lost(None)


async def test_a_connection_that_the_client_has_left_is_closed_here_too() -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None: ...

    protocol, wire = connected(application)

    protocol.connection_lost(None)

    assert wire.closed


async def test_a_connection_that_is_to_be_closed_sends_its_answer_before() -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send(head(content_length="5"))
        await send(body(b"hello"))

    async with asked(application, connection="close") as wire:
        await wire.answered.wait()
        assert wire.closed
    assert b"".join(wire.pieces).endswith(b"\r\n\r\nhello")


async def test_much_is_not_held_back() -> None:
    sent_before_the_end = 0
    done = asyncio.Event()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        nonlocal sent_before_the_end
        await send(head(content_length="300000"))
        for _ in range(30):
            await send(body(b"x" * 9_999, more=True))
        sent_before_the_end = sum(map(len, wire.pieces))
        await send(body(b"x" * 30))
        done.set()

    async with asked(application) as wire:
        await done.wait()
    assert len(b"".join(wire.pieces).partition(b"\r\n\r\n")[2]) == 300_000
    assert sent_before_the_end > 200_000
