"""Traces of runs, as a collector gets them from servers of several processes that die, and as a command sends them."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.client import Client
from tests.acceptance.echo import EchoServer
from tests.acceptance.faults import until
from tests.acceptance.otlp import Collector, attributes
from tests.acceptance.processes import Command, Server
from tests.acceptance.several import SeveralWorkers
from tests.acceptance.test_workers import kill
from tests.acceptance.workflows import app, end, fetch, form, python, start, with_environment

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SECRET = "Marked5ecret"
RUN = "{{#sys.workflow_run_id#}}"


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    yield collector
    collector.close()


def settings(collector: Collector, **more: str) -> dict[str, str]:
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "50", **more}


def test_a_run_over_a_crash_a_pause_and_several_processes_is_one_trace(
    tmp_path: Path, echo: EchoServer, collector: Collector
) -> None:
    nodes = [
        start("q"),
        fetch("first", f"{echo.url}/{RUN}/first"),
        fetch("wait", f"{echo.url}/hold/{RUN}"),
        form("ask", "?"),
        end(said="ask.comment"),
    ]
    apps = {"long": app("Long", nodes, "start>first first>wait wait>ask ask:yes>end")}
    several = SeveralWorkers(tmp_path, apps, **settings(collector, JIKKO_TRACE_PROPAGATE="127.0.0.1"))
    try:
        one, other = several.pair("long")
        headers = {"traceparent": f"00-{TRACE}-{SPAN}-01", "tracestate": "rojo=1"}
        body = one.body("async", {"q": "x"})
        run = one.request("POST", "/v1/workflows/run", json=body, headers=headers).json()["workflow_run_id"]
        echo.wait_for_calls(f"/hold/{run}")
        until(lambda: "wait" in [node["node_id"] for node in other.node_executions(run)], "it waits, durably")

        kill(one.process)
        echo.wait_for_calls(f"/hold/{run}", 2)
        echo.release(f"/hold/{run}")
        until(lambda: other.detail(run)["status"] == "paused", "it waits for its form")
        several.server.stop()
        several.restart()
        [token] = [event["form"]["form_token"] for event in several.client("long").log(run) if "form" in event]
        answer = {"action": "yes", "inputs": {"comment": "fine"}, "user": "someone"}
        submitted = several.client("long").request("POST", f"/v1/form/human_input/{token}", json=answer)
        assert submitted.status_code == 200, submitted.text
        assert several.client("long").finished(run)["status"] == "succeeded"
        until(lambda: len(collector.spans(run)) == 6, "all spans came")
    finally:
        several.close()

    spans = {attributes(span).get("jikko.node.id", ""): span for span in collector.spans(run)}
    assert set(spans) == {"", "start", "first", "wait", "ask", "end"}
    assert {span.trace_id.hex() for span in spans.values()} == {TRACE}
    root = spans.pop("")
    assert (root.name, root.parent_span_id.hex()) == ("invoke_workflow Long", SPAN)
    assert {span.parent_span_id for span in spans.values()} == {root.span_id}
    assert {event.name for event in root.events} >= {"taken over", "paused", "resumed"}
    assert attributes(root)["jikko.status"] == "succeeded"
    assert collector.services == {"jikko"}
    assert echo.headers[f"/{run}/first"]["traceparent"] == f"00-{TRACE}-{root.span_id.hex()}-01"
    assert echo.headers[f"/{run}/first"]["tracestate"] == "rojo=1"
    assert {span.trace_state for span in (root, *spans.values())} == {"rojo=1"}


@pytest.fixture
def house(jikko: Command, tmp_path: Path, echo: EchoServer) -> dict[str, str]:
    """Keys of an app that works and of one that fails, both full of secrets."""
    work = python("work", f"def main(q):\n    raise ValueError({SECRET!r})\n", {"out": "string"}, q="start.q")
    files = {
        "works": app(
            "Works", [start("q"), fetch("get", f"{echo.url}/{SECRET}"), end(q="get.body")], "start>get get>end"
        ),
        "fails": app("Fails", [start("q"), work, end(q="work.out")], "start>work work>end"),
    }
    secret = ("secret", SECRET)
    return jikko.imported(tmp_path, {name: with_environment(text, KEY=secret) for name, text in files.items()})


def run_of(server: Server, key: str) -> Any:
    client = Client(server.url, key, user=SECRET)
    try:
        return client.run(q=SECRET)["data"]
    finally:
        client.close()


def test_runs_that_fail_are_traced_in_any_case_and_others_as_the_setting_says(
    jikko: Command, house: dict[str, str], collector: Collector, echo: EchoServer
) -> None:
    server = Server(jikko.home, settings=settings(collector, JIKKO_TRACE_RATIO="0"))
    works, fails = run_of(server, house["works"]), run_of(server, house["fails"])
    # What waits is sent before the end.
    assert server.stop() == 0

    assert (works["status"], fails["status"]) == ("succeeded", "failed")
    assert {attributes(span)["jikko.run.id"] for span in collector.spans()} == {fails["id"]}
    # ERROR: what a collector looks for.
    assert {span.status.code for span in collector.spans() if "work" in attributes(span).values()} == {2}
    assert "traceparent" not in echo.headers[f"/{SECRET}"]


def test_a_trace_can_be_sent_later_and_is_the_same(jikko: Command, house: dict[str, str], collector: Collector) -> None:
    server = Server(jikko.home, settings=settings(collector))
    run = run_of(server, house["works"])["id"]
    assert server.stop() == 0
    first = sorted(span.SerializeToString() for span in collector.spans(run))
    assert len(first) == 4

    outcome = jikko("runs", "trace", run, **settings(collector))
    assert outcome.code == 0, outcome
    assert run.replace("-", "") in outcome.out
    assert sorted(span.SerializeToString() for span in collector.spans(run))[::2] == first
    printed = jikko.json("runs", "trace", run[:20])
    assert {span["span_id"] for span in printed} == {span.span_id.hex() for span in collector.spans(run)}
    nowhere = jikko("runs", "trace", run)
    assert nowhere.code == 2
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in nowhere.err
    assert SECRET.encode() not in collector.raw
    assert SECRET not in json.dumps(printed)


def test_a_collector_that_is_away_concerns_no_run(jikko: Command, house: dict[str, str], collector: Collector) -> None:
    away = {
        **settings(collector),
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
    }
    server = Server(jikko.home, settings=away)
    assert run_of(server, house["works"])["status"] == "succeeded"
    assert server.stop() == 0


OFF = """
import sys
import jikko.cli.serve, jikko.server.worker, jikko.server.supervisor
from jikko.server.observers import Observers
from jikko.settings import Settings
Observers(Settings(), {})
print([name for name in sys.modules if name.startswith(("opentelemetry", "google.protobuf", "requests"))])
"""


def test_without_an_endpoint_nothing_of_opentelemetry_is_loaded() -> None:
    done = subprocess.run([sys.executable, "-c", OFF], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
