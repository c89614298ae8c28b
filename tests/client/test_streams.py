"""Streams of the clients, at applications that answer by a script."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from jikko import AsyncClient, Client, RunEvent, ServiceError
from tests import virtual_time
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
async def served(answers: Callable[[bytes], bytes], status: str = "200 OK") -> AsyncIterator[str]:
    """A server that gives each request an answer, and keeps its connection. Gives its address."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 {status}\r\n".encode() + answers(await reader.readuntil(b"\r\n\r\n")))
        await reader.read()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0, backlog=200) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def silent_streams(asked: bytes) -> bytes:
    """Streams of one event, which do not end."""
    if b"/events" in asked:
        return b'Content-Type: text/event-stream\r\n\r\nid: 0\ndata: {"event": "run_started"}\n\n'
    return b"Content-Length: 2\r\n\r\n{}"


@pytest.mark.anyio
async def test_a_page_in_place_of_an_error_is_told_with_its_path() -> None:
    async def page(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 404, "headers": [(b"content-type", b"text/html")]})
        await send({"type": "http.response.body", "body": "<h1>見つかりません 🙂</h1>".encode()})

    async with AsyncClient(app=page, user="秘密") as client:
        with pytest.raises(ServiceError, match=r"^/v1/parameters: HTTP 404 without a message of .* proxy") as failed:
            await client.parameters()
    assert (failed.value.status, failed.value.code) == (404, "failed")


@pytest.mark.anyio
async def test_a_page_of_a_server_is_told_with_its_address() -> None:
    page = b"Content-Length: 3\r\n\r\n\xe7\x8c\xab"
    async with served(lambda _: page, "404 Not Found") as url, AsyncClient(url, "app-x") as client:
        with pytest.raises(ServiceError) as failed:
            await client.parameters()
    assert str(failed.value).startswith(f"{url}/v1/parameters: HTTP 404 without")


@pytest.mark.anyio
async def test_however_many_streams_are_open_the_next_request_is_sent() -> None:
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(served(silent_streams))
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


STREAMS: list[Callable[[AsyncClient], AsyncIterator[RunEvent]]] = [
    lambda client: client.stream({}),
    lambda client: client.chat_stream("おはよう"),
    lambda client: client.rejoin("1"),
]


async def kinds(stream: AsyncIterator[RunEvent]) -> list[str]:
    return [event.kind async for event in stream]


@pytest.mark.anyio
@pytest.mark.parametrize("opened", STREAMS)
async def test_a_page_is_no_stream(opened: Callable[[AsyncClient], AsyncIterator[RunEvent]]) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await begin(send, b"text/html")
        await send({"type": "http.response.body", "body": "<h1>ようこそ</h1>".encode()})

    with pytest.raises(ServiceError, match="not a stream: is this the address of a Jikko or Dify") as failed:
        await kinds(opened(AsyncClient(app=app)))
    assert (failed.value.code, failed.value.is_passing) == ("not_service", False)


@pytest.mark.anyio
@pytest.mark.parametrize("opened", STREAMS)
async def test_a_stream_that_the_server_closes_halfway_is_told(
    opened: Callable[[AsyncClient], AsyncIterator[RunEvent]],
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await begin(send)
        await tell(send, "workflow_started")
        await tell(send, "message")

    stream = opened(AsyncClient(app=app))
    assert [(await anext(stream)).kind for _ in range(2)] == ["workflow_started", "message"]
    with pytest.raises(ServiceError, match="without the run's end") as failed:
        await anext(stream)
    assert failed.value.code == "no_server"


@pytest.mark.anyio
@pytest.mark.parametrize("end", ["workflow_finished", "workflow_paused", "message_end", "error"])
async def test_a_stream_is_whole_with_the_end_of_a_run_or_an_answer(end: str) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await begin(send)
        await tell(send, end)
        await tell(send, "tts_message_end")

    assert await kinds(AsyncClient(app=app).chat_stream("a")) == [end, "tts_message_end"]


def test_a_paused_run_is_followed_for_an_hour_through_proxies_that_cut_silent_connections() -> None:
    asked: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        asked.append(scope["path"])
        await begin(send)
        if len(asked) == 120:
            await tell(send, "run_finished", 7)
        await asyncio.sleep(30)

    assert virtual_time.run(kinds(AsyncClient(app=app).events("1"))) == ["run_finished"]


def test_a_server_that_ends_streams_at_once_is_given_up_after_a_minute() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await begin(send)

    async def seconds() -> float:
        with pytest.raises(ServiceError, match="without the run's end"):
            await kinds(AsyncClient(app=app).events("1"))
        return asyncio.get_running_loop().time()

    assert 60 < virtual_time.run(seconds()) < 70


def test_a_start_at_a_host_that_has_stopped_is_sent_again_with_its_key() -> None:
    keys: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        keys.append(dict(scope["headers"])[b"idempotency-key"].decode())
        if len(keys) == 1:
            await asyncio.Event().wait()
        await begin(send, b"application/json")
        await send({"type": "http.response.body", "body": b'{"workflow_run_id": "1"}'})

    run = virtual_time.run(AsyncClient(app=app).start({}))

    assert run.id == "1"
    assert len(keys) == 2
    assert keys[0] == keys[1]


def test_a_start_at_a_host_that_has_vanished_is_given_up() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.Event().wait()

    async def seconds() -> float:
        with pytest.raises(ServiceError, match="no answer within 45 s"):
            await AsyncClient(app=app).start({})
        return asyncio.get_running_loop().time()

    assert virtual_time.run(seconds()) < 100


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["url", "remote_url"])
async def test_a_file_of_another_host_is_fetched_there_and_not_from_the_application(name: str) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await begin(send, b"text/plain")
        await send({"type": "http.response.body", "body": b"of the application"})

    asked: list[bytes] = []

    def file(head: bytes) -> bytes:
        asked.append(head)
        return b"Content-Length: 6\r\n\r\n" + "世界".encode()

    async with served(file) as url, AsyncClient(app=app, key="app-x") as client:
        assert await client.download({name: f"{url}/files/1?sign=a"}) == "世界".encode()
        assert await client.download({name: "http://localhost/files/1"}) == b"of the application"
    assert asked[0].startswith(b"GET /files/1?sign=a ")
    assert b"app-x" not in asked[0]


@pytest.mark.anyio
async def test_a_file_of_a_host_that_does_not_answer_is_told_without_what_opens_it() -> None:
    async with served(silent_streams) as url:
        pass
    async with AsyncClient(app=lambda *_: None) as client:
        with pytest.raises(ServiceError, match=r"^http://127\.0\.0\.1: the server does not answer") as failed:
            await client.download({"url": f"{url}/files/1?sign=geheim"})
    assert "geheim" not in str(failed.value)
