"""Connected servers while NATS is reconfigured, loses its data, or hangs."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from nats.errors import StaleConnectionError

from jikko.cluster.nats import connecting
from jikko.cluster.nats.connecting import NatsAccess, SteadyClient, connected
from jikko.cluster.nats.link import NatsLink
from jikko.cluster.nats.streams import Names
from jikko.ports.cluster import OrphanedRuns, WaitingRun, WaitingRuns
from tests.cluster.nats_group import NatsGroup
from tests.cluster.nats_server import NatsServer, nats_running
from tests.effort import PATIENCE
from tests.faults.proxy import Proxy
from tests.runs.world import until

pytestmark = [pytest.mark.anyio, pytest.mark.services, pytest.mark.nats]
GONE = OrphanedRuns(holder="gone/1")


@asynccontextmanager
async def linked(url: str) -> AsyncIterator[NatsLink]:
    link = await NatsLink.open(url, Names("changes"), member_seconds=1, per_minute=0, name="test")
    try:
        yield link
    finally:
        await link.break_off()


@pytest.mark.parametrize("of", ["QUEUE", "WAIT", "DUTY", "its consumers"])
async def test_what_is_deleted_in_nats_is_made_again(nats_server: NatsServer, of: str) -> None:
    group = NatsGroup(nats_server.url)
    try:
        (one, member), (other, its) = await group.start(), await group.start()
        await until(lambda: member.is_leading or its.is_leading)
        async with linked(nats_server.url) as operator:
            names = group.names
            if of == "its consumers":
                for name, consumer in (("QUEUE", "orphans"), ("WAIT", "waiting")):
                    await operator.stream.delete_consumer(names.stream(name), consumer)
            else:
                await operator.stream.delete_stream(names.stream(of))

        one.offer(GONE)
        its.has_room.set()
        run = WaitingRun(run_id="r", app_id="a", holder=one.name, epoch=1)
        await until_offered(await member.offers, run)

        await until(lambda: GONE in [*member.taken, *its.taken])
        await until(lambda: run in its.waiting)
        leader, heir = (one, its) if member.is_leading else (other, member)
        await group.kill(leader)
        await until(lambda: heir.is_leading)
    finally:
        await group.close()


async def until_offered(waiting: WaitingRuns, run: WaitingRun) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await waiting.offer(run):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_one_that_nats_put_out_comes_back_once_it_is_let_in_again(tmp_path: Path) -> None:
    """A password that was changed, and changed back; so it is with credentials that ran out and were renewed."""
    file = tmp_path / "nats.conf"

    def admit(password: str) -> None:
        file.write_text(f"authorization {{ users: [{{ user: jikko, password: {password} }}] }}")

    admit("first")
    with nats_running("-c", str(file)) as server:
        async with linked(server.url.replace("//", "//jikko:first@")) as link:
            admit("second")
            server.reload()
            await until(lambda: not link.is_connected)

            admit("first")
            server.reload()

            await until(lambda: link.is_connected)


async def test_a_server_of_nats_that_says_nothing_more_is_left(nats_server: NatsServer) -> None:
    with Proxy(socket.AF_INET, ("127.0.0.1", nats_server.port)) as proxy:
        async with linked(f"nats://127.0.0.1:{proxy.port}") as link:
            proxy.stall()
            await until(lambda: not link.is_connected)

            proxy.mend()

            await until(lambda: link.is_connected)


@asynccontextmanager
async def deaf() -> AsyncIterator[tuple[str, list[asyncio.StreamWriter]]]:
    """What greets as NATS does, and reads nothing more of whom it has let in. Its address, and whom it has let in."""
    let_in: list[asyncio.StreamWriter] = []

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"server_id": "deaf", "version": "2.10.0", "max_payload": 1048576, "headers": true}\r\n')
        while (await reader.readline()).strip() != b"PING":
            pass
        reader._limit = 1  # type: ignore[attr-defined]  # so that the system holds what comes
        writer.write(b"PONG\r\n")
        let_in.append(writer)

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    try:
        yield f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}", let_in
    finally:
        for writer in let_in:
            writer.transport.abort()
        server.close()


async def test_a_server_of_nats_that_reads_nothing_more_is_left() -> None:
    async with deaf() as (url, let_in):
        client, _ = await connected(url, "test", NatsAccess(), 600)
        link = NatsLink(client, Names("changes"), member_seconds=600, per_minute=0)
        try:
            assert client._transport is not None
            client._transport.write(bytes(64 << 20))  # more than the system holds for who does not read
            await client._process_op_err(StaleConnectionError())
            await until(lambda: len(let_in) == 2)
        finally:
            await link.break_off()


async def test_what_the_library_does_not_expect_does_not_end_its_tries(
    nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connecting, "_RETRY_INTERVAL_SECONDS", 0.01)
    failing = iter([ValueError("a key that is half written")])

    def command(client: SteadyClient) -> bytes:
        for error in failing:
            raise error
        return as_it_is(client)

    async with linked(nats_server.url) as link:
        as_it_is = SteadyClient._connect_command
        monkeypatch.setattr(SteadyClient, "_connect_command", command)
        await link.client._process_op_err(StaleConnectionError())
        assert not link.is_connected

        await until(lambda: link.is_connected)
    assert next(failing, None) is None


async def test_one_whose_life_is_longer_by_its_settings_is_not_taken_for_gone(nats_server: NatsServer) -> None:
    group = NatsGroup(nats_server.url)
    try:
        (one, member), (slow, _) = await group.start(), await group.start(seconds=600)
        third, _ = await group.start()
        await until(lambda: {slow.name, third.name} <= {*one.members()})
        await group.kill(third)

        await until(lambda: third.name not in one.members())
        fourth, _ = await group.start()
        await until(lambda: fourth.name in one.members())
        await group.kill(fourth)
        await until(lambda: fourth.name not in one.members())

        assert slow.name in one.members()
        assert slow.name not in {orphans.holder for orphans in member.taken}
    finally:
        await group.close()
