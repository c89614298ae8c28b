"""Secrets of workflows in what the command line prints."""

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from jikko.assemble import assemble
from jikko.cli.main import cli
from jikko.runs.runs import StartRequest
from jikko.settings import Settings
from tests.acceptance.workflows import app, end, start

SECRET, MASKED = "sk-0123456789abcdef", "sk-012************ef"


@pytest.fixture
def text() -> str:
    """A workflow that puts out a secret variable, and its input."""
    content = json.loads(app("Tells", [start("q"), end(key="env.KEY", q="start.q")], "start>end"))
    content["workflow"]["environment_variables"] = [{"name": "KEY", "value_type": "secret", "value": SECRET}]
    return json.dumps(content)


def said(home: Path, *arguments: str | Path) -> Result:
    outcome = CliRunner(env={"JIKKO_HOME": str(home)}).invoke(cli, [str(argument) for argument in arguments])
    assert outcome.exit_code == 0, outcome
    return outcome


def assert_masked(told: str) -> None:
    assert MASKED in told
    # Nor does it hold the mark that stands for the secret in the log.
    assert "\ue000" not in told
    assert "ue000" not in told


@pytest.mark.parametrize("way", [(), ("--json",)])
def test_a_run_of_the_command_tells_a_secret_in_asterisks(tmp_path: Path, text: str, way: tuple[str, ...]) -> None:
    file = tmp_path / "flow.yml"
    file.write_text(text)

    assert_masked(said(tmp_path, "run", file, *way).output)


@pytest.mark.parametrize("way", [(), ("--json",)])
def test_a_run_that_is_looked_at_tells_a_secret_in_asterisks(tmp_path: Path, text: str, way: tuple[str, ...]) -> None:
    async def started() -> str:
        async with assemble(Settings(home=tmp_path)) as assembly:
            published = await assembly.apps.publish(text.encode(), source="flow")
            live = await assembly.runs.start(published.app, StartRequest(inputs={}, user="u"))
            async for _ in live.follow():
                pass
            return live.record.owner.run_id

    run_id = asyncio.run(started())

    assert_masked(said(tmp_path, "runs", "show", run_id, *way).output)
    if way:
        assert_masked(said(tmp_path, "runs", "list", *way).output)


def test_half_a_character_is_printed_as_a_question_mark(tmp_path: Path, text: str) -> None:
    file = tmp_path / "flow.yml"
    file.write_text(text)

    assert '"q": "?"' in said(tmp_path, "run", file, "--inputs", '{"q": "\\ud83d"}').stdout
