"""Server log: contents for operators, and data it never contains."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.client import Client
from tests.acceptance.echo import EchoServer
from tests.acceptance.faults import until
from tests.acceptance.processes import Command, Server
from tests.acceptance.workflows import app, end, fetch, node, python, start, with_environment

SECRET = "Marked5ecret"
PROVIDERS = f"""
providers:
  openai:
    type: openai
    base_url: "{{url}}/v1"
    api_key: {SECRET}-of-the-provider
"""
FAILS = f"raise ValueError(q + {(SECRET + '-of-the-code')!r})"


def full_of_secrets(echo: EchoServer) -> str:
    """Each node but the last fails in its own way with a secret in its hands, and the run goes on."""
    ask = node(
        "ask",
        "llm",
        model={"provider": "openai", "name": "m", "mode": "chat", "completion_params": {}},
        prompt_template=[{"role": "user", "text": "{{#start.q#}}"}],
        context={"enabled": False},
        error_strategy="fail-branch",
    )
    call = fetch("call", "http://127.0.0.1:1/{{#env.KEY#}}?q={{#start.q#}}", error_strategy="fail-branch")
    work = python("work", f"def main(q):\n    {FAILS}\n", {"out": "string"}, q="start.q")
    nodes = [start("q"), ask, call, work, end(q="start.q")]
    text = app("Secrets", nodes, "start>ask ask:fail-branch>call call:fail-branch>work work>end")
    return with_environment(text, KEY=("secret", f"{SECRET}-of-the-file"))


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_run_full_of_secrets_leaves_none_in_the_log(
    jikko: Command, tmp_path: Path, echo: EchoServer, form: str
) -> None:
    providers = tmp_path / "providers.yml"
    providers.write_text(PROVIDERS.replace("{url}", echo.url))
    file = tmp_path / "secrets.yml"
    file.write_text(full_of_secrets(echo))
    [entry] = jikko.json("apps", "import", file)
    settings = {"JIKKO_LOG_FORMAT": form, "JIKKO_LOG_LEVEL": "debug", "JIKKO_LOG_REQUESTS": "all"}
    server = Server(jikko.home, settings={**settings, "JIKKO_PROVIDERS": str(providers)})
    client = Client(server.url, entry["api_key"], user=f"{SECRET}-as-user")
    body = {
        **client.body("async", {"q": f"{SECRET}-as-input"}),
        "callback_url": f"http://127.0.0.1:1/{SECRET}?k={SECRET}",
    }
    try:
        run = client.request("POST", "/v1/workflows/run", json=body).json()["workflow_run_id"]
        client.request("GET", f"/v1/form/human_input/{SECRET}?token={SECRET}")
        client.request("GET", f"/files/{run}/file-preview?sign={SECRET}&nonce=1&timestamp=1")
        client.request("GET", f"/{SECRET}", headers={"X-Api-Key": SECRET})
        until(lambda: "callback was not delivered" in server.output and "run ended" in server.output, "both are told")
        record = client.get(f"/v1/workflows/run/{run}")
    finally:
        client.close()
        server.stop()

    assert record["status"] == "failed"
    assert SECRET in json.dumps(record)
    assert SECRET.lower() not in server.output.lower()
    assert entry["api_key"] not in server.output
    if form == "json":
        check_lines(server.output, run)


def check_lines(output: str, run: str) -> None:
    """Each line of the log is an object that says when, how bad, and what; those of the run name it."""
    lines: list[dict[str, Any]] = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    assert all({"ts", "level", "logger", "msg"} <= line.keys() for line in lines)

    def of(begins: str) -> list[dict[str, Any]]:
        return [line for line in lines if line["msg"].startswith(begins)]

    [ended] = of("run ended")
    assert (ended["run"], ended["status"], ended["node"], ended["level"]) == (run, "failed", "work", "warning")
    assert {(line["route"], line["status"]) for line in of("request")} >= {("/v1/workflows/run", 202), ("none", 404)}
    assert all(line["request"] for line in of("request"))
    assert of("a callback was not delivered")[0]["run"] == run


def test_a_text_log_is_for_people(jikko: Command, tmp_path: Path) -> None:
    file = tmp_path / "echo.yml"
    file.write_text(app("Echo", [start("q"), end(q="start.q")], "start>end"))
    [entry] = jikko.json("apps", "import", file)
    server = Server(jikko.home)
    client = Client(server.url, entry["api_key"])
    try:
        run = client.run(q="x")["workflow_run_id"]
        client.request("GET", "/v1/nothing")
        until(lambda: "run ended" in server.output and "status=404" in server.output, "both are told")
    finally:
        client.close()
        server.stop()

    [line] = [line for line in server.output.splitlines() if "run ended" in line]
    assert line.startswith(f"INFO jikko.runs: run ended run={run} ")
    assert "status=succeeded" in line
    assert not [line for line in server.output.splitlines() if "/v1/workflows/run " in line]
