"""YAML is understood as PyYAML's safe loader understands it, as far as the result is JSON."""

import math
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from jikko.dsl.text.yaml_text import LoadLimits, parse

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)


def read(text: str) -> Any:
    return parse(text, LoadLimits())


@given(JSON)
def test_what_pyyaml_writes_is_read_as_pyyaml_reads_it(value: Any) -> None:
    # Aliases are written for what occurs twice, flow style and block style for what is short and long.
    text = yaml.safe_dump([value, value], allow_unicode=True)

    assert read(text) == yaml.load(text, Loader=yaml.CSafeLoader)


@given(st.text(alphabet="0123456789abxo_.:+-eEnyNY~", max_size=12))
def test_unquoted_scalars_are_what_pyyaml_takes_them_for(text: str) -> None:
    try:
        expected = yaml.safe_load(f"[{text}]")
    except (yaml.YAMLError, ValueError):
        return
    if all(isinstance(item, (str, bool, int, float, type(None))) for item in expected):
        assert repr(read(f"[{text}]")) == repr(expected)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("2024-02-30", "2024-02-30", id="a date is the text that is written, even an impossible one"),
        pytest.param("2001-12-14t21:59:43.10-05:00", "2001-12-14t21:59:43.10-05:00", id="a time too"),
        pytest.param("18446744073709551615", 2**64 - 1, id="the largest integer"),
        pytest.param("18446744073709551616", "18446744073709551616", id="a larger one is text"),
        pytest.param("9" * 5000, "9" * 5000, id="whatever its length"),
        pytest.param("1" + ":1" * 100_000, "1" + ":1" * 100_000, id="also to the base of 60"),
        pytest.param("12:30:45", 45045, id="a time of day is a number to the base of 60"),
        pytest.param("0o17", "0o17", id="octal is written otherwise"),
        pytest.param("017", 15, id="so"),
        pytest.param("1e3", "1e3", id="an exponent without a point and sign is a text"),
        pytest.param("1.0e+3", 1000.0, id="with both it is a number"),
        pytest.param("-.inf", -math.inf, id="infinity"),
        pytest.param("yes", True, id="yes"),
        pytest.param("Off", False, id="off"),
        pytest.param("~", None, id="null"),
        pytest.param("y", "y", id="y"),
        pytest.param("'yes'", "yes", id="quotes make a text"),
        pytest.param("!!str 5", "5", id="a tag too"),
        pytest.param("! 5", "5", id="even the shortest"),
        pytest.param("!!int '5'", 5, id="a tag makes a number"),
        pytest.param("!!int five", "five", id="if it is one"),
        pytest.param("!!binary aGk=", "aGk=", id="binary data stays as written"),
        pytest.param("!!set {a, b}", {"a": None, "b": None}, id="a set is a mapping"),
        pytest.param("[<<, a: <<]", ["<<", {"a": "<<"}], id="the merge sign is a text where nothing can be merged"),
        pytest.param("<<", None, id="and nothing on its own"),
    ],
)
def test_scalars(text: str, value: Any) -> None:
    assert read(text) == value


def test_not_a_number_is_a_number() -> None:
    assert math.isnan(read(".nan"))


def test_keys_become_texts_as_in_json() -> None:
    assert read("{1: a, 1.5: b, true: c, ~: d, 2024-01-01: e, x: f}") == {
        "1": "a",
        "1.5": "b",
        "true": "c",
        "null": "d",
        "2024-01-01": "e",
        "x": "f",
    }


def test_of_a_key_that_occurs_twice_the_last_wins() -> None:
    assert read("{a: 1, b: 2, a: 3}") == {"a": 3, "b": 2}


def test_merged_mappings_give_way_to_own_keys_and_to_earlier_ones() -> None:
    text = "{x: &x {a: 1, b: 1}, y: &y {b: 2, c: 2}, z: {<<: [*x, *y], c: 3}}"

    assert read(text)["z"] == {"a": 1, "b": 1, "c": 3}


def test_what_an_alias_names_is_shared_not_copied() -> None:
    value = read("{a: &a [1, 2], b: *a}")

    assert value["a"] is value["b"]
