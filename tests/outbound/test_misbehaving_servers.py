"""Misbehaving servers: each ends in a descriptive failure, soon and with little memory."""

import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import Callable
from functools import cache

import pytest

from jikko.concurrency import bounded_connections
from jikko.ports.http import FailureKind, HttpFailure
from tests.effort import PATIENCE
from tests.outbound.clients import client, get
from tests.outbound.server import Act, RawServer, Received, answer, serving

pytestmark = pytest.mark.anyio

HEAD = b"HTTP/1.1 200 OK\r\n"


@cache
def bomb() -> bytes:
    """Made where it is needed: it takes a second."""
    return gzip.compress(b"\0" * 200_000_000, 9)


async def silent(writer: asyncio.StreamWriter, request: Received) -> None:
    await asyncio.Event().wait()


async def stops_in_headers(writer: asyncio.StreamWriter, request: Received) -> None:
    writer.write(HEAD + b"Content-Length: 5\r\nX-Half: ")
    await asyncio.Event().wait()


async def stops_in_body(writer: asyncio.StreamWriter, request: Received) -> None:
    writer.write(HEAD + b"Content-Length: 5\r\n\r\nab")
    await asyncio.Event().wait()


async def drips(writer: asyncio.StreamWriter, request: Received) -> None:
    writer.write(HEAD + b"Content-Length: 1000000\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


async def closes_at_once(writer: asyncio.StreamWriter, request: Received) -> None:
    return


async def closes_in_headers(writer: asyncio.StreamWriter, request: Received) -> None:
    writer.write(HEAD + b"Content-Le")


async def closes_in_body(writer: asyncio.StreamWriter, request: Received) -> None:
    writer.write(HEAD + b"Content-Length: 10\r\n\r\nabc")


async def closes_in_chunk(writer: asyncio.StreamWriter, request: Received) -> None:
    writer.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nff\r\nabc")


async def garbage(writer: asyncio.StreamWriter, request: Received) -> None:
    writer.write(b"\x16\x03\x01 this is not HTTP\r\n\r\n\0\0\0")


async def broken_chunks(writer: asyncio.StreamWriter, request: Received) -> None:
    writer.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n")


async def two_lengths(writer: asyncio.StreamWriter, request: Received) -> None:
    writer.write(HEAD + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd")


async def too_short_length(writer: asyncio.StreamWriter, request: Received) -> None:
    writer.write(HEAD + b"Content-Length: 5\r\n\r\nhello world")
    await asyncio.Event().wait()


async def no_length(writer: asyncio.StreamWriter, request: Received) -> None:
    writer.write(HEAD + b"Content-Length: many\r\n\r\nabcd")


async def long_header(writer: asyncio.StreamWriter, request: Received) -> None:
    writer.write(HEAD + b"X-Long: " + b"x" * 200_000 + b"\r\n\r\n")
    await writer.drain()


@pytest.mark.parametrize(
    ("act", "kind", "text"),
    [
        pytest.param(silent, "timeout", r"sent nothing for 0\.1 s", id="slow headers"),
        pytest.param(stops_in_headers, "timeout", r"sent nothing for 0\.1 s", id="stops in the headers"),
        pytest.param(stops_in_body, "timeout", r"sent nothing for 0\.1 s", id="stops in the body"),
        pytest.param(drips, "timeout", r"not over within 0\.5 s", id="endless drip"),
        pytest.param(closes_at_once, "protocol", "closed the connection", id="early close"),
        pytest.param(closes_in_headers, "protocol", "closed the connection", id="close in the headers"),
        pytest.param(closes_in_body, "protocol", "breaks off", id="length too large"),
        pytest.param(closes_in_chunk, "protocol", "breaks off", id="close in a chunk"),
        pytest.param(garbage, "protocol", "not HTTP", id="garbage"),
        pytest.param(broken_chunks, "protocol", "breaks off|not HTTP", id="broken chunks"),
        pytest.param(two_lengths, "protocol", "not HTTP", id="two lengths"),
        pytest.param(too_short_length, "protocol", "more than it announced", id="length too small"),
        pytest.param(no_length, "protocol", "not HTTP", id="no number as length"),
        pytest.param(long_header, "protocol", "not HTTP", id="endless header"),
    ],
)
async def test_a_broken_answer_is_a_failure_that_says_so(act: object, kind: FailureKind, text: str) -> None:
    async with serving({"/": act}) as server, client() as http:  # type: ignore[dict-item]
        read = 0.1 if kind == "timeout" and act is not drips else PATIENCE
        total = 0.5 if act is drips else PATIENCE
        with pytest.raises(HttpFailure, match=text) as caught:
            await http.send(get(server.url("/"), read=read, total=total))

        assert caught.value.kind == kind
        # The client is not the worse for it.
        server.answers = {"/": answer(b"fine")}
        assert (await http.send(get(server.url("/")))).body == b"fine"


@pytest.mark.parametrize(
    ("headers", "chunk"),
    [
        pytest.param(b"Content-Length: 104857600\r\n", b"x" * 65_536, id="100 MB that are announced"),
        pytest.param(b"Connection: close\r\n", b"x" * 65_536, id="endless"),
        pytest.param(b"Transfer-Encoding: chunked\r\n", b"10000\r\n" + b"x" * 65_536 + b"\r\n", id="endless chunks"),
    ],
)
async def test_a_body_that_is_too_large_is_given_up_in_its_midst(headers: bytes, chunk: bytes) -> None:
    async def act(writer: asyncio.StreamWriter, request: Received) -> None:
        writer.write(HEAD + headers + b"\r\n")
        await server.pour(writer, chunk, 1600)

    server: RawServer
    async with serving({"/": act}) as server, client() as http:
        with pytest.raises(HttpFailure, match=r"larger than 1\.00 MB") as caught:
            await http.send(get(server.url("/"), max_bytes=1_048_576))
        await asyncio.wait_for(server.lost.wait(), PATIENCE)

    assert caught.value.kind == "too_large"
    # What the kernel holds in its buffers comes on top.
    assert server.sent < 20_000_000


@pytest.mark.parametrize(
    ("made", "encoding", "kind", "text"),
    [
        pytest.param(lambda: b"this is no gzip", "gzip", "protocol", "data is broken", id="no gzip"),
        pytest.param(
            lambda: gzip.compress(b"x" * 1000)[:-8] + b"\xff" * 8, "gzip", "protocol", "broken", id="broken gzip"
        ),
        pytest.param(lambda: gzip.compress(b"hello" * 99)[:-9], "gzip", "protocol", "not complete", id="half a gzip"),
        pytest.param(bomb, "gzip", "too_large", r"larger than 1\.00 MB", id="gzip bomb"),
        pytest.param(
            lambda: b"\x0b\x02\x80hello\x03", "br", "protocol", "compressed by 'br'", id="unknown compression"
        ),
        pytest.param(lambda: gzip.compress(bomb()), "gzip, gzip", "protocol", "compressed by", id="compressed twice"),
    ],
)
async def test_compressed_content_cannot_do_harm(
    made: Callable[[], bytes], encoding: str, kind: FailureKind, text: str
) -> None:
    answers = {"/": answer(made(), Content_Encoding=encoding), "/first": answer()}
    async with serving(answers) as server, client() as http:
        # Loads aiohttp, which is not to be counted.
        await http.send(get(server.url("/first")))
        tracemalloc.start()
        try:
            with pytest.raises(HttpFailure, match=text) as caught:
                await http.send(get(server.url("/"), max_bytes=1_048_576))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    assert caught.value.kind == kind
    assert peak < 8_000_000


async def test_endless_compressed_nothing_is_given_up() -> None:
    # An empty stored block is five bytes that decompress to none.
    async def act(writer: asyncio.StreamWriter, request: Received) -> None:
        writer.write(HEAD + b"Content-Encoding: deflate\r\n\r\n")
        await server.pour(writer, b"\x00\x00\x00\xff\xff" * 10_000, 10_000)

    server: RawServer
    async with serving({"/": act}) as server, client() as http:
        with pytest.raises(HttpFailure, match="larger than") as caught:
            await http.send(get(server.url("/"), max_bytes=100_000))

    assert caught.value.kind == "too_large"


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        pytest.param(gzip.compress(b"hello world"), "gzip", id="gzip"),
        pytest.param(gzip.compress(b"hello ") + gzip.compress(b"world"), "x-gzip", id="two members"),
        pytest.param(gzip.compress(b"hello world") + b"\0" * 9, "gzip", id="padding"),
        pytest.param(zlib.compress(b"hello world"), "deflate", id="deflate"),
        pytest.param(zlib.compress(b"hello world")[2:-4], "Deflate", id="deflate without header"),
        pytest.param(b"hello world", "identity", id="identity"),
    ],
)
async def test_compressed_content_is_decompressed(body: bytes, encoding: str) -> None:
    async with serving({"/": answer(body, Content_Encoding=encoding)}) as server, client() as http:
        response = await http.send(get(server.url("/")))

    assert response.body == b"hello world"
    assert response.header("content-encoding") == encoding


async def test_bytes_behind_the_end_do_not_reach_the_next_request() -> None:
    answers = {"/long": answer(b"first") + answer(b"injected"), "/next": answer(b"second")}
    async with serving(answers) as server, client() as http:
        assert (await http.send(get(server.url("/long")))).body == b"first"
        assert (await http.send(get(server.url("/next")))).body == b"second"


async def test_what_comes_unasked_on_a_kept_connection_answers_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    answered, seen = asyncio.Event(), asyncio.Event()
    received = bounded_connections.Handler.data_received

    def noted(self: bounded_connections.Handler, data: bytes) -> None:
        received(self, data)
        if b"injected" in data:
            seen.set()

    async def act(writer: asyncio.StreamWriter, request: Received) -> None:
        writer.write(answer(b"first"))
        await answered.wait()
        writer.write(answer(b"injected"))
        await asyncio.Event().wait()

    monkeypatch.setattr(bounded_connections.Handler, "data_received", noted)
    async with serving({"/": act, "/next": answer(b"second")}) as server, client() as http:
        assert (await http.send(get(server.url("/")))).body == b"first"
        answered.set()
        await asyncio.wait_for(seen.wait(), PATIENCE)
        assert (await http.send(get(server.url("/next")))).body == b"second"


async def test_a_server_that_does_not_take_the_body_is_given_up() -> None:
    async with serving({"/unread": silent}) as server, client() as http:
        with pytest.raises(HttpFailure, match=r"did not take the request within 0\.2 s") as caught:
            await http.send(get(server.url("/unread"), method="POST", body=b"x" * 30_000_000, write=0.2))

    assert caught.value.kind == "timeout"


async def test_a_server_that_answers_without_taking_the_body_is_heard() -> None:
    async def refuses(writer: asyncio.StreamWriter, request: Received) -> None:
        writer.write(answer(b"too much", "413 Content Too Large", Connection="close"))
        await writer.drain()
        await asyncio.Event().wait()

    async with serving({"/unread": refuses}) as server, client() as http:
        response = await http.send(get(server.url("/unread"), method="POST", body=b"x" * 30_000_000))

    assert (response.status, response.body) == (413, b"too much")


async def test_a_server_that_does_not_accept_is_given_up() -> None:
    import socket

    # Its queue of connections is full, so further ones hang.
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
        async with client() as http:
            with pytest.raises(HttpFailure, match=r"within 0\.2 s") as caught:
                await http.send(get(f"http://127.0.0.1:{listener.getsockname()[1]}/", connect=0.2))
        for one in waiting:
            one.close()

    assert caught.value.kind == "timeout"


async def test_a_port_that_nobody_listens_on_is_a_failure() -> None:
    async with serving({}) as server:
        port = server.port
    async with client() as http:
        with pytest.raises(HttpFailure, match=rf"No connection to 127\.0\.0\.1:{port}: \[Errno 111\] Connection ref"):
            await http.send(get(f"http://user:secret@127.0.0.1:{port}/?token=secret"))


async def test_cancelling_drops_the_connection() -> None:
    arrived = asyncio.Event()

    async def waits(writer: asyncio.StreamWriter, request: Received) -> None:
        arrived.set()
        writer.write(HEAD + b"Content-Length: 999999999\r\n\r\n")
        await server.pour(writer, b"x" * 65_536, 10_000)

    server: RawServer
    async with serving({"/": waits}) as server, client() as http:
        task = asyncio.create_task(http.send(get(server.url("/"), read=60, max_bytes=10**9)))
        await asyncio.wait_for(arrived.wait(), PATIENCE)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(server.lost.wait(), PATIENCE)


async def continues(writer: asyncio.StreamWriter, request: Received) -> None:
    while True:
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)
        await writer.drain()


async def continues_again_and_again(writer: asyncio.StreamWriter, request: Received) -> None:
    begin = b"HTTP/1.1 "  # of a head, read by itself
    writer.write(begin)
    await asyncio.sleep(0.05)
    for _ in range(8000):
        await writer.drain()
        await asyncio.sleep(0)
        writer.write((b"100 Continue\r\n\r\n" + begin) * 10)
    writer.write(answer(b"ok").removeprefix(begin))


async def extends_a_chunk(writer: asyncio.StreamWriter, request: Received) -> None:
    writer.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n5")
    while True:
        writer.write(b";a=b" * 1000)
        await writer.drain()


async def has_tiny_chunks_with_extensions(writer: asyncio.StreamWriter, request: Received) -> None:
    writer.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write((b"1;" + b"x" * 1000 + b"\r\na\r\n") * 100)
        await writer.drain()


async def writes_a_length_without_end(writer: asyncio.StreamWriter, request: Received) -> None:
    writer.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"0" * 4000)
        await writer.drain()


async def compresses_nothing(writer: asyncio.StreamWriter, request: Received) -> None:
    writer.write(HEAD + b"Content-Encoding: gzip\r\n\r\n")
    while True:
        writer.write(gzip.compress(b"") * 200)
        await writer.drain()


@pytest.mark.parametrize("is_kept", [False, True], ids=["new", "kept"])
@pytest.mark.parametrize(
    "act",
    [
        *(continues, continues_again_and_again, extends_a_chunk, has_tiny_chunks_with_extensions),
        *(writes_a_length_without_end, compresses_nothing),
    ],
)
async def test_what_never_ends_and_is_no_body_is_given_up_after_some_megabytes(act: Act, is_kept: bool) -> None:
    sent = 0

    async def counted(writer: asyncio.StreamWriter, request: Received) -> None:
        nonlocal sent
        write = writer.write

        def count(data: bytes) -> None:
            nonlocal sent
            sent += len(data)
            write(data)

        writer.write = count  # type: ignore[assignment, method-assign]
        await act(writer, request)

    async with serving({"/": counted, "/kept": answer(b"ok")}) as server, client() as http:
        if is_kept:
            await http.send(get(server.url("/kept")))
        tracemalloc.start()
        try:
            with pytest.raises(HttpFailure) as caught:
                await http.send(get(server.url("/"), max_bytes=100_000))
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

    assert caught.value.kind in ("too_large", "protocol")
    assert most < 16_000_000
    # What the sockets between them hold comes on top.
    assert sent < 16_000_000


async def test_a_long_head_that_comes_in_one_piece_with_its_body_is_read_whole() -> None:
    headers = {f"X-{number}": f"{number}-" + "x" * 500 for number in range(20)}
    async with serving({"/": answer("本文".encode(), **headers)}) as server, client() as http:
        for _ in range(2):  # over a new connection, and over a kept one
            response = await http.send(get(server.url("/")))
            assert response.body == "本文".encode()
            assert [response.header(name.lower()) for name in headers] == [*headers.values()]


async def test_a_request_that_must_not_be_sent_twice_has_a_connection_of_its_own() -> None:
    async def closes_behind_its_answer(writer: asyncio.StreamWriter, request: Received) -> None:
        writer.write(answer(b"ok"))
        await writer.drain()

    async with serving({"/kept": answer(b"ok"), "/": closes_behind_its_answer}) as server, client() as http:
        await http.send(get(server.url("/kept")))
        for _ in range(5):
            response = await http.send(get(server.url("/"), method="POST", body=b"x"))
            assert response.body == b"ok"
        await http.send(get(server.url("/kept")))

    assert [request.connection for request in server.requests] == [1, 2, 3, 4, 5, 6, 1]


async def test_one_that_may_be_sent_twice_is_where_the_server_closed_the_kept_connection() -> None:
    async with serving({"/": answer(b"ok"), "/gone": closes_at_once}) as server, client() as http:
        await http.send(get(server.url("/")))
        with pytest.raises(HttpFailure):
            await http.send(get(server.url("/gone")))

    # Sent twice: over the kept connection, and over a new one.
    came = [(request.target, request.connection) for request in server.requests]
    assert came == [("/", 1), ("/gone", 1), ("/gone", 2)]
