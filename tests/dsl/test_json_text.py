"""JSON is read as JSON, though it is read as YAML."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jikko.dsl.text.positions import Positions
from jikko.dsl.text.yaml_text import LoadLimits, parse

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def read(text: str) -> Any:
    return parse(text, LoadLimits())


@given(st.dictionaries(st.text(max_size=8), VALUES), st.sampled_from([None, 2, "\t"]))
def test_what_json_writes_is_read_as_json_reads_it(value: Any, indent: int | str | None) -> None:
    assert read(json.dumps(value, indent=indent)) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r'{"a": "\ud83e\udd16"}', {"a": "🤖"}),
        (r'{"a": "\uD83E\uDD16 \\ud83e\\udd16 \\\ud83e\udd16"}', {"a": "🤖 \\ud83e\\udd16 \\🤖"}),
        ('{\n\t"a":\t"\\t\\ud83e\\udd16"}', {"a": "\t🤖"}),
    ],
)
def test_pairs_of_escapes_are_one_character(text: str, value: Any) -> None:
    assert read(text) == value


def test_a_text_that_is_no_json_is_left_as_it_is() -> None:
    assert read(r"{a: '\ud83e\udd16', b: \ud83e\udd16}") == {"a": r"\ud83e\udd16", "b": r"\ud83e\udd16"}
    assert read("a: |\n  \\ud83e\\udd16\tb\n") == {"a": "\\ud83e\\udd16\tb\n"}


def test_parts_of_json_have_their_place() -> None:
    positions = Positions('{\n\t"app": {\n\t\t"name": "\\ud83e\\udd16",\n\t\t"mode": 1}}')

    assert positions.at("app.mode") == (4, 3)
