"""Prometheus metrics of a server, and their use in ``deploy/``."""

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from jikko.http.operation import all_operations
from jikko.http.served import SERVED
from jikko.nodes.registry import BY_TYPE
from jikko.observing.metrics.metrics_table import FAMILIES
from tests.acceptance.client import Client
from tests.acceptance.echo import EchoServer
from tests.acceptance.faults import until
from tests.acceptance.processes import Command, Server
from tests.acceptance.several import SeveralWorkers
from tests.acceptance.test_workers import kill
from tests.acceptance.workflows import app, end, fetch, node, python, start, with_environment
from tests.effort import PATIENCE, trusted
from tests.free_ports import free_port

ROOT = Path(__file__).parents[2]
SECRET = "Marked5ecret"
ASK = node(
    "ask",
    "llm",
    model={"provider": "openai", "name": "known", "mode": "chat", "completion_params": {}},
    prompt_template=[{"role": "user", "text": "{{#start.q#}}"}],
    context={"enabled": False},
    error_strategy="fail-branch",
)
LABELS: dict[str, set[str]] = {
    "mode": {"workflow", "chat", "inner"},
    "state": {"running", "waiting", "paused"},
    "type": set(BY_TYPE),
    "status": {
        *("succeeded", "failed", "stopped", "partial-succeeded", "exception"),
        *("2xx", "3xx", "4xx", "5xx", "429", "503", "left"),
        *("ok", "InvokeConnectionError", "InvokeServerUnavailableError"),
    },
    "route": {operation.path for operation in all_operations(SERVED)} | {"none"},
    "kind": {"record"},
    "why": {"gone", "parked", "waited"},
    "provider": {"langgenius/openai/openai"},
    "model": {"known", "other"},
    "direction": {"input", "output"},
}
"""All that a label may be, whatever clients and workflows are called. Versions and digests apart."""


class Metrics:
    """What is shown on a port."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/metrics"

    def read(self) -> dict[str, dict[tuple[str, ...], float]]:
        """By name of a number, then by the values of its labels, in the order of their names."""
        answer = httpx.get(self._url, verify=trusted(), timeout=PATIENCE)
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        found: dict[str, dict[tuple[str, ...], float]] = {}
        for family in text_string_to_metric_families(answer.text):
            for sample in family.samples:
                labels = tuple(value for _, value in sorted(sample.labels.items()))
                found.setdefault(sample.name, {})[labels] = sample.value
        return found

    def runs_finished(self) -> dict[tuple[str, ...], float]:
        return self.read().get("jikko_runs_finished_total", {})

    def labels(self) -> dict[str, set[str]]:
        """All values of each label."""
        found: dict[str, set[str]] = {}
        for family in text_string_to_metric_families(httpx.get(self._url, verify=trusted(), timeout=PATIENCE).text):
            for sample in family.samples:
                for name, value in sample.labels.items():
                    found.setdefault(name, set()).add(value)
        return found


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory, echo: EchoServer) -> Iterator[Metrics]:
    """The metrics of a server that has done a bit of everything, with secrets in its hands."""
    folder = tmp_path_factory.mktemp("metrics")
    providers = folder / "providers.yml"
    entry = {"type": "openai", "base_url": "http://127.0.0.1:1/v1", "api_key": SECRET, "models": {"known": {}}}
    providers.write_text(yaml.safe_dump({"providers": {"openai": entry}}))
    call = fetch("call", f"{echo.url}/{SECRET}")
    nodes = [
        start("q"),
        ASK,
        call,
        python("work", "def main(q):\n    return {'out': q}\n", {"out": "string"}, q="start.q"),
    ]
    text = app(SECRET, [*nodes, end(q="work.out")], "start>ask ask:fail-branch>call call>work work>end")
    file = folder / "all.yml"
    file.write_text(with_environment(text, KEY=("secret", SECRET)))
    command = Command(folder / "home")
    [made] = command.json("apps", "import", file)
    port = free_port()
    settings = {"JIKKO_METRICS_PORT": str(port), "JIKKO_METRICS_BY_APP": "true", "JIKKO_PROVIDERS": str(providers)}
    server = Server(command.home, settings=settings)
    client = Client(server.url, made["api_key"], user=SECRET)
    metrics = Metrics(port)
    try:
        assert client.run(q=SECRET)["data"]["status"] == "partial-succeeded"
        client.stream(q=SECRET)
        client.request("GET", f"/{SECRET}")
        client.request("GET", "/v1/info", headers={"Authorization": f"Bearer {SECRET}"})
        until(lambda: "jikko_orphans" in metrics.read(), "the record was counted")
        yield metrics
    finally:
        client.close()
        server.stop()


def test_every_number_is_what_happened(shown: Metrics) -> None:
    found = shown.read()
    assert found["jikko_runs_started_total"] == {("workflow",): 2}
    assert found["jikko_runs_finished_total"] == {("partial-succeeded",): 2}
    assert found["jikko_run_seconds_count"] == found["jikko_runs_finished_total"]
    assert found["jikko_run_wait_seconds_count"] == {(): 2}
    assert found["jikko_nodes_finished_total"] == {
        ("succeeded", "start"): 2,
        ("exception", "llm"): 2,
        ("succeeded", "http-request"): 2,
        ("succeeded", "code"): 2,
        ("succeeded", "end"): 2,
    }
    assert found["jikko_sandbox_seconds_count"] == {(): 2}
    assert found["jikko_model_requests_total"] == {("known", "langgenius/openai/openai", "InvokeConnectionError"): 2}
    assert found["jikko_http_requests_total"]["/v1/workflows/run", "2xx"] == 2
    assert found["jikko_http_requests_total"]["none", "4xx"] == 1
    assert found["jikko_store_commit_seconds_count"]["record",] >= 2
    assert found["jikko_store_batch_size_sum"]["record",] >= found["jikko_store_commit_seconds_count"]["record",]
    assert found["jikko_members"] == {(): 1}
    assert found["jikko_loop_lag_seconds_count"][()] > 0
    assert sum(found["jikko_app_runs_finished_total"].values()) == 2
    assert found["process_cpu_seconds_total"][()] > 0.01
    assert 10 << 20 < found["process_resident_memory_bytes"][()] < 1 << 30


def test_labels_are_of_closed_sets_and_few(shown: Metrics) -> None:
    label_values = shown.labels()
    assert {
        name: values - LABELS[name] for name, values in label_values.items() if name in LABELS and values - LABELS[name]
    } == {}
    assert label_values.keys() - LABELS.keys() == {"le", "app", "version", "python", "store", "providers_hash"}
    assert sum(len(values) for values in shown.read().values()) < 1000


def test_no_secret_is_shown(shown: Metrics) -> None:
    assert SECRET.lower() not in repr((shown.read(), shown.labels())).lower()


def test_nothing_else_is_served_there(shown: Metrics) -> None:
    url = shown._url
    assert httpx.get(url.removesuffix("/metrics"), verify=trusted(), timeout=PATIENCE).status_code == 404
    refused = httpx.post(url, verify=trusted(), timeout=PATIENCE)
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")


OF_SEVERAL = {
    "jikko_servers",
    "jikko_differing_servers",
    "jikko_nats_connected",
    "jikko_nats_reconnects_total",
    "jikko_heartbeat_age_seconds",
    "jikko_postgres_connections",
}
NOT_HERE = {
    *("jikko_model_tokens_total", "jikko_model_first_token_seconds"),
    *("jikko_runs_triggered_total", *OF_SEVERAL),
}
"""There only once a model has answered (tests/providers/test_measures.py), a trigger has started a run
(test_webhooks.py), or of several servers (test_cluster_metrics.py)."""


def test_the_table_and_the_server_and_the_page_name_the_same(shown: Metrics) -> None:
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `((?:jikko|process)_\w+)`", page, re.MULTILINE)) == set(FAMILIES)
    assert {plain(name) for name in shown.read()} == set(FAMILIES) - NOT_HERE


def plain(name: str) -> str:
    """The metric that a number is of."""
    return name if name in FAMILIES else re.sub(r"_(bucket|sum|count)$", "", name)


def expressions() -> dict[str, str]:
    """Every expression of ``deploy/``, by its place."""
    rules: Any = yaml.safe_load((ROOT / "deploy/prometheus/rules.yml").read_text(encoding="utf-8"))
    found = {rule["alert"]: rule["expr"] for group in rules["groups"] for rule in group["rules"]}
    panels = json.loads((ROOT / "deploy/grafana/jikko.json").read_text(encoding="utf-8"))["panels"]
    for panel in panels:
        for target in panel.get("targets", []):
            found[f"{panel['title']} {target['refId']}"] = target["expr"]
    return found


def test_every_expression_asks_for_what_a_server_shows(shown: Metrics) -> None:
    # What Prometheus says of whom it reads, it makes itself.
    there = shown.read().keys() | {f"{name}_bucket" for name in NOT_HERE} | NOT_HERE | {"up"}
    asked = {
        place: set(re.findall(r"\b(?:(?:jikko|process)_\w+|up\b(?={))", text)) for place, text in expressions().items()
    }
    assert {place: names - there for place, names in asked.items() if not names or names - there} == {}


def test_the_numbers_of_several_processes_are_those_of_one_server(tmp_path: Path) -> None:
    port = free_port()
    apps = {"echo": app("Echo", [start("q"), end(q="start.q")], "start>end")}
    several = SeveralWorkers(tmp_path, apps, JIKKO_METRICS_PORT=str(port))
    metrics = Metrics(port)
    try:
        one, other = several.pair("echo")
        for client in (one, other, other):
            client.run(q="x")
        # Of a process that does not answer in time, the numbers are those of the last time.
        until(lambda: metrics.runs_finished() == {("succeeded",): 3}, "the runs of both are counted")
        found = metrics.read()
        assert found["jikko_members"] == {(): 2}
        assert found["jikko_build_info"].popitem()[1] == 1

        kill(one.process)
        until(lambda: metrics.read()["jikko_members"] == {(): 2}, "another one serves in its place")
        other.run(q="x")
        until(lambda: metrics.runs_finished() == {("succeeded",): 4}, "those of the dead one stay counted")
    finally:
        several.close()


def test_a_port_that_is_taken_ends_the_start_with_its_setting(jikko: Command) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        outcome = jikko("serve", "--port", "0", JIKKO_METRICS_PORT=str(taken.getsockname()[1]))
    assert outcome.code != 0
    assert "Choose another with JIKKO_METRICS_PORT." in outcome.err
    assert not outcome.has_traceback
