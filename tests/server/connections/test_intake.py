"""However many pieces a client sends at once, few are looked at in one turn of the event loop. Counted, not timed."""

import asyncio
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from jikko.concurrency.scheduler import SLICE, Scheduler
from jikko.server.connections import http_protocol
from jikko.server.connections.connection_bytes import Outbox
from jikko.server.connections.http_exchange import Exchange
from jikko.server.connections.http_protocol import HttpProtocol

pytestmark = pytest.mark.anyio

LOOKS = 4
"""How often the clock is looked at in a slice."""
ONE_PIECE = 4096
"""Bytes behind which the clock is looked at."""
HEAD = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
TINY = b"1\r\na\r\n"
REQUEST = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


class Gate(asyncio.Transport):
    """A transport that knows whether more is read from it, and what was answered."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = True
        self.answers = 0
        self.answered, self.goes_on = asyncio.Event(), asyncio.Event()

    def write(self, data: Any) -> None:
        self.answers += bytes(data).count(b"HTTP/1.1 200")
        self.answered.set()

    def close(self) -> None: ...

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True
        self.goes_on.set()


class Counted(HttpProtocol):
    """Counts pieces of bodies and requests, since it was last asked for them."""

    pieces = requests = 0

    def on_body(self, body: bytes) -> None:
        self.pieces += 1
        super().on_body(body)

    def on_message_complete(self) -> None:
        self.requests += 1
        super().on_message_complete()

    def since(self) -> int:
        found, self.pieces, self.requests = self.pieces + self.requests, 0, 0
        return found


class Clock:
    """Moves by a part of a slice each time that it is read."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += SLICE / LOOKS
        return self.now


async def answering(scope: Any, receive: Any, send: Any) -> None:
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


def connected(share: Scheduler, outbox: Outbox, application: Any = answering) -> tuple[Counted, Gate]:
    gate = Gate()
    config = uvicorn.Config(application, lifespan="off", log_config=None)
    protocol = Counted(outbox, share=share, config=config, server_state=ServerState(), app_state={})
    protocol.connection_made(gate)
    return protocol, gate


async def test_tiny_pieces_of_bodies_let_others_have_the_loop() -> None:
    share, outbox = Scheduler(Clock()), Outbox(asyncio.get_running_loop())
    clients = [connected(share, outbox) for _ in range(5)]
    sent = 40_000
    first = []
    for protocol, _ in clients:
        protocol.data_received(HEAD)
        protocol.data_received(TINY * sent)
        first.append(protocol.since())
    in_one_slice = (LOOKS + 1) * (ONE_PIECE // len(TINY) + 1)
    # One slice for all of them together, until the loop has gone round.
    assert 0 < sum(first) <= in_one_slice

    done, most = sum(first), 0
    while done < len(clients) * sent:
        await asyncio.sleep(0)
        now = sum(protocol.since() for protocol, _ in clients)
        done, most = done + now, max(most, now)
    # One of them in each turn, whatever the others would like.
    assert most <= in_one_slice
    assert done == len(clients) * sent
    for protocol, gate in clients:
        protocol.data_received(b"0\r\n\r\n")
        await gate.answered.wait()
        protocol.connection_lost(None)


async def test_what_came_in_tiny_pieces_is_put_together_before_a_request_has_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bodies: list[bytes] = []

    async def collecting(scope: Any, receive: Any, send: Any) -> None:
        more = True
        while more:
            message = await receive()
            bodies.append(message["body"])
            more = message["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    protocol, gate = connected(Scheduler(Clock()), Outbox(asyncio.get_running_loop()), collecting)
    added: list[int] = []

    class Noting(Exchange):
        """Notes how much comes to the request at once."""

        def add(self, body: bytes) -> None:
            added.append(len(body))
            super().add(body)

    monkeypatch.setattr(http_protocol, "Exchange", Noting)
    protocol.data_received(HEAD)
    protocol.data_received(TINY * (ONE_PIECE // len(TINY)))
    assert added == [ONE_PIECE // len(TINY)]
    protocol.data_received(TINY + b"0\r\n\r\n" + REQUEST)
    await gate.answered.wait()
    assert b"".join(bodies) == b"a" * (ONE_PIECE // len(TINY) + 1)
    protocol.connection_lost(None)


async def test_nothing_more_is_read_while_something_waits() -> None:
    protocol, gate = connected(Scheduler(Clock()), Outbox(asyncio.get_running_loop()))
    protocol.data_received(HEAD + TINY * 40_000)
    assert not gate.reads
    await gate.goes_on.wait()
    protocol.data_received(b"0\r\n\r\n")
    await gate.answered.wait()
    protocol.connection_lost(None)


async def test_requests_that_come_at_once_are_taken_in_as_they_are_answered() -> None:
    protocol, gate = connected(Scheduler(Clock()), Outbox(asyncio.get_running_loop()))
    protocol.data_received(REQUEST * 5000)
    most = len(protocol.pipeline)
    while gate.answers < 5000:
        await asyncio.sleep(0)
        most = max(most, len(protocol.pipeline))
    assert most <= ONE_PIECE // len(REQUEST) + 1
    assert gate.reads
    protocol.connection_lost(None)


async def test_of_a_client_that_has_gone_nothing_is_looked_at_any_more() -> None:
    protocol, _ = connected(Scheduler(Clock()), Outbox(asyncio.get_running_loop()))
    protocol.data_received(HEAD + TINY * 40_000)
    protocol.connection_lost(None)
    protocol.since()
    for _ in range(20):
        await asyncio.sleep(0)
    assert protocol.since() == 0
