"""Matchers of test files."""

from typing import Any

import pytest

from jikko.proving.matching import fits, mismatches


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ("実行 🚑", "実行 🚑"),
        ({"a": 1}, {"a": 1, "more": 2}),
        ({"contains": "実"}, "実行"),
        ({"contains": ["a", "c"]}, "abc"),
        ({"contains": {"id": 2}}, [{"id": 1}, {"id": 2, "x": 3}]),
        ({"matches": "^PAGE: \\w+"}, "PAGE: down"),
        ({"near": 12.5, "within": 0.01}, 12.505),
        ({"one_of": ["a", {"contains": "b"}]}, "xbx"),
        ({"not": {"contains": "sorry"}}, "Dear customer"),
        ({"length": 2}, ["a", "b"]),
        ({"length": {"one_of": [2, 3]}}, "abc"),
        ({"any_order": [1, {"contains": "b"}]}, ["abc", 1]),
        ({"schema": {"type": "object", "required": ["a"]}}, {"a": None}),
        ({"contains": "a", "length": 3}, "abc"),
        ([{"a": {"matches": "x"}}], [{"a": "xyz", "b": 1}]),
        (1, 1.0),
    ],
)
def test_a_value_is_as_expected(expected: Any, actual: Any) -> None:
    assert list(mismatches(expected, actual)) == []


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ({"equals": {"a": 1}}, {"a": 1, "more": 2}),
        ({"contains": "x"}, 5),
        ({"near": 1}, 1.001),
        ({"near": 1, "within": 1}, True),
        ({"any_order": [1, 2]}, [1, 2, 2]),
        ({"any_order": [1, 1]}, [1, 2]),
        ({"contains": "a", "length": 4}, "abc"),
        ([1, 2], [1]),
        (1, True),
        (0, False),
        ({"matches": "1"}, 1),
        ({"schema": {"type": "string"}}, 1),
        ({"schema": {"pattern": "^(a+)+$"}}, "a" * 40 + "b"),
    ],
)
def test_a_value_is_not_as_expected(expected: Any, actual: Any) -> None:
    assert not fits(expected, actual)


def test_each_difference_is_told_with_its_path() -> None:
    found = list(mismatches({"a": [1, {"b": "x"}], "c": 1}, {"a": [1, {"b": "y"}], "d": 2}, "outputs"))

    assert found == [
        ("outputs.a[1].b", 'expected "x", got "y"'),
        ("outputs.c", "expected 1, there is none; there are: a, d"),
    ]


def test_of_long_texts_the_place_where_they_part_is_told() -> None:
    [(_, text)] = mismatches("a" * 70 + "実" + "b" * 10, "a" * 70 + "行" + "b" * 10)

    assert 'they part at character 71: "aaaaaaaaaaaaaaaaaaaa実bbbbbbbbbb"' in text


def test_a_misspelt_matcher_is_told_of() -> None:
    [(_, text)] = mismatches({"contain": "a"}, "abc")

    assert text.endswith("(did you mean 'contains'?)")


@pytest.mark.parametrize(
    "expected",
    [
        {"matches": "("},
        {"near": "12"},
        {"one_of": 5},
        {"schema": 1},
        {"schema": {"$ref": "http://127.0.0.1:9/schema.json"}},
        {"schema": {"$id": 5}},
        {"within": 1},
        {"contains": []},
    ],
)
def test_a_matcher_that_cannot_be_used_is_told_of_and_does_not_hold(expected: dict[str, Any]) -> None:
    [(_, text)] = mismatches(expected, 12 if "near" in expected else "x")

    assert "cannot be used" in text
