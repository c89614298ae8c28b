"""The variables that a loop begins with."""

from typing import Any, cast

import pytest

from jikko.nodes.contract import ContainerContext, NodeFailure
from jikko.nodes.flow.loop_node import Loop
from jikko.values import Json
from tests.nodes.context import FakeContext, fields

pytestmark = pytest.mark.anyio


def loop(kind: str, value: Json) -> tuple[Loop, list[tuple[str, bool]]]:
    """A loop with one constant, and the problems that were noted: where, and whether the file can be used."""
    variable = {"label": "v", "var_type": kind, "value_type": "constant", "value": value}
    data = fields({"loop_count": 1, "loop_variables": [variable]})
    node = Loop.from_dsl(data)
    return node, [(problem.where, not problem.ok) for problem in data.problems]


@pytest.mark.parametrize(
    ("kind", "value", "first"),
    [
        ("string", "5", "5"),
        ("number", "5", 5),
        ("number", 5, 5),
        ("object", '{"a": 1}', {"a": 1}),
        ("array[string]", '["a"]', ["a"]),
        ("array[number]", "[1, 2.5]", [1, 2.5]),
        ("array[object]", "[{}]", [{}]),
        ("array[boolean]", [True], [True]),
        ("array[string]", ["a"], []),
        ("array[string]", "", []),
    ],
)
def test_a_constant_is_brought_to_its_type(kind: str, value: Any, first: Json) -> None:
    node, problems = loop(kind, value)

    assert (node.variables[0].constant, problems) == (first, [])


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("string", None),
        ("number", "五"),
        ("number", True),
        ("object", "[]"),
        ("boolean", 1),
        ("array[string]", "["),
        ("array[string]", "[" * 2000),
        ("array[string]", "[1, 2]"),
        ("array[number]", '["a"]'),
        ("array[object]", "[[]]"),
        ("array[boolean]", [1]),
    ],
)
async def test_a_constant_of_another_type_is_warned_of_and_fails_the_node(kind: str, value: Any) -> None:
    node, problems = loop(kind, value)
    assert problems == [("data.loop_variables[0].value", False)]

    with pytest.raises(NodeFailure) as caught:
        await node.run(cast(ContainerContext, FakeContext()))
    assert str(caught.value) == f"The value of loop variable v is not of type {kind}."
