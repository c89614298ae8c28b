"""The inputs that a start node asks for."""

from typing import Any

import pytest

from jikko.dsl.start_variables import INPUT_TYPES, StartVariable, read_start_variables

from .files import fields, shown


def read(*entries: Any) -> tuple[tuple[StartVariable, ...], list[str]]:
    source = fields({"variables": list(entries)})
    return read_start_variables(source), [shown(problem) for problem in source.problems]


def test_a_start_node_may_ask_for_nothing() -> None:
    assert read_start_variables(fields({})) == ()
    assert read_start_variables(fields({"variables": None})) == ()


def test_an_input_has_a_name_and_a_type_and_the_rest_by_default() -> None:
    assert read({"variable": "q", "label": "Question", "type": "paragraph", "max_length": None, "hide": None}) == (
        (StartVariable("q", "Question", "paragraph"),),
        [],
    )


def test_everything_that_an_input_may_have_is_read() -> None:
    (variable,), problems = read(
        {
            "variable": "fl",
            "label": "Files",
            "type": "file-list",
            "required": True,
            "hide": True,
            "default": ["x"],
            "description": "Some files",
            "max_length": "3",
            "options": ["a", 5],
            "allowed_file_types": ["image", "custom"],
            "allowed_file_extensions": [".png"],
            "allowed_file_upload_methods": ["local_file"],
            "novelty": 1,
        }
    )

    assert problems == []
    assert variable == StartVariable(
        name="fl",
        label="Files",
        type="file-list",
        required=True,
        hide=True,
        default=["x"],
        description="Some files",
        max_length=3,
        options=("a", "5"),
        allowed_file_types=("image", "custom"),
        allowed_file_extensions=(".png",),
        allowed_file_upload_methods=("local_file",),
    )


@pytest.mark.parametrize("kind", INPUT_TYPES)
def test_these_are_the_types(kind: str) -> None:
    assert read({"variable": "x", "label": "X", "type": kind})[1] == []


@pytest.mark.parametrize(
    ("entry", "problems"),
    [
        ({"type": "number"}, ["variable: is missing (expected a text)"]),
        ({"variable": "", "type": "number"}, ["variable: is empty (give the input a name)"]),
        ({"variable": "x"}, ["type: is missing (expected a text)"]),
        ({"variable": "x", "type": "txt-input"}, ["type: is 'txt-input', which inputs cannot have (did you mean"]),
        ({"variable": "x", "type": "select", "options": [["a"]]}, ["options[0]: is a list, not a text (put it"]),
        ({"variable": "x", "type": "select", "options": "a"}, ["options: is 'a', not a list"]),
        ({"variable": "x", "type": "number", "required": "nein"}, ["required: is 'nein', not true or false"]),
        ({"variable": "x", "type": "number", "max_length": "ten"}, ["max_length: is 'ten', not a whole number"]),
        ({"variable": "x", "type": "json_object", "json_schema": "{"}, ["json_schema: is not JSON: Expecting"]),
        ({"variable": "x", "type": "json_object", "json_schema": "[]"}, ["json_schema: is a list, not an object"]),
        ({"variable": "x", "type": "json_object", "json_schema": "[" * 99999}, ["json_schema: is not JSON: "]),
        (
            {"variable": "x", "type": "json_object", "json_schema": {"type": "objekt"}},
            ["json_schema: is not a JSON Schema (draft 7): 'objekt' is not valid under any of the given schemas"],
        ),
    ],
)
def test_what_is_wrong_is_noted(entry: dict[str, Any], problems: list[str]) -> None:
    _, found = read(entry)

    assert len(found) == len(problems)
    for one, expected in zip(found, problems, strict=True):
        assert one.startswith(f"data.variables[0].{expected}")


@pytest.mark.parametrize("schema", [{"type": "object"}, '{"type": "object"}'])
def test_a_schema_may_be_an_object_or_its_text(schema: Any) -> None:
    (variable,), problems = read({"variable": "x", "type": "json_object", "json_schema": schema})

    assert (variable.json_schema, problems) == ({"type": "object"}, [])


@pytest.mark.parametrize("schema", [None, ""])
def test_no_schema_is_none(schema: Any) -> None:
    (variable,), problems = read({"variable": "x", "type": "json_object", "json_schema": schema})

    assert (variable.json_schema, problems) == (None, [])


def test_of_two_inputs_with_one_name_the_later_counts() -> None:
    variables, problems = read({"variable": "x", "type": "number"}, {"variable": "x", "type": "select"})

    assert [variable.type for variable in variables] == ["select"]
    assert problems == [
        "warning: data.variables[1].variable: is 'x', the same as that of an earlier one, which it replaces"
    ]
