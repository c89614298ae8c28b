"""Search for texts without vectors."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jikko.knowledge.texts.words import bigrams, cutter, for_full_text, keywords, query_keywords, query_words
from tests.effort import growth

RECORDED = Path(__file__).parents[2] / "compat" / "knowledge" / "cases"


def recorded() -> Iterator[tuple[str, list[str]]]:
    seen = set()
    for file in sorted(RECORDED.glob("*/case.json")):
        if "_seg_" in file.parent.name:
            # Some of their keywords were given.
            continue
        for step in json.loads(file.read_text(encoding="utf-8"))["steps"]:
            for content, found in _segments(step["expect"].get("body")):
                if content not in seen:
                    seen.add(content)
                    yield content, found


def _segments(value: Any) -> Iterator[tuple[str, list[str]]]:
    if isinstance(value, list):
        for each in value:
            yield from _segments(each)
    elif isinstance(value, dict):
        found = value.get("keywords")
        listed = found.get("$any_order") if isinstance(found, dict) else found
        if "content" in value and "index_node_id" in value and listed and listed != "«any»":
            yield value["content"], listed
        for each in value.values():
            yield from _segments(each)


@pytest.mark.parametrize(("content", "wanted"), list(recorded()))
def test_keywords_are_those_that_were_recorded(content: str, wanted: list[str]) -> None:
    assert sorted(keywords(content, cutter())) == sorted(wanted)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("我来到北京清华大学", ["来到", "北京", "清华大学"]),
        ("東京は日本の首都です", ["東京", "日本", "首都"]),
        ("猫は夜に狩りをする", ["猫", "夜", "狩"]),
        ("これは二つ目のコンピュータ", ["二", "目", "コンピュータ"]),
        ("ひらがな です", ["ひらがな", "です"]),
        ("ｶﾀｶﾅは半角", ["ｶﾀｶﾅ", "半角"]),
        ("日々の食事", ["日", "食事"]),
        ("猫狗", []),
        ("大", []),
        ("Ünïcode naïve café", ["Ünïcode", "naïve", "café"]),
        ("مرحبا بالعالم שלום", ["مرحبا", "بالعالم", "שלום"]),
        ("Москва столица 서울", ["Москва", "столица", "서울"]),
        ("🐈 \ue000 ", []),
        ("", []),
    ],
)
def test_words_of_any_script_are_keywords(text: str, wanted: list[str]) -> None:
    assert keywords(text, cutter()) == wanted


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("猫", ["猫"]),
        ("夜の猫", ["夜", "猫"]),
        ("食べる", ["食"]),
        ("owls of 北京", ["owls", "北京"]),
        ("ねこ", ["ねこ"]),
        ("🙂 a \ue000", []),
    ],
)
def test_a_query_of_one_han_character_is_a_keyword(query: str, wanted: list[str]) -> None:
    assert query_keywords(query, cutter()) == wanted


def test_without_a_dictionary_two_characters_are_a_word() -> None:
    assert keywords("東京都", bigrams) == ["東京", "京都"]


def test_a_query_needs_its_words_and_phrases_of_han() -> None:
    assert query_words("the owls of 北京", cutter()) == ["owls", "北 京"]
    assert query_words("to be or not", cutter()) == ["to", "be", "or", "not"]
    assert for_full_text("in北京x").split() == ["in", "北", "京", "x"]


@pytest.mark.slow
def test_keywords_take_as_long_as_the_text_is() -> None:
    cut = cutter()

    assert growth(lambda count: keywords("word 北京 " * count, cut), 2_000) < 30
