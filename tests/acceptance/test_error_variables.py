"""Error variables after a failure handled by the node's error strategy, for each kind of node."""

from typing import Any

import pytest

from tests.acceptance.client import Client
from tests.acceptance.processes import Command, Server
from tests.acceptance.workflows import app, end, fetch, iteration, node, python, start, template

STRICT = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
RAISES = "def main(q):\n    raise ValueError('そんな ' + q)\n"


def failing() -> dict[str, tuple[list[dict[str, Any]], str, str]]:
    """By node: what it takes, the error type, and what its message has."""
    return {
        "raises": (
            [python("raises", RAISES, {"x": "string"}, q="start.q")],
            "CodeExecutionError",
            "ValueError: そんな 🌸",
        ),
        "mistyped": (
            [python("mistyped", "def main():\n    return {'x': 1}\n", {"x": "string"})],
            "OutputValidationError",
            "x",
        ),
        "undeclared": (
            [python("undeclared", "def main():\n    return {'x': 'a', 'y': 1}\n", {"x": "string"})],
            "CodeNodeError",
            "Not all output parameters are validated",
        ),
        "jinja": ([template("jinja", "{% if %}")], "", "TemplateSyntaxError"),
        "refused": ([fetch("refused", "http://127.0.0.1:9/")], "HttpRequestNodeError", "refused"),
        "badurl": ([fetch("badurl", "ftp://x/")], "InvalidURLError", "http"),
        "branch": (
            [
                node(
                    "branch",
                    "if-else",
                    cases=[
                        {
                            "case_id": "a",
                            "logical_operator": "and",
                            "conditions": [
                                {"variable_selector": ["no", "x"], "comparison_operator": "is", "value": "1"}
                            ],
                        }
                    ],
                )
            ],
            "",
            "['no', 'x']",
        ),
        "items": (
            [node("items", "list-operator", variable=["start", "q"], filter_by={"enabled": False, "conditions": []})],
            "",
            "['start', 'q']",
        ),
        "documents": ([node("documents", "document-extractor", variable_selector=["start", "q"])], "", "start"),
        "rounds": (
            iteration("rounds", "start.q", "inner.output", template("inner", "x")),
            "WorkflowNodeError",
            "['start', 'q']",
        ),
        "model": (
            [
                node(
                    "model",
                    "llm",
                    model={"provider": "nowhere", "name": "m", "mode": "chat", "completion_params": {}},
                    prompt_template=[{"role": "user", "text": "hi"}],
                    context={"enabled": False, "variable_selector": []},
                    vision={"enabled": False},
                )
            ],
            "ModelNotExistError",
            "nowhere",
        ),
    }


@pytest.mark.parametrize("strategy", ["fail-branch", "default-value"])
def test_each_kind_of_node_tells_what_was_wrong_and_of_what_kind_it_was(jikko: Command, strategy: str) -> None:
    cases = failing()
    nodes = [start("q")]
    edges = []
    before, handle = "start", "source"
    for name, (own, _, _) in cases.items():
        own[0]["data"] |= {"error_strategy": strategy, "default_value": []}
        nodes += own
        edges.append(f"{before}:{handle}>{name}")
        before, handle = name, "fail-branch" if strategy == "fail-branch" or name == "branch" else "source"
        if name == "branch" and strategy == "default-value":
            own[0]["data"]["error_strategy"] = "fail-branch"
    outputs = {f"{name}_{part}": f"{name}.error_{part}" for name in cases for part in ("message", "type")}
    file = app("Fails", [*nodes, end(**outputs)], " ".join([*edges, f"{before}:{handle}>end", "rounds-start>inner"]))
    jikko.home.mkdir()
    path = jikko.home / "fails.yml"
    path.write_text(file, encoding="utf-8")
    [imported] = jikko.json("apps", "import", path)
    server = Server(jikko.home)
    client = Client(server.url, imported["api_key"])

    run = client.run(q="🌸")
    recorded = {entry["node_id"]: entry for entry in client.node_executions(run["workflow_run_id"])}
    streamed = {
        message["data"]["node_id"]: message["data"]
        for message in client.stream(q="🌸")
        if message["event"] == "node_finished"
    }

    client.close()
    server.stop()
    got = run["data"]["outputs"]
    assert run["data"]["status"] == "partial-succeeded", run
    assert {name: got[f"{name}_type"] for name in cases} == {name: kind for name, (_, kind, _) in cases.items()}
    for name, (_, _, part) in cases.items():
        assert part in got[f"{name}_message"]
        assert recorded[name]["error"] == got[f"{name}_message"]
        if name in streamed:
            assert streamed[name]["error"] == "Unknown error"
            assert streamed[name]["outputs"]["error_message"] == got[f"{name}_message"]
