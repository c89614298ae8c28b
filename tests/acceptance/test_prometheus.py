"""A real Prometheus that reads a real server, with the rules of ``deploy/``."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.faults import until
from tests.acceptance.processes import Command, Server
from tests.acceptance.workflows import ECHO
from tests.effort import PATIENCE, trusted
from tests.free_ports import free_port

pytestmark = [pytest.mark.services, pytest.mark.once]

DEPLOY = Path(__file__).parents[2] / "deploy"


class Prometheus:
    """Reads one target each half second, and thinks about the rules as often."""

    def __init__(self, folder: Path, target: str) -> None:
        port = free_port()
        rules = (DEPLOY / "prometheus" / "rules.yml").read_text(encoding="utf-8")
        assert "for: 1m" in rules
        (folder / "rules.yml").write_text(rules.replace("for: 1m", "for: 1s"), encoding="utf-8")
        (folder / "prometheus.yml").write_text(
            f"global: {{scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 500ms}}\n"
            f"rule_files: [{folder / 'rules.yml'}]\n"
            f"scrape_configs: [{{job_name: jikko, static_configs: [{{targets: ['{target}']}}]}}]\n"
        )
        self._log = (folder / "prometheus.log").open("wb")
        self._process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )
        self._http = httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", verify=trusted(), timeout=PATIENCE)

    def rules(self) -> dict[str, Any]:
        """By its name, what it thinks of each alert; nothing while it starts."""
        try:
            groups = self._http.get("/rules").json()["data"]["groups"]
        except (httpx.TransportError, ValueError, KeyError):
            return {}
        return {rule["name"]: rule for group in groups for rule in group["rules"]}

    def asked(self, expression: str) -> list[Any]:
        found: list[Any] = self._http.get("/query", params={"query": expression}).json()["data"]["result"]
        return found

    def firing(self) -> list[str]:
        return [name for name, rule in self.rules().items() if rule["state"] == "firing"]

    def close(self) -> None:
        self._http.close()
        self._process.terminate()
        self._process.wait(PATIENCE)
        self._log.close()


@pytest.fixture
def server(jikko: Command) -> Iterator[tuple[Server, int]]:
    port = free_port()
    made = Server(jikko.home, settings={"JIKKO_METRICS_PORT": str(port)})
    yield made, port
    made.close()


@pytest.fixture
def prometheus(tmp_path: Path, server: tuple[Server, int]) -> Iterator[Prometheus]:
    folder = tmp_path / "prometheus"
    folder.mkdir()
    made = Prometheus(folder, f"127.0.0.1:{server[1]}")
    yield made
    made.close()


def test_every_alert_is_understood_none_comes_and_one_that_is_down_is_told(
    server: tuple[Server, int], prometheus: Prometheus, jikko: Command, tmp_path: Path
) -> None:
    (tmp_path / "echo.yml").write_text(ECHO, encoding="utf-8")
    [entry] = jikko.json("apps", "import", tmp_path / "echo.yml")
    body = {"inputs": {"q": "x"}, "user": "anna", "response_mode": "blocking"}
    headers = {"Authorization": f"Bearer {entry['api_key']}"}
    for _ in range(5):
        answer = httpx.post(
            f"{server[0].url}/v1/workflows/run", json=body, headers=headers, verify=trusted(), timeout=PATIENCE
        )
        assert answer.status_code == 200

    def all_looked_at() -> bool:
        rules = prometheus.rules()
        return bool(rules) and all(rule["health"] == "ok" for rule in rules.values())

    until(all_looked_at, "each expression has been asked")
    ended = 'sum(jikko_runs_finished_total{status="succeeded"}) == 5'
    until(lambda: bool(prometheus.asked(ended)), "the runs are seen")
    until(lambda: not prometheus.firing(), "nothing is wrong")

    server[0].kill()

    until(lambda: prometheus.firing() == ["JikkoDown"], "it is told that the server is down")
