"""Memory waiting for slow readers: bounded in total, and in time. In virtual time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from jikko.http.responses import Response
from jikko.server.connections.connection_bytes import Outbox
from jikko.server.connections.http_protocol import HttpProtocol
from jikko.server.connections.slow_readers import SlowReaders
from tests.virtual_time import run

ANSWER = 15_000_000
"""Bytes: the detail of a run with large outputs, say."""
SECONDS = 60.0
HIGH_WATER = 65_536


class Client(asyncio.Transport):
    """A transport as those of asyncio and uvloop are: it keeps what its client has not taken, and says so."""

    def __init__(self) -> None:
        super().__init__()
        self.protocol: Any = None
        self.waits, self.taken = 0, 0
        self.in_system: int | None = None
        """Bytes that the system has for its client; ``None``: it does not tell."""
        self.is_aborted = False

    def write(self, data: Any) -> None:
        before, self.waits = self.waits, self.waits + len(data)
        if before <= HIGH_WATER < self.waits:
            self.protocol.pause_writing()

    def take(self, size: int) -> None:
        size = min(size, self.waits)
        before, self.waits, self.taken = self.waits, self.waits - size, self.taken + size
        if self.waits <= HIGH_WATER // 4 < before and not self.is_aborted:
            self.protocol.resume_writing()

    def get_write_buffer_size(self) -> int:
        return self.waits

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default if name != "socket" or self.in_system is None else self

    def abort(self) -> None:
        self.waits, self.is_aborted = 0, True
        self.protocol.connection_lost(None)

    def close(self) -> None: ...

    def is_closing(self) -> bool:
        return self.is_aborted

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


async def large(scope: Any, receive: Any, send: Any) -> None:
    await Response(b"x" * ANSWER)(receive, send)


def in_system(socket: Any) -> int:
    return 0 if socket is None else socket.in_system


def tried(work: Callable[[list[Client]], Awaitable[None]], clients: int, most: int = 0) -> None:
    async def all_of_it() -> None:
        state, outbox, unread = ServerState(), Outbox(asyncio.get_running_loop()), SlowReaders(most, SECONDS, in_system)
        config, found = uvicorn.Config(large, lifespan="off", log_config=None), []
        for _ in range(clients):
            client = Client()
            client.protocol = HttpProtocol(outbox, unread=unread, config=config, server_state=state, app_state={})
            client.protocol.connection_made(client)
            client.protocol.data_received(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            found.append(client)
        await asyncio.sleep(0.1)
        await work(found)
        for client in found:
            if not client.is_aborted:
                client.protocol.connection_lost(None)
        await asyncio.gather(*state.tasks)
        # Nothing is looked at any more.
        await asyncio.sleep(2)
        assert unread._timer is None

    run(all_of_it())


async def reading(client: Client, a_second: int, seconds: float) -> None:
    for _ in range(int(seconds * 2)):
        client.take(a_second // 2)
        await asyncio.sleep(0.5)


def test_a_client_that_does_not_read_held_its_answer_for_ever() -> None:
    async def work(clients: list[Client]) -> None:
        assert clients[0].waits > ANSWER
        await asyncio.sleep(SECONDS + 2)
        assert [(client.is_aborted, client.waits) for client in clients] == [(True, 0)] * 3

    tried(work, 3)


@pytest.mark.parametrize("a_second", [600, 50_000])
def test_a_slow_line_that_works_gets_all_of_it(a_second: int) -> None:
    async def work(clients: list[Client]) -> None:
        await reading(clients[0], a_second, 3 * SECONDS)
        assert not clients[0].is_aborted
        clients[0].take(ANSWER)
        await asyncio.sleep(2 * SECONDS)
        assert not clients[0].is_aborted
        clients[0].take(ANSWER)
        assert clients[0].taken > ANSWER

    tried(work, 1)


def test_what_a_client_takes_of_what_the_system_has_counts() -> None:
    """Real ones ask for more once a third of 2.5 MB is gone: who took 10,000 bytes a second was cut off before."""

    async def work(clients: list[Client]) -> None:
        reader, idle = clients
        reader.in_system = idle.in_system = 2_500_000
        for client in clients:
            client.protocol.resume_writing()
            client.protocol.pause_writing()
        for _ in range(int(1.3 * SECONDS)):
            reader.in_system -= 10_000
            await asyncio.sleep(1)
        assert [client.is_aborted for client in clients] == [False, True]

    tried(work, 2)


def test_all_that_waits_is_bounded_and_those_who_read_least_are_cut_off() -> None:
    most = 5 * ANSWER

    async def work(clients: list[Client]) -> None:
        readers = [asyncio.create_task(reading(client, 100_000, 20)) for client in clients[:4]]
        await asyncio.sleep(4)
        # All of them might be about to read.
        assert not any(client.is_aborted for client in clients)
        await asyncio.sleep(3)
        assert sum(client.waits for client in clients) <= most
        assert [client.is_aborted for client in clients[:4]] == [False] * 4
        # No more than had to be.
        assert sum(client.is_aborted for client in clients) <= 15
        await asyncio.gather(*readers)

    tried(work, 20, most)


def test_an_answer_that_is_larger_than_all_may_be_waits_alone() -> None:
    """As a body that is larger than all the room has all of it: who read 50,000 bytes a second never got it."""

    async def work(clients: list[Client]) -> None:
        readers = [
            asyncio.create_task(reading(client, a_second, 20))
            for client, a_second in zip(clients, (50_000, 9_000), strict=True)
        ]
        await asyncio.gather(*readers)
        assert [client.is_aborted for client in clients] == [False, True]

    tried(work, 2, ANSWER // 2)
