"""Text with references to variables."""

import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jikko.lang.templates import Template
from jikko.lang.variables import TextTooLong
from jikko.values import FILE_IDENTITY, Selector

from .pool import Pool

VARIABLES = Pool(
    {
        "n": {
            "x": "value",
            "none": None,
            "list": ["a", "b"],
            "o": {"k": {"d": "deep"}, "null": None},
            "file": {"dify_model_identity": FILE_IDENTITY, "type": "image", "filename": "a.png", "url": "http://h/a"},
        },
        "a-b": {"x": "hyphen"},
    }
)


@pytest.mark.parametrize(
    ("template", "text"),
    [
        pytest.param("", "", id="nothing"),
        pytest.param("plain {{ x }} {#", "plain {{ x }} {#", id="text without references"),
        pytest.param("a {{#n.x#}} b", "a value b", id="a reference becomes its value"),
        pytest.param("{{#n.x#}}{{#n.x#}}", "valuevalue", id="two side by side"),
        pytest.param("{{#n.o.k.d#}}", "deep", id="a path into an object"),
        pytest.param("{{#n.o.k#}}", '{"d": "deep"}', id="an object"),
        pytest.param("{{#n.list#}}", '["a", "b"]', id="a list"),
        pytest.param("[{{#n.none#}}]", "[]", id="a null is nothing"),
        pytest.param("[{{#n.o.null#}}]", "[]", id="a key that holds null is a null"),
        pytest.param("[{{#n.miss#}}]", "[n.miss]", id="what does not exist reads as its path"),
        pytest.param("[{{#n.o.miss#}}]", "[n.o.miss]", id="a key too"),
        pytest.param("[{{#n.x.y#}}]", "[n.x.y]", id="a text has no keys"),
        pytest.param("[{{#n.list.0#}}]", "[{{#n.list.0#}}]", id="a name does not begin with a digit"),
        pytest.param("{{ #n.x# }}", "{{ #n.x# }}", id="blanks are not allowed"),
        pytest.param("{{#x#}}", "{{#x#}}", id="a reference has a dot"),
        pytest.param("{{#a-b.x#}}", "{{#a-b.x#}}", id="a node id has no hyphen"),
        pytest.param("{{#n.ü#}}", "{{#n.ü#}}", id="names are ASCII"),
        pytest.param("{{#n." + "a" * 31 + "#}}", "{{#n." + "a" * 31 + "#}}", id="a name has at most 30 characters"),
        pytest.param("{{#" + "n" * 51 + ".x#}}", "{{#" + "n" * 51 + ".x#}}", id="a node id has at most 50"),
        pytest.param("{{#n" + ".a" * 11 + "#}}", "{{#n" + ".a" * 11 + "#}}", id="a path has at most 10 names"),
        pytest.param("n.x", "value", id="a text that is as a whole a path is replaced too"),
        pytest.param("{{#n.x#}}n.x{{#n.x#}}", "valuevaluevalue", id="also between references"),
        pytest.param("a-b.x", "hyphen", id="even one that no reference could name"),
        pytest.param("n.x ", "n.x ", id="but not with anything around it"),
        pytest.param("{{{#n.x#}}}", "{value}", id="braces around a reference"),
        pytest.param("[{{#n.file#}}]", "[]", id="a file is invisible"),
    ],
)
def test_a_template_is_expanded(template: str, text: str) -> None:
    assert Template.parse(template).to_text(VARIABLES) == text


def test_a_list_is_shown_as_its_variable_is_declared() -> None:
    said = ["日本", "🙂"]
    pool = Pool({"lp": {"said": said}, "c": {"said": said}}, declared={("lp", "said"): "array[any]"})

    assert Template.parse("{{#lp.said#}} {{#c.said#}}").to_text(pool) == """['日本', '🙂'] ["日本", "🙂"]"""


def test_markdown_shows_lists_and_files() -> None:
    template = Template.parse("Look:\n{{#n.list#}}\n{{#n.file#}}")

    assert template.to_markdown(VARIABLES) == "Look:\n- a\n- b\n![a.png](http://h/a)"


def test_the_parts_are_texts_and_references_in_their_order() -> None:
    template = Template.parse("a {{#n.x#}}{{#n.o.k#}} b")

    assert template.parts == ("a ", ("n", "x"), ("n", "o", "k"), " b")
    assert template.selectors == (("n", "x"), ("n", "o", "k"))
    assert template.to_text(VARIABLES) == 'a value{"d": "deep"} b'


NAMES = st.builds(str.__add__, st.sampled_from("aZ_"), st.text("aZ_09", max_size=9))
SELECTORS = st.lists(NAMES, min_size=2, max_size=5).map(tuple)


@given(st.lists(SELECTORS))
def test_every_reference_is_found(selectors: list[Selector]) -> None:
    text = " | ".join("{{#" + ".".join(selector) + "#}}" for selector in selectors)

    template = Template.parse(text)

    assert template.selectors == tuple(selectors)
    assert template.to_text(Pool({})) == text.replace("{{#", "").replace("#}}", "")


@given(st.text(alphabet="{}#.ab_ \n", max_size=40))
def test_without_variables_only_references_change(text: str) -> None:
    template = Template.parse(text)

    joined = "".join(part if isinstance(part, str) else "{{#" + ".".join(part) + "#}}" for part in template.parts)
    assert joined == text


class TestALimit:
    """No more text is made than may be, and none of it before that is known."""

    LONG = "界" * 100_000

    @pytest.mark.parametrize("render", [Template.to_text, Template.to_markdown])
    def test_a_long_value_that_is_named_often_is_refused(self, render: Any) -> None:
        template = Template.parse("{{#n.long#}}" * 2000)
        with pytest.raises(TextTooLong, match=r"more than 1000000 characters in all \(set by JIKKO_MAX_EXPANDED\)"):
            render(template, Pool({"n": {"long": self.LONG}}))

    def test_all_texts_of_a_node_count_together(self) -> None:
        variables, template = Pool({"n": {"long": self.LONG}}), Template.parse("{{#n.long#}}")
        for _ in range(10):
            assert template.to_text(variables) == self.LONG
        with pytest.raises(TextTooLong):
            template.to_text(variables)

    def test_a_text_that_is_just_as_long_as_it_may_be_is_made(self) -> None:
        template = Template.parse("{{#n.long#}}" * 10)
        assert len(template.to_text(Pool({"n": {"long": self.LONG}}))) == 1_000_000

    @pytest.mark.parametrize("value", [["a"] * 50_000, {"key": ["😀"] * 40_000}])
    def test_nothing_is_rendered_behind_the_limit_and_no_value_twice(self, value: Any) -> None:
        template = Template.parse("{{#n.value#}}" * 10_000)

        def refuse() -> None:
            with pytest.raises(TextTooLong):
                template.to_text(Pool({"n": {"value": value}}))

        tracemalloc.start()
        try:
            refuse()
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert most < 10_000_000
