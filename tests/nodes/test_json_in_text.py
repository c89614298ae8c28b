"""JSON in what a model said."""

import pytest

from jikko.nodes.json_in_text import first_object
from jikko.values import MAX_DEPTH


@pytest.mark.parametrize("levels", [MAX_DEPTH + 1, 900, 100_000])
def test_an_object_that_is_nested_too_deeply_is_none(levels: int) -> None:
    assert first_object('Here: {"a":' + "[" * (levels - 1) + "]" * (levels - 1) + "}") is None


def test_an_object_may_be_nested_as_deeply_as_an_input() -> None:
    assert first_object('Here: {"a":' + "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1) + "}") is not None
