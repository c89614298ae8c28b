"""The heads of requests, as hostile, broken and slow clients send them."""

import asyncio
import json
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import uvicorn
from starlette.types import ASGIApp
from uvicorn.server import ServerState

from jikko.server.connections.connection_bytes import Outbox
from jikko.server.connections.http_protocol import HttpProtocol
from jikko.server.connections.request_refusals import HeadLimits
from tests.effort import PATIENCE

pytestmark = pytest.mark.anyio


GET = b"GET / HTTP/1.1\r\nhost: x\r\n"
POST = b"POST / HTTP/1.1\r\nhost: x\r\n"
CHUNKED = POST + b"transfer-encoding: chunked\r\n\r\n"


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": request.param}


class Site:
    """An application that tells what it was asked, and can be held up."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.bodies: list[bytes] = []
        self.headers: list[dict[bytes, bytes]] = []
        self.came = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked.append(scope["path"])
        self.came.set()
        await self.go_on.wait()
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body, more = body + message["body"], message["more_body"]
        self.bodies.append(body)
        self.headers.append(dict(scope["headers"]))
        answer = scope["path"].encode()
        length = str(len(answer)).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
        await send({"type": "http.response.body", "body": answer})


class Client:
    """A connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def say(self, *pieces: bytes) -> None:
        """Send, as long as the server takes it."""
        with suppress(ConnectionError):
            for piece in pieces:
                self.writer.write(piece)
                await self.writer.drain()

    async def whole(self) -> bytes:
        """All that comes until the server closes."""
        async with asyncio.timeout(PATIENCE):
            return await self._reader.read()

    async def responses(self) -> list[tuple[int, str]]:
        """All answers until the server closes: status, and body or code."""
        rest = await self.whole()
        answers = []
        while rest:
            head, _, rest = rest.partition(b"\r\n\r\n")
            length = _length(head)
            body, rest = rest[:length], rest[length:]
            status = int(head.split()[1])
            answers.append((status, body.decode() if status == 200 else json.loads(body)["code"]))
        return answers

    async def answer(self) -> bytes:
        """The next answer: its body."""
        async with asyncio.timeout(PATIENCE):
            head = await self._reader.readuntil(b"\r\n\r\n")
            return await self._reader.readexactly(_length(head))


def _length(head: bytes) -> int:
    return int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])


@asynccontextmanager
async def served(site: ASGIApp, limits: HeadLimits | None = None) -> AsyncIterator[Any]:
    """A server, as a way to connect to it."""
    loop = asyncio.get_running_loop()
    config = uvicorn.Config(site, lifespan="off", log_config=None)
    outbox, state = Outbox(loop), ServerState()

    def protocol() -> HttpProtocol:
        return HttpProtocol(outbox, limits, config=config, server_state=state, app_state={})

    server = await loop.create_server(protocol, "127.0.0.1", 0)
    clients: list[Client] = []

    async def connect() -> Client:
        client = Client(*await asyncio.open_connection(*server.sockets[0].getsockname(), limit=1 << 24))
        clients.append(client)
        return client

    try:
        yield connect
    finally:
        for client in clients:
            client.writer.close()
        server.close()
        for connection in list(state.connections):
            connection.transport.abort()
        await asyncio.gather(*state.tasks, return_exceptions=True)


def endless(piece: bytes) -> Iterator[bytes]:
    """32 MB of it, which a client that is refused does not get rid of."""
    piece *= max(1, 65_536 // len(piece))
    for _ in range((32 << 20) // len(piece)):
        yield piece


@pytest.mark.parametrize(
    ("begin", "piece", "refused"),
    [
        pytest.param(b"GET /", b"a", (414, "uri_too_long"), id="the URL"),
        pytest.param(GET, b"a", (431, "request_header_fields_too_large"), id="a name"),
        pytest.param(GET + b"x: ", b"a", (431, "request_header_fields_too_large"), id="a value"),
        pytest.param(GET, b"x: y\r\n", (431, "request_header_fields_too_large"), id="headers"),
        pytest.param(b"", b"\r\n", (431, "request_header_fields_too_large"), id="nothing at all"),
        pytest.param(CHUNKED + b"0\r\nx: ", b"a", (431, "request_header_fields_too_large"), id="a trailer"),
        pytest.param(CHUNKED + b"0\r\n", b"x: y\r\n", (431, "request_header_fields_too_large"), id="trailers"),
        pytest.param(CHUNKED + b"1;x=", b"a", (431, "request_header_fields_too_large"), id="an extension of a chunk"),
    ],
)
async def test_what_has_no_end_is_refused_and_costs_no_memory(
    begin: bytes, piece: bytes, refused: tuple[int, str]
) -> None:
    site = Site()
    async with served(site) as connect:
        client = await connect()
        tracemalloc.start()
        try:
            await client.say(begin, *endless(piece))
            assert await client.responses() == [refused]
            most = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert most < 8 << 20
    assert site.bodies == []


async def test_a_head_up_to_the_limit_is_taken_and_a_longer_one_is_not() -> None:
    site = Site()
    async with served(site, HeadLimits(bytes=4096)) as connect:
        taken, refused = await connect(), await connect()
        value = b"a" * (4095 - len(GET + b"x: \r\n\r\n"))
        await taken.say(GET + b"x: " + value + b"\r\n\r\n" + GET + b"connection: close\r\n\r\n")
        await refused.say(GET + b"x: " + value + b"aa\r\n\r\n")

        assert await taken.responses() == [(200, "/"), (200, "/")]
        assert await refused.responses() == [(431, "request_header_fields_too_large")]
    assert len(site.asked) == 2


async def test_more_headers_than_256_are_refused() -> None:
    site = Site()
    async with served(site) as connect:
        taken, refused = await connect(), await connect()
        await taken.say(GET + b"x: y\r\n" * 254 + b"connection: close\r\n\r\n")
        await refused.say(GET + b"x: y\r\n" * 256 + b"\r\n")

        assert await taken.responses() == [(200, "/")]
        assert await refused.responses() == [(431, "request_header_fields_too_large")]


async def test_a_body_may_be_longer_than_a_head_whatever_pieces_it_comes_in() -> None:
    site = Site()
    body = "本文🙂".encode() * 20_000
    chunks = b"".join(b"%x;a=b\r\n%s\r\n" % (len(part), part) for part in (body[:7], body[7:150_000], body[150_000:]))
    async with served(site, HeadLimits(bytes=4096)) as connect:
        client = await connect()
        await client.say(POST + b"content-length: %d\r\n\r\n" % len(body), body[:5], body[5:])
        await client.say(CHUNKED, chunks, b"0\r\nauthorization: other\r\n\r\n")
        await client.say(GET + b"connection: close\r\n\r\n")

        assert await client.responses() == [(200, "/")] * 3
    assert site.bodies == [body, body, b""]
    assert b"authorization" not in site.headers[1], "a trailer is no header"


async def test_requests_that_come_byte_by_byte_or_all_at_once_are_answered_in_order() -> None:
    site = Site()
    requests = b"".join(b"POST /%d HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc" % n for n in range(10, 60))
    async with served(site, HeadLimits(bytes=4096)) as connect:
        dribbling, pipelining = await connect(), await connect()
        await dribbling.say(*(requests[at : at + 1] for at in range(len(requests))))
        await pipelining.say(requests)

        for client in (dribbling, pipelining):
            assert [await client.answer() for _ in range(50)] == [b"/%d" % n for n in range(10, 60)]


@pytest.mark.parametrize(
    ("request_line", "refused"),
    [
        ("GET / HTTP/2.0", (505, "http_version_not_supported")),
        ("GET / HTTP/3.0", (505, "http_version_not_supported")),
        ("GET / HTTP/1.2", (505, "http_version_not_supported")),
        ("GET / HTTP/0.9", (505, "http_version_not_supported")),
        ("PRI * HTTP/2.0\r\n\r\nSM", (505, "http_version_not_supported")),
        ("GET / HTTP/11", (400, "bad_request")),
        ("nonsense", (400, "bad_request")),
    ],
)
async def test_another_version_of_http_is_refused(request_line: str, refused: tuple[int, str]) -> None:
    site = Site()
    async with served(site) as connect:
        client = await connect()
        await client.say(request_line.encode() + b"\r\n\r\n")
        assert await client.responses() == [refused]
    assert site.asked == []


@pytest.mark.parametrize(
    "headers",
    [
        b"content-length: 5\r\ntransfer-encoding: chunked\r\n",
        b"transfer-encoding: chunked\r\ncontent-length: 5\r\n",
        b"content-length: 5\r\ncontent-length: 6\r\n",
        b"content-length: +5\r\n",
        b"transfer-encoding : chunked\r\n",
        b"transfer-encoding: chunked, identity\r\n",
    ],
)
async def test_a_body_of_two_lengths_smuggles_no_request_in(headers: bytes) -> None:
    site = Site()
    async with served(site) as connect:
        client = await connect()
        await client.say(POST + headers + b"\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n")
        assert await client.responses() == [(400, "bad_request")]
    assert "/smuggled" not in site.asked


@pytest.mark.parametrize(
    ("headers", "refused"),
    [
        (b"transfer-encoding: gzip, chunked\r\n", (501, "not_implemented")),
        (b"transfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n", (501, "not_implemented")),
        (b"transfer-encoding: identity, chunked\r\n", (501, "not_implemented")),
        (b"transfer-encoding: identity\r\n", (400, "bad_request")),
        (b"transfer-encoding: xchunked\r\n", (400, "bad_request")),
        (b"transfer-encoding: chunked;a=b\r\n", (400, "bad_request")),
        (b"transfer-encoding: chunked, chunked\r\n", (400, "bad_request")),
        (b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", (400, "bad_request")),
        (b"transfer-encoding: gzip\r\n", (400, "bad_request")),
        (b"transfer-encoding: , chunked\r\n", (400, "bad_request")),
        (b"transfer-encoding: \r\n", (400, "bad_request")),
    ],
)
async def test_a_body_in_a_coding_that_is_not_read_is_refused_before_it_is_a_request(
    headers: bytes, refused: tuple[int, str]
) -> None:
    site = Site()
    async with served(site) as connect:
        client = await connect()
        await client.say(POST + headers + b"\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n")
        assert await client.responses() == [refused]
    assert site.asked == []


async def test_chunks_are_read_whatever_the_case_of_their_name_and_not_in_http_1_0() -> None:
    site = Site()
    body = b"\r\n3\r\nabc\r\n0\r\n\r\n"
    async with served(site) as connect:
        taken, refused = await connect(), await connect()
        await taken.say(POST + b"connection: close\r\nTransfer-Encoding: \t Chunked \r\n" + body)
        await refused.say(b"POST /it HTTP/1.0\r\ntransfer-encoding: chunked\r\n" + body)

        assert await taken.responses() == [(200, "/")]
        assert await refused.responses() == [(400, "bad_request")]
    assert site.bodies == [b"abc"]


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /it HTTP/1.1\r\n", 400),
        (b"GET /it HTTP/1.1\r\nhost: a\r\nhost: b\r\n", 400),
        (b"GET /it HTTP/1.1\r\nHost: a\r\nHOST: a\r\n", 400),
        (b"GET /it HTTP/1.0\r\nhost: a\r\nhost: b\r\n", 400),
        (b"GET /it HTTP/1.1\r\nhost: a b/\r\n", 400),
        (b"GET /it HTTP/1.1\r\nhost: user@a\r\n", 400),
        (b"GET /it HTTP/1.1\r\nhost: a:b\r\n", 400),
        (b"GET /it HTTP/1.0\r\nhost: \xe6\x97\xa5\xe6\x9c\xac\r\n", 400),
        (b"GET http://b/it HTTP/1.1\r\nhost: a b\r\n", 400),
        (b"GET /it HTTP/1.1\r\nhost: [2001:db8::1]:8000\r\nconnection: close\r\n", 200),
        (b"GET /it HTTP/1.1\r\nhost: my_app-1.%61.example.:\r\nconnection: close\r\n", 200),
        (b"GET /it HTTP/1.1\r\nhost:\r\nconnection: close\r\n", 200),
        (b"GET /it HTTP/1.0\r\n", 200),
    ],
)
async def test_a_request_is_for_one_host(head: bytes, status: int) -> None:
    """Of two, a proxy in front may have gone by the other one."""
    site = Site()
    async with served(site) as connect:
        client = await connect()
        await client.say(head + b"\r\n")

        assert [answer[0] for answer in await client.responses()] == [status]
        assert site.asked == ["/it"] * (status == 200)


@pytest.mark.parametrize("names", [b"Authorization authorization", b"AUTHORIZATION Authorization authorization"])
async def test_a_request_has_one_authorization(names: bytes) -> None:
    """Of two, a proxy in front may have checked the other one."""
    site = Site()
    async with served(site) as connect:
        client = await connect()
        await client.say(GET + b"".join(b"%b: Bearer x\r\n" % name for name in names.split()) + b"\r\n")

        assert await client.responses() == [(400, "bad_request")]
    assert site.asked == []


async def test_a_refusal_comes_behind_the_answers_to_earlier_requests() -> None:
    site = Site()
    site.go_on.clear()
    async with served(site) as connect:
        client = await connect()
        await client.say(b"GET /a HTTP/1.1\r\nhost: x\r\n\r\nGET /b HTTP/1.1\r\nhost: x\r\n\r\nGET /c HTTP/2.0\r\n\r\n")
        await site.came.wait()
        site.go_on.set()

        assert await client.responses() == [(200, "/a"), (200, "/b"), (505, "http_version_not_supported")]


async def test_a_request_whose_body_is_broken_is_refused_once_the_one_before_it_is_answered() -> None:
    site = Site()
    site.go_on.clear()
    async with served(site) as connect:
        client = await connect()
        await client.say(b"GET /a HTTP/1.1\r\nhost: x\r\n\r\n" + CHUNKED + b"no size\r\n")
        await site.came.wait()
        site.go_on.set()

        assert await client.responses() == [(200, "/a"), (400, "bad_request")]
    assert site.asked == ["/a"]


async def test_a_head_that_takes_too_long_is_refused_and_so_is_the_next() -> None:
    site = Site()
    # Enough for a busy machine to take in the one that comes in time.
    async with served(site, HeadLimits(seconds=0.5)) as connect:
        later = await connect()
        await later.say(b"GET /aa HTTP/1.1\r\nhost: x\r\n\r\nGET /b")
        first, silent = await connect(), await connect()
        await first.say(GET)

        assert await first.responses() == [(408, "request_timeout")]
        assert await later.responses() == [(200, "/aa"), (408, "request_timeout")]
        assert await silent.responses() == []


async def test_a_connection_that_rests_between_requests_is_not_late() -> None:
    site = Site()
    loop = asyncio.get_running_loop()
    async with served(site, HeadLimits(seconds=0.5)) as connect:
        client = await connect()
        await client.say(b"GET /a HTTP/1.1\r\nhost: x\r\n\r\n")
        assert await client.answer() == b"/a"

        late = loop.create_future()
        loop.call_later(0.8, late.set_result, None)
        await late  # well beyond the time of a head, and the time of a machine that is busy only adds to it

        await client.say(b"GET /b HTTP/1.1\r\nhost: x\r\n\r\n")
        assert await client.answer() == b"/b"


async def test_a_client_that_has_said_everything_gets_its_answers() -> None:
    site = Site()
    site.go_on.clear()
    async with served(site) as connect:
        client = await connect()
        await client.say(b"GET /a HTTP/1.1\r\nhost: x\r\n\r\nGET /b HTTP/1.1\r\nhost: x\r\n\r\nGET /c HT")
        client.writer.write_eof()
        await site.came.wait()
        site.go_on.set()

        assert await client.responses() == [(200, "/a"), (200, "/b")]


@pytest.mark.parametrize("begin", [b"", GET, POST + b"content-length: 5\r\n\r\nab"])
async def test_a_client_that_ends_amid_a_request_gets_no_answer(begin: bytes) -> None:
    site = Site()
    async with served(site) as connect:
        client = await connect()
        await client.say(begin)
        client.writer.write_eof()

        assert await client.responses() == []
    assert site.bodies == []
