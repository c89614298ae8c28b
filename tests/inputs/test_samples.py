"""Sample inputs pass the checks of inputs."""

from typing import Any

import pytest

from jikko.dsl.json_schema import JsonSchema
from jikko.dsl.start_variables import StartVariable
from jikko.inputs.run_inputs import prepare
from jikko.inputs.samples import samples_of
from jikko.values import Json

pytestmark = pytest.mark.anyio

VARIABLES: dict[str, dict[str, Any]] = {
    "a text": {"type": "text-input"},
    "a text of one character": {"type": "paragraph", "max_length": 1},
    "a selection": {"type": "select", "options": ("大", "小")},
    "a number": {"type": "number"},
    "a switch": {"type": "checkbox"},
    "an object": {"type": "json_object"},
    "a required text with a default": {"type": "text-input", "default": "x"},
}


async def no_file(value: Json, variable: StartVariable) -> Json:
    raise AssertionError(f"{variable.name} is no file")


@pytest.mark.parametrize("name", VARIABLES)
async def test_a_sample_is_taken(name: str) -> None:
    variable = StartVariable(name="v", label="v", required=True, **VARIABLES[name])
    sample = samples_of([variable])
    assert set(sample) == {"v"}
    assert (await prepare([variable], sample, no_file, no_file))["v"] is not None


def test_only_required_inputs_have_a_sample() -> None:
    assert samples_of([StartVariable(name="v", label="v", type="text-input")]) == {}


SCHEMAS: dict[str, dict[str, Any]] = {
    "no properties": {"type": "object"},
    "required ones": {
        "type": "object",
        "properties": {
            "a": {"type": "string", "minLength": 10, "maxLength": 12},
            "b": {"type": "integer", "minimum": 5},
            "c": {"type": "array", "items": {"type": "boolean"}, "minItems": 2},
            "d": {"enum": ["x", "y"]},
            "e": {"type": "object", "properties": {"f": {"const": 7}}, "required": ["f"]},
            "g": {"type": ["number", "null"], "exclusiveMaximum": 0},
            "optional": {"type": "string"},
        },
        "required": ["a", "b", "c", "d", "e", "g"],
    },
}


@pytest.mark.parametrize("name", SCHEMAS)
def test_an_object_fits_its_schema(name: str) -> None:
    variable = StartVariable(name="v", label="v", type="json_object", required=True, json_schema=SCHEMAS[name])
    sample = samples_of([variable])["v"]
    assert JsonSchema(SCHEMAS[name], "draft 7").violation(sample) is None


@pytest.mark.parametrize(
    "schema",
    [
        {"required": [[]]},
        {"properties": {"a": {"type": "string", "minLength": "x"}}, "required": ["a"]},
        {"$ref": "#"},
        {"properties": {"a": {"type": "string", "pattern": "^[0-9]{40}$"}}, "required": ["a"]},
    ],
)
def test_a_schema_without_sense_or_of_a_kind_that_is_not_guessed_has_an_empty_sample(schema: dict[str, Any]) -> None:
    variable = StartVariable(name="v", label="v", type="json_object", required=True, json_schema=schema)
    assert samples_of([variable])["v"] == {}


@pytest.mark.parametrize(
    ("variable", "expected"),
    [
        ({}, {"type": "document", "transfer_method": "remote_url", "url": "https://example.com/sample.pdf"}),
        (
            {"allowed_file_types": ("image",)},
            {"type": "image", "transfer_method": "remote_url", "url": "https://example.com/sample.png"},
        ),
        (
            {"allowed_file_types": ("custom",), "allowed_file_extensions": (".EPUB",)},
            {"type": "custom", "transfer_method": "remote_url", "url": "https://example.com/sample.epub"},
        ),
        (
            {"allowed_file_upload_methods": ("local_file",)},
            {"type": "document", "transfer_method": "local_file", "upload_file_id": "ID-OF-AN-UPLOAD"},
        ),
    ],
)
def test_a_file_is_of_a_kind_that_the_input_allows(variable: dict[str, Any], expected: Json) -> None:
    one = StartVariable(name="v", label="v", type="file", required=True, **variable)
    several = StartVariable(name="w", label="w", type="file-list", required=True, **variable)
    assert samples_of([one, several]) == {"v": expected, "w": [expected]}


@pytest.mark.parametrize(
    ("name", "label", "longest", "expected"),
    [
        ("json_data", "", 100, '{"text": "text"}'),
        ("data", "Your JSON", 0, '{"text": "text"}'),
        ("json_data", "", 10, "text"),
        ("data", "", 100, "text"),
    ],
)
def test_a_text_that_is_called_json_is_json_where_it_fits(name: str, label: str, longest: int, expected: str) -> None:
    variable = StartVariable(name=name, label=label, type="paragraph", required=True, max_length=longest)
    assert samples_of([variable]) == {name: expected}
