"""Typed fields: problems are recorded and replaced by defaults, never raised."""

from collections.abc import Callable
from typing import Any

import pytest

from jikko.diagnostics.diagnostic import Phrase
from jikko.dsl.fields import Fields, as_selector, did_you_mean, shown

from .files import fields


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (5, "5"),
        ("x", "'x'"),
        ("x" * 1000, "'" + "x" * 60 + "'..."),
        ([1, 2], "a list"),
        ({"a": 1}, "a mapping"),
    ],
)
def test_a_value_is_shown_shortly(value: Any, text: str) -> None:
    assert shown(value) == text


@pytest.mark.parametrize(
    ("read", "value", "problem"),
    [
        (lambda data: data.text("k"), [1], "is a list, not a text"),
        (lambda data: data.text("k"), True, "is true, not a text"),
        (lambda data: data.boolean("k"), "ja", "is 'ja', not true or false"),
        (lambda data: data.boolean("k"), 2, "is 2, not true or false"),
        (lambda data: data.integer("k"), 1.5, "is 1.5, not a whole number"),
        (lambda data: data.integer("k"), float("nan"), "is nan, not a whole number"),
        (lambda data: data.integer("k"), float("inf"), "is inf, not a whole number"),
        (lambda data: data.integer("k"), "9" * 5000, "is '" + "9" * 60 + "'..., not a whole number"),
        (lambda data: data.choice("k", ("and", "or"), "and"), "annd", "is 'annd' (did you mean 'and'?)"),
        (lambda data: data.selector("k"), "n.x", "is 'n.x', not a selector (expected [node id, variable])"),
        (lambda data: list(data.mappings("k")), {"a": 1}, "is a mapping, not a list"),
        (lambda data: data.mapping("k").raw, [], "is a list, not a mapping"),
    ],
)
def test_a_wrong_value_is_noted_and_replaced(read: Callable[[Fields], Any], value: Any, problem: str) -> None:
    source = fields({"k": value})

    assert read(source) == read(fields({}))
    assert [str(found) for found in source.problems] == [f"data.k: {problem}"]


@pytest.mark.parametrize(
    ("yes", "no"), [(True, False), (1, 0), ("1", "0"), ("true", "False"), ("YES", "no"), ("on", "Off"), ("t", "f")]
)
def test_words_for_true_and_false_are_booleans_as_in_dify(yes: Any, no: Any) -> None:
    assert fields({"k": yes}).boolean("k") is True
    assert fields({"k": no}).boolean("k", default=True) is False


def test_paths_lead_from_the_top_of_the_file() -> None:
    top = Fields("", {"a": [{"b": {}}]}, [])

    (inner,) = top.mappings("a")

    assert inner.mapping("b").at("c") == "a[0].b.c"
    assert top.at("a") == "a"
    assert top.at("") == ""


def test_of_millions_of_problems_the_first_are_noted_and_a_fatal_one_is_not_lost_behind_warnings() -> None:
    source = fields({})

    for fatal in (False, True):
        for _ in range(100_000):
            source.problem("k", "is wrong", fatal=fatal)

    assert len(source.problems) == 20_000
    assert [not problem.ok for problem in source.problems[9_999:10_001]] == [False, True]


def test_hints_cost_nothing_in_a_file_full_of_mistakes() -> None:
    source = fields({})
    assert source.meant("strt", ["start"]) == Phrase("remedy.did_you_mean", {"name": "'start'"})
    assert did_you_mean("strt", ["start"]) == "did you mean 'start'?"

    for _ in range(100):
        source.problem("k", "is wrong")

    assert source.meant("strt", ["start"]) is None
    assert did_you_mean("x" * 10_000_000, ["x"]) == ""


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (["start", "sys.query"], ("sys", "query")),
        (["start", "sys.files", "0"], ("sys", "files", "0")),
        (["start", "env.KEY.a"], ("env", "KEY.a")),
        (["start", "system.query"], ("start", "system.query")),
        (["sys", "query"], ("sys", "query")),
    ],
)
def test_what_old_files_read_of_the_start_node_is_the_variable(written: list[str], read: tuple[str, ...]) -> None:
    assert as_selector(written) == read
