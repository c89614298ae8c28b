"""Values of parameters, converted to the types that tools declare."""

import pytest

from jikko.nodes.tools.conversion import NotConvertible, converted
from jikko.ports.tools import ToolParameter
from jikko.values import Json
from tests.nodes.context import file

FILE = file("a.txt")
DEEP = "[" * 100_000


@pytest.mark.parametrize(
    ("kind", "value", "to"),
    [
        ("string", None, ""),
        ("string", [1, "x"], "[1, 'x']"),
        ("select", True, "True"),
        ("secret-input", "k", "k"),
        ("number", "12", 12),
        ("number", "1.0", 1.0),
        ("number", 2.5, 2.5),
        ("number", "", None),
        ("number", None, None),
        ("boolean", "YES", True),
        ("boolean", "n", False),
        ("boolean", "maybe", True),
        ("boolean", "", False),
        ("boolean", None, False),
        ("boolean", [0], True),
        ("array", [1], [1]),
        ("array", "[1, 2]", [1, 2]),
        ("array", "one", ["one"]),
        ("array", "", [""]),
        ("array", None, [None]),
        ("array", DEEP, [DEEP]),
        ("object", {"a": 1}, {"a": 1}),
        ("object", '{"a": 1}', {"a": 1}),
        ("object", "{'a': 1}", {}),
        ("object", "[1]", {}),
        ("object", None, {}),
        ("file", [FILE], FILE),
        ("file", FILE, FILE),
        ("files", FILE, [FILE]),
        ("files", None, [None]),
        ("any", {"a": 1}, {"a": 1}),
    ],
)
def test_a_value_becomes_what_the_type_wants(kind: str, value: Json, to: Json) -> None:
    made = converted(value, ToolParameter(name="p", type=kind))

    assert (made, type(made)) == (to, type(to))


@pytest.mark.parametrize(
    ("kind", "value"),
    [("number", "1e3"), ("number", "four"), ("number", "9" * 5000), ("file", [FILE, FILE]), ("file", [])],
)
def test_what_cannot_be_converted_is_told_without_the_value(kind: str, value: Json) -> None:
    with pytest.raises(NotConvertible) as problem:
        converted(value, ToolParameter(name="p", type=kind))

    told = {"number": "must be a number", "file": "takes "}[kind]
    assert str(problem.value).startswith(f"the parameter p {told}")
    assert "four" not in str(problem.value)
