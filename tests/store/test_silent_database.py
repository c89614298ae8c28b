"""Hanging database that does not disconnect: dropped packets, or a machine without power."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from jikko.errors import StoreUnavailable
from jikko.store.postgres import database as module
from jikko.store.postgres.database import Connection, Postgres
from tests.effort import PATIENCE
from tests.faults.proxy import Proxy
from tests.faults.queue import name_of
from tests.runs.world import until
from tests.store.postgres_server import PostgresServer

pytestmark = [pytest.mark.anyio, pytest.mark.services, pytest.mark.postgres]
_KEPT_ALIVE = "02"
"""What Linux says of a connection with nothing under way whose other end it will ask whether it is there."""


@pytest.fixture
def proxy(postgres_server: PostgresServer) -> Iterator[Proxy]:
    with Proxy(socket.AF_UNIX, f"{postgres_server.folder}/.s.PGSQL.5432") as made:
        yield made


@pytest.fixture
async def database(
    postgres_server: PostgresServer, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Postgres]:
    made = Postgres(f"postgresql://jikko@127.0.0.1:{proxy.port}/{name_of(postgres_server.made())}")
    assert await made.value("SELECT 1") == 1
    for name in ("_MAX_SECONDS", "_RELEASE_SECONDS", "_CLOSE_SECONDS"):
        monkeypatch.setattr(module, name, 0.5)
    yield made
    await made.close()


async def test_reads_fail_and_succeed_once_it_speaks_again(database: Postgres, proxy: Proxy) -> None:
    proxy.stall()
    async with asyncio.timeout(PATIENCE):
        # More than there are connections: none of them is held for good.
        for _ in range(8):
            with pytest.raises(StoreUnavailable):
                await database.value("SELECT 1")

    proxy.mend()

    found = None
    async with asyncio.timeout(PATIENCE):
        while found is None:
            # It may take a busy machine longer than a read may take here.
            with suppress(StoreUnavailable):
                found = await database.value("SELECT 1")
    assert found == 1


async def test_what_is_under_way_does_not_keep_a_process_from_its_end(database: Postgres, proxy: Proxy) -> None:
    begun = asyncio.Event()

    async def work(connection: Connection) -> None:
        begun.set()
        await connection.fetchval("SELECT pg_sleep(3600)")

    working = asyncio.ensure_future(database.transact(work))
    await begun.wait()
    proxy.stall()

    async with asyncio.timeout(PATIENCE):
        await database.close()
        with pytest.raises(StoreUnavailable):
            await working


async def test_the_system_asks_whether_it_is_there_while_an_answer_is_waited_for(
    database: Postgres, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    own = await database.connect(by_key=True)
    try:
        # That of the pool, and one of its own.
        await until(lambda: timers_to(proxy.port) == [_KEPT_ALIVE] * 2)
    finally:
        await own.close()


def timers_to(port: int) -> list[str]:
    """What the system waits for, of each connection to a port of this machine."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return [line[5].partition(":")[0] for line in lines if line[2].endswith(f":{port:04X}")]


async def test_a_system_that_knows_a_limit_by_name_alone_is_connected_to_all_the_same(
    database: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(socket, "TCP_USER_TIMEOUT", 9999)
    other = Postgres(database._url)
    try:
        assert await other.value("SELECT 1") == 1
    finally:
        await other.close()
