"""Bodies arriving byte by byte, or slowly: cost counted in wake-ups of the application and in bytes."""

import asyncio
import tracemalloc
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from jikko.server.connections.connection_bytes import Outbox
from jikko.server.connections.http_protocol import HttpProtocol
from tests.server.connections.test_http_protocol import Wire, body, head

pytestmark = pytest.mark.anyio

LENGTH = 40_000
"""Bytes of a body."""
ONE_WAKING = 16_384
"""Bytes for which the application is woken."""


class Site:
    """An application that reads a body, and counts how often it is given a part of it."""

    def __init__(self) -> None:
        self.given = 0
        self.parts: list[bytes] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            self.given += 1
            self.parts.append(message["body"])
            more = message["more_body"]
        await send(head(content_length="2"))
        await send(body(b"ok"))


def connected(site: Site) -> tuple[HttpProtocol, Wire, ServerState]:
    wire, state = Wire(), ServerState()
    config = uvicorn.Config(site, lifespan="off", log_config=None)
    protocol = HttpProtocol(Outbox(asyncio.get_running_loop()), config=config, server_state=state, app_state={})
    protocol.connection_made(wire)
    return protocol, wire, state


@pytest.mark.parametrize(
    ("framing", "piece"),
    [(f"content-length: {LENGTH}", b"a"), ("transfer-encoding: chunked", b"1\r\na\r\n")],
    ids=["of a length", "in chunks"],
)
async def test_the_application_is_woken_for_many_bytes_at_once(framing: str, piece: bytes) -> None:
    site = Site()
    protocol, wire, state = connected(site)
    protocol.data_received(f"POST / HTTP/1.1\r\nhost: x\r\n{framing}\r\n\r\n".encode())
    for _ in range(LENGTH):
        protocol.data_received(piece)
        # Each comes in a turn of its own.
        await asyncio.sleep(0)
    if b"chunked" in framing.encode():
        protocol.data_received(b"0\r\n\r\n")
    await wire.answered.wait()

    assert b"".join(site.parts) == b"a" * LENGTH
    assert site.given <= LENGTH // ONE_WAKING + 2
    protocol.connection_lost(None)
    await asyncio.gather(*state.tasks)


async def test_what_dribbles_takes_little_more_than_its_bytes() -> None:
    lines = []
    for _ in range(10):
        site = Site()
        lines.append((site, *connected(site)))
    for _, protocol, _, _ in lines:
        protocol.data_received(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10000000\r\n\r\n")
        protocol.data_received(b"aa")
    await asyncio.sleep(0)
    sent = 4000
    tracemalloc.start()
    try:
        for number in range(sent // 2):
            for _, protocol, _, _ in lines:
                protocol.data_received(b"%02d" % (number % 100))
            await asyncio.sleep(0)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    # As a list of pieces it would be twenty times as much.
    assert held <= 2 * sent * len(lines)
    assert sum(site.given for site, *_ in lines) == 0
    for _, protocol, _, state in lines:
        protocol.connection_lost(None)
        await asyncio.gather(*state.tasks)
