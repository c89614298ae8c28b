"""docs/testing.md: its test files pass, its CI jobs call the command correctly, and its output is accurate."""

import json
import re
import shlex
from pathlib import Path

import pytest
import yaml

from tests.acceptance.processes import Command
from tests.page_blocks import ROOT, Block, blocks, fits, shown_commands

YAML = blocks("docs/testing.md", "yaml")
FILES = [block for block in YAML if not block.first_line.startswith("# .git")]
JOBS = [block for block in YAML if block.first_line.startswith("# .git")]


@pytest.mark.parametrize("block", FILES, ids=lambda block: f"line {block.line}")
def test_a_test_file_that_is_shown_passes(block: Block, jikko: Command, tmp_path: Path) -> None:
    (tmp_path / "flow.yml").write_bytes((ROOT / "examples" / "support-triage.yml").read_bytes())
    # The workflow of the page has neither models nor tools; the names of their nodes are those of another one.
    text = block.text.replace("../examples", str(ROOT / "examples")).replace("node: Draft, ", "")
    path = tmp_path / "flow.test.yml"
    path.write_text(text, encoding="utf-8")

    outcome = jikko("test", path)

    assert outcome.code == 0, outcome.out + outcome.err


@pytest.mark.parametrize("block", JOBS, ids=lambda block: block.first_line)
def test_a_job_that_is_shown_calls_the_command_as_it_is(block: Block, jikko: Command, tmp_path: Path) -> None:
    assert yaml.safe_load(block.text)
    [line] = re.findall(r"jikko test .*", block.text)
    words = line.replace("flows", str(ROOT / "examples")).replace("report.xml", str(tmp_path / "report.xml"))
    assert jikko(*shlex.split(words)[1:]).code == 0


@pytest.mark.parametrize(("command", "output"), shown_commands(blocks("docs/testing.md", "console")))
def test_a_command_that_is_shown_prints_what_is_shown(command: str, output: str, jikko: Command) -> None:
    words = command.replace("examples", f"{ROOT}/examples")
    assert fits(jikko(*shlex.split(words)[1:]).out, output.replace("examples/", f"{ROOT}/examples/"))


def test_the_commands_that_save_a_run_do_so(jikko: Command, tmp_path: Path) -> None:
    flow = ROOT / "examples" / "support-triage.yml"
    assert jikko("run", flow, "-i", "message=down!", "-i", "plan=pro", "--keep").code == 0
    run_id = json.loads(jikko("runs", "list", "--json").out)["workflow_run_id"]
    block, _ = blocks("docs/testing.md", "sh")
    for number, (command, _) in enumerate(block.commands()):
        text = command.replace("01a217f8-9c3e", run_id).replace("flows/support.yml", str(flow))
        words = shlex.split(text.replace("tests/", f"{tmp_path}/{number}/"))
        saved = jikko(*words[1:])
        assert saved.code == 0, saved.err
        assert "may hold personal data in input message, input plan" in saved.err
        assert jikko("test", tmp_path / str(number)).code == 0


def test_the_commands_that_replay_runs_do_so(jikko: Command, tmp_path: Path) -> None:
    flow = ROOT / "examples" / "support-triage.yml"
    assert jikko("run", flow, "-i", "message=down!", "-i", "plan=pro", "--keep").code == 0
    run_id = json.loads(jikko("runs", "list", "--json").out)["workflow_run_id"]
    assert jikko("runs", "export", tmp_path / "runs.jsonl").code == 0
    _, block = blocks("docs/testing.md", "sh")
    for command, _ in block.commands():
        text = command.partition("#")[0].replace("01a217f8-9c3e", run_id).replace("Support", "'Support triage'")
        text = text.replace("runs.jsonl", str(tmp_path / "runs.jsonl"))
        replayed = jikko(*shlex.split(re.sub(r"\b(new|old)\.yml", str(flow), text))[1:])
        assert (replayed.code, replayed.out.split()[:2]) == (0, ["1", "same"]), replayed
