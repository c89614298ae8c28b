"""Lines and columns of problems."""

import pytest

from jikko.dsl.text.positions import Positions, lines_of
from tests.effort import growth

TEXT = """\
app:
  name: 翻訳 😀
  mode: workflow
workflow:
  graph:
    nodes:
    - id: a
      data: {type: start, "title": x}
    - data:
        code: |
          import x
      id: b
shared: &s
  deep: [1, {x: 2}]
other: *s
"""


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("", (1, 1)),
        ("app.mode", (3, 3)),
        ("workflow.graph.nodes", (6, 5)),
        ("workflow.graph.nodes[0]", (7, 7)),
        ("workflow.graph.nodes[0].data.type", (8, 14)),
        ("workflow.graph.nodes[0].data.title", (8, 27)),
        ("workflow.graph.nodes[1].data.code", (10, 9)),
        ("other.deep[1].x", (14, 14)),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_path_leads_to_the_key_or_the_beginning_of_what_it_names(
    path: str, place: tuple[int, int], encoding: str
) -> None:
    assert Positions(TEXT.encode(encoding)).at(path) == place


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("workflow.graph.nodes[1].data.missing", (9, 7)),
        ("workflow.graph.nodes[7].data", (6, 5)),
        ("kind", (1, 1)),
        ("app.name.deeper[3]", (2, 3)),
    ],
)
def test_of_what_is_missing_the_place_is_where_it_should_be(path: str, place: tuple[int, int]) -> None:
    assert Positions(TEXT).at(path) == place


@pytest.mark.parametrize("text", [b"", b"a: [", b"\xff\xfe\x00", b"a: \x80", b"a: *nothing", "a: \ud800"])
def test_of_a_text_that_cannot_be_read_nothing_is_known(text: bytes | str) -> None:
    place = Positions(text).at("a.b")
    assert place is None or place == (1, 1)


@pytest.mark.parametrize(
    "text", ["? {a: 1}\n: 2\nb: 3", "? [a]\n: 2\nb: 3", "*x : 1\nb: 3", "<<: {a: 1}\n? \n: 2\nb: 3"]
)
def test_keys_that_are_no_texts_lead_to_no_error(text: str) -> None:
    Positions(text).at("b")


def test_deep_texts_are_read_without_recursion() -> None:
    assert Positions("[" * 900 + "]" * 900).at("[0][0][0]") == (1, 4)


def test_an_alias_costs_nothing() -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 60))
    assert Positions(bomb).at("a59[1][1][1]") == (58, 18)


@pytest.mark.slow
def test_time_is_in_proportion_to_the_text() -> None:
    assert growth(lambda count: Positions("- {a: [1, 2], b: x}\n" * count), 2000) < 20


@pytest.mark.parametrize(
    ("path", "first", "lines"),
    [
        ("app", 1, TEXT.split("\n")[:3]),
        ("workflow.graph.nodes[0]", 7, TEXT.split("\n")[6:8]),
        ("workflow.graph.nodes[0].data", 8, ['data: {type: start, "title": x}']),
        ("workflow.graph.nodes[1]", 9, TEXT.split("\n")[8:12]),
        ("workflow.graph.nodes[1].data.code", 10, TEXT.split("\n")[9:11]),
        ("workflow.graph.nodes[1].id", 12, ["id: b"]),
    ],
)
@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\u2028"])
def test_a_value_is_known_with_all_its_lines(path: str, first: int, lines: list[str], line_break: str) -> None:
    assert lines_of(TEXT.replace("\n", line_break), path) == (first, lines)


def test_what_stands_beside_a_value_is_no_part_of_it() -> None:
    text = "nodes:\n- id: a\n\n# of b\n- id: b\n  data: [1,\n    2]\n\n\n# the end\n"
    assert lines_of(text, "nodes[0]") == (2, ["- id: a"])
    assert lines_of(text, "nodes[1]") == (5, ["- id: b", "  data: [1,", "    2]"])
    assert lines_of(text, "nodes[2]") == (1, [])
    assert lines_of("nodes:\n- a: &x 1\n  b:\n  - 2\n  - *x\n\n# of c\nc: 3", "nodes") == (
        1,
        ["nodes:", "- a: &x 1", "  b:", "  - 2", "  - *x"],
    )
    assert lines_of("a:\n  ? b\n# of c\nc: 3", "a") == (1, ["a:", "  ? b"])
    assert lines_of("a:\n  b:\n# of c\nc: 3", "a") == (1, ["a:", "  b:"])
    assert lines_of("[", "nodes") == (1, [])
    assert lines_of('{"nodes": [{"id": "a"}, {"id": "😀"}], "x": 1}', "nodes[1]") == (1, ['{"id": "😀"}'])


@pytest.mark.parametrize(
    "code",
    [
        ["code: |", "  x = 1", "  # 日本語 🙂", "  # end"],
        ["code: |+", "  x", "", "  # 日本語"],
        ["code: >-", "  # 日本語"],
        ['code: "x', "  # 日本語", '  # end"'],
    ],
)
@pytest.mark.parametrize("after", ["", "\n", "\n\n# of what follows\n", "\n # of what follows\n\nb: 1\n"])
def test_what_looks_like_a_comment_in_a_text_is_part_of_it(code: list[str], after: str) -> None:
    text = "\n".join(["a:", *(f"  {line}" for line in code)]) + after
    assert lines_of(text, "a") == (1, ["a:", *(f"  {line}" for line in code)])
    first, lines = lines_of(text, "a.code")
    assert (first, [line.strip() for line in lines]) == (2, [line.strip() for line in code])
