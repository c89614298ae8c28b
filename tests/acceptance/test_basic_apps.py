"""Apps without a workflow on the command line."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.processes import Command

FORM = [{"text-input": {"label": "Who", "variable": "who", "required": True}}]


def file(folder: Path, mode: str, **config: Any) -> Path:
    model = {"provider": "openai", "name": "gpt-4o", "mode": "chat", "completion_params": {}}
    document = {"app": {"name": f"あ {mode}", "mode": mode}, "model_config": {"model": model, **config}}
    path = folder / f"{mode}.yml"
    path.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
    return path


@pytest.mark.parametrize("mode", ["completion", "chat", "agent-chat"])
def test_a_file_without_a_workflow_is_published_as_an_app_and_names_no_workflow(
    jikko: Command, tmp_path: Path, mode: str
) -> None:
    [entry] = jikko.json("apps", "import", file(tmp_path, mode))
    [listed] = jikko.json("apps", "list")

    assert (entry["workflow_id"], entry["version"]) == (None, 1)
    assert listed["mode"] == mode


def test_a_completion_is_run_once_with_the_inputs_of_its_form(jikko: Command, tmp_path: Path) -> None:
    path = file(tmp_path, "completion", pre_prompt="Greet {{who}}.", user_input_form=FORM)

    outcome = jikko("run", path, "-i", "who=花子", "--fake-models")

    assert outcome.code == 0, outcome.err
    assert json.loads(outcome.out)["answer"].rstrip().endswith("Greet 花子.")


@pytest.mark.parametrize("mode", ["chat", "agent-chat"])
def test_a_chat_and_an_agent_are_asked_a_question(jikko: Command, tmp_path: Path, mode: str) -> None:
    outcome = jikko("run", file(tmp_path, mode), "-q", "元気? 🗓", "--fake-models")

    assert outcome.code == 0, outcome.err
    assert outcome.out.rstrip().endswith("元気? 🗓")


def test_check_says_what_is_missing_and_where(jikko: Command, tmp_path: Path) -> None:
    tool = {"enabled": True, "provider_type": "api", "provider_id": "gone", "tool_name": "x", "tool_parameters": {}}
    path = file(tmp_path, "agent-chat", agent_mode={"enabled": True, "strategy": "react", "tools": [tool]})

    told = jikko("check", path, "--fake-models").out

    assert 'warning: node "Agent": api provider gone' in told
    assert told.splitlines()[-1].startswith(f"{path}: runs")
