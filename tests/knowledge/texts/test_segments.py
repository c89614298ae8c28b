"""Cleaning and segmentation, as recorded from a real Dify, and beyond the recordings."""

import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jikko.errors import InvalidParam
from jikko.knowledge.indexing.cutting_stage import hash_of
from jikko.knowledge.texts.rules import AUTOMATIC, CuttingError, Segmentation, checked_rule, rule_of
from jikko.knowledge.texts.segment_texts import (
    MAX_CHARACTERS,
    MAX_CHUNKS,
    DraftSegment,
    automatic_chunks,
    cleaned,
    custom_chunks,
    drafts,
)
from tests.effort import growth

RECORDED = Path(__file__).parents[2] / "compat" / "knowledge" / "cases"


def recorded() -> Iterator[Any]:
    for file in sorted(RECORDED.glob("dataset_chunk_*/case.json")):
        steps = {step["name"]: step for step in json.loads(file.read_text(encoding="utf-8"))["steps"]}
        body = steps["document"]["request"]["json"]
        if "segments" not in steps or body.get("doc_form") == "qa_model" or not body["process_rule"]:
            continue
        rows = steps["segments"]["expect"]["body"]["data"]
        if not rows and body.get("doc_form") == "hierarchical_model":
            continue
        yield pytest.param(body, rows, id=file.parent.name)


@pytest.mark.parametrize(("body", "rows"), list(recorded()))
def test_documents_are_cut_as_recorded(body: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    form = body.get("doc_form", "text_model")
    rule = rule_of(checked_rule(body["process_rule"], form))

    got = list(drafts([body["text"]], rule))

    assert [draft.content for draft in got] == [row["content"] for row in rows]
    assert [hash_of(draft.raw) for draft in got] == [row["index_node_hash"] for row in rows]
    if not rule.full_doc:
        assert [list(draft.children) for draft in got] == [
            [child["content"] for child in row["child_chunks"]] for row in rows
        ]


def test_there_are_recorded_documents() -> None:
    assert len(list(recorded())) >= 20


def test_the_hash_of_a_parent_is_that_of_its_text_with_the_full_stop_that_it_loses() -> None:
    rules = {
        "pre_processing_rules": [],
        "segmentation": {"separator": "|", "max_tokens": 100},
        "parent_mode": "paragraph",
        "subchunk_segmentation": {"separator": ".", "max_tokens": 50},
    }
    rule = rule_of(checked_rule({"mode": "hierarchical", "rules": rules}, "hierarchical_model"))

    got = list(drafts([".点.b|。 空 🙂|plain"], rule))

    assert [(each.content, each.raw, each.children) for each in got] == [
        ("点.b", ".点.b", ("点", "b")),
        ("空 🙂", "。 空 🙂", ("空 🙂",)),
        ("plain", "plain", ("plain",)),
    ]


def test_a_full_document_is_one_parent_and_is_not_cleaned() -> None:
    rules = {
        "pre_processing_rules": [{"id": "remove_extra_spaces", "enabled": True}],
        "segmentation": {"separator": "\n", "max_tokens": 100},
        "parent_mode": "full-doc",
        "subchunk_segmentation": {"separator": "\n", "max_tokens": 50},
    }
    rule = rule_of(checked_rule({"mode": "hierarchical", "rules": rules}, "hierarchical_model"))

    assert list(drafts(["a   b", "。c"], rule)) == [DraftSegment("a   b\n。c", ("a   b", "c"), raw="a   b\n。c")]


@pytest.mark.parametrize(
    ("separator", "pieces"), [("。", ["一", "二"]), (r"\n\n", ["一。二"]), (r"\u3002", ["一", "二"])]
)
def test_separators_of_any_script_are_found(separator: str, pieces: list[str]) -> None:
    assert [*filter(None, custom_chunks("一。二", Segmentation(50, separator)))] == pieces


def test_letters_that_dify_takes_for_bytes_stay() -> None:
    assert cleaned("¿naïve ¾?\x00\x07\ufffe", ()) == "¿naïve ¾?"


def test_markdown_links_survive_the_removal_of_addresses() -> None:
    text = "a@b.example [x](https://c.example/d) https://e.example/f 終わり"

    assert cleaned("連絡先me@example.comまで", {"remove_urls_emails"}) == "連絡先まで"
    assert cleaned(text, {"remove_urls_emails"}) == " [x](https://c.example/d)  終わり"


@pytest.mark.parametrize(
    "numbers", [{"max_tokens": 49}, {"max_tokens": 4001}, {"max_tokens": 60, "chunk_overlap": 61}, {"max_tokens": -1}]
)
def test_numbers_out_of_range_are_an_error_of_the_document_and_not_of_the_request(numbers: dict[str, int]) -> None:
    rules = {"pre_processing_rules": [], "segmentation": {"separator": "\n", **numbers}}
    kept = checked_rule({"mode": "custom", "rules": rules}, "text_model")

    with pytest.raises(CuttingError):
        rule_of(kept)


@pytest.mark.parametrize(
    "rule",
    [
        None,
        [],
        {},
        {"mode": "psychic"},
        {"mode": "custom"},
        {"mode": "custom", "rules": {"pre_processing_rules": [], "segmentation": {"separator": "", "max_tokens": 60}}},
        {"mode": "custom", "rules": {"pre_processing_rules": [7], "segmentation": {"max_tokens": 60}}},
        {"mode": "custom", "rules": {"pre_processing_rules": [], "segmentation": {"max_tokens": "many"}}},
        {"mode": "custom", "rules": {"pre_processing_rules": [], "segmentation": {"max_tokens": True}}},
        {"mode": "hierarchical", "rules": {"pre_processing_rules": []}},
    ],
)
def test_what_is_no_rule_is_refused(rule: Any) -> None:
    with pytest.raises(InvalidParam):
        checked_rule(rule, "text_model")


def test_parents_without_a_rule_for_children_are_an_error_of_the_document() -> None:
    rules = {"pre_processing_rules": [], "segmentation": {"max_tokens": 60}}
    kept = checked_rule({"mode": "hierarchical", "rules": rules}, "hierarchical_model")

    with pytest.raises(CuttingError):
        rule_of(kept)


def test_automatic_rules_are_not_for_parents_and_children() -> None:
    with pytest.raises(InvalidParam):
        checked_rule({"mode": "automatic"}, "hierarchical_model")


def test_the_automatic_rule_is_the_built_in_one_whatever_is_asked() -> None:
    assert checked_rule({"mode": "automatic", "rules": {"segmentation": {"max_tokens": 9}}}, "text_model") == AUTOMATIC


@pytest.mark.slow
@pytest.mark.parametrize("unit", ["a", "あ", "word ", "終わり。", "x\n\n", "🐈 ", ". "])
def test_a_megabyte_is_cut_and_nothing_is_longer_than_asked(unit: str) -> None:
    text = unit * (1_000_000 // len(unit))

    for chunks in (list(automatic_chunks(text)), list(custom_chunks(text, Segmentation(500, "\n\n", 50)))):
        assert max(map(len, chunks)) <= 500


@pytest.mark.slow
@pytest.mark.parametrize("unit", ["a", "word ", "終わり。", "x\n\n"])
def test_cutting_takes_as_long_as_the_text_is(unit: str) -> None:
    assert growth(lambda count: [*automatic_chunks(unit * count)], 10_000) < 30


@pytest.mark.slow
@pytest.mark.parametrize("unit", ["a", "a@", "[", "![a](", "https://", " ", "\n"])
def test_cleaning_takes_as_long_as_the_text_is(unit: str) -> None:
    rules = {"remove_urls_emails", "remove_extra_spaces"}

    assert growth(lambda count: cleaned(unit * count, rules), 10_000) < 30


OVERLAPPING: dict[str, dict[str, Any]] = {
    "custom": {"segmentation": {"separator": "\n", "max_tokens": 4000, "chunk_overlap": 4000}},
    "hierarchical": {
        "segmentation": {"separator": "\n", "max_tokens": 4000},
        "subchunk_segmentation": {"separator": "\n", "max_tokens": 4000, "chunk_overlap": 3999},
        "parent_mode": "full-doc",
    },
}


@pytest.mark.parametrize("text", ["x" * 100_000, "日本 " * 50_000], ids=["one word", "words"])
@pytest.mark.parametrize("mode", OVERLAPPING)
def test_an_overlap_that_makes_gigabytes_of_a_text_is_refused_and_takes_none(mode: str, text: str) -> None:
    rules = {"pre_processing_rules": [], **OVERLAPPING[mode]}
    rule = rule_of(checked_rule({"mode": mode, "rules": rules}, "hierarchical_model" if mode != "custom" else ""))
    tracemalloc.start()
    try:
        with pytest.raises(CuttingError, match="choose a smaller overlap, larger chunks, or another separator"):
            list(drafts([text], rule))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 5 * MAX_CHARACTERS


def test_there_are_only_so_many_chunks_in_a_document() -> None:
    rules = {"pre_processing_rules": [], "segmentation": {"separator": "\n", "max_tokens": 50}}
    rule = rule_of(checked_rule({"mode": "custom", "rules": rules}, ""))

    assert sum(1 for _ in drafts(["a\n" * (MAX_CHUNKS - 2)], rule)) == MAX_CHUNKS - 2
    with pytest.raises(CuttingError, match=f"more than {MAX_CHUNKS} chunks"):
        for _ in drafts(["a\n" * MAX_CHUNKS], rule):
            pass


def test_a_usual_overlap_of_a_long_text_is_none_of_these() -> None:
    rules = {
        "pre_processing_rules": [],
        "segmentation": {"separator": "\n", "max_tokens": 1000, "chunk_overlap": 500},
    }
    rule = rule_of(checked_rule({"mode": "custom", "rules": rules}, ""))

    assert sum(1 for _ in drafts(["word " * 1_000_000], rule)) > 9000
