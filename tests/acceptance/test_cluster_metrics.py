"""What several servers tell of each other, of NATS and of PostgreSQL, as Prometheus would see it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.faults import until
from tests.acceptance.several_servers import SeveralServers
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
    servers = SeveralServers(tmp_path, {"echo": ECHO}, {**several_settings, "JIKKO_NATS_URL": nats.url}, count=0)
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

    until(lambda: [page.read()["jikko_servers"] for page in pages] == [{(): 2}] * 2, "each knows both")
    found = [page.read() for page in pages]
    assert all({plain(name) for name in each} >= OF_SEVERAL for each in found)
    assert [each["jikko_nats_connected"][()] for each in found] == [1, 2]
    assert [each["jikko_members"][()] for each in found] == [1, 2]
    assert [sum(each["jikko_postgres_connections"].values()) for each in found] == [8, 16]
    assert found[0]["jikko_heartbeat_age_seconds"][()] < 60
    assert pages[0].labels()["store"] == {"postgresql"}

    nats.kill()
    until(lambda: pages[0].read()["jikko_nats_connected"] == {(): 0}, "it is seen to be away")
    nats.start()
    until(lambda: pages[0].read()["jikko_nats_reconnects_total"] == {(): 1}, "and to be back")
    assert pages[0].read()["jikko_nats_connected"] == {(): 1}

    several.servers[1].stop()
    until(lambda: pages[0].read()["jikko_servers"] == {(): 1}, "the other one has left")
