"""Several servers, each with a data folder of its own, on one PostgreSQL, one NATS and one bucket."""

import asyncio
import re
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jikko.assemble.servers import SeenServer, seen_servers
from jikko.setting_sources import read_settings
from tests.acceptance.client import Client
from tests.acceptance.echo import EchoServer
from tests.acceptance.faults import until
from tests.acceptance.processes import Command
from tests.acceptance.several import ClientOfOneProcess
from tests.acceptance.several_servers import NOBODY_GOES, ONLY_THE_DEAD_GO, SeveralServers
from tests.acceptance.workflows import ASKS, ECHO, app, end, fetch, form, start
from tests.cluster.nats_server import nats_running

pytestmark = [pytest.mark.services, pytest.mark.slow]

Made = Callable[..., SeveralServers]


@pytest.fixture
def servers(tmp_path: Path, echo: EchoServer, several_settings: dict[str, str]) -> Iterator[Made]:
    made: list[SeveralServers] = []

    def make(count: int = 3, **more: str) -> SeveralServers:
        url = f"{echo.url}/hold/{{{{#start.q#}}}}"
        asking = [start("q"), fetch("wait", url), form("ask", "?"), end(q="start.q", said="ask.comment")]
        apps = {
            "held": app("Held", [start("q"), fetch("wait", url), end(q="start.q")], "start>wait wait>end"),
            "asks": app("Asks later", asking, "start>wait wait>ask ask:yes>end"),
            "form": ASKS,
            "echo": ECHO,
        }
        made.append(SeveralServers(tmp_path, apps, {**several_settings, **more}, count))
        return made[-1]

    yield make
    for several in made:
        several.close()


class Follower:
    """Who reads a run's stream to its end, in a thread of its own."""

    def __init__(self, client: Client, run: str) -> None:
        self.seen: list[tuple[int, dict[str, Any]]] = []
        self._client = client
        self._run = run
        self._moved = threading.Condition()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def wait_for(self, name: str) -> dict[str, Any]:
        """The first event of a name."""
        with self._moved:
            assert self._moved.wait_for(lambda: name in self.names, 60), self.names
            return next(event for _, event in self.seen if event["event"] == name)

    @property
    def names(self) -> list[str]:
        return [event["event"] for _, event in self.seen]

    def finished(self) -> list[str]:
        self._thread.join(60)
        assert not self._thread.is_alive(), self.names
        return self.names

    def _read(self) -> None:
        with self._client.following(self._run) as events:
            for entry in events:
                with self._moved:
                    self.seen.append(entry)
                    self._moved.notify_all()


def submit(client: Client, requested: dict[str, Any], comment: str) -> int:
    body = {"inputs": {"comment": comment}, "action": "yes", "user": client.user}
    token = requested["form"]["form_token"]
    return client.request("POST", f"/v1/form/human_input/{token}", json=body).status_code


def require_one_history(client: Client, run: str) -> list[dict[str, Any]]:
    """The log, of which each execution of a node ends once."""
    log = client.log(run)
    ended = [event["execution_id"] for event in log if event["event"] == "node_finished"]
    assert len(ended) == len(set(ended)), log
    assert [event["event"] for event in log].count("run_finished") == 1
    return log


def test_a_run_of_a_killed_server_goes_on_at_another_is_followed_at_a_second_and_answered_at_a_third(
    servers: Made, echo: EchoServer
) -> None:
    several = servers(**ONLY_THE_DEAD_GO)
    first, second, third = several.servers
    begins, follows, answers = (several.client("asks", server) for server in (first, second, third))
    run = begins.run("async", q="こんにちは🙂\ue000")["workflow_run_id"]
    path = "/hold/" + "%E3%81%93%E3%82%93%E3%81%AB%E3%81%A1%E3%81%AF%F0%9F%99%82%EE%80%80"
    echo.wait_for_calls(path)
    follower = Follower(follows, run)
    follower.wait_for("node_started")

    first.kill()

    echo.wait_for_calls(path, 2)
    echo.release(path)
    requested = follower.wait_for("form_requested")
    assert submit(answers, requested, "良い 🙂") == 200
    assert follower.finished()[-1] == "run_finished"
    assert [position for position, _ in follower.seen] == list(range(len(follower.seen)))
    log = require_one_history(answers, run)
    assert [event["event"] for event in log].count("run_recovered") == 1
    assert answers.detail(run)["outputs"] == {"q": "こんにちは🙂\ue000", "said": "良い 🙂"}


def test_a_frozen_server_that_goes_on_writes_nothing_into_runs_that_are_anothers(
    servers: Made, echo: EchoServer
) -> None:
    import signal

    several = servers(2, **ONLY_THE_DEAD_GO)
    frozen, other = several.servers
    run = several.client("held", frozen).run("async", q="zombie")["workflow_run_id"]
    client = several.client("held", other)
    echo.wait_for_calls("/hold/zombie")

    frozen.send(signal.SIGSTOP)
    echo.wait_for_calls("/hold/zombie", 2)
    frozen.send(signal.SIGCONT)
    echo.release("/hold/zombie")

    assert client.finished(run)["status"] == "succeeded"
    log = require_one_history(client, run)
    assert [event["event"] for event in log].count("run_recovered") == 1
    assert several.client("held", frozen).detail(run)["outputs"] == {"q": "zombie"}


def test_a_run_is_stopped_from_any_server(servers: Made, echo: EchoServer) -> None:
    several = servers(2)
    begins, stops = (several.client("held", server) for server in several.servers)
    begun = begins.run("async", q="stop")
    echo.wait_for_calls("/hold/stop")

    answer = stops.request("POST", f"/v1/workflows/tasks/{begun['task_id']}/stop", json={"user": stops.user})

    assert answer.status_code == 200
    assert stops.detail(begun["workflow_run_id"])["status"] == "stopped"
    echo.release("/hold/stop")


def test_a_run_is_stopped_from_another_server_while_nats_is_away(servers: Made, echo: EchoServer) -> None:
    with nats_running() as nats:
        several = servers(2, JIKKO_NATS_URL=nats.url)
        begins, stops = (several.client("held", server) for server in several.servers)
        begun = begins.run("async", q="away")
        echo.wait_for_calls("/hold/away")

        nats.kill()
        answer = stops.request("POST", f"/v1/workflows/tasks/{begun['task_id']}/stop", json={"user": stops.user})
        echo.release("/hold/away")

        assert answer.status_code == 200
        run = begun["workflow_run_id"]
        assert stops.detail(run)["status"] == "stopped"
        # Its holder, which has the answer of its node by now, adds nothing to it, and goes on with others.
        assert begins.run(q="away")["data"]["status"] == "succeeded"
        assert [event["event"] for event in require_one_history(begins, run)][-1] == "run_finished"
        several.close()


def test_what_a_server_leaves_when_it_stops_another_goes_on_with_at_once(servers: Made, echo: EchoServer) -> None:
    # Nobody would be missed for a minute.
    several = servers(2, JIKKO_MEMBER_SECONDS="60", JIKKO_SHUTDOWN_SECONDS="0")
    stopping, other = several.servers
    run = several.client("held", stopping).run("async", q="parked")["workflow_run_id"]
    echo.wait_for_calls("/hold/parked")

    assert stopping.stop() == 0

    echo.wait_for_calls("/hold/parked", 2)
    echo.release("/hold/parked")
    assert several.client("held", other).finished(run)["status"] == "succeeded"


def test_the_only_server_finds_what_it_left_when_it_starts_again(servers: Made, echo: EchoServer) -> None:
    several = servers(1, JIKKO_SHUTDOWN_SECONDS="0")
    run = several.client("held", several.servers[0]).run("async", q="alone")["workflow_run_id"]
    echo.wait_for_calls("/hold/alone")
    assert several.servers[0].stop() == 0
    echo.release("/hold/alone")

    assert several.client("held", several.start()).finished(run)["status"] == "succeeded"


def test_when_all_servers_were_killed_one_that_starts_goes_on_with_all_runs(servers: Made, echo: EchoServer) -> None:
    several = servers(2)
    runs = []
    for number, server in enumerate(list(several.servers)):
        runs.append(several.client("held", server).run("async", q=f"all{number}")["workflow_run_id"])
        echo.wait_for_calls(f"/hold/all{number}")
    for server in several.servers:
        server.kill()
    for number in range(2):
        echo.release(f"/hold/all{number}")

    client = several.client("held", several.start())

    for run in runs:
        assert client.finished(run)["status"] == "succeeded"
        require_one_history(client, run)


def test_who_followed_at_a_server_that_was_killed_follows_on_at_another_from_where_it_was(
    servers: Made, echo: EchoServer
) -> None:
    several = servers()
    follows, holds, resumes = several.servers
    run = several.client("held", holds).run("async", q="resume")["workflow_run_id"]
    echo.wait_for_calls("/hold/resume")
    seen: list[tuple[int, str]] = []
    with several.client("held", follows).following(run) as events:
        for position, event in events:
            seen.append((position, event["event"]))
            if (event["event"], event.get("node_id")) == ("node_started", "wait"):
                break
        follows.kill()
    echo.release("/hold/resume")

    with several.client("held", resumes).following(run, seen[-1][0]) as events:
        seen += [(position, event["event"]) for position, event in events]

    log = require_one_history(several.client("held", holds), run)
    assert seen == [(position, event["event"]) for position, event in enumerate(log)]


def test_no_run_notices_that_nats_was_killed_and_came_back(servers: Made, echo: EchoServer) -> None:
    with nats_running() as nats:
        several = servers(2, JIKKO_NATS_URL=nats.url, **ONLY_THE_DEAD_GO)
        begins, other = (several.client("held", server) for server in several.servers)
        runs = [begins.run("async", q=f"nats{number}")["workflow_run_id"] for number in range(5)]
        for number in range(5):
            echo.wait_for_calls(f"/hold/nats{number}")
        follower = Follower(other, runs[0])
        follower.wait_for("node_started")

        nats.kill()
        without = begins.run("async", q="without")["workflow_run_id"]
        echo.wait_for_calls("/hold/without")
        nats.start()
        for number in range(5):
            echo.release(f"/hold/nats{number}")
        echo.release("/hold/without")

        assert follower.finished()[-1] == "run_finished"
        for run in [*runs, without]:
            assert other.finished(run)["status"] == "succeeded"
            assert "run_recovered" not in [event["event"] for event in other.log(run)]
        # What NATS kept is there again: a server that dies is found to be gone.
        held = begins.run("async", q="later")["workflow_run_id"]
        echo.wait_for_calls("/hold/later")
        several.servers[0].kill()
        echo.wait_for_calls("/hold/later", 2)
        echo.release("/hold/later")
        assert other.finished(held)["status"] == "succeeded"
        for server in several.servers:
            server.close()


def test_links_to_files_and_idempotency_keys_hold_at_every_server(servers: Made) -> None:
    several = servers(2)
    one, other = (several.client("echo", server) for server in several.servers)

    file = {"file": ("note.txt", "請求書 🧾".encode(), "text/plain")}
    uploaded = one.request("POST", "/v1/files/upload", files=file, data={"user": one.user}).json()
    preview = other.request("GET", "/files/" + str(uploaded["source_url"]).partition("/files/")[2])
    headers = {"Idempotency-Key": "same"}
    started = [
        client.request("POST", "/v1/workflows/run", json=client.body("blocking", {"q": "x"}), headers=headers).json()
        for client in (one, other)
    ]

    assert (preview.status_code, preview.content) == (200, "請求書 🧾".encode())
    assert started[0]["workflow_run_id"] == started[1]["workflow_run_id"]


def test_requests_of_a_key_are_counted_for_all_servers_together(servers: Made) -> None:
    several = servers(2, JIKKO_REQUESTS_PER_MINUTE="4")
    clients = [several.client("echo", server) for server in several.servers]

    codes = [clients[number % 2].request("GET", "/v1/info").status_code for number in range(6)]

    assert codes == [200] * 4 + [429] * 2


def test_workers_of_one_server_take_over_from_each_other_without_waiting(servers: Made, echo: EchoServer) -> None:
    import os
    import signal

    several = servers(0, **NOBODY_GOES)
    client = ClientOfOneProcess(several.start("--workers", "2").url, several.keys["held"])
    run = client.run("async", q="worker")["workflow_run_id"]
    echo.wait_for_calls("/hold/worker")
    client.close()

    os.kill(client.process, signal.SIGKILL)

    echo.wait_for_calls("/hold/worker", 2)
    echo.release("/hold/worker")
    several_again = several.client("held", several.servers[0])
    assert several_again.finished(run)["status"] == "succeeded"


async def seen(several: SeveralServers) -> list[SeenServer]:
    """What the command reads, without a process for each look."""
    async with seen_servers(read_settings(several.settings)) as servers:
        return await servers.all()


def test_servers_are_listed_by_their_hosts_with_what_differs_and_one_is_drained(servers: Made, jikko: Command) -> None:
    several = servers(2, **ONLY_THE_DEAD_GO)
    other = several.start(JIKKO_MAX_STRINGS="77")
    until(lambda: any(server.differs for server in asyncio.run(seen(several))), "heartbeats tell of all three")
    host = re.sub(r"[^A-Za-z0-9_-]+", "-", socket.gethostname().partition(".")[0]).strip("-")[:40] or "server"
    found = jikko("servers", "list", "--json", **several.settings).lines
    assert len(found) == 3
    assert all(re.fullmatch(rf"{host}-[0-9a-f]{{8}}", server["name"]) for server in found)
    [apart] = [server for server in found if server["differs"]]
    assert (apart["differs"], apart["failing"]) == (["max_strings"], [])
    assert f"{apart['name']}: max_strings" in jikko("doctor", "--cluster", **several.settings).out
    assert [jikko("servers", "drain", name, **several.settings).code for name in ("nobody", "", host)] == [7, 7, 7]

    assert jikko("servers", "drain", apart["name"], **several.settings).code == 0

    assert other.wait() == 0
    until(lambda: apart["name"] not in [server.name for server in asyncio.run(seen(several))], "it has left")
