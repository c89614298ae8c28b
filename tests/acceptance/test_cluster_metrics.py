"""Prometheus metrics of several servers about each other, NATS and PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.faults import until
from tests.acceptance.several_servers import NOBODY_GOES, SeveralServers
from tests.acceptance.test_metrics import OF_SEVERAL, Metrics, plain
from tests.acceptance.workflows import ECHO
from tests.cluster.nats_server import NatsServer, nats_running
from tests.free_ports import free_port

pytestmark = [pytest.mark.services, pytest.mark.slow]


@pytest.fixture
def nats() -> Iterator[NatsServer]:
    with nats_running() as server:
        yield server


@pytest.fixture
def several(tmp_path: Path, several_settings: dict[str, str], nats: NatsServer) -> Iterator[SeveralServers]:
    settings = {**several_settings, **NOBODY_GOES, "JIKKO_NATS_URL": nats.url}
    servers = SeveralServers(tmp_path, {"echo": ECHO}, settings, count=0)
    yield servers
    servers.close()


def test_servers_tell_of_each_other_and_of_what_they_share(several: SeveralServers, nats: NatsServer) -> None:
    pages = []
    for options in ((), ("--workers", "2")):
        port = free_port()
        several.start(*options, JIKKO_METRICS_PORT=str(port))
        pages.append(Metrics(port))
    for client in [several.client("echo", server) for server in several.servers]:
        client.run(q="x")

    def shown(name: str) -> list[float]:
        return [sum(page.read()[name].values()) for page in pages]

    until(lambda: shown("jikko_servers") == [2, 2], "each knows both")
    # Of a process that does not answer at once, the numbers are those of before.
    until(lambda: shown("jikko_nats_connected") == [1, 2], "all reach NATS")
    until(lambda: shown("jikko_members") == [1, 2], "all serve")
    until(lambda: shown("jikko_postgres_connections") == [8, 16], "each has its pool")
    assert all({plain(name) for name in page.read()} >= OF_SEVERAL for page in pages)
    assert pages[0].read()["jikko_heartbeat_age_seconds"][()] < 60
    assert pages[0].labels()["store"] == {"postgresql"}

    nats.kill()
    until(lambda: pages[0].read()["jikko_nats_connected"] == {(): 0}, "it is seen to be away")
    nats.start()
    until(lambda: pages[0].read()["jikko_nats_reconnects_total"] == {(): 1}, "and to be back")
    until(lambda: pages[0].read()["jikko_nats_connected"] == {(): 1}, "and connected")

    several.servers[1].stop()
    until(lambda: pages[0].read()["jikko_servers"] == {(): 1}, "the other one has left")
