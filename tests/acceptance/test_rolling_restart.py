"""Servers that are restarted one after the other, as the next version, while requests come: none fails, and no node
runs twice. The next version writes an event, and has a column, that this one does not know.

``JIKKO_TEST_RATE`` is how many runs a second are handed in (as many as the machine bears, if it bears less).
"""

import os
import threading
import time
from collections import Counter
from pathlib import Path

import httpx
import pytest

from tests.acceptance.echo import EchoServer
from tests.acceptance.newer_build import newer_build
from tests.acceptance.several_servers import SeveralServers
from tests.acceptance.workflows import app, end, fetch, start
from tests.effort import PATIENCE

pytestmark = [pytest.mark.services, pytest.mark.slow]
USERS = 16
RATE = float(os.environ.get("JIKKO_TEST_RATE", "40"))


class Balancer:
    """Sends requests to servers that are ready, one after the other."""

    def __init__(self, several: SeveralServers) -> None:
        self._several = several
        self._lock = threading.Lock()
        self._count = 0
        self.out: set[str] = set()
        """Servers that get no requests: they are about to stop, as an orchestrator tells a balancer."""

    def url(self) -> str:
        with self._lock:
            self._count += 1
            urls = [server.url for server in self._several.servers if server.url not in self.out]
            return urls[self._count % len(urls)]


class Load:
    """Clients that start runs at a rate: short ones, and every fourth a long one."""

    def __init__(self, several: SeveralServers, balancer: Balancer) -> None:
        self._several = several
        self._balancer = balancer
        self._over = threading.Event()
        self.failed: list[str] = []
        self.runs: dict[str, str] = {}
        """Ids of runs, by the word that was given to them."""
        self._threads = [threading.Thread(target=self._use, args=(number,)) for number in range(USERS)]
        for thread in self._threads:
            thread.start()

    def wait_for(self, count: int) -> None:
        """Until N more runs were accepted."""
        until, bound = len(self.runs) + count, time.monotonic() + PATIENCE
        while len(self.runs) < until:
            assert not self.failed
            assert time.monotonic() < bound
            time.sleep(0.01)

    def close(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(PATIENCE)

    def _use(self, number: int) -> None:
        kind = "short" if number % 4 else "long"
        headers = {"Authorization": f"Bearer {self._several.keys[kind]}"}
        mode = "async" if kind == "long" else "blocking"
        with httpx.Client(headers=headers, timeout=60) as client:
            count, began = 0, time.monotonic()
            while not self._over.wait(max(0.0, began + count * USERS / RATE - time.monotonic())):
                word = f"{kind}-{number}-{count}"
                count += 1
                body = {"inputs": {"q": word}, "user": "someone", "response_mode": mode}
                answer = client.post(f"{self._balancer.url()}/v1/workflows/run", json=body)
                if answer.status_code not in (200, 202):
                    self.failed.append(f"{word}: {answer.status_code} {answer.text}")
                    return
                self.runs[word] = answer.json()["workflow_run_id"]


def test_a_rolling_restart_into_the_next_version_fails_no_request_and_runs_no_node_twice(
    tmp_path: Path, echo: EchoServer, several_settings: dict[str, str]
) -> None:
    steps = [fetch(name, f"{echo.url}/{name}/{{{{#start.q#}}}}") for name in ("a", "b", "c")]
    apps = {
        "short": app("Short", [start("q"), end(q="start.q")], "start>end"),
        "long": app("Long", [start("q"), *steps, end(q="start.q")], "start>a a>b b>c c>end"),
    }
    settings = several_settings | {"JIKKO_SHUTDOWN_SECONDS": "0.05", "JIKKO_DRAIN_SECONDS": "30"}
    several = SeveralServers(tmp_path, apps, settings, 2)
    newer = str(newer_build(tmp_path))
    balancer, olds = Balancer(several), list(several.servers)
    began = time.monotonic()
    try:
        load = Load(several, balancer)
        try:
            for old in olds:
                load.wait_for(40)
                several.start(PYTHONPATH=newer)
                balancer.out.add(old.url)
                load.wait_for(USERS)  # so that none that is on its way is for the old one
                assert old.stop() == 0
                several.servers.remove(old)
            load.wait_for(20)
        finally:
            load.close()
        seconds = time.monotonic() - began
        print(f"{len(load.runs)} runs, {len(load.runs) / seconds:.0f} a second")
        client = several.client("long", several.servers[0])
        printed = "".join(server.output for server in [*olds, *several.servers])
        for word, run in load.runs.items():
            if word.startswith("long"):
                assert client.finished(run)["status"] == "succeeded"
    finally:
        several.close()

    assert load.failed == []
    assert not [line for line in printed.splitlines() if "damaged" in line or "Traceback" in line]
    # Other tests ask the same server for something.
    own = [path for path in echo.paths() if path.startswith(("/a/", "/b/", "/c/"))]
    called = Counter({path: len(echo.calls(path)) for path in own})
    assert {path: count for path, count in called.items() if count != 1} == {}
    long = [word for word in load.runs if word.startswith("long")]
    assert set(called) == {f"/{name}/{word}" for word in long for name in ("a", "b", "c")}
