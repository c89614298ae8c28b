"""Operating runs: retrying, carrying, backing up, removing; and callbacks to a real address."""

import base64
import hashlib
import hmac
import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.acceptance.client import Client
from tests.acceptance.processes import Command, Server
from tests.acceptance.workflows import ECHO, app, end, python, start
from tests.effort import PATIENCE


class Receiver:
    """A server that takes callbacks."""

    def __init__(self) -> None:
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.status = 200
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.requests.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(receiver.status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/hook"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


FRAGILE = app(
    "Fragile",
    [
        start("q"),
        python("once", "def main():\n    return {'n': 1}", {"n": "number"}),
        python("checked", "def main(q: str):\n    return {'n': int(q)}", {"n": "number"}, q="start.q"),
        end(n="checked.n"),
    ],
    "start>once once>checked checked>end",
)


@pytest.fixture
def served(jikko: Command, tmp_path: Path) -> Iterator[tuple[Server, Client, str]]:
    """A server with an app, and the app's key."""
    for name, text in (("echo", ECHO), ("fragile", FRAGILE)):
        (tmp_path / f"{name}.yml").write_text(text, encoding="utf-8")
    key = jikko.json("apps", "import", tmp_path / "echo.yml")[0]["api_key"]
    server = Server(jikko.home)
    client = Client(server.url, key)
    yield server, client, key
    client.close()
    server.close()


def wait_for(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_callback_reaches_its_address_signed_with_the_secret_of_the_app(
    jikko: Command, served: tuple[Server, Client, str], receiver: Receiver
) -> None:
    _, client, _ = served
    answer = client.request(
        "POST", "/v1/workflows/run", json={**client.body("async", {"q": "hi"}), "callback_url": receiver.url}
    )
    assert answer.status_code == 202
    wait_for(lambda: bool(receiver.requests))

    headers, body = receiver.requests[0]
    secret = jikko("apps", "webhook-secret", "Echo").out.strip()
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    mac = hmac.digest(base64.b64decode(secret.removeprefix("whsec_")), signed, hashlib.sha256)
    assert headers["webhook-signature"] == "v1," + base64.b64encode(mac).decode()
    assert json.loads(body) == client.get(f"/v1/workflows/run/{answer.json()['workflow_run_id']}")
    # It has arrived before the server has the answer.
    wait_for(lambda: jikko.json("callbacks", "list") == [])


def test_an_undelivered_callback_is_listed_and_can_be_resent_also_after_a_crash(
    jikko: Command, served: tuple[Server, Client, str], receiver: Receiver
) -> None:
    server, client, _ = served
    receiver.status = 500
    run = client.request(
        "POST", "/v1/workflows/run", json={**client.body("async", {"q": "hi"}), "callback_url": receiver.url}
    ).json()["workflow_run_id"]
    wait_for(lambda: bool(jikko.json("callbacks", "list")) and jikko.json("callbacks", "list")[0]["attempts"] >= 1)
    (entry,) = jikko.json("callbacks", "list")
    assert (entry["workflow_run_id"], entry["state"], entry["url"]) == (run, "pending", receiver.url)
    server.kill()
    receiver.status = 200

    again = Server(jikko.home)
    try:
        assert jikko("callbacks", "resend", run[:18]).code == 0
        wait_for(lambda: jikko.json("callbacks", "list") == [])
    finally:
        again.close()
    assert len(receiver.requests) >= 2
    assert jikko("callbacks", "resend", "0199a1b2-0000-7000-8000-000000000000").code == 7
    assert jikko("callbacks", "resend", "0199a1b2-0000").code == 7


def test_an_address_that_may_not_be_reached_gets_nothing(jikko: Command, tmp_path: Path, receiver: Receiver) -> None:
    key = jikko.imported(tmp_path, {"echo": ECHO})["echo"]
    server = Server(jikko.home, settings={"JIKKO_HTTP_ALLOW": ""})
    client = Client(server.url, key)
    try:
        client.request(
            "POST", "/v1/workflows/run", json={**client.body("async", {"q": "hi"}), "callback_url": receiver.url}
        )
        wait_for(lambda: bool(jikko.json("callbacks", "list")) and jikko.json("callbacks", "list")[0]["attempts"] >= 1)
        assert "JIKKO_HTTP_ALLOW" in str(jikko.json("callbacks", "list")[0]["error"])
    finally:
        client.close()
        server.close()
    assert receiver.requests == []


def test_the_same_key_is_the_same_run_after_a_crash(jikko: Command, served: tuple[Server, Client, str]) -> None:
    server, client, key = served
    headers = {"Idempotency-Key": "one"}
    body = client.body("async", {"q": "hi"})
    first = client.request("POST", "/v1/workflows/run", json=body, headers=headers).json()["workflow_run_id"]
    server.kill()

    again = Server(jikko.home)
    other = Client(again.url, key)
    try:
        answer = other.request("POST", "/v1/workflows/run", json=body, headers=headers)
        conflict = other.request("POST", "/v1/workflows/run", json=client.body("async", {"q": "ho"}), headers=headers)
    finally:
        other.close()
        again.close()

    assert (answer.status_code, answer.json()["workflow_run_id"]) == (202, first)
    assert conflict.status_code == 409


def test_a_failed_run_is_repeated_by_the_command(jikko: Command, tmp_path: Path) -> None:
    key = jikko.imported(tmp_path, {"fragile": FRAGILE})["fragile"]
    server = Server(jikko.home)
    client = Client(server.url, key)
    try:
        run = client.run(q="no number")["workflow_run_id"]
        outcome = jikko("runs", "retry", run, "--wait", "--json")
        retry = outcome.lines[0]["workflow_run_id"]
        lineage = client.get(f"/v1/workflows/run/{retry}/lineage")
        executions = client.get(f"/v1/workflows/run/{retry}/node-executions")["data"]
    finally:
        client.close()
        server.close()

    assert outcome.code == 1
    assert (lineage["retry_of"], lineage["from_node_ids"], len(lineage["taken_over"])) == (run, ["checked"], 2)
    assert [entry["status"] for entry in executions] == ["succeeded", "succeeded", "failed"]


def test_runs_are_carried_to_another_data_folder(
    jikko: Command, served: tuple[Server, Client, str], tmp_path: Path
) -> None:
    _, client, _ = served
    runs = [client.run(q=str(number))["workflow_run_id"] for number in range(5)]

    assert jikko("runs", "export", tmp_path / "runs.jsonl").code == 0
    other = Command(tmp_path / "other")
    assert "5 runs imported" in other("runs", "import", tmp_path / "runs.jsonl").out
    assert "0 runs imported, 5 already present" in other("runs", "import", tmp_path / "runs.jsonl").out

    for run in runs:
        assert other.json("runs", "show", run) == jikko.json("runs", "show", run)
    assert len(jikko("runs", "export", "--app", "Echo").lines) == 5
    (tmp_path / "bad.jsonl").write_text("{}\n")
    bad = other("runs", "import", tmp_path / "bad.jsonl")
    assert (bad.code, bad.has_traceback) == (1, False)
    assert "line 1" in bad.err


def test_runs_of_an_app_that_has_another_id_here_are_seen_by_its_clients(
    jikko: Command, served: tuple[Server, Client, str], tmp_path: Path
) -> None:
    _, client, _ = served
    run = client.run(q="hi")["workflow_run_id"]
    app_id = jikko.json("apps", "list")[0]["app_id"]
    assert jikko("runs", "export", tmp_path / "runs.jsonl").code == 0

    unseen = Command(tmp_path / "unseen")("runs", "import", tmp_path / "runs.jsonl")
    assert (unseen.code, f"1 runs belong to the app {app_id}, which does not exist here" in unseen.err) == (0, True)

    other = Command(tmp_path / "other")
    key = other.json("apps", "import", tmp_path / "echo.yml")[0]["api_key"]
    imported = other("runs", "import", tmp_path / "runs.jsonl", "--app", "Echo")
    assert (imported.code, imported.err) == (0, "")
    server = Server(other.home)
    there = Client(server.url, key)
    try:
        assert there.get(f"/v1/workflows/run/{run}")["outputs"] == {"q": "hi"}
        assert [entry["workflow_run"]["id"] for entry in there.get("/v1/workflows/logs")["data"]] == [run]
    finally:
        there.close()
        server.close()


def test_a_damaged_run_is_left_out_of_an_export_and_named(
    jikko: Command, served: tuple[Server, Client, str], tmp_path: Path
) -> None:
    _, client, _ = served
    runs = [client.run(q=str(number))["workflow_run_id"] for number in range(3)]
    with closing(sqlite3.connect(jikko.home / "jikko.db")) as database, database:
        database.execute("UPDATE run_archive SET events = x'01ff' WHERE run = 2")

    outcome = jikko("runs", "export", tmp_path / "runs.jsonl")

    assert (outcome.code, outcome.has_traceback) == (1, False)
    assert runs[1] in outcome.err
    assert "2 runs were written, 1 were left out" in outcome.err
    lines = (tmp_path / "runs.jsonl").read_text().splitlines()
    assert [json.loads(line)["owner"]["run_id"] for line in lines] == sorted({runs[0], runs[2]})


def test_an_export_that_cannot_be_written_says_so(jikko: Command, tmp_path: Path) -> None:
    jikko.json("migrate")
    outcome = jikko("runs", "export", tmp_path / "nowhere" / "runs.jsonl")

    assert (outcome.code, outcome.has_traceback) == (1, False)
    assert "nowhere" in outcome.err


def test_old_runs_are_removed_while_the_server_goes_on(jikko: Command, served: tuple[Server, Client, str]) -> None:
    _, client, _ = served
    run = client.run(q="hi")["workflow_run_id"]

    assert jikko.json("runs", "prune", "--older-than", "1d") == [{"runs": 0, "files": 0}]
    assert client.get(f"/v1/workflows/run/{run}")["status"] == "succeeded"
    assert jikko.json("runs", "prune", "--older-than", "0s") == [{"runs": 1, "files": 0}]

    assert client.request("GET", f"/v1/workflows/run/{run}").status_code == 404
    assert client.run(q="ho")["data"]["outputs"] == {"q": "ho"}
    assert jikko("runs", "prune", "--older-than", "soon").code == 2


def test_a_server_with_a_retention_removes_by_itself(jikko: Command, served: tuple[Server, Client, str]) -> None:
    server, client, key = served
    run = client.run(q="hi")["workflow_run_id"]
    server.stop()

    again = Server(jikko.home, settings={"JIKKO_RETENTION_DAYS": "0.0000001"})
    other = Client(again.url, key)
    try:
        wait_for(lambda: other.request("GET", f"/v1/workflows/run/{run}").status_code == 404)
    finally:
        other.close()
        again.close()


def test_limits_come_from_the_settings(jikko: Command, served: tuple[Server, Client, str]) -> None:
    server, _, key = served
    server.stop()
    again = Server(jikko.home, settings={"JIKKO_REQUESTS_PER_MINUTE": "2"})
    client = Client(again.url, key)
    try:
        answers = [client.request("GET", "/v1/info") for _ in range(3)]
    finally:
        client.close()
        again.close()

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].json()["code"] == "too_many_requests"
    assert 0 < int(answers[2].headers["retry-after"]) <= 60
