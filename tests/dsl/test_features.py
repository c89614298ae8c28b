"""Features of a file: no run depends on them, so invalid ones are ignored and reported."""

from typing import Any

import pytest

from .files import edges, file, node, problems, read


def text(**features: Any) -> str:
    return file([node("s", "start"), node("e", "end")], edges("s --> e"), workflow={"features": features})


def features(**given: Any) -> Any:
    return read(text(**given)).require().features


def test_sound_features_are_kept_and_so_are_unknown_ones() -> None:
    given = {
        "opening_statement": "Hello",
        "suggested_questions": ["Why?"],
        "text_to_speech": {"enabled": True, "voice": "alloy"},
        "file_upload": None,
        "something_new": 7,
    }

    assert features(**given) == given
    assert problems(text(**given)) == []


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("text_to_speech", "on", "is 'on', not a mapping, and is ignored (expected a mapping such as {enabled: true})"),
        (
            "text_to_speech",
            ["a"],
            "is a list, not a mapping, and is ignored (expected a mapping such as {enabled: true})",
        ),
        ("file_upload", "x", "is 'x', not a mapping, and is ignored (expected a mapping such as {enabled: true})"),
        ("speech_to_text", True, "is true, not a mapping, and is ignored (expected a mapping such as {enabled: true})"),
        ("opening_statement", 5, "is 5, not a text, and is ignored (put it in quotes)"),
        ("suggested_questions", "x", "is 'x', not a list, and is ignored (expected a list of texts)"),
    ],
)
def test_a_feature_of_the_wrong_type_is_a_warning_and_left_out(name: str, value: Any, problem: str) -> None:
    assert problems(text(**{name: value})) == [f"warning: workflow.features.{name}: {problem}"]
    assert features(**{name: value}) == {}


def test_a_question_that_is_no_text_is_left_out() -> None:
    assert features(suggested_questions=["Why?", 5, "How?"]) == {"suggested_questions": ["Why?", "How?"]}
    assert problems(text(suggested_questions=["Why?", 5])) == [
        "warning: workflow.features.suggested_questions[1]: is 5, not a text, and is ignored (put it in quotes)"
    ]
