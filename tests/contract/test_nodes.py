"""Contract of node types, for any configuration."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jikko.diagnostics.diagnostic import Diagnostic
from jikko.dsl.fields import Fields
from jikko.nodes.contract import Node
from jikko.nodes.registry import BY_TYPE

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
TYPES = sorted(BY_TYPE)
KEYS = sorted(
    {
        "answer", "authorization", "body", "break_conditions", "cases", "classes", "code", "code_language",
        "conditions", "context", "delivery_methods", "extract_by", "filter_by", "form_content", "headers", "inputs",
        "items", "iterator_selector", "limit", "loop_count", "loop_variables", "memory", "method", "model", "order_by",
        "output_selector", "outputs", "parameters", "params", "prompt_template", "query", "retry_config", "template",
        "timeout", "url", "user_actions", "variable", "variable_selector", "variables", "version", "vision",
        "structured_output", "structured_output_enabled", "prompt_config", "advanced_settings", "write_mode",
    }
)  # fmt: skip
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["and", "json", "2"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*KEYS, "type", "value"]), inner, max_size=4)
    ),
    max_leaves=12,
)


def made(kind: str, data: dict[str, Any]) -> tuple[Node, list[Diagnostic]]:
    problems: list[Diagnostic] = []
    node: Node = BY_TYPE[kind].from_dsl(Fields("data", {"type": kind, **data}, problems))
    return node, problems


@pytest.mark.parametrize("kind", TYPES)
def test_a_node_without_configuration_is_made_and_says_how_it_runs(kind: str) -> None:
    node, _ = made(kind, {})

    assert isinstance(node.immediate, bool)
    assert isinstance(node.branching, bool)
    assert BY_TYPE[kind].__doc__


@pytest.mark.parametrize("kind", TYPES)
@settings(max_examples=25)
@given(data=st.dictionaries(st.sampled_from(KEYS), JSON, max_size=5))
def test_a_configuration_that_makes_no_sense_is_noted_and_never_raised(kind: str, data: dict[str, Any]) -> None:
    _, problems = made(kind, data)

    assert all(problem.where.startswith("data") and problem.text() for problem in problems)


def test_that_node_types_do_not_know_each_other_is_checked_for_all_of_them() -> None:
    contracts = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    [listed] = [contract["modules"] for contract in contracts if contract["type"] == "independence"]

    assert {cls.__module__ for cls in BY_TYPE.values()} <= set(listed)


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("assigner", {"version": "2", "items": [{"variable_selector": 5, "operation": "set"}]}),
        ("loop", {"loop_variables": [{"label": "v", "var_type": "array[string]", "value": "[" * 2000}]}),
        ("loop", {"loop_variables": [{"label": "v", "var_type": "object", "value": "[" * 2000}]}),
        ("llm", {"structured_output_enabled": True, "structured_output": {"schema": "[" * 2000}}),
    ],
)
def test_nor_do_values_of_a_wrong_type_or_nested_too_deeply_raise(kind: str, data: dict[str, Any]) -> None:
    made(kind, data)
