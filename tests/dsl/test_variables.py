"""Environment and conversation variables."""

from typing import Any

import pytest

from jikko.dsl.declared_variables import MAX_VALUE, read_conversation, read_environment
from jikko.dsl.document import Variable

from .files import fields, shown


def environment(*entries: Any) -> tuple[tuple[Variable, ...], list[str]]:
    source = fields({"environment_variables": list(entries)})
    return read_environment(source), [shown(problem) for problem in source.problems]


def conversation(*entries: Any) -> tuple[tuple[Variable, ...], list[str]]:
    source = fields({"conversation_variables": list(entries)})
    return read_conversation(source), [shown(problem) for problem in source.problems]


@pytest.mark.parametrize("data", [{}, {"environment_variables": None, "conversation_variables": []}])
def test_there_may_be_none(data: dict[str, Any]) -> None:
    assert read_environment(fields(data)) == ()
    assert read_conversation(fields(data)) == ()


def test_a_variable_keeps_what_is_known_of_it() -> None:
    entry = {
        "id": "7",
        "name": "key",
        "value_type": "secret",
        "value": "",
        "description": "d",
        "selector": ["env", "key"],
    }

    assert environment(entry) == ((Variable("key", "secret", "", id="7", description="d"),), [])


@pytest.mark.parametrize(
    ("kind", "value", "read_as"),
    [
        ("string", "x", "x"),
        ("string", 5, "5"),
        ("secret", "", ""),
        ("number", 5, 5),
        ("number", 0.5, 0.5),
        ("number", "5", 5),
        ("number", "0.5", 0.5),
        ("integer", 5, 5),
        ("float", 5.0, 5.0),
        ("boolean", False, False),
        ("object", {}, {}),
        ("array[string]", ["a"], ["a"]),
        ("array[number]", [1, 2.5], [1, 2.5]),
        ("array[object]", [{}], [{}]),
        ("array[boolean]", [True], [True]),
        ("array[string]", [], []),
    ],
)
def test_a_value_fits_its_type(kind: str, value: Any, read_as: Any) -> None:
    (variable,), problems = conversation({"name": "v", "value_type": kind, "value": value})

    assert problems == []
    assert variable.value == read_as
    assert type(variable.value) is type(read_as)


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({"value_type": "string", "value": "x"}, "name: is missing (expected a text)"),
        ({"name": "v", "value": "x"}, "value_type: is missing (expected a text)"),
        ({"name": "v", "value_type": "string"}, 'value: is missing (an empty text is "")'),
        ({"name": "v", "value_type": "string", "value": None}, 'value: is null (an empty text is "")'),
        (
            {"name": "v", "value_type": "strin", "value": "x"},
            "value_type: is 'strin', which the variable cannot have (did",
        ),
        (
            {"name": "v", "value_type": "file", "value": {}},
            "value_type: is 'file', which the variable cannot have (exp",
        ),
        ({"name": "v", "value_type": "string", "value": True}, "value: does not fit the type 'string'"),
        ({"name": "v", "value_type": "number", "value": "five"}, "value: does not fit the type 'number'"),
        ({"name": "v", "value_type": "number", "value": True}, "value: does not fit the type 'number'"),
        (
            {"name": "v", "value_type": "array[string]", "value": ["a", 1]},
            "value: does not fit the type 'array[string]'",
        ),
        ({"name": "v", "value_type": "object", "value": "{}"}, "value: does not fit the type 'object'"),
        ({"name": "v", "value_type": "string", "value": "ü" * MAX_VALUE}, "value: has 409600 bytes, more than 204800"),
        (5, "is 5, not a mapping"),
    ],
)
def test_what_is_wrong_is_noted_and_the_variable_left_out(entry: Any, problem: str) -> None:
    variables, problems = conversation(entry)

    assert variables == ()
    assert len(problems) == 1
    assert problem in problems[0]
    assert problems[0].startswith("data.conversation_variables[0]")


def test_the_environment_has_simple_types_only() -> None:
    _, problems = environment({"name": "v", "value_type": "object", "value": {}})

    assert problems[0].startswith(
        "data.environment_variables[0].value_type: is 'object', which the variable cannot have"
    )


def test_a_name_that_occurs_twice_is_told() -> None:
    entry = {"name": "v", "value_type": "string", "value": "x"}

    assert environment(entry, entry)[1] == [
        "warning: data.environment_variables[1].name: is 'v', the same as that of an earlier variable"
    ]
