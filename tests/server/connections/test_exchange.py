"""One ASGI request and response: the application's calls, and the client's view."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from jikko.errors import StoreUnavailable
from jikko.http.responses import EventStream
from jikko.server.connections.connection_bytes import Outbox
from jikko.server.connections.http_protocol import HttpProtocol
from tests.effort import PATIENCE
from tests.server.connections.test_http_protocol import Wire, body, head

pytestmark = pytest.mark.anyio

GET = b"GET /a%20b?x=1&y HTTP/1.1\r\nHost: x\r\nX-Odd: \xff\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n"


@asynccontextmanager
async def connected(application: Any) -> AsyncIterator[tuple[HttpProtocol, Wire]]:
    """A connection to an application, and what is written to it."""
    wire = Wire()
    config = uvicorn.Config(application, lifespan="off", log_config=None, timeout_keep_alive=5)
    protocol = HttpProtocol(Outbox(asyncio.get_running_loop()), config=config, server_state=ServerState(), app_state={})
    protocol.connection_made(wire)
    try:
        yield protocol, wire
    finally:
        protocol.connection_lost(None)
        await asyncio.gather(*protocol._state.tasks, return_exceptions=True)


async def answer(wire: Wire) -> bytes:
    """What was written since, once something is."""
    await wire.answered.wait()
    wire.answered.clear()
    pieces, wire.pieces = wire.pieces, []
    return b"".join(pieces)


async def test_an_application_sees_the_request_as_it_was_sent() -> None:
    seen: list[Any] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        seen.extend((scope, await receive()))
        await send(head(content_length="0"))
        await send(body(b""))

    async with connected(application) as (protocol, wire):
        protocol.data_received(GET)
        await answer(wire)
    scope, message = seen
    assert {name: scope[name] for name in ("type", "method", "path", "raw_path", "query_string", "http_version")} == {
        "type": "http",
        "method": "GET",
        "path": "/a b",
        "raw_path": b"/a%20b",
        "query_string": b"x=1&y",
        "http_version": "1.1",
    }
    assert scope["headers"] == [(b"host", b"x"), (b"x-odd", b"\xff")]
    assert message == {"type": "http.request", "body": b"", "more_body": False}


class _Deadline:
    """Of one request: its context has it, and it refers to the request."""

    def __init__(self, receive: Any) -> None:
        self.receive = receive


async def test_what_a_request_keeps_in_its_context_is_freed_with_its_answer_and_not_by_the_collector() -> None:
    kept: ContextVar[_Deadline] = ContextVar("kept")
    seen: list[weakref.ref[_Deadline]] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        deadline = _Deadline(receive)
        kept.set(deadline)
        seen.append(weakref.ref(deadline))
        await send(head(content_length="0"))
        await send(body(b""))

    gc.disable()
    try:
        async with connected(application) as (protocol, wire):
            for _ in range(5):
                protocol.data_received(GET)
                await answer(wire)
            # The connection knows its last request, and its timer the first one.
            assert [each() for each in seen[1:-1]] == [None] * 3
    finally:
        gc.enable()


async def test_a_body_is_asked_for_when_it_is_wanted() -> None:
    wanted = asyncio.Event()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await wanted.wait()
        message = await receive()
        await send(head(content_length="5"))
        await send(body(message["body"]))

    async with connected(application) as (protocol, wire):
        protocol.data_received(POST)
        await asyncio.sleep(0)
        assert wire.pieces == []
        wanted.set()
        assert await answer(wire) == b"HTTP/1.1 100 Continue\r\n\r\n"
        protocol.data_received(b"hello")
        assert (await answer(wire)).endswith(b"\r\n\r\nhello")


@pytest.mark.parametrize("value", [b"a\r\nset-cookie: b", b"a\nb", b"a\rb", b"a\0b"])
@pytest.mark.parametrize("place", ["name", "value"])
async def test_a_header_cannot_be_two(value: bytes, place: str, caplog: pytest.LogCaptureFixture) -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        header = (value, b"x") if place == "name" else (b"x", value)
        await send({"type": "http.response.start", "status": 200, "headers": [header]})

    async with connected(application) as (protocol, wire):
        protocol.data_received(GET)
        found = await answer(wire)
    assert found.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    assert b"set-cookie" not in found
    assert "control character" in caplog.text


@pytest.mark.parametrize(("length", "sent"), [("5", b"hell"), ("5", b"hello!"), ("0", b"x")])
async def test_an_answer_of_another_length_than_it_says_closes_the_connection(length: str, sent: bytes) -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send(head(content_length=length))
        await send(body(sent))

    async with connected(application) as (protocol, wire):
        protocol.data_received(GET * 2)
        await answer(wire)
        assert wire.closed


async def test_a_body_whose_rest_cannot_be_had_is_cut_off_and_one_line_says_why(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send(head(content_length="5"))
        await send(body(b"hell", more=True))
        raise StoreUnavailable("The disk 💽 fails.")

    async with connected(application) as (protocol, wire):
        protocol.data_received(GET * 2)
        found = await answer(wire)
        await asyncio.gather(*protocol._state.tasks)
        assert wire.closed
    assert found.endswith(b"\r\n\r\nhell")
    [told] = caplog.records
    assert (told.message, told.exc_info) == ("an answer was cut off: The disk 💽 fails.", None)


async def test_an_application_that_says_nothing_is_a_fault_of_the_server() -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None: ...

    async with connected(application) as (protocol, wire):
        protocol.data_received(GET)
        found = await answer(wire)
        assert found.startswith(b"HTTP/1.1 500 ")
        assert wire.closed


async def test_pieces_of_any_size_reach_the_client_in_their_order() -> None:
    pieces = [b"a", b"b" * 65_535, b"c" * 65_536, b"d", b"e" * 200_000]

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for piece in pieces[:-1]:
            await send({**body(piece), "more_body": True})
        await send(body(pieces[-1]))

    async with connected(application) as (protocol, wire):
        protocol.data_received(GET)
        found = await answer(wire)
        while not found.endswith(b"0\r\n\r\n"):
            found += await answer(wire)
    sent = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    assert found.partition(b"\r\n\r\n")[2] == sent + b"0\r\n\r\n"


@pytest.mark.parametrize("status", [200, 204, 304])
async def test_answers_without_a_body_have_none(status: int) -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send(body(b""))

    async with connected(application) as (protocol, wire):
        protocol.data_received(GET.replace(b"GET", b"HEAD") if status == 200 else GET)
        found = await answer(wire)
    assert b"transfer-encoding" not in found
    assert found.endswith(b"\r\n\r\n")


async def test_a_client_that_leaves_is_told_of_to_all_its_requests_and_none_more_is_begun() -> None:
    seen: list[str] = []
    began = asyncio.Event()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        began.set()
        while (message := await receive())["type"] != "http.disconnect":
            seen.append(message["type"])
        seen.append(scope["path"])
        await send(head(content_length="0"))

    async with connected(application) as (protocol, wire):
        protocol.data_received(GET)
        protocol.data_received(GET.replace(b"/a", b"/second"))
        await began.wait()
    assert seen == ["http.request", "/a b"]
    assert wire.pieces == []


@pytest.mark.parametrize("leaves_first", [False, True])
async def test_a_stream_is_given_up_when_its_client_leaves_though_nothing_is_sent(leaves_first: bool) -> None:
    began, given_up = asyncio.Event(), asyncio.Event()

    async def pieces() -> AsyncIterator[bytes]:
        try:
            yield "日本 🙂".encode()
            began.set()
            await asyncio.Event().wait()
        finally:
            given_up.set()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        while leaves_first and (await receive())["type"] != "http.disconnect":
            pass
        await EventStream(pieces())(receive, send)

    async with connected(application) as (protocol, _):
        protocol.data_received(GET)
        if not leaves_first:
            await began.wait()
            assert not given_up.is_set()
    async with asyncio.timeout(PATIENCE):
        await given_up.wait()


class Hours:
    """A loop whose time is what a test says."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[tuple[float, Any]] = []
        self.create_task = asyncio.get_running_loop().create_task

    def time(self) -> float:
        return self.now

    def call_later(self, seconds: float, work: Any) -> Any:
        handle = asyncio.Handle(work, (), asyncio.get_running_loop())
        self.timers.append((self.now + seconds, lambda: None if handle.cancelled() else work()))
        return handle

    def pass_to(self, now: float) -> None:
        self.now = now
        due = [timer for timer in self.timers if timer[0] <= now]
        self.timers = [timer for timer in self.timers if timer[0] > now]
        for _, work in due:
            work()


async def test_a_connection_is_closed_once_it_has_rested_for_a_while_and_has_one_timer_for_that() -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send(head(content_length="0"))
        await send(body(b""))

    hours = Hours()
    async with connected(application) as (protocol, wire):
        protocol._loop = hours  # type: ignore[assignment]
        for now in (1, 3, 4):
            hours.pass_to(now)
            protocol.data_received(GET)
            await answer(wire)
            assert len(hours.timers) == 1
        hours.pass_to(8.9)
        assert not wire.closed
        assert len(hours.timers) == 1
        hours.pass_to(9)
        assert wire.closed


async def test_idle_connections_of_a_server_that_is_replaced_have_some_seconds_for_a_last_request() -> None:
    go_on = asyncio.Event()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/slow":
            await go_on.wait()
        await send(head(content_length="0"))
        await send(body(b""))

    hours = Hours()
    async with connected(application) as (resting, closing), connected(application) as (working, open_):
        for protocol in (resting, working):
            protocol._loop = hours  # type: ignore[assignment]
            protocol._rest_seconds = 75
            protocol.data_received(GET)
        await answer(closing)
        await answer(open_)
        working.data_received(GET.replace(b"/a%20b", b"/slow"))
        hours.pass_to(60)
        for protocol in (resting, working):
            protocol.close_when_idle(5)
        hours.pass_to(64.9)
        assert not closing.closed
        hours.pass_to(65)
        assert closing.closed
        assert not open_.closed
        go_on.set()
        await answer(open_)
        hours.pass_to(70)
        assert open_.closed


async def test_a_connection_whose_request_takes_long_is_not_at_rest() -> None:
    go_on = asyncio.Event()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/slow":
            await go_on.wait()
        await send(head(content_length="0"))
        await send(body(b""))

    hours = Hours()
    async with connected(application) as (protocol, wire):
        protocol._loop = hours  # type: ignore[assignment]
        protocol.data_received(GET)
        await answer(wire)
        protocol.data_received(GET.replace(b"/a%20b", b"/slow"))
        hours.pass_to(100)
        assert not wire.closed
        go_on.set()
        await answer(wire)
        hours.pass_to(104)
        assert not wire.closed
        hours.pass_to(105)
        assert wire.closed


@pytest.mark.parametrize(("sent", "closes"), [(b"", True), (b"he", True), (b"hello", False)])
async def test_a_body_that_was_not_asked_for_is_the_last_unless_it_is_there(sent: bytes, closes: bool) -> None:
    """The client may leave it out (RFC 9110, 10.1.1), and its next request would be taken for it."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send({**head(content_length="2"), "status": 401})
        await send(body(b"no"))

    async with connected(application) as (protocol, wire):
        protocol.data_received(POST + sent)
        assert (b"\r\nconnection: close\r\n" in await answer(wire)) is closes
        protocol.data_received(GET)
        if not closes:
            assert (await answer(wire)).startswith(b"HTTP/1.1 401 ")
        assert wire.ended.is_set() is closes


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
async def test_a_client_of_http_1_0_gets_neither_chunks_nor_a_word_in_between(version: bytes) -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["body"] == b"hello"
        await send(head())
        await send(body("日本".encode(), more=True))
        await send(body("🙂".encode()))

    async with connected(application) as (protocol, wire):
        protocol.data_received(POST.replace(b"1.1", version).replace(b"host", b"connection: close\r\nhost") + b"hello")
        await wire.ended.wait()
    sent = b"".join(wire.pieces)
    is_old = version == b"1.0"
    assert (b"100 Continue" in sent, b"transfer-encoding" in sent) == (not is_old, not is_old)
    assert sent.endswith("\r\n\r\n日本🙂".encode()) is is_old


async def test_a_stream_whose_request_has_a_body_that_nobody_reads_sees_that_its_client_leaves() -> None:
    left = asyncio.Event()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send(head())
        await send.leaving
        left.set()

    async with connected(application) as (protocol, wire):
        protocol.data_received(POST.replace(b"expect: 100-continue\r\ncontent-length: 5", b"content-length: 200000"))
        await answer(wire)
        for _ in range(4):
            assert not protocol.intake.is_paused
            protocol.data_received(b"x" * 50_000)
    assert left.is_set()
