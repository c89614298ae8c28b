"""Responses arriving byte by byte: work and memory are proportional to the bytes received. Counted, not timed."""

import asyncio
import tracemalloc

import pytest
from aiohttp.client_proto import ResponseHandler

from jikko.outbound.decoding import BodyCollector
from tests.outbound.clients import client, get

pytestmark = pytest.mark.anyio

LENGTH = 20_000
"""Bytes of an answer."""
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"


async def test_what_comes_in_pieces_of_two_bytes_takes_little_more_than_its_bytes() -> None:
    collector = BodyCollector("", 10 * LENGTH)
    list(collector.feed(b"xy"))
    tracemalloc.start()
    try:
        for number in range(LENGTH // 2):
            list(collector.feed(b"%02d" % (number % 100)))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    # As a list of pieces it would be twenty times as much.
    assert held <= 2 * LENGTH
    assert len(collector.content()) == LENGTH + 2


async def test_each_piece_is_parsed_once_and_nothing_before_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = 0
    received = ResponseHandler.data_received

    def counted(self: ResponseHandler, data: bytes) -> None:
        nonlocal parsed
        parsed += len(data)
        received(self, data)

    monkeypatch.setattr(ResponseHandler, "data_received", counted)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD % LENGTH)
        for _ in range(LENGTH):
            writer.write(b"a")
            await asyncio.sleep(0)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server, client() as http:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        response = await http.send(get(url))

    assert response.body == b"a" * LENGTH
    assert parsed <= LENGTH + len(HEAD) + 10
