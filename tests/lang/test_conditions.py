"""When a condition holds, and when it cannot be evaluated."""

from typing import Any

import pytest

from jikko.lang.operators import OPERATORS, ConditionError
from jikko.lang.templates import Template
from jikko.lang.variable_conditions import (
    Case,
    Condition,
    LogicalOperator,
    SubCondition,
    SubConditions,
    evaluate_case,
)
from jikko.values import FILE_IDENTITY

from .observed_if_else import OBSERVED, SUB_CONDITIONS
from .pool import Pool


def condition(selector: str, operator: str, value: Any = "", sub: SubConditions | None = None) -> Condition:
    template = Template.parse(value) if isinstance(value, str) else None
    return Condition(tuple(selector.split(".")), operator, value, template, sub)


def case(*conditions: Condition, by: LogicalOperator = "and") -> Case:
    return Case("true", by, conditions)


@pytest.mark.parametrize(
    ("variables", "selector", "operator", "value", "result"),
    [
        pytest.param(variables, *row, id=f"{name}: {row[0]} {row[1]} {row[2]!r}")
        for name, (variables, rows) in OBSERVED.items()
        for row in rows
    ],
)
def test_conditions_give_what_was_recorded_from_dify(
    variables: dict[str, Any], selector: str, operator: str, value: Any, result: bool | str
) -> None:
    sub = SUB_CONDITIONS.get(operator) if selector == "start.fl" else None
    one = case(condition(selector, operator, value, sub))

    if isinstance(result, bool):
        assert evaluate_case(one, Pool(variables)).final is result
    else:
        with pytest.raises(ConditionError) as caught:
            evaluate_case(one, Pool(variables))
        assert str(caught.value) == result


@pytest.mark.parametrize(
    ("actual", "operator", "value", "result"),
    [
        pytest.param("a None b", "contains", None, True, id="a null is looked for as the text None"),
        pytest.param(
            {"a": 1}, "contains", "a", "Invalid actual value type: string or array", id="objects contain nothing"
        ),
        pytest.param({}, "contains", "a", False, id="an empty object does not contain, without an error"),
        pytest.param(5, "not contains", "a", "Invalid actual value type: string or array", id="nor do numbers"),
        pytest.param(0, "not contains", "a", True, id="a zero does not contain, without an error"),
        pytest.param(5, "start with", "5", "Invalid actual value type: string", id="numbers have no beginning"),
        pytest.param("", "start with", "", False, id="an empty text begins with nothing, not even with itself"),
        pytest.param("x", "end with", ["x"], "Expected value must be a string for endswith", id="nor end in a list"),
        pytest.param(None, "is", "x", False, id="a null is nothing"),
        pytest.param(None, "is not", "x", False, id="and is not different from anything"),
        pytest.param([], "is", "x", "Invalid actual value type: string or boolean", id="lists cannot be compared"),
        pytest.param("a", "in", "abc", "Invalid expected value type: array", id="in wants a list"),
        pytest.param("", "in", "abc", False, id="unless the variable is empty"),
        pytest.param("", "not in", ["a"], True, id="empty is not in anything"),
        pytest.param("a", "not in", "abc", "Invalid expected value type: array", id="not in wants a list as well"),
        pytest.param("abc", "all of", ["a", "c"], True, id="all parts are in the text"),
        pytest.param("abc", "all of", ["a", "x"], False, id="one part is not"),
        pytest.param(["a", "b"], "all of", ["a", "b"], True, id="all elements are in the list"),
        pytest.param(5, "all of", ["5"], False, id="a number has no parts"),
        pytest.param("", "all of", ["a"], False, id="an empty text has none either"),
        pytest.param("abc", "all of", "a", "all of operator expects homogeneous list of strings or booleans"),
        pytest.param(
            5, "=", None, "Cannot convert <class 'NoneType'> to number", id="a number is not compared with null"
        ),
        pytest.param(5, "=", ["5"], "Cannot convert <class 'list'> to number", id="nor with a list"),
        pytest.param(5, "=", " 5 ", True, id="blanks around a number do no harm"),
        pytest.param(5.0, "=", "5", True, id="a float is compared as a float"),
        pytest.param(True, ">", "0", True, id="true counts as 1"),
        pytest.param(2**60, ">", str(2.0**60 - 128), True, id="large integers are compared exactly"),
        pytest.param(5, ">", None, "Cannot convert <class 'NoneType'> to number", id="a number is not ordered by null"),
        pytest.param(5, "<", "", "Cannot convert '' to number", id="nor by nothing"),
        pytest.param("5", "≤", "5", "Invalid actual value type: number", id="texts are not ordered"),
        pytest.param(None, "≥", "0", False, id="a null is not larger than anything"),
        pytest.param(
            True, "is", "1.0", "unexpected value: type=<class 'str'>, value=1.0", id="only 0, 1, true and false"
        ),
        pytest.param(True, "is", "2", True, id="and other integers stand for booleans"),
        pytest.param([True], "contains", ["true"], False, id="lists are converted element by element"),
        pytest.param([True], "all of", ["true"], True, id="so that all of works on booleans"),
        pytest.param(True, "exists", "", True, id="exists does not convert"),
        pytest.param(None, "not exists", "", True, id="a null does not exist"),
    ],
)
def test_conditions_follow_the_rules_that_were_not_recorded(
    actual: Any, operator: str, value: Any, result: bool | str
) -> None:
    one = case(condition("n.v", operator, value))

    if isinstance(result, bool):
        assert evaluate_case(one, Pool({"n": {"v": actual}})).final is result
    else:
        with pytest.raises(ConditionError) as caught:
            evaluate_case(one, Pool({"n": {"v": actual}}))
        assert str(caught.value) == result


@pytest.mark.parametrize("operator", OPERATORS)
def test_a_missing_variable_fails_every_operator(operator: str) -> None:
    with pytest.raises(ConditionError, match=r"^Variable \['n', 'v', 'key'\] not found$"):
        evaluate_case(case(condition("n.v.key", operator)), Pool({"n": {"v": {}}}))


def test_an_expected_value_that_is_json_nested_without_end_is_an_error_not_a_crash() -> None:
    variables = Pool({"n": {"v": True, "text": "[" * 100_000}})

    with pytest.raises(ConditionError):
        evaluate_case(case(condition("n.v", "is", "{{#n.text#}}")), variables)


@pytest.mark.parametrize(
    ("by", "results", "final"),
    [
        pytest.param("and", [True, False], False, id="and stops at the first that does not hold"),
        pytest.param("or", [True], True, id="or stops at the first that holds"),
    ],
)
def test_conditions_behind_the_decisive_one_are_not_looked_at(
    by: LogicalOperator, results: list[bool], final: bool
) -> None:
    three = case(condition("n.v", "is", "a"), condition("n.v", "is", "b"), condition("n.missing", "is", "c"), by=by)

    outcome = evaluate_case(three, Pool({"n": {"v": "a"}}))

    assert (outcome.results, outcome.final) == (results, final)
    assert [entry["expected_value"] for entry in outcome.inputs] == ["a", "b"][: len(results)]


@pytest.mark.parametrize(("by", "final"), [("and", True), ("or", False)])
def test_a_case_without_conditions_holds_if_all_must_hold(by: LogicalOperator, final: bool) -> None:
    outcome = evaluate_case(case(by=by), Pool({}))

    assert (outcome.results, outcome.final, outcome.inputs) == ([], final, [])


def test_what_is_recorded_is_what_was_compared() -> None:
    outcome = evaluate_case(
        case(condition("n.s", "is", "x{{#n.t#}}"), condition("n.b", "is", "true"), condition("n.s", "exists")),
        Pool({"n": {"s": "xy", "t": "y", "b": True}}),
    )

    assert outcome.inputs == [
        {"actual_value": "xy", "expected_value": "xy", "comparison_operator": "is"},
        {"actual_value": True, "expected_value": True, "comparison_operator": "is"},
    ]


def test_a_case_is_recorded_as_it_is_in_the_file() -> None:
    sub = SubConditions("or", (SubCondition("type", "in", ["image"]),))

    assert case(condition("n.f", "contains", "", sub)).as_json() == {
        "case_id": "true",
        "logical_operator": "and",
        "conditions": [
            {
                "variable_selector": ["n", "f"],
                "comparison_operator": "contains",
                "value": "",
                "sub_variable_condition": {
                    "logical_operator": "or",
                    "conditions": [{"key": "type", "comparison_operator": "in", "value": ["image"]}],
                },
            }
        ],
    }
    assert Case("true", "and", (), legacy=True).as_json() == "default"


def file(name: str, **attributes: Any) -> dict[str, Any]:
    extension = name[name.index(".") :] if "." in name else ""
    return {"dify_model_identity": FILE_IDENTITY, "filename": name, "extension": extension, **attributes}


@pytest.mark.parametrize(
    ("conditions", "by", "result"),
    [
        pytest.param([("name", "contains", "b")], "and", True, id="any file will do"),
        pytest.param([("name", "not contains", "b")], "and", False, id="all files must, if the operator says not"),
        pytest.param([("extension", "is", "md")], "and", True, id="a dot is added to the value"),
        pytest.param([("extension", "in", ["md"])], "and", "Expected value must be a string when key is"),
        pytest.param([("size", ">", "10"), ("name", "is", "x")], "and", False, id="all of them"),
        pytest.param([("size", ">", "10"), ("name", "is", "x")], "or", True, id="one of them"),
        pytest.param([("name", "is", "{{#n.s#}}")], "and", False, id="sub-values are no templates"),
        pytest.param([("colour", "is", "x")], "and", "'colour' is not a valid FileAttribute", id="no such attribute"),
        pytest.param([], "and", True, id="no conditions, and"),
        pytest.param([], "or", False, id="no conditions, or"),
    ],
)
@pytest.mark.parametrize("operator", ["contains", "not contains", "all of"])
def test_conditions_on_files_look_at_each_file_and_not_at_the_outer_operator(
    operator: str, conditions: list[tuple[str, str, Any]], by: LogicalOperator, result: bool | str
) -> None:
    variables = Pool({"n": {"fl": [file("a.txt", size=26), file("b.md", size=52)], "s": "a.txt"}})
    sub = SubConditions(by, tuple(SubCondition(*entry) for entry in conditions))
    one = case(condition("n.fl", operator, "", sub))

    if isinstance(result, bool):
        outcome = evaluate_case(one, variables)
        assert outcome.final is result
        assert outcome.inputs == []
    else:
        with pytest.raises(ConditionError, match=result):
            evaluate_case(one, variables)


def test_a_condition_on_files_needs_sub_conditions() -> None:
    with pytest.raises(ConditionError, match=r"^Sub variable is required$"):
        evaluate_case(case(condition("n.fl", "contains", "a")), Pool({"n": {"fl": [file("a.txt")]}}))
