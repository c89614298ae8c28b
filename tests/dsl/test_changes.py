"""Behavioural differences of two workflow versions."""

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from jikko.dsl.document import DslDocument, changed_nodes
from jikko.dsl.load import load
from tests.acceptance.workflows import app, end, iteration, start, template

NODES = [
    start("q"),
    template("a", "{{ x }}{{#env.E#}}", x="start.q"),
    template("b", "b", x="a.output"),
    *iteration("each", "start.q", "inner.output", template("inner", "{{ i }}", i="each.item")),
    end(b="b.output"),
]
EDGES = "start>a a>b b>each each>end"


def document(change: Callable[[dict[str, Any]], object] = lambda raw: None) -> DslDocument:
    raw = yaml.safe_load(app("X", NODES, EDGES))
    raw["workflow"]["environment_variables"] = [{"id": "1", "name": "E", "value_type": "string", "value": "1"}]
    change(raw)
    loaded = load(yaml.safe_dump(raw).encode(), source="x", runnable=frozenset())
    assert loaded.document is not None
    return loaded.document


def put(raw: dict[str, Any], node_id: str, **entries: Any) -> None:
    for node in raw["workflow"]["graph"]["nodes"]:
        if node["id"] == node_id:
            node["data"].update(entries)


def rewired(raw: dict[str, Any]) -> None:
    for edge in raw["workflow"]["graph"]["edges"]:
        if edge["target"] == "b":
            edge["source"] = "start"


@pytest.mark.parametrize(
    ("change", "changed"),
    [
        pytest.param(lambda raw: None, [], id="nothing"),
        pytest.param(lambda raw: put(raw, "b", title="B!", desc="…", selected=True), [], id="looks"),
        pytest.param(lambda raw: put(raw, "b", template="c"), ["b"], id="configuration"),
        pytest.param(lambda raw: put(raw, "inner", template="c"), ["each"], id="inside of a container"),
        pytest.param(rewired, ["b"], id="an edge into it"),
        pytest.param(
            lambda raw: raw["workflow"]["environment_variables"][0].update(value="2"), ["a"], id="a variable it reads"
        ),
    ],
)
def test_a_node_has_changed_if_it_may_do_something_else(
    change: Callable[[dict[str, Any]], object], changed: list[str]
) -> None:
    assert changed_nodes(document(), document(change)) == changed


def test_a_node_that_is_new_has_changed() -> None:
    def added(raw: dict[str, Any]) -> None:
        raw["workflow"]["graph"]["nodes"].append(template("new", "x"))

    assert changed_nodes(document(), document(added)) == ["new"]
