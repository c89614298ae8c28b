"""NATS that is killed, forgets, or is cut off from a server."""

import socket
import threading
import time

import pytest

from tests.acceptance.echo import EchoServer
from tests.acceptance.faults import until
from tests.acceptance.several_servers import SeveralServers
from tests.acceptance.test_several_servers import Follower, submit
from tests.cluster.nats_server import NatsServer, three_running
from tests.faults.conftest import LIFE, LONG_LIFE, Keep, Made
from tests.faults.proxy import Proxy
from tests.faults.queue import Queue, name_of
from tests.faults.runs import Runs, readiness, require_one_history
from tests.faults.table import Seen
from tests.faults.test_database import STOP_SECONDS
from tests.faults.test_servers import COUNT, after
from tests.store.postgres_server import PostgresServer

pytestmark = [pytest.mark.services, pytest.mark.slow]
CUT_SECONDS = 30.0
LATE_SECONDS = 30.0
"""That the end of a run may take to a stream elsewhere: two, and what a busy machine adds."""


@pytest.mark.fault(6)
def test_nats_is_killed_and_comes_back(servers: Made, echo: EchoServer, nats: NatsServer, seen: Keep) -> None:
    several = servers(JIKKO_NATS_URL=nats.url, **LONG_LIFE)
    runs = Runs(several, echo)
    ids = runs.begin(COUNT, several.servers)
    follower = Follower(several.client("steps", several.servers[1]), ids[0])
    follower.wait_for("node_started")

    nats.kill()
    killed_at = time.time()
    runs.begin(COUNT, several.servers)
    threading.Event().wait(max(0.0, killed_at + 1 - time.time()))
    nats.start()

    judged = runs.judged(several.servers[2])
    assert follower.finished()[-1] == "run_finished"
    assert [position for position, _ in follower.seen] == list(range(len(follower.seen)))
    assert (judged.recovered_at, judged.twice) == ([], 0)
    seen(Seen(judged.tried, 0, 0, None, "none was taken over; half of the runs began without NATS"))


@pytest.mark.fault(7)
def test_nats_loses_its_store_and_a_server_is_killed(
    servers: Made, echo: EchoServer, nats: NatsServer, seen: Keep
) -> None:
    several = servers(JIKKO_NATS_URL=nats.url)
    runs = Runs(several, echo)
    runs.begin(COUNT, several.servers)
    runs.wait_for_calls()

    nats.kill()
    several.servers[0].kill()
    nats.lose_store()
    nats.start()
    back_at = time.time()

    judged = runs.judged(several.servers[1])
    # No run of the living was taken from them.
    assert len(judged.recovered_at) <= COUNT / 3
    seen(Seen(judged.tried, 0, judged.twice, after(judged, back_at), "from when NATS was back"))


@pytest.mark.fault(8)
def test_the_leader_of_three_is_killed_and_a_server(
    servers: Made, echo: EchoServer, settings: dict[str, str], postgres_server: PostgresServer, seen: Keep
) -> None:
    with three_running() as three:
        url = ",".join(server.url for server in three)
        several = servers(JIKKO_NATS_URL=url)
        runs = Runs(several, echo)
        runs.begin(COUNT, several.servers)
        runs.wait_for_calls()
        queue = Queue(url, postgres_server, name_of(settings["JIKKO_DATABASE_URL"]))
        until(lambda: bool(queue.leader), "the queue has a leader")

        three[int(queue.leader.removeprefix("s"))].kill()
        several.servers[0].kill()
        killed_at = time.time()

        judged = runs.judged(several.servers[1])
        assert len(judged.recovered_at) <= COUNT / 3
        several.close()
    seen(Seen(judged.tried, 0, judged.twice, after(judged, killed_at), "leader of the queue, of three copies"))


@pytest.mark.fault(9)
def test_a_server_is_cut_off_from_nats(servers: Made, echo: EchoServer, nats_server: NatsServer, seen: Keep) -> None:
    with Proxy(socket.AF_INET, ("127.0.0.1", nats_server.port)) as proxy:
        several = servers(2)
        cut_off = several.start(JIKKO_NATS_URL=f"nats://127.0.0.1:{proxy.port}")
        runs = Runs(several, echo)
        runs.begin(COUNT, [cut_off])
        runs.wait_for_calls()

        proxy.stall()
        cut_at = time.time()
        begun_without = 0
        while time.time() < cut_at + CUT_SECONDS:
            # It serves on, though whatever takes longer than its life is taken over.
            begun_without += len(runs.begin(4, [cut_off]))
            threading.Event().wait(1)
        proxy.mend()

        judged = runs.judged(several.servers[0])
        client = several.client("steps", cut_off)
        assert client.run(q="back")["data"]["status"] == "succeeded"
        several.close()
    note = f"{begun_without} runs begun meanwhile at the one that was cut off; {len(judged.recovered_at)} taken over"
    # It goes on to begin runs, and what is under way when the others look is taken over: after 2, 4, 8, … looks.
    first = None
    if judged.recovered_at:
        first = min(judged.recovered_at) - cut_at
        note += f", the last after {after(judged, cut_at):.1f} s"
    seen(Seen(judged.tried, 0, judged.twice, first, note))


@pytest.mark.fault(21)
def test_packets_between_a_server_and_nats_are_swallowed(
    servers: Made, echo: EchoServer, nats_server: NatsServer, seen: Keep
) -> None:
    with Proxy(socket.AF_INET, ("127.0.0.1", nats_server.port)) as proxy:
        several = servers(2)
        silenced = several.start(JIKKO_NATS_URL=f"nats://127.0.0.1:{proxy.port}")
        holds, follows = several.client("held", silenced), several.client("held", several.servers[0])

        def followed(word: str) -> Follower:
            """A run at the server that is silenced, whose stream is read at another."""
            run = holds.run("async", q=word)["workflow_run_id"]
            echo.wait_for_calls(f"/hold/{word}")
            follower = Follower(follows, run)
            follower.wait_for("node_started")
            return follower

        def lag_of(follower: Follower, word: str) -> float:
            """Seconds from the end of the run, by its record, until the stream has it."""
            echo.release(f"/hold/{word}")
            assert follower.finished()[-1] == "run_finished"
            seen_at = time.time()
            assert [position for position, _ in follower.seen] == list(range(len(follower.seen)))
            return seen_at - float(follower.seen[-1][1]["at"])

        before = followed("21-before")
        quick = followed("21-quick")
        lags = [lag_of(quick, "21-quick")]
        proxy.stall()
        stalled_at = time.monotonic()
        lags.append(lag_of(before, "21-before"))
        until(lambda: readiness(silenced.url) == 503, "it is not ready")
        not_ready = time.monotonic() - stalled_at
        assert [readiness(server.url) for server in several.servers] == [200, 200, 503]
        # The others count it as gone, and it still accepts what it is sent.
        lags.append(lag_of(followed("21-meanwhile"), "21-meanwhile"))
        proxy.mend()
        until(lambda: readiness(silenced.url) == 200, "it is ready again")

        assert max(lags) < LATE_SECONDS
        # A life from its last heartbeat on, which was a third of one ago, or more if the machine is busy.
        assert LIFE / 3 < not_ready < LIFE + LATE_SECONDS
        several.close()
    told = "ends were seen {:.1f} s after the record had them before, {:.1f} s and {:.1f} s meanwhile".format(*lags)
    seen(Seen(3, 0, 0, max(lags[1:]), f"{told}; not ready after {not_ready:.1f} s"))


@pytest.mark.fault(23)
def test_a_server_is_to_end_while_nats_says_nothing(
    servers: Made, echo: EchoServer, nats_server: NatsServer, seen: Keep
) -> None:
    with Proxy(socket.AF_INET, ("127.0.0.1", nats_server.port)) as proxy:
        several = servers(2)
        ending = several.start(JIKKO_NATS_URL=f"nats://127.0.0.1:{proxy.port}", JIKKO_SHUTDOWN_SECONDS="0.1")
        runs = Runs(several, echo)
        runs.begin(COUNT, [ending])
        runs.wait_for_calls()

        proxy.stall()
        told_at = time.monotonic()
        code = ending.stop()
        ended_after = time.monotonic() - told_at

    assert code in (0, 1), ending.output
    assert ended_after < STOP_SECONDS
    judged = runs.judged(several.servers[0])
    seconds = time.monotonic() - told_at
    several.close()
    seen(Seen(judged.tried, 0, judged.twice, seconds, f"ended after {ended_after:.1f} s with code {code}"))


@pytest.mark.fault(17)
def test_a_run_is_stopped_and_a_form_taken_while_nats_is_away(
    servers: Made, echo: EchoServer, nats: NatsServer, seen: Keep
) -> None:
    several = servers(2, JIKKO_NATS_URL=nats.url)
    here, there = several.servers
    stopped = several.client("held", here).run("async", q="17-stop")
    asks = several.client("both", here).run("async", q="17-form")["workflow_run_id"]
    paused = several.client("asks", here).run("async", q="17-paused")["workflow_run_id"]
    for word in ("17-stop", "17-form"):
        echo.wait_for_calls(f"/hold/{word}")
    forms = {run: form_of(several, name, run) for name, run in (("both", asks), ("asks", paused))}

    nats.kill()
    took = []
    stops = several.client("held", there)
    began = time.monotonic()
    answer = stops.request("POST", f"/v1/workflows/tasks/{stopped['task_id']}/stop", json={"user": stops.user})
    took.append(time.monotonic() - began)
    assert answer.status_code == 200
    assert stops.detail(stopped["workflow_run_id"])["status"] == "stopped"
    for name, run in (("both", asks), ("asks", paused)):
        began = time.monotonic()
        assert submit(several.client(name, there), forms[run], "良い") == 200
        took.append(time.monotonic() - began)
    for word in ("17-stop", "17-form"):
        echo.release(f"/hold/{word}")

    for name, run in (("both", asks), ("asks", paused)):
        client = several.client(name, there)
        assert client.finished(run)["status"] == "succeeded"
        log = require_one_history(client, run)
        assert sum(event["event"] == "form_closed" for event in log) == 1
    # The run whose form was taken has gone on where it was handed in, with the call that was under way.
    assert [len(echo.calls(f"/hold/{word}")) for word in ("17-stop", "17-form")] == [1, 2]
    nats.start()
    several.close()
    figures = "stop {:.1f} s, form of a run under way {:.1f} s, of a paused one {:.1f} s".format(*took)
    seen(Seen(3, 0, 1, None, figures))


def form_of(several: SeveralServers, name: str, run: str) -> dict[str, object]:
    """The form that a run asks for."""
    client = several.client(name, several.servers[1])
    found: list[dict[str, object]] = []

    def asks() -> bool:
        found.extend(event for event in client.log(run) if event["event"] == "form_requested")
        return bool(found)

    until(asks, "the form is asked for")
    return found[0]
