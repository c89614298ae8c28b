"""Forms: their configuration, and their text once they are filled in."""

from typing import Any

import pytest

from jikko.nodes.flow.human_input import HumanInput, rendered
from jikko.values import Json
from tests.nodes.context import fields


def problems(**data: Json) -> list[str]:
    source = fields(data)
    HumanInput.from_dsl(source)
    return [problem.where for problem in source.problems if problem.fatal]


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


A, B = "{{#$output.a#}}", "{{#$output.b#}}"


@pytest.mark.parametrize(
    ("content", "values", "text"),
    [
        pytest.param(f"{A}, {B}, {A}", {"a": "x", "b": "y"}, "x, y, x", id="each wherever it stands"),
        pytest.param(f"{A} {B}", {"a": "x"}, f"x {B}", id="what was not asked for stays"),
        pytest.param(f"{{{{{A}", {"a": "x"}, "{{x", id="braces in front of it are text"),
        pytest.param(f"Said: {A}", {"a": f"I typed {B}", "b": "SECRET"}, f"Said: I typed {B}", id="no second look"),
        pytest.param(f"{A}{B}", {"a": "\\1\\g<0>", "b": 5}, "\\1\\g<0>5", id="backslashes are text"),
    ],
)
def test_what_was_filled_in_goes_where_its_field_is_named(content: str, values: dict[str, Any], text: str) -> None:
    assert rendered(content, values) == text
