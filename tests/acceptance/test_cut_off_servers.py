"""One of several servers that reaches NATS no more, or the database, while all else is well."""

import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.acceptance.echo import EchoServer
from tests.acceptance.line import Line
from tests.acceptance.several_servers import NOBODY_GOES, SeveralServers
from tests.acceptance.test_several_servers import require_one_history
from tests.acceptance.workflows import app, end, fetch, start
from tests.cluster.nats_server import NatsServer
from tests.effort import PATIENCE, trusted
from tests.store.postgres_server import PostgresServer

pytestmark = [pytest.mark.services, pytest.mark.slow]


@pytest.fixture
def several(
    tmp_path: Path, echo: EchoServer, several_settings: dict[str, str], request: pytest.FixtureRequest
) -> Iterator[SeveralServers]:
    url = f"{echo.url}/hold/{{{{#start.q#}}}}"
    apps = {"held": app("Held", [start("q"), fetch("wait", url), end(q="start.q")], "start>wait wait>end")}
    made = SeveralServers(tmp_path, apps, several_settings | getattr(request, "param", {}), 1)
    yield made
    made.close()


def wait_for(url: str, status: int) -> None:
    bound = time.monotonic() + PATIENCE
    while httpx.get(f"{url}/readyz", verify=trusted(), timeout=PATIENCE).status_code != status:
        assert time.monotonic() < bound


def test_runs_of_one_that_reaches_nats_no_more_are_taken_over_and_it_writes_nothing_into_them(
    several: SeveralServers, echo: EchoServer, nats_server: NatsServer
) -> None:
    line = Line(socket.AF_INET, ("127.0.0.1", nats_server.port))
    try:
        cut_off = several.client("held", several.start(JIKKO_NATS_URL=f"nats://127.0.0.1:{line.port}"))
        other = several.client("held", several.servers[0])
        run = cut_off.run("async", q="nats")["workflow_run_id"]
        echo.wait_for_calls("/hold/nats")

        line.cut()

        echo.wait_for_calls("/hold/nats", 2)
        echo.release("/hold/nats")
        assert other.finished(run)["status"] == "succeeded"
        assert cut_off.detail(run)["status"] == "succeeded"
        events = [event["event"] for event in require_one_history(other, run)]
        # Twice if the server was heard of again, and lost once more, on a busy machine.
        assert 1 <= events.count("run_recovered") <= 2
        # It goes on to serve, and comes-back.
        assert cut_off.run(q="nats")["data"]["status"] == "succeeded"
        line.mend()
        begun = cut_off.run("async", q="comes-back")
        echo.wait_for_calls("/hold/comes-back")
        stopped = other.request("POST", f"/v1/workflows/tasks/{begun['task_id']}/stop", json={"user": other.user})
        echo.release("/hold/comes-back")
        assert stopped.status_code == 200
        assert other.detail(begun["workflow_run_id"])["status"] == "stopped"
        several.close()
    finally:
        line.close()


@pytest.mark.parametrize("several", [NOBODY_GOES], indirect=True, ids=["nobody goes"])
def test_one_that_reaches_the_database_no_more_keeps_its_runs_and_goes_on_once_it_does(
    several: SeveralServers, echo: EchoServer, postgres_server: PostgresServer, several_settings: dict[str, str]
) -> None:
    name = urlsplit(several_settings["JIKKO_DATABASE_URL"]).path.strip("/")
    line = Line(socket.AF_UNIX, str(postgres_server.folder / ".s.PGSQL.5432"))
    try:
        server = several.start(JIKKO_DATABASE_URL=f"postgresql://jikko@127.0.0.1:{line.port}/{name}")
        cut_off, other = several.client("held", server), several.client("held", several.servers[0])
        run = cut_off.run("async", q="db")["workflow_run_id"]
        echo.wait_for_calls("/hold/db")

        line.cut()
        wait_for(server.url, 503)
        echo.release("/hold/db")
        assert other.detail(run)["status"] == "running"
        line.mend()

        assert other.finished(run)["status"] == "succeeded"
        assert "run_recovered" not in [event["event"] for event in require_one_history(other, run)]
        wait_for(server.url, 200)
        server.send(signal.SIGTERM)
        assert server.wait() == 0
        several.close()
    finally:
        line.close()
