"""Validation against untrusted schemas."""

from pathlib import Path
from typing import Any

import pytest

from jikko.dsl.json_schema import BadSchema, Draft, JsonSchema, doubts
from jikko.values import MAX_DEPTH, Json

NEVER_ENDS = "^(a+)+$"
"""Python's own matcher would take years for the text below."""
LONG = "a" * 60 + "!"


def message(schema: dict[str, Any], value: Json, draft: Draft = "draft 7") -> str:
    violation = JsonSchema(schema, draft).violation(value)
    return "" if violation is None else violation.message


@pytest.mark.parametrize(
    "reference", ["http://127.0.0.1:9/x", "#/definitions/nope", "other.json", "#/definitions/list/0"]
)
def test_a_reference_to_what_is_not_in_the_schema_is_not_followed(reference: str) -> None:
    schema = {"definitions": {"list": ["x"]}, "$ref": reference}

    with pytest.raises(BadSchema):
        message(schema, {})
    assert list(doubts(schema)) == [f"has the $ref {reference!r}, which is not in the schema, and nothing is fetched"]


def test_a_reference_to_a_file_does_not_tell_what_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text('{"const": "hunter2"}')

    with pytest.raises(BadSchema) as raised:
        message({"$ref": (tmp_path / "secret").as_uri()}, {})

    assert "hunter2" not in str(raised.value)


def test_a_reference_that_goes_round_in_a_circle_ends() -> None:
    with pytest.raises(BadSchema, match="circle"):
        message({"$ref": "#"}, {})


def test_references_inside_of_the_schema_are_followed() -> None:
    schema = {"$ref": "#/definitions/a", "definitions": {"a": {"required": ["x"]}}}

    assert (message(schema, {}), list(doubts(schema))) == ("'x' is a required property", [])


@pytest.mark.parametrize("draft", ["draft 7", "draft 2020-12"])
@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {LONG: {"pattern": NEVER_ENDS}}},
        {"properties": {LONG: {"$schema": "http://json-schema.org/draft-07/schema#", "pattern": NEVER_ENDS}}},
        {"patternProperties": {NEVER_ENDS: {}}, "additionalProperties": False},
        {"propertyNames": {"pattern": NEVER_ENDS}},
    ],
)
def test_no_pattern_takes_long(schema: dict[str, Any], draft: Draft) -> None:
    assert message(schema, {LONG: LONG}, draft) != ""


def test_unevaluated_properties_match_no_patterns() -> None:
    schema = {"patternProperties": {NEVER_ENDS: {}}, "unevaluatedProperties": False}

    assert message(schema, {LONG: LONG}, "draft 2020-12") == ""


@pytest.mark.parametrize("pattern", ["(?=a)b", r"(a)\1", "(", "(a{1000}){1000}"])
def test_a_pattern_that_cannot_be_matched_in_linear_time_is_told(pattern: str) -> None:
    schema = {"properties": {"a": {"pattern": pattern}}}

    with pytest.raises(BadSchema, match="cannot be matched"):
        message(schema, {"a": "x"})
    assert [doubt[:15] for doubt in doubts(schema)] == ["has the pattern"]


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        ({"pattern": "^a"}, "ab", ""),
        ({"pattern": "^a"}, 5, ""),
        ({"pattern": "b$"}, "abc", "'abc' does not match 'b$'"),
        ({"patternProperties": {"^n": {"type": "number"}}}, {"n1": "x", "m": "y"}, "'x' is not of type 'number'"),
        ({"patternProperties": {"^n": {}}, "additionalProperties": False}, {"n1": 1}, ""),
        ({"properties": {"a": {}}, "additionalProperties": {"type": "number"}}, {"a": "", "b": 1}, ""),
        (
            {"properties": {"a": {}}, "additionalProperties": False},
            {"a": 1, "b": 1},
            "Additional properties are not allowed ('b' was unexpected)",
        ),
    ],
)
def test_keywords_with_patterns_mean_what_they_meant(schema: dict[str, Any], value: Json, expected: str) -> None:
    assert message(schema, value) == expected


@pytest.mark.parametrize("draft", ["draft 7", "draft 2020-12"])
def test_unique_items_take_linear_time(draft: Draft) -> None:
    items = [{"n": number} for number in range(50_000)]

    assert message({"uniqueItems": True}, items, draft) == ""
    assert message({"uniqueItems": True}, [*items, {"n": 7}], draft) != ""


@pytest.mark.parametrize(
    ("items", "are_unique"),
    [
        ([1, 1.0], False),
        ([1, True], True),
        ([0, False, None, "", "0", [], {}], True),
        ([{"a": 1, "b": [2]}, {"b": [2.0], "a": 1}], False),
        ([[1, 2], [2, 1]], True),
        (["a", "b", "a"], False),
    ],
)
def test_unique_items_mean_what_they_meant(items: list[Json], are_unique: bool) -> None:
    assert (message({"uniqueItems": True}, items) == "") is are_unique
    assert message({"uniqueItems": False}, items) == ""


@pytest.mark.parametrize("draft", ["draft 7", "draft 2020-12"])
def test_long_chains_of_references_and_deep_values_end_in_an_error(draft: Draft) -> None:
    definitions: dict[str, Any] = {f"a{n}": {"allOf": [{"$ref": f"#/definitions/a{n + 1}"}]} for n in range(500)}
    schema = {"$ref": "#/definitions/a0", "definitions": {**definitions, "a500": {"items": {"$ref": "#"}}}}
    value: Json = "😀"
    for _ in range(MAX_DEPTH):
        value = [value]

    with pytest.raises(BadSchema, match="nested too deeply"):
        message(schema, value, draft)


@pytest.mark.parametrize("part", [{"pattern": "(?=a)b"}, {"$ref": "#/nope"}, {"type": "objekt"}, {"minimum": "x"}])
def test_what_is_wrong_where_no_value_leads_to_does_not_matter(part: dict[str, Any]) -> None:
    schema = {"properties": {"a": part, "b": {"type": "number"}}}

    assert [message(schema, value) for value in ({"b": 1}, {"b": "x"})] == ["", "'x' is not of type 'number'"]


def test_texts_may_have_lone_surrogates() -> None:
    assert message({"type": "string", "maxLength": 1}, "\ud83d") == ""
