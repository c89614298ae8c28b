"""Several servers during a kill and restart of their database."""

import signal
from pathlib import Path

import pytest

from tests.acceptance.echo import EchoServer
from tests.acceptance.faults import until
from tests.acceptance.several_servers import NOBODY_GOES, SeveralServers
from tests.acceptance.test_several_servers import require_one_history
from tests.acceptance.workflows import ECHO, app, end, fetch, start
from tests.faults.runs import readiness
from tests.store.postgres_server import PostgresServer

pytestmark = [pytest.mark.services, pytest.mark.slow]


def test_runs_wait_for_a_database_that_was_killed_and_starts_are_refused_meanwhile(
    tmp_path: Path, echo: EchoServer, mortal_postgres: PostgresServer, several_settings: dict[str, str]
) -> None:
    url = f"{echo.url}/hold/{{{{#start.q#}}}}"
    apps = {
        "held": app("Held", [start("q"), fetch("wait", url), end(q="start.q")], "start>wait wait>end"),
        "echo": ECHO,
    }
    settings = several_settings | NOBODY_GOES | {"JIKKO_DATABASE_URL": mortal_postgres.made()}
    several = SeveralServers(tmp_path, apps, settings, 2)
    try:
        first, second = (several.client("held", server) for server in several.servers)
        runs = {f"db{number}": first.run("async", q=f"db{number}")["workflow_run_id"] for number in range(5)}
        for word in runs:
            echo.wait_for_calls(f"/hold/{word}")

        mortal_postgres.stop(signal.SIGQUIT)
        for word in runs:
            echo.release(f"/hold/{word}")
        refused = second.request("POST", "/v1/workflows/run", json=second.body("async", {"q": "refused"}))
        mortal_postgres.start()

        assert refused.status_code == 503
        until(lambda: {readiness(server.url) for server in several.servers} == {200}, "they are ready again")
        for run in runs.values():
            assert second.finished(run)["status"] == "succeeded"
            assert "run_recovered" not in [event["event"] for event in require_one_history(second, run)]
        assert second.run(q="db0")["data"]["status"] == "succeeded"
        assert {word: len(echo.calls(f"/hold/{word}")) for word in runs if word != "db0"} == {
            word: 1 for word in runs if word != "db0"
        }
        assert echo.calls("/hold/refused") == []
    finally:
        several.close()
