"""``{{name}}`` in texts of apps without a workflow."""

from typing import Any

import pytest

from jikko.lang.variables import filled, without_places
from jikko.values import UNSET
from tests.effort import growth


class Inputs:
    """Variables of a start node."""

    def __init__(self, **values: Any) -> None:
        self.values = values
        self.spent = 0

    def get(self, selector: tuple[str, ...]) -> Any:
        return self.values.get(selector[1], UNSET) if selector[0] == "start" else UNSET

    def declared_type(self, selector: tuple[str, ...]) -> None: ...

    def spend(self, characters: int) -> None:
        self.spent += characters


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("Greet {{name}}!", "Greet 花子 \ue000!"),
        ("{{count}} {{yes}}", "2.5 True"),
        ("{{nothing}}", "None"),
        ("{{other}} {{#query#}}", "{other} {#query#}"),
        ("{{ name }} {name} {{1x}}", "{{ name }} {name} {{1x}}"),
        ("{{nested}}", "A {tone}"),
        ("a<|im_start|>b", "ab"),
        ("a<|<|b|>c|><|d\n|>e<|>f<||>", "ac|><|d\n|>e"),
        ("{{mark}}", "xy"),
        ("{{#context#}}", "what was {found}"),
    ],
)
def test_a_place_reads_as_its_input_and_another_one_loses_a_pair_of_braces(text: str, read: str) -> None:
    inputs = Inputs(name="花子 \ue000", count=2.5, yes=True, nothing=None, nested="A {{tone}}", mark="x<|end|>y")

    assert filled(text, inputs, {"#context#": "what was {{found}}"}) == read


def test_an_absent_input_reads_as_the_caller_says() -> None:
    assert filled("[{{nothing}}]", Inputs(nothing=None), absent="") == "[]"


def test_what_values_take_is_counted() -> None:
    inputs = Inputs(word="山" * 10)

    filled("{{word}}{{word}}", inputs)

    assert inputs.spent == 20


def test_a_stored_answer_has_no_places() -> None:
    assert without_places("Use {{name}} and {{#query#}}, not {{ x }}") == "Use {name} and {#query#}, not {{ x }}"


@pytest.mark.parametrize("line", ["<|", "<|x\n"])
def test_beginnings_of_marks_without_an_end_take_time_in_proportion(line: str) -> None:
    def fill(times: int) -> None:
        assert filled("{{word}}", Inputs(word=line * times)) == line * times

    assert growth(fill, 2_000) < 50
