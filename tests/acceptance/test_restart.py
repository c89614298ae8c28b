"""State after a server's graceful or abrupt end, and its restart."""

import json
import shlex
import signal
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.acceptance.client import Client
from tests.acceptance.echo import EchoServer
from tests.acceptance.faults import until
from tests.acceptance.processes import Command, Server
from tests.acceptance.workflows import app, end, fetch, start
from tests.effort import PATIENCE, trusted

RUN = "{{#sys.workflow_run_id#}}"


@dataclass
class House:
    """A data folder with one app, whose run calls ``/RUN/first``, then waits at ``/hold/RUN``."""

    command: Command
    key: str
    servers: list[Server]
    clients: list[Client]

    def start(self, **settings: str) -> tuple[Server, Client]:
        server = Server(self.command.home, settings=settings)
        client = Client(server.url, self.key)
        self.servers.append(server)
        self.clients.append(client)
        return server, client


@pytest.fixture
def house(jikko: Command, tmp_path: Path, echo: EchoServer) -> Iterator[House]:
    nodes = [
        start("q"),
        fetch("first", f"{echo.url}/{RUN}/first"),
        fetch("wait", f"{echo.url}/hold/{RUN}"),
        end(q="start.q", first="first.body", answer="wait.body"),
    ]
    file = tmp_path / "slow.yml"
    file.write_text(app("Slow", nodes, "start>first first>wait wait>end"))
    [entry] = jikko.json("apps", "import", file)
    house = House(jikko, entry["api_key"], [], [])
    yield house
    for client in house.clients:
        client.close()
    for server in house.servers:
        server.close()


def wait_until_it_waits(client: Client, run: str, echo: EchoServer) -> None:
    """Wait until the run is at its second call, and that its first has ended is in the log."""
    echo.wait_for_calls(f"/hold/{run}")
    until(lambda: "wait" in [node["node_id"] for node in client.node_executions(run)], "it waits, durably")


def assert_it_went_on(client: Client, run: str, echo: EchoServer) -> None:
    echo.release(f"/hold/{run}")
    detail = client.finished(run)
    assert (detail["status"], detail["outputs"]) == (
        "succeeded",
        {"q": "x", "first": f"/{run}/first", "answer": f"/hold/{run}"},
    )
    assert len(echo.calls(f"/{run}/first")) == 1, "a node that had finished ran again"
    log = client.log(run)
    assert [event["id"] for event in log] == list(range(len(log)))
    assert "run_recovered" in [event["event"] for event in log]


def test_a_finished_run_reads_the_same_after_a_restart(house: House, echo: EchoServer) -> None:
    server, client = house.start()
    run = client.run("async", q="x")["workflow_run_id"]
    echo.release(f"/hold/{run}")
    before = (client.finished(run), client.node_executions(run), client.log(run))
    assert server.stop() == 0
    _, client = house.start()
    assert (client.detail(run), client.node_executions(run), client.log(run)) == before


def test_a_run_goes_on_after_its_server_was_killed(house: House, echo: EchoServer) -> None:
    server, client = house.start()
    run = client.run("async", q="x")["workflow_run_id"]
    wait_until_it_waits(client, run, echo)
    server.kill()
    server, client = house.start()
    assert "1 run that was under way goes on" in server.output
    echo.wait_for_calls(f"/hold/{run}", 2)
    assert client.detail(run)["status"] == "running"
    assert_it_went_on(client, run, echo)
    [attempt] = next(node for node in client.node_executions(run) if node["node_id"] == "wait")["attempts"]
    assert attempt["reason"] == "interrupted"


def test_a_graceful_stop_parks_what_does_not_end_in_time_and_the_next_start_goes_on(
    house: House, echo: EchoServer
) -> None:
    server, client = house.start(JIKKO_SHUTDOWN_SECONDS="0.2")
    run = client.run("async", q="x")["workflow_run_id"]
    wait_until_it_waits(client, run, echo)
    assert server.stop() == 0
    assert "1 run was parked; it goes on" in server.output
    _, client = house.start()
    echo.wait_for_calls(f"/hold/{run}", 2)
    assert_it_went_on(client, run, echo)


def test_a_graceful_stop_waits_for_a_run_that_ends_in_time(house: House, echo: EchoServer) -> None:
    server, client = house.start(JIKKO_SHUTDOWN_SECONDS="30")
    with client.streaming(q="x") as messages:
        run = next(messages)["workflow_run_id"]
        wait_until_it_waits(client, run, echo)
        server.send(signal.SIGTERM)
        until(lambda: "Stopping" in server.output, "it is told to stop")
        # Records are read as ever; new runs are refused.
        assert client.detail(run)["status"] == "running"
        refused = client.request("POST", "/v1/workflows/run", json={"inputs": {}, "user": "u"})
        assert refused.status_code in (429, 503)
        echo.release(f"/hold/{run}")
        assert list(messages)[-1]["data"]["status"] == "succeeded"
    assert server.wait() == 0
    assert "parked" not in server.output


def test_a_second_signal_ends_the_server_at_once(house: House, echo: EchoServer) -> None:
    server, client = house.start(JIKKO_SHUTDOWN_SECONDS="600")
    run = client.run("async", q="x")["workflow_run_id"]
    wait_until_it_waits(client, run, echo)
    server.send(signal.SIGINT)
    until(lambda: "Stopping" in server.output, "it is told to stop")
    server.send(signal.SIGINT)
    server.wait(PATIENCE)
    _, client = house.start()
    echo.wait_for_calls(f"/hold/{run}", 2)
    assert_it_went_on(client, run, echo)


def test_a_run_that_dies_at_the_same_node_three_times_is_failed_and_says_so(house: House, echo: EchoServer) -> None:
    server, client = house.start()
    run = client.run("async", q="x")["workflow_run_id"]
    for count in (1, 2, 3):
        echo.wait_for_calls(f"/hold/{run}", count)
        wait_until_it_waits(client, run, echo)
        server.kill()
        server, client = house.start()
    detail = client.finished(run)
    assert detail["status"] == "failed"
    assert "wait" in detail["error"]
    assert "3 times" in detail["error"]
    assert len(echo.calls(f"/hold/{run}")) == 3


def test_a_run_whose_app_was_deleted_meanwhile_is_failed(house: House, echo: EchoServer) -> None:
    server, client = house.start()
    run = client.run("async", q="x")["workflow_run_id"]
    wait_until_it_waits(client, run, echo)
    server.kill()
    house.command("apps", "delete", "Slow", "--yes")
    house.start()
    [shown] = house.command.json("runs", "show", run)
    assert shown["status"] == "failed"
    assert "deleted" in shown["error"]


def test_two_servers_do_not_share_a_data_folder(house: House) -> None:
    server, _ = house.start()
    outcome = house.command("serve", "--port", "0")
    assert outcome.code == 9
    assert (
        f"Another process uses the data folder {house.command.home} (jikko serve, process {server.pid}, " in outcome.err
    )
    assert f"{server.url})" in outcome.err
    assert not outcome.has_traceback


def test_a_port_that_is_taken_is_told(house: House, tmp_path: Path) -> None:
    server, _ = house.start()
    port = server.url.rpartition(":")[2]
    outcome = Command(tmp_path / "other")("serve", "--port", port)
    assert outcome.code == 2
    assert port in outcome.err
    assert not outcome.has_traceback


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_start_that_fails_for_its_port_costs_open_runs_nothing(house: House, echo: EchoServer, workers: str) -> None:
    server, client = house.start()
    # Several: what is taken over goes on while the next one is read.
    runs = [client.run("async", q="x")["workflow_run_id"] for _ in range(3)]
    for run in runs:
        wait_until_it_waits(client, run, echo)
    server.kill()

    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        assert house.command("serve", "--port", port, "--workers", workers).code == 2
    _, client = house.start()

    for run in runs:
        assert_it_went_on(client, run, echo)
        assert sum(event["event"] == "run_recovered" for event in client.log(run)) == 1


def test_runs_can_be_listed_shown_followed_and_stopped_from_the_command_line(house: House, echo: EchoServer) -> None:
    _, client = house.start()
    run = client.run("async", q="x")["workflow_run_id"]
    wait_until_it_waits(client, run, echo)
    assert house.command.json("runs", "show", run)[0]["status"] == "running"
    assert [house.command("runs", "stop", run).code for _ in range(2)] == [0, 9]
    assert client.finished(run)["status"] == "stopped"
    [listed] = house.command.json("runs", "list", "--app", "Slow")
    assert (listed["workflow_run_id"], listed["status"]) == (run, "stopped")
    followed = house.command("runs", "follow", run, "--json")
    assert followed.code == 4
    assert [line["event"] for line in followed.lines][-1] == "run_finished"
    assert house.command("runs", "show", "nonsense").code == 7


def test_a_run_can_be_followed_from_the_command_line_while_a_server_executes_it(house: House, echo: EchoServer) -> None:
    _, client = house.start()
    run = client.run("async", q="x")["workflow_run_id"]
    echo.release(f"/hold/{run}")
    outcome = house.command("runs", "follow", run)
    assert outcome.code == 0
    assert "succeeded" in outcome.err


def test_serve_publishes_files_and_makes_a_key_that_works(jikko: Command, tmp_path: Path) -> None:
    file = tmp_path / "echo.yml"
    kind = {"variable": "kind", "label": "kind", "type": "select", "options": ["it's", "b"], "required": True}
    first = start("q", required=True)
    first["data"]["variables"].append(kind)
    file.write_text(app("Echo", [first, end(q="start.q")], "start>end"))
    server = Server(jikko.home, file)
    try:
        # Printed on a terminal only; elsewhere a file has it.
        [file_of_key] = (jikko.home / "keys").iterdir()
        key = file_of_key.read_text().strip()
        answer = httpx.post(
            f"{server.url}/v1/workflows/run",
            headers={"Authorization": f"Bearer {key}"},
            json={"inputs": {"q": "x", "kind": "b"}, "user": "u"},
            verify=trusted(),
            timeout=PATIENCE,
        )
        assert answer.json()["data"]["outputs"] == {"q": "x"}
        server.stop()
        line = next(line for line in server.output.splitlines() if f"curl -N {server.url}/v1/workflows/run" in line)
        assert json.loads(shlex.split(line)[-1])["inputs"] == {"q": "text", "kind": "it's"}, "the line runs as it is"
        again = Server(jikko.home, file)
        assert str(file_of_key) not in again.output, "a key is told once"
        again.close()
        assert len(jikko.json("apps", "show", "Echo")[0]["versions"]) == 1, "the file did not change"
    finally:
        server.close()


@pytest.mark.slow
def test_a_client_that_sends_or_reads_nothing_more_does_not_hold_up_the_end_and_leaves_no_traceback(
    house: House, echo: EchoServer
) -> None:
    server, client = house.start(JIKKO_SHUTDOWN_SECONDS="0.1")
    port = int(server.url.rpartition(":")[2])
    head = f"POST /v1/workflows/run HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {house.key}\r\n"
    with socket.create_connection(("127.0.0.1", port)) as half:
        half.sendall(f"{head}Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n[".encode())
        # Once this is answered, the server has seen the head before it.
        client.get("/v1/info")
        assert server.stop() == 0
        half.settimeout(PATIENCE)
        answer = b""
        while piece := half.recv(65_536):
            answer += piece
    assert b" 503 " in answer.partition(b"\r\n")[0]
    assert b"Send it again" in answer
    assert "Traceback" not in server.output
