"""Pointers to variables that do not exist."""

import tracemalloc
from typing import Any

import pytest

from .files import edges, file, node, problems

DATA = "workflow.graph.nodes[1].data"
ENVIRONMENT = [{"name": "key", "value_type": "string", "value": "x"}]


def warnings(kind: str, **data: Any) -> list[str]:
    nodes = [node("start", "start"), node("a", kind, **data)]
    found = problems(file(nodes, edges("start --> a"), workflow={"environment_variables": ENVIRONMENT}))
    return [one for one in found if "cannot run" not in one]


@pytest.mark.parametrize(
    ("kind", "data", "where"),
    [
        ("code", {"variables": [{"variable": "x", "value_selector": ["strat", "x"]}]}, "variables[0].value_selector"),
        ("end", {"outputs": [{"variable": "x", "value_selector": ["strat", "x"]}]}, "outputs[0].value_selector"),
        ("variable-aggregator", {"variables": [["start", "x"], ["strat", "x"]]}, "variables[1]"),
        (
            "variable-aggregator",
            {"advanced_settings": {"groups": [{"variables": [["strat", "x"]]}]}},
            "advanced_settings.groups[0].variables[0]",
        ),
        ("answer", {"answer": "Hello {{#strat.x#}}"}, "answer"),
        ("parameter-extractor", {"query": ["strat", "x"]}, "query"),
        ("http-request", {"body": {"data": [{"value": "{{#strat.x#}}"}]}}, "body.data[0].value"),
        (
            "if-else",
            {"cases": [{"case_id": "true", "conditions": [{"variable_selector": ["strat", "x"], "value": ""}]}]},
            "cases[0].conditions[0].variable_selector",
        ),
    ],
)
def test_a_pointer_to_a_node_that_does_not_exist_is_told(kind: str, data: dict[str, Any], where: str) -> None:
    assert warnings(kind, **data) == [
        f"warning: {DATA}.{where}: refers to node 'strat', which does not exist (did you mean 'start'?)"
    ]


def test_a_node_is_told_of_once() -> None:
    assert len(warnings("answer", answer="{{#x.a#}} {{#x.b#}} {{#y.c#}}")) == 2


def test_environment_variables_are_known_by_name() -> None:
    assert warnings("answer", answer="{{#env.key#}} {{#env.kye#}} {{#conversation.topic#}} {{#sys.anything#}}") == [
        f"warning: {DATA}.answer: refers to env.kye, which does not exist (did you mean 'key'?)",
        f"warning: {DATA}.answer: refers to conversation.topic, which does not exist",
    ]


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        pytest.param(
            "llm", {"variables": [{"value_selector": ["gone", "x"]}]}, id="variables that the type does not read"
        ),
        pytest.param("llm", {"context": {"enabled": False, "variable_selector": ["gone", "x"]}}, id="switched off"),
        pytest.param("llm", {"_targets": [{"value_selector": ["gone", "x"]}]}, id="notes of the editor"),
        pytest.param(
            "if-else",
            {"cases": [], "conditions": [{"variable_selector": ["gone", "x"]}]},
            id="the old form besides the new",
        ),
        pytest.param("code", {"code": "'{{#gone.x#}}'"}, id="code is not a template"),
        pytest.param("answer", {"answer": "{{ #gone.x# }} {{#context#}}"}, id="what is no reference"),
        pytest.param("code", {"variables": [{"value_selector": []}, {"value_selector": ["gone"]}]}, id="unfinished"),
    ],
)
def test_left_overs_are_not_looked_at(kind: str, data: dict[str, Any]) -> None:
    assert warnings(kind, **data) == []


def test_a_long_key_is_cut_in_the_path_of_a_problem() -> None:
    (found,) = warnings("answer", **{"k" * 1000: "{{#gone.x#}}"})

    assert found.startswith(f"warning: {DATA}.{'k' * 60}…: refers to node 'gone'")


def test_paths_take_no_memory_where_there_is_no_problem() -> None:
    # 30,000 places below 50 keys of 1,000 characters: as texts, their paths are 1.5 GB.
    data: Any = ["x"] * 30_000
    for _ in range(50):
        data = {"k" * 1000: data}
    tracemalloc.start()
    try:
        assert warnings("answer", data=data) == []
        assert tracemalloc.get_traced_memory()[1] < 200_000_000
    finally:
        tracemalloc.stop()
