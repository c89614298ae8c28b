"""Server against its OpenAPI description: schemathesis sends valid and invalid requests."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.acceptance.client import Client
from tests.acceptance.processes import Command, Server
from tests.acceptance.workflows import ASKS, ECHO, app, end, node, start
from tests.effort import PATIENCE

pytestmark = pytest.mark.slow

SCHEMATHESIS = Path(sys.executable).parent / "schemathesis"
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
VARIABLE = "0199a1b2-0000-7000-8000-0000000000b1"
CASES = 4
"""What is made up for each operation, besides the borders that the description names: those are all tried. A count,
so that a busy machine tries no less."""
BESIDES = ("--phases", "coverage,fuzzing")
CHAT = r"conversations|/v1/(chat-)?messages|/v1/(app|parameters|site|meta|info)\b"
"""Paths that a key of a chat opens."""
RUNS = r"/v1/(workflows?|form|files|end-users)\b|^/files"
"""Paths of runs, forms and files."""


@pytest.fixture
def served(jikko: Command, tmp_path: Path) -> Iterator[tuple[Client, Client]]:
    """Clients of an app that answers at once and of one that waits for a human."""
    keys = jikko.imported(tmp_path, {"echo": ECHO, "asks": ASKS})
    server = Server(jikko.home)
    echo, asks = (Client(server.url, key) for key in keys.values())
    yield echo, asks
    echo.close()
    asks.close()
    server.close()


def drive(
    client: Client,
    folder: Path,
    *options: str,
    parameters: dict[str, str] | None = None,
    description: str = "/openapi.json",
) -> None:
    """Let schemathesis loose on the server. The test fails if it has anything against the answers.

    Args:
        parameters: Values to send instead of made-up ones, by name, or by place and name: ``query.user``.
        description: Where the description of what is tried is.
    """
    lines = [f"{json.dumps(name)} = {json.dumps(value)}" for name, value in (parameters or {}).items()]
    config = folder / "schemathesis.toml"
    config.write_text("\n".join(["[parameters]", *lines]), encoding="utf-8")
    command: list[str | Path] = [SCHEMATHESIS, "--no-color", "--config-file", config, "run"]
    command += [str(client.request("GET", description).url), "--checks", CHECKS, "--seed", "1"]
    command += ["--continue-on-failure", "--warnings", "off", "--max-examples", str(CASES), *options]
    command += [part for name, value in client.headers.items() for part in ("--header", f"{name}: {value}")]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SCHEMATHESIS_")}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=10 * PATIENCE, check=False
    )
    assert "Test cases:" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_request_brings_an_answer_that_is_not_described(served: tuple[Client, Client], tmp_path: Path) -> None:
    echo, _ = served

    drive(echo, tmp_path)


def test_nor_does_any_about_runs_forms_and_files_that_there_are(served: tuple[Client, Client], tmp_path: Path) -> None:
    _, asks = served
    known = things(asks)
    signed = dict(parse_qsl(urlsplit(known.pop("source_url")).query))
    for path in (
        "/v1/workflows/run/{workflow_run_id}",
        "/v1/workflows/run/{workflow_run_id}/node-executions/{node_execution_id}",
        "/v1/form/human_input/{form_token}",
        "/v1/end-users/{end_user_id}",
    ):
        asks.get(path.format(**known))
    assert asks.request("GET", f"/files/{known['file_id']}/file-preview", params=signed).status_code == 200

    parameters = {**known, **signed, "query.user": asks.user}

    drive(asks, tmp_path, *BESIDES, "--include-path-regex", RUNS, parameters=parameters)


def test_nor_does_any_about_a_chat(jikko: Command, tmp_path: Path) -> None:
    note = {"id": VARIABLE, "name": "note", "value_type": "string", "value": ""}
    nodes = [start(), node("reply", "answer", answer="{{#sys.query#}}")]
    file = tmp_path / "chat.yml"
    chat = app("Chat", nodes, "start>reply", mode="advanced-chat", conversation_variables=[note])
    file.write_text(chat, encoding="utf-8")
    [entry] = jikko.json("apps", "import", file)
    server = Server(jikko.home)
    client = Client(server.url, entry["api_key"])
    try:
        question = {"query": "why", "inputs": {}, "user": client.user}
        asked = client.request("POST", "/v1/chat-messages", json=question).json()
        known = {name: asked[name] for name in ("conversation_id", "message_id", "task_id")}
        parameters = {**known, "variable_id": VARIABLE, "query.user": client.user}
        drive(client, tmp_path, *BESIDES, "--include-path-regex", CHAT, parameters=parameters)
    finally:
        client.close()
        server.close()


def test_nor_does_any_to_the_console(served: tuple[Client, Client], jikko: Command, tmp_path: Path) -> None:
    echo, asks = served
    done, waiting = echo.run(q="why"), asks.run(q="why")
    [made] = jikko.json("console", "tokens", "new", "schemathesis")
    url = urlsplit(str(echo.request("GET", "/health").url))
    client = Client(f"{url.scheme}://{url.netloc}", made["token"])
    [app, _] = client.request("GET", "/console/api/apps").json()["data"]
    known = {
        "run_id": done["workflow_run_id"],
        "app_id": app["id"],
        "workflow_id": app["version"]["workflow_id"],
        "position": "2",
        "form_id": waiting["data"]["reasons"][0]["form_id"],
        **triggers(jikko, client, tmp_path),
    }
    try:
        # Streams have no end; and what ends what the others need is tried elsewhere.
        drive(
            client,
            tmp_path,
            *("--exclude-path-regex", "stream$|system/check$", "--exclude-method", "DELETE"),
            parameters=known,
            description="/api/openapi.json",
        )
    finally:
        client.close()


def triggers(jikko: Command, client: Client, folder: Path) -> dict[str, str]:
    """A schedule, and a call of a webhook: what names each."""
    nodes = [
        node("hook", "trigger-webhook", method="post"),
        end(),
        node("clock", "trigger-schedule", mode="cron", cron_expression="0 * * * *"),
        node("other", "end", outputs=[]),
    ]
    file = folder / "triggers.yml"
    file.write_text(app("Triggers", nodes, "hook>end clock>other"), encoding="utf-8")
    [entry] = jikko.json("apps", "import", file)
    client.request("POST", f"/triggers/webhook/{entry['webhooks']['hook']}", json={})
    [clock] = client.request("GET", "/console/api/triggers", params={"kind": "schedule"}).json()["data"]
    [delivery] = client.request("GET", "/console/api/deliveries").json()["data"]
    return {"trigger_id": clock["id"], "delivery_id": delivery["id"]}


def things(client: Client) -> dict[str, str]:
    """A finished run, a form that a second run waits for, the task of a third, and a file: what names each."""
    finished, waiting, other = (client.run(q="why") for _ in range(3))
    run_id = finished["workflow_run_id"]
    submitted = {"inputs": {"comment": "so"}, "action": "yes", "user": client.user}
    answer = client.request("POST", f"/v1/form/human_input/{token(finished)}", json=submitted)
    assert answer.status_code == 200
    assert client.finished(run_id)["status"] == "succeeded"
    file = client.request(
        "POST", "/v1/files/upload", files={"file": ("a.txt", b"abc", "text/plain")}, data={"user": client.user}
    ).json()
    return {
        "workflow_run_id": run_id,
        "workflow_id": finished["data"]["workflow_id"],
        "node_execution_id": client.node_executions(run_id)[0]["id"],
        "task_id": other["task_id"],
        "form_token": token(waiting),
        "file_id": file["id"],
        "name": f"{file['id']}.txt",
        "end_user_id": file["created_by"],
        "source_url": file["source_url"],
    }


def token(paused: Any) -> str:
    """The token of the form that a run waits for, by the answer to its start."""
    [reason] = paused["data"]["reasons"]
    return str(reason["form_token"])
