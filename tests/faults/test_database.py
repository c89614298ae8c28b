"""A database that is cut off, killed, replaced by a copy, slow, or loses its answers."""

import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests.acceptance.echo import EchoServer
from tests.acceptance.faults import until
from tests.effort import PATIENCE, trusted
from tests.faults.conftest import LONG_LIFE, Keep, Made
from tests.faults.proxy import Proxy
from tests.faults.queue import name_of
from tests.faults.runs import Runs, has_ended, readiness, require_one_history
from tests.faults.table import Seen
from tests.faults.test_servers import COUNT
from tests.store.postgres_server import PostgresServer, Standby, postgres_running

pytestmark = [pytest.mark.services, pytest.mark.slow]
CUT_SECONDS = 30.0
STOP_SECONDS = 5.0 + 10.0 + 30.0
"""Within which a server of these tests has ended (see ``Settings.stop_seconds``), and what a busy machine adds."""


@pytest.mark.fault(10)
def test_a_server_is_cut_off_from_the_database(
    servers: Made, echo: EchoServer, settings: dict[str, str], postgres_server: PostgresServer, seen: Keep
) -> None:
    name = name_of(settings["JIKKO_DATABASE_URL"])
    with Proxy(socket.AF_UNIX, socket_of(postgres_server)) as proxy:
        several = servers(2)
        cut_off = several.start(JIKKO_DATABASE_URL=f"postgresql://jikko@127.0.0.1:{proxy.port}/{name}")
        runs = Runs(several, echo)
        runs.begin(COUNT, [cut_off])
        runs.wait_for_calls()

        proxy.stall()
        cut_at = time.monotonic()
        until(lambda: readiness(cut_off.url) == 503, "it is not ready")
        not_ready = time.monotonic() - cut_at
        runs.begin(COUNT, [cut_off, *several.servers[:2]])
        threading.Event().wait(max(0.0, cut_at + CUT_SECONDS - time.monotonic()))
        proxy.mend()
        mended_at = time.monotonic()
        until(lambda: readiness(cut_off.url) == 200, "it is ready again")

        judged = runs.judged(several.servers[0])
        seconds = time.monotonic() - mended_at
        several.close()
    assert (judged.recovered_at, judged.twice) == ([], 0)
    seen(Seen(judged.tried, 0, 0, seconds, f"not ready after {not_ready:.1f} s; none taken over"))


@pytest.mark.fault(22)
def test_a_server_is_to_end_while_the_database_says_nothing(
    servers: Made, echo: EchoServer, settings: dict[str, str], postgres_server: PostgresServer, seen: Keep
) -> None:
    name = name_of(settings["JIKKO_DATABASE_URL"])
    with Proxy(socket.AF_UNIX, socket_of(postgres_server)) as proxy:
        several = servers(2)
        ending = several.start(JIKKO_DATABASE_URL=f"postgresql://jikko@127.0.0.1:{proxy.port}/{name}")
        runs = Runs(several, echo)
        runs.begin(COUNT, [ending])
        runs.wait_for_calls()

        proxy.stall()
        told_at = time.monotonic()
        code = ending.stop()
        ended_after = time.monotonic() - told_at

    assert code == 1
    assert ended_after < STOP_SECONDS
    assert "did not end: " in ending.output
    judged = runs.judged(several.servers[0])
    seconds = time.monotonic() - told_at
    several.close()
    seen(Seen(judged.tried, 0, judged.twice, seconds, f"ended after {ended_after:.1f} s with code {code}"))


@pytest.mark.fault(11)
def test_the_database_is_killed_and_comes_back(servers: Made, echo: EchoServer, seen: Keep) -> None:
    with postgres_running() as postgres:
        several = servers(JIKKO_DATABASE_URL=postgres.made())
        runs = Runs(several, echo)
        runs.begin(COUNT, several.servers)
        runs.wait_for_calls()

        postgres.kill()
        killed_at = time.monotonic()
        body = {"inputs": {"q": "x"}, "user": "u", "response_mode": "blocking"}
        headers = {"Authorization": f"Bearer {several.keys['echo']}"}
        refused = httpx.post(
            f"{several.servers[0].url}/v1/workflows/run", json=body, headers=headers, verify=trusted(), timeout=PATIENCE
        )
        refused_after = time.monotonic() - killed_at
        threading.Event().wait(max(0.0, killed_at + 5 - time.monotonic()))
        postgres.start()
        back_at = time.monotonic()
        runs.begin(COUNT, several.servers)

        judged = runs.judged(several.servers[1])
        seconds = time.monotonic() - back_at
        several.close()
    assert refused.status_code == 503
    assert (judged.recovered_at, judged.twice) == ([], 0)
    seen(Seen(judged.tried, 0, 0, seconds, f"a start was 503 after {refused_after:.1f} s; all had ended then"))


@pytest.mark.fault(12)
def test_the_primary_is_killed_and_a_synchronous_standby_promoted(servers: Made, echo: EchoServer, seen: Keep) -> None:
    with pair() as (primary, standby, url, _):
        primary.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        primary.execute("SELECT pg_reload_conf()")
        until(lambda: "sync" in primary.execute("SELECT sync_state FROM pg_stat_replication").split(), "it is followed")
        several = servers(JIKKO_DATABASE_URL=url)
        runs = Runs(several, echo)
        ended = [several.client("echo", server).run(q="before")["workflow_run_id"] for server in several.servers]
        runs.begin(COUNT, several.servers)
        runs.wait_for_calls()

        primary.kill()
        threading.Event().wait(3)
        standby.promote()
        promoted_at = time.monotonic()
        runs.begin(COUNT, several.servers)

        judged = runs.judged(several.servers[1])
        seconds = time.monotonic() - promoted_at
        client = several.client("echo", several.servers[2])
        assert [client.detail(run)["outputs"] for run in ended] == [{"q": "before"}] * 3
        several.close()
    assert (judged.recovered_at, judged.twice) == ([], 0)
    seen(Seen(judged.tried + len(ended), 0, 0, seconds, "promoted after 3 s; all had ended then"))


@pytest.mark.fault(13)
def test_the_primary_is_killed_and_a_standby_promoted_that_lagged(servers: Made, echo: EchoServer, seen: Keep) -> None:
    with pair() as (primary, standby, url, line):
        several = servers(JIKKO_DATABASE_URL=url)
        held = [several.client("held", server) for server in several.servers]
        known = {
            f"13-{number}": client.run("async", q=f"13-{number}")["workflow_run_id"]
            for number, client in enumerate(held)
        }
        ends = {
            f"13-e{number}": client.run("async", q=f"13-e{number}")["workflow_run_id"]
            for number, client in enumerate(held)
        }
        for word in known | ends:
            echo.wait_for_calls(f"/hold/{word}")
        until(lambda: lag(primary) == 0, "the standby has it all")
        line.cut()

        # What is acknowledged from here on is on the primary alone.
        for word, run in ends.items():
            echo.release(f"/hold/{word}")
            assert held[0].finished(run)["status"] == "succeeded"
        begun = {
            f"13-b{number}": client.run("async", q=f"13-b{number}")["workflow_run_id"]
            for number, client in enumerate(held)
        }
        for word in begun:
            echo.wait_for_calls(f"/hold/{word}")
        forgotten = [several.client("echo", server).run(q="gone")["workflow_run_id"] for server in several.servers]
        runs = Runs(several, echo)
        runs.begin(COUNT, several.servers)
        runs.wait_for_calls()
        primary.kill()
        standby.promote()
        promoted_at = time.monotonic()
        for word in known | begun:
            echo.release(f"/hold/{word}")

        judged = runs.judged(several.servers[1])
        for word, run in (known | ends | begun).items():
            client = several.client("held", several.servers[2])
            until(partial(has_ended, client, run), f"{word} has ended")
            log = require_one_history(client, run)
            recoveries = sum(event["event"] == "run_recovered" for event in log)
            # Its own server goes on with what it had ended, and with nothing else.
            assert recoveries == (word in ends)
            assert len(echo.calls(f"/hold/{word}")) == 1 + (word in ends)
        seconds = time.monotonic() - promoted_at
        client = several.client("echo", several.servers[0])
        gone = [client.request("GET", f"/v1/workflows/run/{run}").status_code for run in forgotten]
        assert gone == [404] * 3
        printed = "".join(server.output for server in several.servers)
        assert "another copy than before" in printed
        assert "events, which are written again" in printed
        several.close()
    assert judged.recovered_at == []
    tried = judged.tried + len(known | ends | begun) + len(forgotten)
    note = (
        f"{COUNT + len(begun)} runs that the standby had never heard of were written again; {len(ends)} that had ended "
        f"ran again from what it had; {len(forgotten)} that had ended and that it had never heard of are lost"
    )
    seen(Seen(tried, len(forgotten), len(ends), seconds, note))


@pytest.mark.fault(14)
def test_answers_of_commits_are_lost(
    servers: Made, echo: EchoServer, settings: dict[str, str], postgres_server: PostgresServer, seen: Keep
) -> None:
    name = name_of(settings["JIKKO_DATABASE_URL"])
    with Proxy(socket.AF_UNIX, socket_of(postgres_server)) as proxy:
        several = servers(2, JIKKO_DATABASE_URL=f"postgresql://jikko@127.0.0.1:{proxy.port}/{name}", **LONG_LIFE)
        proxy.lost_answers = 0.05
        runs = Runs(several, echo)
        while proxy.answers_lost < 20:
            runs.begin(COUNT, several.servers)
        proxy.lost_answers = 0.0

        judged = runs.judged(several.servers[0])
        several.close()
    assert (judged.recovered_at, judged.twice) == ([], 0)
    seen(Seen(judged.tried, 0, 0, None, f"{proxy.answers_lost} answers lost, one of twenty"))


@pytest.mark.fault(15)
def test_the_database_is_far_away(
    servers: Made, echo: EchoServer, settings: dict[str, str], postgres_server: PostgresServer, seen: Keep
) -> None:
    name = name_of(settings["JIKKO_DATABASE_URL"])
    with Proxy(socket.AF_UNIX, socket_of(postgres_server)) as proxy:
        several = servers(2, JIKKO_DATABASE_URL=f"postgresql://jikko@127.0.0.1:{proxy.port}/{name}")
        client = several.client("echo", several.servers[0])
        near = least(lambda: client.run(q="x"))
        proxy.delay, proxy.loss = 0.05, 0.01
        far = least(lambda: client.run(q="x"))
        runs = Runs(several, echo)
        runs.begin(4 * COUNT, several.servers)

        judged = runs.judged(several.servers[0])
        several.close()
    assert far >= 0.1
    assert (judged.recovered_at, judged.twice) == ([], 0)
    note = f"a run without calls took {near * 1000:.0f} ms before, {far * 1000:.0f} ms then"
    seen(Seen(judged.tried, 0, 0, None, note))


def least(work: object) -> float:
    """Seconds that the quickest of five takes."""
    assert callable(work)
    found = []
    for _ in range(5):
        began = time.monotonic()
        work()
        found.append(time.monotonic() - began)
    return min(found)


def socket_of(postgres: PostgresServer) -> str:
    return str(postgres.folder / ".s.PGSQL.5432")


def lag(primary: PostgresServer) -> int:
    """Bytes that are not on the standby."""
    sql = "SELECT coalesce(max(pg_current_wal_lsn() - flush_lsn), 1) FROM pg_stat_replication"
    return int(primary.execute(sql))


@contextmanager
def pair() -> Iterator[tuple[PostgresServer, Standby, str, Proxy]]:
    """A primary, its standby, the url of a database for whichever is the primary, and the line between the two."""
    with (
        postgres_running() as primary,
        tempfile.TemporaryDirectory(prefix="jikko-pg-") as folder,
        Proxy(socket.AF_UNIX, socket_of(primary)) as line,
    ):
        name = name_of(primary.made())
        standby = Standby(Path(folder), primary, f"host=127.0.0.1 port={line.port}")
        try:
            standby.start()
            url = f"postgresql://jikko@/{name}?host={primary.folder},{standby.folder}&target_session_attrs=primary"
            yield primary, standby, url, line
        finally:
            standby.stop()
