"""How values read as text."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jikko.lang.templates import to_markdown, to_text
from jikko.values import FILE_IDENTITY, Json
from tests.effort import cpu_seconds

IMAGE = {"dify_model_identity": FILE_IDENTITY, "type": "image", "filename": "a.png", "url": "http://h/a"}
NAMELESS = {"dify_model_identity": FILE_IDENTITY, "type": "document", "filename": None, "url": "http://h/b"}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("value", "text", "markdown"),
    [
        pytest.param("a\n*b*", "a\n*b*", "a\n*b*", id="a text is itself"),
        pytest.param(None, "", "", id="a null is nothing"),
        pytest.param(5, "5", "5", id="integer"),
        pytest.param(1.0, "1.0", "1.0", id="a float keeps its point"),
        pytest.param(0.1, "0.1", "0.1", id="a float is as short as it can be read back"),
        pytest.param(1e20, "1e+20", "1e+20", id="large float"),
        pytest.param(math.nan, "nan", "nan", id="not a number"),
        pytest.param(True, "True", "True", id="booleans are capitalised"),
        pytest.param({}, "{}", "{}", id="empty object"),
        pytest.param({"a": "ü", "b": None}, '{"a": "ü", "b": null}', '{\n  "a": "ü",\n  "b": null\n}', id="object"),
        pytest.param([], "", "", id="an empty list is nothing"),
        pytest.param(["a", "ü"], '["a", "ü"]', "- a\n- ü", id="texts are JSON"),
        pytest.param([1, 2.5], "[1, 2.5]", "- 1\n- 2.5", id="numbers"),
        pytest.param([True, False], "[True, False]", "- True\n- False", id="booleans as in Python"),
        pytest.param([{"a": "x", "b": None}], "[{'a': 'x', 'b': None}]", "- {'a': 'x', 'b': None}", id="objects too"),
        pytest.param([1, "a", None], "[1, 'a', None]", "- 1\n- a\n- None", id="mixed"),
        pytest.param([["a"], []], "[['a'], []]", "- ['a']\n- []", id="lists in lists"),
        pytest.param(IMAGE, "", "![a.png](http://h/a)", id="an image is shown"),
        pytest.param(NAMELESS, "", "[http://h/b](http://h/b)", id="another file is linked, by its address if nameless"),
        pytest.param([IMAGE, NAMELESS], "", "![a.png](http://h/a)\n[http://h/b](http://h/b)", id="files, one a line"),
    ],
)
def test_each_type_has_its_text_and_its_markdown(value: Any, text: str, markdown: str) -> None:
    assert to_text(value) == text
    assert to_markdown(value) == markdown


@given(JSON)
def test_every_value_has_a_rendering(value: Any) -> None:
    assert isinstance(to_text(value), str)
    assert isinstance(to_markdown(value), str)


@given(st.dictionaries(st.text(), st.text()))
def test_the_text_of_an_object_can_be_read_back(value: dict[str, str]) -> None:
    assert json.loads(to_text(value)) == value
    assert json.loads(to_markdown(value)) == value


@given(st.dictionaries(st.text(), JSON))
def test_an_object_in_markdown_is_what_python_makes_of_it(value: dict[str, Json]) -> None:
    assert to_markdown(value) == json.dumps(value, ensure_ascii=False, indent=2)


@pytest.mark.parametrize("end", ["", "\ud800", math.nan])
def test_long_texts_of_an_object_are_as_python_has_them(end: Json) -> None:
    value: dict[str, Json] = {"a": ['\n"\\😀' * 200_000, 1], "b": {"c": "界\x01\u2028" * 400_000}, "end": end}

    assert to_markdown(value) == json.dumps(value, ensure_ascii=False, indent=2)


def test_a_large_object_in_markdown_costs_little_more_than_its_json() -> None:
    value = {"rows": [{"id": index, "名前": "😀"} for index in range(60_000)]}
    plain = min(cpu_seconds(lambda: json.dumps(value, ensure_ascii=False)) for _ in range(3))

    assert min(cpu_seconds(lambda: to_markdown(value)) for _ in range(3)) < 3 * plain
