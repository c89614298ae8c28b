"""Search for JSON in a model's output."""

import json

import pytest

from jikko.concurrency.json_in_pieces import MAX_ELEMENTS
from jikko.nodes.model.structured_output import fenced_object, first_object
from jikko.values import MAX_DEPTH, Json


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('Here: {"a": 1} and {"b": 2}', {"a": 1}),
        ('{broken {"a": 1}', {"a": 1}),
        ("none", None),
        ('{"a": ', None),
    ],
)
def test_the_first_object_is_found(text: str, found: Json) -> None:
    assert first_object(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"not": "this"}\n```json\n{"a": 1}\n```', {"a": 1}),
        ('```\nnothing\n```\nand\n```c-lang {"a": 1}```', {"a": 1}),
        ('```json\n{"a": 1}', {"a": 1}),
        ("``` ```", None),
    ],
)
def test_an_object_in_a_fence_comes_first(text: str, found: Json) -> None:
    assert fenced_object(text) == found


# With time that goes with the square of the length, each of these would take minutes.
@pytest.mark.parametrize("text", ["```" + "\n" * 500_000, "```" + "a" * 500_000, "``` " * 200_000])
def test_a_fence_that_never_ends_takes_no_time(text: str) -> None:
    assert fenced_object(text) is None


def test_a_long_text_is_not_read_from_every_brace(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []

    class Decoder:
        def raw_decode(self, text: str, start: int) -> tuple[Json, int]:
            read.append(start)
            raise json.JSONDecodeError("ends too early", text, len(text))

    monkeypatch.setattr("jikko.nodes.model.structured_output._decoder", Decoder())

    assert first_object('{"a":' * 500 + "1," * 190_000) is None
    assert 0 < len(read) < 5


@pytest.mark.parametrize("item", ["[],", "1,", '{"b":1},'])
def test_an_object_of_more_elements_than_a_large_body_may_have_is_none(item: str) -> None:
    def written(elements: int) -> str:
        return '{"a": [' + item * (elements // (1 + (item[0] in "[{"))) + "0]}"

    assert first_object(written(MAX_ELEMENTS - 2)) is not None
    assert first_object(written(MAX_ELEMENTS + 2)) is None


@pytest.mark.parametrize("levels", [MAX_DEPTH + 1, 900, 100_000])
def test_an_object_that_is_nested_too_deeply_is_none(levels: int) -> None:
    assert first_object('Here: {"a":' + "[" * (levels - 1) + "]" * (levels - 1) + "}") is None


def test_an_object_may_be_nested_as_deeply_as_an_input() -> None:
    assert first_object('Here: {"a":' + "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1) + "}") is not None
