"""How conditions are written in a file."""

from typing import Any

import pytest

from jikko.dsl.conditions import read_cases, read_conditions
from jikko.lang.templates import Template
from jikko.lang.variable_conditions import Case, Condition, SubCondition, SubConditions

from .files import fields, shown

SOUND = {"variable_selector": ["n", "v"], "comparison_operator": "is", "value": "x"}


def read_one(**change: Any) -> tuple[tuple[Condition, ...], list[str]]:
    source = fields({"break_conditions": [{**SOUND, **change}]})
    return read_conditions(source, "break_conditions"), [shown(problem) for problem in source.problems]


def test_cases_have_ids_and_conditions() -> None:
    source = fields(
        {
            "cases": [
                {
                    "case_id": "true",
                    "id": "true",
                    "logical_operator": "or",
                    "conditions": [{**SOUND, "varType": "string"}],
                },
                {"case_id": 2, "conditions": []},
            ],
            "conditions": ["a left-over"],
        }
    )

    assert read_cases(source) == (
        Case("true", "or", (Condition(("n", "v"), "is", "x", Template.parse("x")),)),
        Case("2", "and", ()),
    )
    assert source.problems == []


def test_the_old_form_is_one_case() -> None:
    source = fields({"logical_operator": "or", "conditions": [SOUND]})

    (case,) = read_cases(source)

    assert (case.id, case.logical_operator, len(case.conditions), case.legacy) == ("true", "or", 1, True)


@pytest.mark.parametrize("data", [{}, {"cases": None}])
def test_without_either_there_is_a_case_without_conditions(data: dict[str, Any]) -> None:
    assert read_cases(fields(data)) == (Case("true", "and", (), legacy=True),)


def test_no_cases_are_no_cases() -> None:
    assert read_cases(fields({"cases": [], "conditions": [SOUND]})) == ()


@pytest.mark.parametrize(
    ("cases", "problems"),
    [
        ([{}], ["data.cases[0].case_id: is missing (expected a text)"]),
        ([{"case_id": True}], ["warning: data.cases[0].case_id: is true, not a text (put it in quotes)"]),
        (
            [{"case_id": "a"}, {"case_id": "a"}],
            ["warning: data.cases[1].case_id: is 'a', the same as that of an earlier case"],
        ),
        (
            [{"case_id": "a", "logical_operator": "xor"}],
            ["data.cases[0].logical_operator: is 'xor' (did you mean 'or'?)"],
        ),
        ({}, ["data.cases: is a mapping, not a list"]),
        ([{"case_id": "a", "conditions": [5]}], ["data.cases[0].conditions[0]: is 5, not a mapping"]),
    ],
)
def test_what_is_wrong_with_a_case_is_noted(cases: Any, problems: list[str]) -> None:
    source = fields({"cases": cases})

    read_cases(source)

    assert [shown(problem) for problem in source.problems] == problems


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            {"comparison_operator": "contain"},
            "comparison_operator: is 'contain', which is not an operator (did you mean",
        ),
        ({"comparison_operator": "!="}, "comparison_operator: is '!=', which is not an operator (did you mean '≠'?)"),
        ({"comparison_operator": ">="}, "comparison_operator: is '>=', which is not an operator (did you mean '≥'?)"),
        ({"comparison_operator": None}, "comparison_operator: is missing (expected a text)"),
        ({"variable_selector": "n.v"}, "variable_selector: is 'n.v', not a selector (expected [node id, variable])"),
        ({"value": {"a": 1}}, "value: is a mapping (expected a text, a list of texts, true, false or null)"),
    ],
)
def test_what_makes_a_condition_invalid_is_noted(change: dict[str, Any], problem: str) -> None:
    _, problems = read_one(**change)

    assert len(problems) == 1
    assert problems[0].startswith(f"data.break_conditions[0].{problem}")


def test_a_condition_without_a_variable_is_invalid_and_an_unfinished_one_fails_when_it_is_evaluated() -> None:
    source = fields(
        {"c": [{"comparison_operator": "empty"}, {"comparison_operator": "empty", "variable_selector": []}]}
    )

    read_conditions(source, "c")

    assert [shown(problem) for problem in source.problems] == [
        "data.c[0].variable_selector: is missing (expected a selector: [node id, variable])",
        "warning: data.c[1].variable_selector: is empty: the node will fail (choose a variable)",
    ]


@pytest.mark.parametrize(
    ("value", "read_as", "problems"),
    [
        ("a {{#n.x#}}", "a {{#n.x#}}", []),
        (["a", "b"], ["a", "b"], []),
        (True, True, []),
        (1, True, []),
        (0.0, False, []),
        (None, None, []),
        (5, "5", ["value: is the number 5, which Dify refuses here (put it in quotes)"]),
        (1.5, "1.5", ["value: is the number 1.5, which Dify refuses here (put it in quotes)"]),
        (["a", 5], ["a", "5"], ["value[1]: is the number 5, which Dify refuses here (put it in quotes)"]),
    ],
)
def test_a_value_is_a_text_a_list_a_boolean_or_null(value: Any, read_as: Any, problems: list[str]) -> None:
    conditions, found = read_one(value=value)

    assert (conditions[0].value, type(conditions[0].value)) == (read_as, type(read_as))
    assert conditions[0].template == (Template.parse(read_as) if isinstance(read_as, str) else None)
    assert found == [f"warning: data.break_conditions[0].{problem}" for problem in problems]


@pytest.mark.parametrize("empty", [None, [], ""])
def test_sub_conditions_that_are_empty_are_none(empty: Any) -> None:
    assert read_one(sub_variable_condition=empty)[0][0].sub is None


def test_sub_conditions_are_about_attributes_of_files() -> None:
    conditions, problems = read_one(
        sub_variable_condition={
            "logical_operator": "or",
            "conditions": [
                {"key": "extension", "comparison_operator": "is", "value": "md"},
                {"key": "typ", "comparison_operator": "in", "value": ["image"]},
                {"key": "name", "comparison_operator": "like", "value": "x"},
            ],
        }
    )

    assert conditions[0].sub == SubConditions(
        "or", (SubCondition("extension", "is", "md"), SubCondition("typ", "in", ["image"]))
    )
    where = "data.break_conditions[0].sub_variable_condition.conditions"
    assert problems == [
        f"warning: {where}[1].key: is 'typ', which files do not have: the node will fail (did you mean 'type'?)",
        f"{where}[2].comparison_operator: is 'like', which is not an operator",
    ]
