"""Reading of a child's answer: its size is checked before decoding."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jikko.sandbox.wire import BadReply, has_more_elements, parse_reply

SCALARS = st.none() | st.booleans() | st.integers() | st.text(st.sampled_from('a,[{"\\\ue000界😀'))
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(st.sampled_from('a,[{"\\')), inner), max_leaves=30
)


def elements(value: Any) -> int:
    """As they are counted: members of arrays and objects, and empty ones."""
    match value:
        case dict():
            return max(1, len(value)) + sum(map(elements, value.values()))
        case list():
            return max(1, len(value)) + sum(map(elements, value))
        case _:
            return 0


@given(VALUES, st.booleans())
def test_elements_are_counted_whatever_stands_in_texts(value: Any, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only).encode()

    assert not has_more_elements(text, elements(value))
    assert has_more_elements(text, elements(value) - 1)


@pytest.mark.parametrize("fill", ['",', "界[{", 'a\\"'])
def test_a_text_of_megabytes_is_one_element(fill: str) -> None:
    text = json.dumps({"ok": fill * 500_000}).encode()

    assert not has_more_elements(text, 1)
    assert parse_reply(text, 1)["ok"] == fill * 500_000


@pytest.mark.parametrize("item", ["[]", "{}", "1", '""', '{"a":[1]}'])
def test_too_many_are_refused_and_the_setting_is_named(item: str) -> None:
    text = f'{{"ok":[{",".join([item] * 1000)}]}}'.encode()

    with pytest.raises(BadReply, match=r"more than 999 elements .* \(set by JIKKO_MAX_ELEMENTS\)"):
        parse_reply(text, 999)
