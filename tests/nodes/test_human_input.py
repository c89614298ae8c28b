"""The text of a form that was filled in."""

from typing import Any

import pytest

from jikko.nodes.human_input import rendered

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
