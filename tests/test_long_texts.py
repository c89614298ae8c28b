"""Incremental JSON encoding of long texts: equal to encoding at once, and yielding to the event loop."""

import sys
from collections.abc import Callable
from functools import reduce
from typing import Any, cast

import msgspec
import pytest

from jikko.long_texts import LONG_TEXT, encode_giving_way, encode_once, encode_text, has_long_text
from jikko.values import encode_json
from tests.effort import longest_turn

pytestmark = pytest.mark.anyio

ESCAPES = '"\n\\\t' * 800_000
MIXED = 'say "界"\x01\u2028😀\ue000\n' * 100_000


class Told(msgspec.Struct, frozen=True, tag="told"):
    name: str
    values: dict[str, Any]
    parts: tuple[Any, ...] = ()


@pytest.mark.parametrize(
    "value",
    [
        {"a": MIXED, "b": [MIXED, {"c": MIXED}], "界": None, "short": "\ud800", "number": float("nan")},
        Told("\n" * 2_000_000, {"x": [1, ESCAPES], "y": {}}, (MIXED, [Told("in it", {"z": ESCAPES})])),
        [ESCAPES + "\udfff", "x" * 3_000_000],
        {"many": ["x"] * 10_000, "a": ESCAPES, "b": MIXED},
        {"short": "\n" * LONG_TEXT},
        {},
    ],
)
async def test_json_is_the_same_as_if_it_were_made_at_once(value: Any) -> None:
    whole = encode_json(value)

    assert await encode_giving_way(value) == whole
    assert await encode_giving_way(value, lambda marked: b"<" + encode_json(marked) + b">") == b"<" + whole + b">"
    assert encode_once(value) == whole


@pytest.mark.parametrize(
    "character", ['"', "\\", "\n", "\t", "\r", "\x00", "\x1f", "\x7f", "é", "界", "😀", "\ud800", "a"]
)
def test_a_text_is_encoded_the_same_whatever_it_is_made_of(character: str) -> None:
    for text in (character, character * 1000, f"plain text, and {character}" * 100):
        assert encode_text(text) == encode_json(text)


@pytest.mark.serial
async def test_others_have_the_event_loop_between_pieces() -> None:
    value = {f"{number}": f"{number}" + "\n" * 3_000_000 for number in range(4)}

    longest, whole = min([await longest_turn(encode_giving_way(value)) for _ in range(3)])

    assert longest < whole / 4


def test_a_text_that_is_there_twice_is_encoded_once() -> None:
    """Counted in function calls, of which each piece of a text needs the same number."""
    text, other = "\n" * 4_000_000, "\n" * 3_999_999

    once, twice, both = [calls({"a": text}), calls({"a": text, "b": text}), calls({"a": text, "b": other})]

    assert twice - once < 0.2 * (both - once)


def calls(value: dict[str, str]) -> int:
    """Function calls that encoding a value takes."""
    count = 0

    def counted(*_: Any) -> None:
        nonlocal count
        count += 1

    sys.setprofile(counted)
    try:
        encode_once(value)
    finally:
        sys.setprofile(None)
    return count


LONG = "界" * (LONG_TEXT + 1)


@pytest.mark.parametrize(
    "value",
    [
        LONG,
        {"😀": LONG},
        [1, [None, {"a": [True, {"b": LONG}]}]],
        {"many": ["x"] * 1000, "a": LONG},
        reduce(lambda inner, _: [inner], range(50), cast(Any, LONG)),
        {"large": 2**80, "number": float("nan"), "surrogate": "\ud800", "a": LONG},
        [[[["x"] * 8] * 16] * 64, LONG],
    ],
)
def test_a_long_text_is_found_wherever_it_is(value: Any) -> None:
    assert has_long_text([{}, value])


@pytest.mark.parametrize("value", ["界" * LONG_TEXT, {"a": ["\ud800", 2**80, -0.5, None, {"b": ["x"] * 1000}]}, {}])
def test_short_texts_are_none(value: Any) -> None:
    assert not has_long_text([{}, value])


def test_many_values_in_each_other_are_searched_no_longer_than_many_beside_each_other() -> None:
    """Counted in lines of Python: a value that C would take long for is left to a search that gives up."""
    beside = lines(lambda: has_long_text([["x"] * 16_000]))

    assert beside / 4 < lines(lambda: has_long_text([[[["x"] * 20] * 100] * 100])) < 4 * beside


@pytest.mark.parametrize("value", [{"出力": ["🐟"] * 100}, {"rows": [{"a": "x", "b": 1}] * 100}])
def test_long_lists_in_an_object_are_looked_through_in_c(value: Any) -> None:
    has_long_text([value])  # the types are made with the first look
    assert lines(lambda: has_long_text([value])) < 30


def lines(work: Callable[[], object]) -> int:
    count = 0

    def traced(*_: Any) -> Any:
        nonlocal count
        count += 1
        return traced

    sys.settrace(traced)
    try:
        work()
    finally:
        sys.settrace(None)
    return count
