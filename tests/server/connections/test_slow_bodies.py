"""Bodies that hardly come, beside bodies that come slowly over lines that work. In virtual time."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvicorn
from starlette.types import ASGIApp
from uvicorn.server import ServerState

from jikko.server.connections.connection_bytes import Outbox
from jikko.server.connections.http_protocol import HttpProtocol
from jikko.server.connections.request_refusals import HeadLimits
from tests.server.connections.test_http_protocol import Wire
from tests.virtual_time import run

HEAD = b"POST / HTTP/1.1\r\nhost: x\r\n"
LARGE = HEAD + b"content-length: 1000000\r\n\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\n"


class Line(Wire):
    """A transport that may be closed from one side."""

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None: ...


class Site:
    """An application that reads what is sent, or answers without."""

    def __init__(self, *, reads: bool = True) -> None:
        self.reads = reads
        self.got = 0
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        more = self.reads
        while more:
            await self.go_on.wait()
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            self.got += len(message["body"])
            more = message["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})


def tried(
    work: Callable[[HttpProtocol, Line], Awaitable[None]], site: Callable[[], ASGIApp] = Site, **limits: Any
) -> Line:
    """What is on the line at the end."""

    async def all_of_it() -> Line:
        config = uvicorn.Config(site(), lifespan="off", log_config=None)
        state, line = ServerState(), Line()
        outbox = Outbox(asyncio.get_running_loop())
        limit = HeadLimits(**limits)
        connection = HttpProtocol(outbox, limit, config=config, server_state=state, app_state={})
        connection.connection_made(line)
        await work(connection, line)
        connection.connection_lost(None)
        await asyncio.gather(*state.tasks)
        return line

    return run(all_of_it())


async def said(connection: HttpProtocol, line: Line, piece: bytes, *, every: float, times: int) -> None:
    """Send a piece again and again, as long as the line is open."""
    for _ in range(times):
        if line.closed:
            return
        await asyncio.sleep(every)
        if not line.closed:
            connection.data_received(piece)


@pytest.mark.parametrize(
    ("head", "piece"),
    [(LARGE, b"a"), (CHUNKED, b"1\r\na\r\n"), (CHUNKED, b"1;" + b"x" * 5000 + b"\r\na\r\n"), (CHUNKED, b"")],
    ids=["of a length", "in chunks", "in chunks with much around them", "nothing at all"],
)
def test_one_byte_a_minute_held_a_connection_for_ever(head: bytes, piece: bytes) -> None:
    async def work(connection: HttpProtocol, line: Line) -> None:
        connection.data_received(head)
        await said(connection, line, piece, every=59, times=1000)
        assert asyncio.get_running_loop().time() < 130

    answer = b"".join(tried(work).pieces)
    assert answer.startswith(b"HTTP/1.1 408 ")
    error = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert (error["code"], error["status"]) == ("request_timeout", 408)
    assert "fewer than 512 bytes a second, for 60 seconds (JIKKO_BODY_SECONDS)" in error["message"]


def test_a_request_that_was_answered_already_is_closed_without_a_word() -> None:
    async def work(connection: HttpProtocol, line: Line) -> None:
        connection.data_received(LARGE)
        await said(connection, line, b"a", every=4, times=1000)
        assert asyncio.get_running_loop().time() < 130

    [answer] = tried(work, lambda: Site(reads=False)).pieces
    assert answer.startswith(ANSWER)


@pytest.mark.parametrize(("bytes_each", "every"), [(600, 1.0), (31_000, 55.0), (1500, 2.5)])
def test_a_slow_line_that_works_is_waited_for(bytes_each: int, every: float) -> None:
    async def work(connection: HttpProtocol, line: Line) -> None:
        connection.data_received(LARGE)
        await said(connection, line, b"a" * bytes_each, every=every, times=-(-1_000_000 // bytes_each))
        await asyncio.sleep(1)

    answer, *more = tried(work).pieces
    assert answer.startswith(ANSWER)
    assert not [piece for piece in more if b" 408 " in piece[:20]]


def test_what_the_server_does_not_read_is_not_the_clients_fault() -> None:
    async def work(connection: HttpProtocol, line: Line) -> None:
        site.go_on.clear()
        connection.data_received(LARGE + b"a" * 100_000)
        for _ in range(10):
            await asyncio.sleep(60)
            assert line.pieces == []
        site.go_on.set()
        await asyncio.sleep(0.1)
        connection.data_received(b"a" * 900_000)
        await asyncio.sleep(1)

    site = Site()
    assert tried(work, lambda: site).pieces[0].startswith(ANSWER)


def test_bodies_that_come_at_once_cost_one_timer_for_all() -> None:
    request = HEAD + b"content-length: 5\r\n\r\n"
    looks: list[float] = []

    async def work(connection: HttpProtocol, line: Line) -> None:
        loop = asyncio.get_running_loop()
        later = loop.call_later

        def counted(seconds: float, *given: Any, **named: Any) -> asyncio.TimerHandle:
            if seconds == 60:
                looks.append(seconds)
            return later(seconds, *given, **named)

        loop.call_later = counted  # type: ignore[assignment,method-assign]
        for _ in range(50):
            connection.data_received(request + b"whole")
            await asyncio.sleep(0.1)
        assert looks == []
        for _ in range(50):
            connection.data_received(request)
            connection.data_received(b"later")
            await asyncio.sleep(0.1)
        assert looks == [60]

    assert len(tried(work).pieces) == 100


def test_without_a_limit_a_body_may_take_for_ever() -> None:
    async def work(connection: HttpProtocol, line: Line) -> None:
        connection.data_received(LARGE)
        await said(connection, line, b"a", every=600, times=50)
        assert not line.closed

    assert tried(work, body_seconds=0.0).pieces == []


def test_a_client_that_waits_to_be_asked_for_its_body_is_not_too_slow() -> None:
    async def work(connection: HttpProtocol, line: Line) -> None:
        site.go_on.clear()
        connection.data_received(HEAD + b"expect: 100-continue\r\ncontent-length: 2000\r\n\r\n")
        # It waits for room, say.
        await asyncio.sleep(600)
        assert line.pieces == []
        site.go_on.set()
        await asyncio.sleep(0.1)
        assert line.pieces == [b"HTTP/1.1 100 Continue\r\n\r\n"]
        # Now it has been asked.
        await asyncio.sleep(130)
        assert line.closed

    site = Site()
    assert tried(work, lambda: site).pieces[1].startswith(b"HTTP/1.1 408 ")
