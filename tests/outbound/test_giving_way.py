"""However fast a server sends, and whatever: between two turns of the event loop a bounded part of it is looked at."""

import asyncio
import gzip
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from aiohttp.client_proto import ResponseHandler
from aiohttp.streams import StreamReader

from jikko.concurrency import bounded_connections
from jikko.concurrency.scheduler import SLICE, Scheduler
from jikko.outbound import decoding
from jikko.ports.http import HttpFailure
from tests.effort import PATIENCE
from tests.outbound.clients import client, get

pytestmark = [pytest.mark.anyio, pytest.mark.once]

ONE_READ = 262_144
"""Bytes that a call of the system gives at most."""
ONE_PIECE = 16_384
"""Bytes behind which the clock is looked at."""
ONE_TINY_PIECE = 4096
"""The same, once chunks were tiny."""
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
FLOODS = {
    "extensions of a chunk": (CHUNKED + b"5", b";a=b" * 65_536),
    "tiny chunks": (CHUNKED, b"1;x\r\na\r\n" * 32_768),
    "a body": (b"HTTP/1.1 200 OK\r\nContent-Length: 8000000\r\n\r\n", b"x" * 1_000_000),
}


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": request.param}


@contextmanager
def flooding(first: bytes, again: bytes, times: int) -> Iterator[str]:
    """A server on a thread of its own, which fills the buffers of the system while nobody reads. Its address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(PATIENCE)

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65_536)
                try:
                    connection.sendall(first)
                    for _ in range(times):
                        connection.sendall(again)
                except OSError:
                    return

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        finally:
            thread.join(PATIENCE)


class Turns:
    """How much of something was done in each turn of the event loop."""

    def __init__(self) -> None:
        self.done: Counter[int] = Counter()
        self._now = 0

    def add(self, count: int) -> None:
        self.done[self._now] += count

    async def go_by(self) -> None:
        while True:
            self._now += 1
            await asyncio.sleep(0)


@pytest.mark.parametrize("flood", FLOODS)
async def test_in_one_turn_no_more_is_read_than_one_call_gives(flood: str, monkeypatch: pytest.MonkeyPatch) -> None:
    turns = Turns()
    received = bounded_connections.Handler.data_received

    def counted(self: bounded_connections.Handler, data: bytes) -> None:
        turns.add(len(data))
        received(self, data)

    monkeypatch.setattr(bounded_connections.Handler, "data_received", counted)
    first, again = FLOODS[flood]
    async with client() as http:
        going_by = asyncio.create_task(turns.go_by())
        with flooding(first, again, 8) as url:
            try:
                await http.send(get(url, max_bytes=8_000_000))
            except HttpFailure:
                assert flood != "a body"
        going_by.cancel()

    assert sum(turns.done.values()) > 1_000_000
    # What is read last in one turn may come with what is read first in the next, as far as a task sees them.
    assert max(turns.done.values()) <= 2 * ONE_READ


async def test_of_many_servers_that_send_tiny_chunks_one_is_listened_to_in_a_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    turns, looks, readings = Turns(), 4, 0.0
    pieces: list[int] = []
    received = ResponseHandler.data_received

    def counted(self: ResponseHandler, data: bytes) -> None:
        turns.add(len(data))
        pieces.append(len(data))
        received(self, data)

    def clock() -> float:
        nonlocal readings
        readings += SLICE / looks
        return readings

    monkeypatch.setattr(ResponseHandler, "data_received", counted)
    monkeypatch.setattr(bounded_connections, "Scheduler", lambda: Scheduler(clock))
    async with client() as http:
        going_by = asyncio.create_task(turns.go_by())
        with ExitStack() as floods:
            urls = [floods.enter_context(flooding(CHUNKED, b"1\r\na\r\n" * 43_690, 8)) for _ in range(4)]
            ends = await asyncio.gather(
                *(http.send(get(url, max_bytes=200_000)) for url in urls), return_exceptions=True
            )
        going_by.cancel()

    assert all(isinstance(end, HttpFailure) for end in ends)
    assert sum(turns.done.values()) > len(urls) * 400_000
    # One slice for those that are read in this turn, one for that whose turn it is.
    assert max(turns.done.values()) <= 2 * (looks + 1) * ONE_PIECE
    # The first piece of each shows how small the chunks are.
    assert sum(size > ONE_TINY_PIECE for size in pieces) <= len(urls)


@pytest.mark.parametrize("most", [ONE_READ, 2000])
async def test_what_came_in_tiny_chunks_is_read_as_a_few_parts(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    received = bounded_connections.Handler.data_received

    def in_pieces(self: bounded_connections.Handler, data: bytes) -> None:
        for begin in range(0, len(data) or 1, most):
            received(self, data[begin : begin + most])

    monkeypatch.setattr(bounded_connections.Handler, "data_received", in_pieces)
    taken: list[int] = []
    take = StreamReader._read_nowait_chunk

    def counted(self: StreamReader, count: int) -> bytes:
        part = take(self, count)
        taken.append(len(part))
        return part

    monkeypatch.setattr(StreamReader, "_read_nowait_chunk", counted)
    body = bytes(range(256)) * 800
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body)
    async with client() as http:
        with flooding(CHUNKED, chunks + b"5\r\nthe e\r\n2\r\nnd\r\n0\r\n\r\n", 1) as url:
            assert (await http.send(get(url))).body == body + b"the end"

    # Pieces of 682 chunks by rule; those that a call of the system cut short are shorter.
    assert len(taken) < len(body) / 100


async def test_a_flood_that_was_read_in_parts_is_whole() -> None:
    body = bytes(range(256)) * 40_000
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
    async with client() as http:
        with flooding(head, body, 1) as url:
            assert (await http.send(get(url, max_bytes=20_000_000))).body == body


async def test_what_is_compressed_small_is_made_large_in_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = Turns()
    step = decoding._Inflater._step

    def counted(self: Any, data: bytes) -> bytes:
        piece = step(self, data)
        turns.add(len(piece))
        return piece

    monkeypatch.setattr(decoding._Inflater, "_step", counted)
    body = gzip.compress(bytes(20_000_000))
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body)
    async with client() as http:
        going_by = asyncio.create_task(turns.go_by())
        with flooding(head, body, 1) as url:
            answer = await http.send(get(url, max_bytes=20_000_000))
        going_by.cancel()

    assert len(answer.body) == 20_000_000
    assert max(turns.done.values()) <= 2 * ONE_READ
