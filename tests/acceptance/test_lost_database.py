"""A PostgreSQL that goes away while runs are under way, and comes back."""

import json
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.client import Client
from tests.acceptance.echo import EchoServer
from tests.acceptance.faults import until
from tests.acceptance.processes import Command, Server
from tests.acceptance.several_servers import NOBODY_GOES, SeveralServers
from tests.acceptance.workflows import app, end, fetch, start
from tests.effort import PATIENCE
from tests.store.postgres_server import PostgresServer

pytestmark = pytest.mark.services


@pytest.fixture
def postgres(mortal_postgres: PostgresServer) -> Iterator[PostgresServer]:
    yield mortal_postgres
    mortal_postgres.stop()
    mortal_postgres.start()


@pytest.mark.parametrize(
    ("workers", "how"), [("1", signal.SIGINT), ("2", signal.SIGQUIT)], ids=["that stops", "that crashes"]
)
def test_a_database_is_waited_for(
    jikko: Command, tmp_path: Path, echo: EchoServer, postgres: PostgresServer, workers: str, how: signal.Signals
) -> None:
    settings = {"JIKKO_DATABASE_URL": postgres.made()}
    held = app(
        "Held",
        [start("q"), fetch("one", f"{echo.url}/hold/{how.name}{{{{#start.q#}}}}"), fetch("two", f"{echo.url}/"), end()],
        "start>one one>two two>end",
    )
    (tmp_path / "held.yml").write_text(held, encoding="utf-8")
    key = jikko("apps", "import", tmp_path / "held.yml", "--json", **settings).lines[0]["api_key"]
    with (
        closing(Server(jikko.home, settings=settings, options=["--workers", workers])) as server,
        closing(Client(server.url, key)) as client,
        ThreadPoolExecutor(1) as other,
    ):
        run = client.run("async", q="1")["workflow_run_id"]
        # It is answered once all that is below has been done.
        body = client.body("blocking", {"q": "2"})
        waited_for = other.submit(client.request, "POST", "/v1/workflows/run", json=body, timeout=10 * PATIENCE)
        for number in ("1", "2"):
            echo.wait_for_calls(f"/hold/{how.name}{number}")

        postgres.stop(how)
        # Nodes end while nothing can be written.
        for path in echo.paths():
            echo.release(path)
        refusals = [
            client.request("GET", f"/v1/workflows/run/{run}"),
            client.request("GET", "/v1/workflows/logs"),
            client.request("POST", "/v1/workflows/run", json=client.body("blocking", {"q": "3"})),
        ]
        until(lambda: client.request("GET", "/readyz").status_code == 503, "it is not ready")
        is_answered_early = waited_for.done()
        postgres.start()

        # Each process finds out by itself; which one answers a connection is the kernel's choice.
        ready: set[int] = set()

        def all_are_ready() -> bool:
            found = client.request("GET", "/health", headers={"Connection": "close"}).json()
            if found["record"] == "ok":
                ready.add(found["process"])
            return len(ready) == int(workers)

        until(all_are_ready, "every process is ready again")
        ended, blocking = client.finished(run), waited_for.result(PATIENCE).json()
        nodes = [node["node_id"] for node in client.node_executions(run)]
        assert client.run(q="1")["data"]["status"] == "succeeded"
        assert server.stop() == 0

    assert [answer.status_code for answer in refusals] == [503] * 3
    assert [answer.json()["code"] for answer in refusals] == ["service_unavailable"] * 3
    assert not is_answered_early
    assert (ended["status"], blocking["data"]["status"]) == ("succeeded", "succeeded")
    assert nodes == ["start", "one", "two", "end"]
    assert "Traceback" not in server.output
    assert "recovered" not in json.dumps(ended)


def test_a_stream_of_a_run_elsewhere_goes_on_once_the_database_is_back_or_ends_with_an_event_that_says_why(
    tmp_path: Path, echo: EchoServer, postgres: PostgresServer, several_settings: dict[str, str]
) -> None:
    held = app("Held", [start("q"), fetch("one", f"{echo.url}/hold/lost"), end(q="start.q")], "start>one one>end")
    settings = {**several_settings, **NOBODY_GOES, "JIKKO_DATABASE_URL": postgres.made()}
    with closing(SeveralServers(tmp_path, {"held": held}, settings, 2)) as several:
        begins, follows = (several.client("held", server) for server in several.servers)
        run = begins.run("async", q="失 🙂")["workflow_run_id"]
        echo.wait_for_calls("/hold/lost")
        seen: list[tuple[int, dict[str, Any]]] = []
        with follows.following(run) as events:
            for at, event in events:
                seen.append((at, event))
                if event.get("node_id") == "one" and event["event"] == "node_started":
                    postgres.stop(signal.SIGQUIT)
                    until(lambda: follows.request("GET", "/readyz").status_code == 503, "the database is missed")
                    postgres.start()
                    echo.release("/hold/lost")
        while seen[-1][1]["event"] == "error":
            assert seen.pop()[1]["code"] == "service_unavailable"
            with follows.following(run, seen[-1][0]) as events:
                seen += events

        assert [at for at, _ in seen] == list(range(len(seen)))
        assert (seen[-1][1]["event"], seen[-1][1]["outputs"]) == ("run_finished", {"q": "失 🙂"})


def test_files_are_checked_though_no_database_answers(jikko: Command, tmp_path: Path) -> None:
    (tmp_path / "held.yml").write_text(app("A", [start("q"), end(q="start.q")], "start>end"), encoding="utf-8")
    url = "postgresql://jikko@127.0.0.1:1/jikko"
    for command in ("check", "show"):
        outcome = jikko(command, tmp_path / "held.yml", JIKKO_DATABASE_URL=url)
        assert outcome.code == 0, outcome
        assert "warning: the values of `jikko apps env` are unknown" in outcome.err
        assert not outcome.has_traceback
    refused = jikko("apps", "list", JIKKO_DATABASE_URL=url)
    assert refused.code != 0
    assert not refused.has_traceback


def test_what_is_no_address_of_a_database_is_told_by_every_command(jikko: Command, tmp_path: Path) -> None:
    (tmp_path / "held.yml").write_text(app("A", [start("q"), end(q="start.q")], "start>end"), encoding="utf-8")
    for command in (("check", tmp_path / "held.yml"), ("show", tmp_path / "held.yml"), ("apps", "list")):
        refused = jikko(*command, JIKKO_DATABASE_URL="postgresql://host:port/jikko")
        assert refused.code == 2
        assert "database_url is not a database URL" in refused.err
        assert not refused.has_traceback
