"""SIGTERM while a dependency hangs: the server ends in time, and reports what did not."""

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.acceptance.client import Client
from tests.acceptance.echo import EchoServer
from tests.acceptance.faults import until
from tests.acceptance.processes import Command, Server
from tests.acceptance.several import SeveralWorkers
from tests.acceptance.workflows import app, end, fetch, start
from tests.effort import PATIENCE, trusted
from tests.faults.proxy import Proxy
from tests.files.buckets import CREDENTIALS, Buckets
from tests.store.postgres_server import PostgresServer
from tests.tools.running import outer, tool
from tests.tools.test_mcp_programs import PROGRAM

pytestmark = pytest.mark.slow
SHUTDOWN_SECONDS = 1.0
STOP_SECONDS = SHUTDOWN_SECONDS + 10 + 30
"""Within which a server has ended (see ``Settings.stop_seconds``), and what a busy machine adds."""

Served = Callable[..., tuple[Server, Client]]


@pytest.fixture
def served(jikko: Command, tmp_path: Path) -> Iterator[Served]:
    """Starts a server with an app. Returns it, and a client of the app."""
    made: list[Server | Client] = []

    def start_one(workflow: str, *options: str, **settings: str) -> tuple[Server, Client]:
        file = tmp_path / "app.yml"
        file.write_text(workflow, encoding="utf-8")
        key = jikko("apps", "import", file, "--json", **settings).lines[0]["api_key"]
        settings["JIKKO_SHUTDOWN_SECONDS"] = str(SHUTDOWN_SECONDS)
        server = Server(jikko.home, settings=settings, options=options)
        client = Client(server.url, key)
        made.extend([client, server])
        return server, client

    yield start_one
    for each in made:
        each.close()


def held(echo: EchoServer) -> str:
    """An app whose runs wait at a server."""
    return app("Held", [start("q"), fetch("wait", f"{echo.url}/hold/{{{{#start.q#}}}}"), end()], "start>wait wait>end")


def stopped(server: Server) -> tuple[int, float]:
    """End it in good order. Returns the exit code, and the seconds that it took."""
    began = time.monotonic()
    code = server.stop()
    return code, time.monotonic() - began


def left(server: Server) -> list[str]:
    """What did not end, by the one line that a process of a server says of it."""
    [line] = [line for line in server.output.splitlines() if "did not end: " in line]
    return line.partition("did not end: ")[2].split(", ")


@pytest.mark.services
def test_a_database_that_says_nothing(served: Served, echo: EchoServer, postgres_server: PostgresServer) -> None:
    name = urlsplit(postgres_server.made()).path.strip("/")
    with Proxy(socket.AF_UNIX, str(postgres_server.folder / ".s.PGSQL.5432")) as proxy:
        url = f"postgresql://jikko@127.0.0.1:{proxy.port}/{name}"
        server, client = served(held(echo), JIKKO_DATABASE_URL=url)
        client.run("async", q="database")
        echo.wait_for_calls("/hold/database")

        proxy.stall()
        code, seconds = stopped(server)

    assert code == 1
    assert seconds < STOP_SECONDS
    assert "the record" in left(server)


@pytest.mark.services
def test_a_bucket_that_says_nothing(served: Served, echo: EchoServer, buckets: Buckets) -> None:
    host, port = urlsplit(buckets.address).netloc.split(":")
    with Proxy(socket.AF_INET, (host, int(port))) as proxy, ThreadPoolExecutor(1) as other:
        url = buckets.made().replace(buckets.address, f"http://127.0.0.1:{proxy.port}")
        server, client = served(held(echo), JIKKO_FILES_URL=url, **CREDENTIALS)
        proxy.stall()
        files = {"file": ("a.txt", b"x" * 4096)}
        uploading = other.submit(client.request, "POST", "/v1/files/upload", files=files, data={"user": "u"})
        until(lambda: proxy.held > 0, "the bucket was asked for something")

        code, seconds = stopped(server)

        assert uploading.exception() is not None or uploading.result().status_code == 503
    assert code in (0, 1)
    assert seconds < STOP_SECONDS


def test_a_program_of_an_mcp_server_that_ignores_signals_is_killed(served: Served, tmp_path: Path) -> None:
    said, file = tmp_path / "pid", tmp_path / "tools.yml"
    entry = {"type": "mcp", "command": sys.executable, "args": [str(PROGRAM), "stubborn"]}
    file.write_text(json.dumps({"tools": {"m": entry}}))
    workflow = outer(tool(kind="mcp", provider="m", name="say", given={"text": "start.q"}))
    server, client = served(workflow, JIKKO_TOOLS=str(file))
    client.run("async", q=str(said))
    until(lambda: said.exists() and said.read_text().isdigit(), "the program was called")

    code, seconds = stopped(server)

    assert (code, seconds < STOP_SECONDS) == (0, True), server.output
    until(lambda: not Path(f"/proc/{said.read_text()}").exists(), "the program has ended")


def test_workers_that_stand_still_are_killed_and_named(tmp_path: Path, echo: EchoServer) -> None:
    workers = SeveralWorkers(tmp_path, {"held": held(echo)}, JIKKO_SHUTDOWN_SECONDS=str(SHUTDOWN_SECONDS))
    with closing(workers):
        frozen, _ = workers.pair("held")
        frozen.run("async", q="frozen-worker")
        echo.wait_for_calls("/hold/frozen-worker")

        os.kill(frozen.process, signal.SIGSTOP)
        code, seconds = stopped(workers.server)

        assert (code, seconds < STOP_SECONDS) == (1, True), workers.server.output
        assert left(workers.server) == [f"worker {frozen.process}"]
        workers.restart()
        echo.release("/hold/frozen-worker")
        [run] = workers.client("held").get("/v1/workflows/logs")["data"]
        assert workers.client("held").finished(run["workflow_run"]["id"])["status"] == "succeeded"


def test_one_that_has_nothing_to_wait_for_ends_at_once_with_0(served: Served, echo: EchoServer) -> None:
    server, client = served(held(echo))
    assert httpx.get(f"{server.url}/readyz", verify=trusted(), timeout=PATIENCE).status_code == 200
    client.run("async", q="plain")
    echo.wait_for_calls("/hold/plain")

    code, _ = stopped(server)

    assert code == 0
    assert "did not end" not in server.output
