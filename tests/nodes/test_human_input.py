"""Forms: their configuration, and their text once they are filled in."""

from typing import Any

import pytest

from jikko.nodes.contract import NodePaused
from jikko.nodes.flow.human_input import HumanInput, rendered
from jikko.values import Json
from tests.nodes.context import FakeContext, fields

pytestmark = pytest.mark.anyio


def problems(**data: Json) -> list[str]:
    source = fields(data)
    HumanInput.from_dsl(source)
    return [problem.where for problem in source.problems if not problem.ok]


def action(**changed: Json) -> dict[str, Json]:
    return {"id": "approve", "title": "Approve", "button_style": "primary", **changed}


@pytest.mark.parametrize("changed", [{}, {"id": "a" * 20}, {"id": "_1"}, {"title": "x" * 100}, {"button_style": None}])
def test_an_action_that_dify_takes_is_taken(changed: dict[str, Json]) -> None:
    assert problems(user_actions=[action(**changed)]) == []


@pytest.mark.parametrize(
    "changed",
    [{"id": "a" * 21}, {"id": "1st"}, {"id": "so so"}, {"id": ""}, {"title": "x" * 101}, {"button_style": "big"}],
)
def test_an_action_that_dify_refuses_is_a_problem(changed: dict[str, Json]) -> None:
    (name,) = changed

    assert problems(user_actions=[action(**changed)]) == [f"data.user_actions[0].{name}"]


def test_inputs_and_actions_have_names_of_their_own() -> None:
    field = {"type": "paragraph", "output_variable_name": "comment"}

    assert problems(inputs=[field, field], user_actions=[action(), action(id="reject"), action()]) == [
        "data.inputs[1].output_variable_name",
        "data.user_actions[2].id",
    ]


FILES: dict[str, Json] = {"allowed_file_types": [], "allowed_file_extensions": [], "allowed_file_upload_methods": []}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"type": "paragraph"}, {"default": None}),
        ({"type": "paragraph", "default": None}, {"default": None}),
        ({"type": "paragraph", "label": "X"}, {"default": None}),
        (
            {"type": "paragraph", "default": {"type": "constant", "value": "日本"}},
            {"default": {"type": "constant", "selector": [], "value": "日本"}},
        ),
        (
            {"type": "paragraph", "default": {"value": None, "selector": ["start", "s"], "type": "variable"}},
            {"default": {"type": "variable", "selector": ["start", "s"], "value": ""}},
        ),
        (
            {"type": "select", "default": {"value": "a"}, "option_source": {"value": ["a", 1], "type": "constant"}},
            {"option_source": {"type": "constant", "selector": [], "value": ["a", "1"]}},
        ),
        (
            {"type": "select", "option_source": {"type": "variable", "selector": ["start", "list"]}},
            {"option_source": {"type": "variable", "selector": ["start", "list"], "value": ["x", "True"]}},
        ),
        ({"type": "select"}, {"option_source": {"type": "constant", "selector": [], "value": []}}),
        ({"type": "file", "number_limits": 3}, FILES),
        ({"type": "file-list"}, {**FILES, "number_limits": 0}),
        (
            {"type": "file-list", "allowed_file_types": ["image"], "number_limits": 3, "id": "7"},
            {**FILES, "allowed_file_types": ["image"], "number_limits": 3},
        ),
    ],
)
async def test_a_field_is_told_with_all_that_its_type_has_and_nothing_else(
    given: dict[str, Json], told: dict[str, Json]
) -> None:
    source = fields({"inputs": [{"output_variable_name": "it", **given}]})
    form = HumanInput.from_dsl(source)
    context = FakeContext({"start": {"s": "from start", "list": ["x", True]}})

    with pytest.raises(NodePaused) as paused:
        await form.run(context)

    assert source.problems == []
    assert paused.value.form["inputs"] == [{"output_variable_name": "it", "type": given["type"], **told}]


A, B = "{{#$output.a#}}", "{{#$output.b#}}"


@pytest.mark.parametrize(
    ("content", "values", "text"),
    [
        pytest.param(f"{A}, {B}, {A}", {"a": "x", "b": "y"}, "x, y, x", id="each wherever it stands"),
        pytest.param(f"{A} {B}!", {"a": "承認🎉"}, "承認🎉 !", id="what was not asked for is empty"),
        pytest.param(A, {"a": []}, "[0 files]", id="no files"),
        pytest.param(f"{{{{{A}", {"a": "x"}, "{{x", id="braces in front of it are text"),
        pytest.param(f"Said: {A}", {"a": f"I typed {B}", "b": "SECRET"}, f"Said: I typed {B}", id="no second look"),
        pytest.param(f"{A}{B}", {"a": "\\1\\g<0>", "b": 5}, "\\1\\g<0>5", id="backslashes are text"),
    ],
)
def test_what_was_filled_in_goes_where_its_field_is_named(content: str, values: dict[str, Any], text: str) -> None:
    assert rendered(content, values) == text
