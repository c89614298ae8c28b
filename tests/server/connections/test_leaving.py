"""A connection that is closed while a body still comes: its client reads the answer, but is not read for ever."""

import asyncio
from typing import Any

import pytest

from jikko.server.connections.http_protocol import HttpProtocol
from tests.server.connections.test_heads import served
from tests.server.connections.test_http_protocol import body, head
from tests.server.connections.test_slow_bodies import LARGE, Line, Site, said, tried

SIZE = 40_000_000
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n"
CLOSING = LARGE.replace(b"host", b"connection: close\r\nhost")


class Refusing:
    """An application that answers without reading."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked.append(scope["path"])
        await send({**head(content_length="9"), "status": 413})
        await send(body(b"too large"))


@pytest.mark.anyio
@pytest.mark.parametrize("uvloop", [False, True], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize(
    "begin",
    [
        b"POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % SIZE,
        b"POST / HTTP/1.0\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % SIZE,
        b"POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n%x\r\n" % (SIZE + 1),
    ],
    ids=["of a length", "in HTTP/1.0", "in chunks"],
)
async def test_a_client_that_writes_all_before_it_reads_gets_the_answer(begin: bytes, uvloop: bool) -> None:
    site = Refusing()
    async with served(site) as connect:
        client = await connect()
        # As it would if it did nothing else: a connection that is reset raises here.
        client.writer.write(begin + b"a" * SIZE)
        await client.writer.drain()
        answer = await client.whole()

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert answer.endswith(b"\r\n\r\ntoo large")


@pytest.fixture
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": request.node.callspec.params["uvloop"]}


@pytest.mark.parametrize(("every", "least", "most"), [(1.0, 25, 35), (60.0, 1, 5)], ids=["sends on", "says nothing"])
def test_a_client_is_not_waited_for_for_ever(every: float, least: float, most: float) -> None:
    ends: list[float] = []

    async def work(connection: HttpProtocol, line: Line) -> None:
        connection.data_received(CLOSING)
        sending = asyncio.ensure_future(said(connection, line, b"a" * 1000, every=every, times=1000))
        await line.ended.wait()
        ends.append(asyncio.get_running_loop().time())
        await sending

    [answer] = tried(work, lambda: Site(reads=False)).pieces
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert least < ends[0] < most


def test_a_slow_body_is_not_waited_for_longer_behind_the_answer(caplog: pytest.LogCaptureFixture) -> None:
    async def answers_later(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(45)
        await Site(reads=False)(scope, receive, send)

    async def work(connection: HttpProtocol, line: Line) -> None:
        connection.data_received(CLOSING)
        await said(connection, line, b"a" * 600, every=1.0, times=45 + 35)
        assert line.closed

    tried(work, lambda: answers_later)
    assert "refused" not in caplog.text


@pytest.mark.parametrize("framing", ["content-length: 9000000000000", "transfer-encoding: chunked"])
@pytest.mark.parametrize("connection", ["keep-alive", "close"])
def test_a_body_without_an_end_is_not_read_for_ever_whatever_its_speed(framing: str, connection: str) -> None:
    piece = b"f4240\r\n" * ("chunked" in framing) + b"a" * 1_000_000 + b"\r\n" * ("chunked" in framing)

    async def work(client: HttpProtocol, line: Line) -> None:
        client.data_received(f"POST / HTTP/1.1\r\nhost: x\r\nconnection: {connection}\r\n{framing}\r\n\r\n".encode())
        await said(client, line, piece, every=0.1, times=110)
        assert not line.closed
        await said(client, line, piece, every=0.1, times=50)
        assert line.closed

    tried(work, lambda: Site(reads=False))


def test_what_came_behind_the_last_request_is_none() -> None:
    site = Refusing()

    async def work(connection: HttpProtocol, line: Line) -> None:
        connection.data_received(b"GET /it HTTP/1.0\r\nconnection: keep-alive\r\n\r\n")
        await line.ended.wait()
        # It had come before, and it was not its turn.
        connection.data_received(SMUGGLED)

    tried(work, lambda: site)
    assert site.asked == ["/it"]


def test_nothing_that_comes_then_is_a_request() -> None:
    async def work(connection: HttpProtocol, line: Line) -> None:
        connection.data_received(CLOSING + b"a" * 10_000)
        await line.answered.wait()
        connection.data_received(b"a" * 990_000 + SMUGGLED)
        await line.ended.wait()

    assert len(tried(work, lambda: Site(reads=False)).pieces) == 1
