"""Secrets of workflows in command-line output."""

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from jikko.assemble import assemble
from jikko.cli.main import cli
from jikko.runs.runs import StartRequest
from jikko.settings import Settings
from tests.acceptance.workflows import app, end, fetch, start

pytestmark = pytest.mark.once
SECRET, MASKED = "sk-0123456789abcdef", "sk-012************ef"


@pytest.fixture
def text() -> str:
    """A workflow whose request has a secret in its URL and fails, and which puts out its input."""
    nodes = [start("q"), fetch("call", "ftp://x.test/{{#env.KEY#}}", error_strategy="fail-branch"), first()]
    content = json.loads(app("Tells", [*nodes, end(q="start.q")], "start>call call:fail-branch>join join>end"))
    content["workflow"]["environment_variables"] = [{"name": "KEY", "value_type": "secret", "value": SECRET}]
    return json.dumps(content)


def first() -> dict[str, object]:
    """A node whose recorded input is the secret."""
    return {"id": "join", "data": {"type": "variable-aggregator", "title": "join", "variables": [["env", "KEY"]]}}


def run_command(home: Path, *arguments: str | Path) -> Result:
    outcome = CliRunner(env={"JIKKO_HOME": str(home)}).invoke(cli, [str(argument) for argument in arguments])
    assert outcome.exit_code == 0, outcome
    return outcome


async def run(home: Path, text: str, q: str) -> str:
    async with assemble(Settings(home=home)) as assembly:
        published = await assembly.apps.publish(text.encode(), source="flow")
        live = await assembly.runs.start(published.app, StartRequest(inputs={"q": q}, user="u"))
        async for _ in live.follow():
            pass
        return live.record.identity.run_id


def test_the_inputs_of_nodes_are_printed_with_the_mask(tmp_path: Path, text: str) -> None:
    run_id = asyncio.run(run(tmp_path, text, "hello"))

    shown = json.loads(run_command(tmp_path, "runs", "show", run_id, "--json").stdout)
    followed = run_command(tmp_path, "runs", "follow", run_id, "--json").stdout

    inputs = {execution["node_id"]: execution["inputs"] for execution in shown["node_executions"]}
    assert inputs["join"] == {"KEY": MASKED}
    assert f'"inputs":{{"KEY":"{MASKED}"}}' in followed


@pytest.mark.parametrize("q", [SECRET, "\ue000KEY\ue001sk\ue002", "\\ue000KEY\\ue001sk\\ue002", "図\ue0ff 🚀"])
def test_texts_are_printed_as_they_are(tmp_path: Path, text: str, q: str) -> None:
    file = tmp_path / "flow.yml"
    file.write_text(text)
    ran = json.loads(run_command(tmp_path, "run", file, "--inputs", json.dumps({"q": q})).stdout)
    run_id = asyncio.run(run(tmp_path, text, q))
    listed = json.loads(run_command(tmp_path, "runs", "list", "--json").stdout.splitlines()[0])
    shown = json.loads(run_command(tmp_path, "runs", "show", run_id, "--json").stdout)

    assert ran == listed["outputs"] == shown["outputs"] == {"q": q}
    assert listed["inputs"]["q"] == q


def test_half_a_character_is_printed_as_a_question_mark(tmp_path: Path, text: str) -> None:
    file = tmp_path / "flow.yml"
    file.write_text(text)

    assert '"q": "?"' in run_command(tmp_path, "run", file, "--inputs", '{"q": "\\ud83d"}').stdout


HOSTS = ["vault 7f3a.example", "10.7.31.7", "7f3a7f3a"]


def asking_a_secret_host(host: str) -> str:
    """A workflow that sends a request to a host that is a secret."""
    content = json.loads(app("Asks", [start(), fetch("call", "http://{{#env.KEY#}}/x"), end()], "start>call>end"))
    content["workflow"]["environment_variables"] = [{"name": "KEY", "value_type": "secret", "value": host}]
    return json.dumps(content)


@pytest.mark.parametrize("host", HOSTS)
def test_no_command_shows_a_host_that_is_a_secret(tmp_path: Path, host: str) -> None:
    home, file = tmp_path / "home", tmp_path / "flow.yml"
    file.write_text(asking_a_secret_host(host))
    run_command(home, "apps", "import", file)
    runner = CliRunner(env={"JIKKO_HOME": str(home), "JIKKO_PORT": "0"})

    for command in (
        f"check {file}",
        f"check --json {file}",
        f"show {file}",
        f"show --json {file}",
        "apps list --json",
        "apps env Asks",
        "doctor",
        "doctor --json",
        f"run {file}",
        f"run --json {file}",
        "runs list --json",
    ):
        outcome = runner.invoke(cli, command.split())
        assert host not in outcome.output, (command, outcome.output)


@pytest.mark.parametrize("host", HOSTS)
def test_check_says_that_a_host_cannot_be_asked_and_not_which(tmp_path: Path, host: str) -> None:
    file = tmp_path / "flow.yml"
    file.write_text(asking_a_secret_host(host))
    said = CliRunner(env={"JIKKO_HOME": str(tmp_path)}).invoke(cli, ["check", str(file)]).output

    assert "{{#env.KEY#}} cannot be sent; the reason is hidden, since the host contains a secret" in said
