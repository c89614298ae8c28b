"""The configuration of a form."""

import pytest

from jikko.nodes.human_input import HumanInput
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
