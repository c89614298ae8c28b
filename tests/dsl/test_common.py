"""The configuration that nodes of all types share."""

from typing import Any

import pytest

from jikko.dsl.common import NodeCommon, read_common

from .files import fields, shown


def read(**data: Any) -> tuple[NodeCommon, list[str]]:
    source = fields({"type": "code", **data})
    return read_common(source), [shown(problem) for problem in source.problems]


def test_a_node_without_any_has_defaults() -> None:
    assert read() == (NodeCommon(), [])
    assert read(title=None, error_strategy=None, default_value=None, retry_config=None) == (NodeCommon(), [])


def test_a_version_may_be_a_number() -> None:
    assert read(version=2)[0].version == "2"


def test_a_type_that_is_no_text_does_not_retry() -> None:
    assert not read(type=["code"], retry_config={"retry_enabled": True})[0].retry_enabled


@pytest.mark.parametrize(
    ("kind", "config", "retries"),
    [
        ("code", {"retry_enabled": True, "max_retries": 3, "retry_interval": 250}, (True, 3, 0.25)),
        ("code", {"retry_enabled": False, "max_retries": 3, "retry_interval": 250}, (False, 3, 0.25)),
        ("code", {"retry_enabled": True}, (True, 0, 0.0)),
        ("http-request", {"retry_enabled": True, "max_retries": "2"}, (True, 2, 0.0)),
        ("if-else", {"retry_enabled": True, "max_retries": 3}, (False, 3, 0.0)),
    ],
)
def test_only_some_types_retry_and_only_if_it_is_switched_on(
    kind: str, config: dict[str, Any], retries: tuple[bool, int, float]
) -> None:
    common, problems = read(type=kind, retry_config=config)

    assert (common.retry_enabled, common.max_retries, common.retry_interval) == retries
    assert problems == []


@pytest.mark.parametrize(
    ("kind", "value", "read_as"),
    [
        ("string", "x", "x"),
        ("string", "5", "5"),
        ("number", 5, 5),
        ("number", "3", 3.0),
        ("number", True, True),
        ("object", {"a": 1}, {"a": 1}),
        ("object", '{"a": 1}', {"a": 1}),
        ("array[string]", ["a"], ["a"]),
        ("array[string]", '["a"]', ["a"]),
        ("array[number]", "[1, 2.5]", [1, 2.5]),
        ("array[object]", [{}], [{}]),
        ("array[file]", "anything", "anything"),
    ],
)
def test_a_default_value_has_a_type_and_may_be_written_as_text(kind: str, value: Any, read_as: Any) -> None:
    common, problems = read(error_strategy="default-value", default_value=[{"key": "k", "type": kind, "value": value}])

    assert problems == []
    assert common.default_value == {"k": read_as}
    assert type(common.default_value["k"]) is type(read_as)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (
            {"error_strategy": "fail_branch"},
            "data.error_strategy: is 'fail_branch' (did you mean 'fail-branch'?)",
        ),
        ({"retry_config": 5}, "data.retry_config: is 5, not a mapping"),
        ({"retry_config": {"max_retries": -1}}, "data.retry_config.max_retries: is -1, less than 0"),
        ({"default_value": {}}, "data.default_value: is a mapping, not a list"),
        (
            {"default_value": [{"type": "string", "value": ""}]},
            "data.default_value[0].key: is missing (expected a text)",
        ),
        (
            {"default_value": [{"key": "k", "type": "boolean", "value": True}]},
            "data.default_value[0].type: is 'boolean', which a default value cannot have "
            "(expected string or number or object or array[string] or array[number] or array[object] or array[file])",
        ),
    ],
)
def test_what_is_wrong_is_noted(data: dict[str, Any], problem: str) -> None:
    assert read(**data)[1] == [problem]


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("string", 5, "a text"),
        ("string", None, "a text"),
        ("number", "five", "a number"),
        ("number", "", "a number"),
        ("object", "[1]", "an object"),
        ("object", "{", "an object"),
        ("object", "[" * 100_000, "an object"),
        ("array[string]", [1], "a list of texts"),
        ("array[number]", ["1"], "a list of numbers"),
        ("array[object]", "[1]", "a list of objects"),
    ],
)
def test_a_default_value_of_another_type_makes_the_node_invalid(kind: str, value: Any, expected: str) -> None:
    common, problems = read(default_value=[{"key": "k", "type": kind, "value": value}])

    assert problems == [f"data.default_value[0].value: is not {expected}, as the type {kind!r} says"]
    assert common.default_value == {}
