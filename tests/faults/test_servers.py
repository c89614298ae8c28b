"""Servers that are killed, frozen and replaced while runs are under way at them."""

import os
import signal
import socket
import threading
import time

import httpx
import pytest

from tests.acceptance.client import Client
from tests.acceptance.echo import EchoServer
from tests.acceptance.faults import until
from tests.acceptance.rolling import Balancer, Load
from tests.effort import PATIENCE, trusted
from tests.faults.conftest import LIFE, LONG_LIFE, Keep, Made
from tests.faults.proxy import Proxy
from tests.faults.queue import Queue, name_of, unsuccessful
from tests.faults.runs import Judged, Runs, require_one_history
from tests.faults.table import Seen
from tests.store.postgres_server import PostgresServer

pytestmark = [pytest.mark.services, pytest.mark.slow]
COUNT = 24


def after(judged: Judged, moment: float) -> float:
    """Seconds from a moment until the last run was taken over."""
    assert judged.recovered_at
    return max(judged.recovered_at) - moment


@pytest.mark.fault(1)
def test_a_server_is_killed(servers: Made, echo: EchoServer, seen: Keep) -> None:
    several = servers()
    runs = Runs(several, echo)
    runs.begin(COUNT, several.servers)
    # Those may have ended by the time that all have begun.
    last = runs.begin(4, several.servers[:1])
    runs.wait_for_calls(last)

    several.servers[0].kill()
    killed_at = time.time()

    judged = runs.judged(several.servers[1])
    # Runs of the others stay where they are.
    assert len(judged.recovered_at) <= COUNT / 3 + len(last)
    seen(Seen(judged.tried, 0, judged.twice, after(judged, killed_at), f"life {LIFE:.0f} s"))


@pytest.mark.fault(2)
def test_a_server_is_frozen_and_goes_on(servers: Made, echo: EchoServer, seen: Keep) -> None:
    several = servers()
    frozen = several.servers[0]
    runs = Runs(several, echo)
    runs.begin(COUNT, several.servers)
    runs.wait_for_calls()

    frozen.send(signal.SIGSTOP)
    frozen_at = time.time()
    threading.Event().wait(3 * LIFE)
    frozen.send(signal.SIGCONT)

    judged = runs.judged(several.servers[1])
    assert len(judged.recovered_at) <= COUNT / 3
    client = several.client("steps", frozen)
    for run in runs.accepted.values():
        log = require_one_history(client, run)
        assert sum(event["event"] == "run_recovered" for event in log) <= 1
    # It holds none of them any more: it ends at once.
    assert frozen.stop() == 0
    seen(Seen(judged.tried, 0, judged.twice, after(judged, frozen_at), f"frozen for {3 * LIFE:.0f} s"))


@pytest.mark.fault(3)
def test_a_worker_of_a_server_is_killed(servers: Made, echo: EchoServer, seen: Keep) -> None:
    several = servers(1, JIKKO_MEMBER_SECONDS="60")
    server = several.start("--workers", "2")
    runs = Runs(several, echo)
    runs.begin(COUNT, [server])
    runs.wait_for_calls()
    client = Client(server.url, several.keys["steps"], connections=1)
    worker = client.get("/health")["process"]
    client.close()

    os.kill(worker, signal.SIGKILL)
    killed_at = time.time()

    judged = runs.judged(several.servers[0])
    assert judged.recovered_at or not judged.twice
    seconds = after(judged, killed_at) if judged.recovered_at else None
    assert seconds is None or seconds < 60, "not after its life"
    seen(Seen(judged.tried, 0, judged.twice, seconds, "life 60 s"))


@pytest.mark.fault(4)
def test_a_new_holder_is_killed_while_it_takes_over(
    servers: Made, echo: EchoServer, settings: dict[str, str], postgres_server: PostgresServer, seen: Keep
) -> None:
    database = name_of(settings["JIKKO_DATABASE_URL"])
    with Proxy(socket.AF_UNIX, str(postgres_server.folder / ".s.PGSQL.5432")) as proxy:
        several = servers(2)
        new_holder = several.start(JIKKO_DATABASE_URL=f"postgresql://jikko@127.0.0.1:{proxy.port}/{database}")
        dead, other = several.servers[:2]
        runs = Runs(several, echo)
        runs.begin(COUNT, [dead])
        runs.wait_for_calls()
        queue = Queue(settings["JIKKO_NATS_URL"], postgres_server, database)

        # It can read nothing, and so has the runs in hand for as long as it lives; the other stands still meanwhile.
        proxy.stall()
        other.send(signal.SIGSTOP)
        dead.kill()
        killed_at = time.time()
        until(lambda: queue.in_hand > 0, "the new holder has what is left of the dead")
        other.send(signal.SIGCONT)
        new_holder.kill()
        holder_killed_at = time.time()

    judged = runs.judged(other)
    note = f"the new holder killed after {holder_killed_at - killed_at:.1f} s, with all of them in hand"
    seen(Seen(judged.tried, 0, judged.twice, after(judged, holder_killed_at), note))


@pytest.mark.fault(5)
def test_all_servers_are_killed_and_one_starts(servers: Made, echo: EchoServer, seen: Keep) -> None:
    several = servers()
    runs = Runs(several, echo)
    runs.begin(COUNT, several.servers)
    runs.wait_for_calls()

    for server in several.servers:
        server.kill()
    alone = several.start()
    started_at = time.time()

    judged = runs.judged(alone)
    assert len(judged.recovered_at) == COUNT
    seen(Seen(judged.tried, 0, judged.twice, after(judged, started_at), "from the start of the one"))


@pytest.mark.fault(16)
def test_a_stream_is_resumed_elsewhere(servers: Made, echo: EchoServer, seen: Keep) -> None:
    several = servers()
    follows, holds, resumes = several.servers
    run = several.client("held", holds).run("async", q="16")["workflow_run_id"]
    echo.wait_for_calls("/hold/16")
    received: list[tuple[int, str]] = []
    with several.client("held", follows).following(run) as events:
        for position, event in events:
            received.append((position, event["event"]))
            if (event["event"], event.get("node_id")) == ("node_started", "wait"):
                break
        follows.kill()
    echo.release("/hold/16")

    with several.client("held", resumes).following(run, received[-1][0]) as events:
        received += [(position, event["event"]) for position, event in events]

    log = require_one_history(several.client("held", holds), run)
    assert received == [(position, event["event"]) for position, event in enumerate(log)]
    seen(Seen(1, 0, 0, None, f"{len(received)} events, each once, in order"))


@pytest.mark.fault(18)
def test_servers_are_replaced_one_after_the_other(
    servers: Made, echo: EchoServer, settings: dict[str, str], postgres_server: PostgresServer, seen: Keep
) -> None:
    several = servers(2, JIKKO_SHUTDOWN_SECONDS="0.05", JIKKO_DRAIN_SECONDS="30", **LONG_LIFE)
    balancer = Balancer(several)
    load = Load(several, balancer, [("steps", "async"), ("echo", "blocking")] * 4)
    try:
        for old in list(several.servers):
            load.wait_for(40)
            several.start()
            balancer.out.add(old.url)
            load.wait_for_each()  # so that none that is on its way is for the old one
            assert old.stop() == 0
            several.servers.remove(old)
        load.wait_for(20)
    finally:
        load.close()

    assert load.failed == []
    assert unsuccessful(postgres_server, name_of(settings["JIKKO_DATABASE_URL"]), load.runs.values()) == []
    for word in load.runs:
        if word.startswith("steps"):
            assert [len(echo.calls(f"/slow/{name}/{word}")) for name in "abc"] == [1, 1, 1]
    assert httpx.get(f"{several.servers[0].url}/readyz", verify=trusted(), timeout=PATIENCE).status_code == 200
    seen(Seen(len(load.runs), 0, 0, None, f"{load.reached:.0f} runs/s, two servers of one version"))
