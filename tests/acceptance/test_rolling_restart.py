"""Rolling update of servers to the next version under load: no request fails, and no node runs twice. The next version
writes an event, and has a column, that this one does not know.

``TEST_RATE`` is the number of runs submitted per second: by default 40, or as many as the machine sustains. If set, it
must be reached, which takes a quiet machine:
``TEST_RATE=200 .venv/bin/python -m pytest -s tests/acceptance/test_rolling_restart.py``.
"""

import os
from collections import Counter
from pathlib import Path

import pytest

from tests.acceptance.echo import EchoServer
from tests.acceptance.newer_build import newer_build
from tests.acceptance.rolling import Balancer, Load
from tests.acceptance.several_servers import NOBODY_GOES, SeveralServers
from tests.acceptance.workflows import app, end, fetch, start

pytestmark = [pytest.mark.services, pytest.mark.slow]
KINDS = [("long", "async") if number % 4 == 0 else ("short", "blocking") for number in range(16)]
RATE = float(os.environ.get("TEST_RATE", "40"))


def test_a_rolling_restart_into_the_next_version_fails_no_request_and_runs_no_node_twice(
    tmp_path: Path, echo: EchoServer, several_settings: dict[str, str]
) -> None:
    steps = [fetch(name, f"{echo.url}/{name}/{{{{#start.q#}}}}") for name in ("a", "b", "c")]
    apps = {
        "short": app("Short", [start("q"), end(q="start.q")], "start>end"),
        "long": app("Long", [start("q"), *steps, end(q="start.q")], "start>a a>b b>c c>end"),
    }
    settings = several_settings | NOBODY_GOES | {"JIKKO_SHUTDOWN_SECONDS": "0.05", "JIKKO_DRAIN_SECONDS": "30"}
    several = SeveralServers(tmp_path, apps, settings, 2)
    newer = str(newer_build(tmp_path))
    balancer, olds = Balancer(several), list(several.servers)
    try:
        load = Load(several, balancer, KINDS, RATE)
        try:
            for old in olds:
                load.wait_for(40)
                several.start(PYTHONPATH=newer)
                balancer.out.add(old.url)
                load.wait_for_each()  # so that none that is on its way is for the old one
                assert old.stop() == 0
                several.servers.remove(old)
            load.wait_for(20)
        finally:
            load.close()
        print(f"{len(load.runs)} runs, {load.reached:.0f} a second")
        client = several.client("long", several.servers[0])
        printed = "".join(server.output for server in [*olds, *several.servers])
        for word, run in load.runs.items():
            if word.startswith("long"):
                assert client.finished(run)["status"] == "succeeded"
    finally:
        several.close()

    assert load.failed == []
    assert "TEST_RATE" not in os.environ or load.reached > 0.95 * RATE
    assert not [line for line in printed.splitlines() if "damaged" in line or "Traceback" in line]
    # Other tests ask the same server for something.
    own = [path for path in echo.paths() if path.startswith(("/a/", "/b/", "/c/"))]
    called = Counter({path: len(echo.calls(path)) for path in own})
    assert {path: count for path, count in called.items() if count != 1} == {}
    long = [word for word in load.runs if word.startswith("long")]
    assert set(called) == {f"/{name}/{word}" for word in long for name in ("a", "b", "c")}
