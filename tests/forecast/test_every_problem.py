"""`jikko check` reports all problems of a file at once, even behind a fatal one."""

import json
from pathlib import Path
from typing import Any

import pytest

from jikko.dsl.load import load
from tests.acceptance.workflows import app, end, fetch, node, python, start
from tests.forecast.cases import code, having, llm, tool
from tests.forecast.running import foretold, here

MODEL = {"provider": "langgenius/openai/openai", "model": "gpt-4o", "model_type": "llm", "mode": "chat"}
TOOL = {"enabled": True, "type": "builtin", "provider_name": "tavily", "tool_name": "tavily_search"}


def agent(strategy: str, **parameters: Any) -> str:
    given = {name: {"type": "constant", "value": value} for name, value in parameters.items()}
    provider = "langgenius/agent/agent" if strategy == "function_calling" else "somebody/other/other"
    named = {"agent_strategy_provider_name": provider, "agent_strategy_name": strategy}
    helper = node("helper", "agent", **named, agent_parameters=given)
    return app("Agent", [start("q"), helper, end(q="start.q")], "start>helper helper>end")


def paths(text: str, **more: Any) -> dict[str, str]:
    """The cause of each finding by the end of its path."""
    return {
        finding.where.rpartition("data.")[2]: finding.cause for finding in foretold(text, here(None, **more)).findings
    }


@pytest.mark.parametrize("strategy", ["function_calling", "TOD"])
def test_an_agent_is_told_what_its_models_and_tools_lack_whether_its_strategy_is_here_or_not(strategy: str) -> None:
    found = paths(agent(strategy, model=MODEL, instruction="x", query="y", judge=MODEL, tools=[TOOL]))
    assert found["agent_parameters.model"] == found["agent_parameters.judge"] == "model"
    assert found["agent_parameters.tools"] == "tool"
    assert ("agent_strategy_name" in found) == (strategy == "TOD")


def test_a_faked_model_is_enough_for_an_agent() -> None:
    text = agent("function_calling", model=MODEL, instruction="x", query="y", tools=[], maximum_iterations=3)
    assert foretold(text, here(None, fake_models=True)).verdict == "runs"


@pytest.mark.parametrize(("mocked", "verdict"), [({}, "may_fail"), ({"llm": {"text": "[1]"}}, "runs")])
def test_code_that_parses_what_a_faked_model_says_may_fail(mocked: dict[str, Any], verdict: str) -> None:
    parses = python("code", "def main(x):\n    return {'r': str(json.loads(x))}", {"r": "string"}, x="llm.text")
    text = app("Parses", [start("q"), llm(), parses, end(q="start.q")], "start>llm llm>code code>end")

    found = foretold(text, here(None, fake_models=True, mocks=mocked))

    assert found.verdict == verdict
    assert ["--mock" in one.advice() for one in found.findings if one.cause == "model"] == [True] * (not mocked)


def test_code_that_parses_what_a_faked_model_says_runs_with_an_example_in_the_prompt() -> None:
    parses = python("code", "def main(x):\n    return {'r': json.loads(x)['返事']}", {"r": "string"}, x="llm.text")
    model = llm(prompt='Answer in JSON:\n{"返事": "はい 🍵"}\n')
    text = app("Parses", [start("q"), model, parses, end(q="start.q")], "start>llm llm>code code>end")

    assert foretold(text, here(None, fake_models=True)).verdict == "runs"


def test_code_that_writes_json_of_what_a_faked_model_says_runs() -> None:
    writes = python("code", "def main(x):\n    return {'r': json.dumps({'text': x})}", {"r": "string"}, x="llm.text")
    text = app("Writes", [start("q"), llm(), writes, end(q="start.q")], "start>llm llm>code code>end")

    assert foretold(text, here(None, fake_models=True)).verdict == "runs"


def test_a_file_that_cannot_be_imported_is_told_what_its_other_nodes_lack() -> None:
    nodes = [start("q"), tool(), llm(), code("import pandas\n\ndef main():\n    return {'r': ''}"), node("bad", "lmm")]
    edges = "start>tool tool>llm llm>code code>bad bad>nowhere"
    text = having(app("Broken", [*nodes, end(q="start.q")], edges), {"KEY": ("secret", "")})
    found = foretold(text, here(None))
    assert found.verdict == "cannot_be_imported"
    assert [finding.severity for finding in found.findings if finding.severity == "error"] == ["error"] * 2
    assert {finding.node: finding.cause for finding in found.findings if finding.severity == "may_fail"} == {
        "tool": "tool",
        "llm": "model",
        "code": "import",
    }
    assert "secret" in {finding.cause for finding in found.findings}


def test_of_a_broken_file_what_is_faked_or_mocked_lacks_nothing() -> None:
    text = app("Broken", [start("q"), tool(), llm(), node("bad", "lmm"), end()], "start>tool tool>llm llm>bad bad>end")
    found = foretold(text, here(None, fake_models=True, mocks={"tool": {"text": "x"}}))
    assert [finding.severity for finding in found.findings] == ["error"]


@pytest.mark.parametrize(("strategy", "level"), [({}, "may_fail"), ({"error_strategy": "fail-branch"}, "warning")])
def test_what_may_go_wrong_is_a_warning_if_the_node_has_an_error_strategy(strategy: Any, level: str) -> None:
    request = fetch("get", "http://金庫.internal/")
    request["data"].update(strategy)
    text = app("Perhaps", [start("q"), request, end(q="start.q")], "start>get get>end get:fail-branch>end")

    [finding] = foretold(text, here(None)).findings

    assert (finding.severity, finding.cause) == (level, "address")
    assert ("runs continue, since the node has an error strategy" in finding.text()) == bool(strategy)


def test_a_key_that_a_mapping_has_twice_is_told_with_its_place(tmp_path: Path) -> None:
    text = "kind: app\n" + json.dumps(json.loads(app("Twice", [start("q"), end(q="start.q")], "start>end")), indent=1)
    twice = text.replace('"name": "Twice",', '"name": "Once",\n  "name": "Twice",', 1).removeprefix("kind: app\n")
    found = foretold(twice, here(None))
    assert found.verdict == "runs"
    [doubt] = found.findings
    assert (doubt.severity, doubt.text()) == ("warning", "the key 'name' is here a second time")
    assert twice.splitlines()[doubt.line - 1].lstrip() == '"name": "Twice",'
    assert doubt.column == 3


@pytest.mark.parametrize("character", ["\0", "\x07", "\x9f", "\ufffe", "\ud800"])
def test_a_character_that_no_yaml_has_is_told_with_its_place(character: str) -> None:
    [problem] = load(f"app:\n  name: 名前{character}x\n", source="test", runnable=frozenset()).problems
    assert (problem.line, problem.column) == (2, 11)
    assert "which YAML does not allow" in problem.text()
