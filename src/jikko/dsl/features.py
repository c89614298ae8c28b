"""A file's ``features``: the face of an app, and its files. Source: docs/dify-behaviour.md, “Features”."""

from collections.abc import Mapping
from typing import Any, Final

from jikko.diagnostics.diagnostic import Phrase
from jikko.dsl.fields import Fields, shown
from jikko.dsl.repair import repair_features
from jikko.values import Json

_SWITCHES: Final = tuple(
    """
    file_upload more_like_this retriever_resource sensitive_word_avoidance speech_to_text
    suggested_questions_after_answer text_to_speech
    """.split()  # noqa: SIM905
)


def read_features(features: Fields) -> Mapping[str, Any]:
    """The features, from their block, in the form of today.

    No run depends on what they say, so that one of the wrong type is a warning, and left out. Unknown ones are kept.
    """
    kept: dict[str, Json] = {}
    for name, value in features.raw.items():
        if value is None or name not in (*_SWITCHES, "opening_statement", "suggested_questions"):
            kept[name] = value
        elif name in _SWITCHES:
            if isinstance(value, Mapping):
                kept[name] = value
            else:
                _ignored(features, name, value, "not a mapping", "expected a mapping such as {enabled: true}")
        elif name == "opening_statement":
            if isinstance(value, str):
                kept[name] = value
            else:
                _ignored(features, name, value, "not a text", "put it in quotes")
        elif isinstance(value, list):
            kept[name] = [item for index, item in enumerate(value) if _is_question(features, index, item)]
        else:
            _ignored(features, name, value, "not a list", "expected a list of texts")
    return repair_features(kept)


def _is_question(features: Fields, index: int, item: Json) -> bool:
    if not isinstance(item, str):
        _ignored(features, f"suggested_questions[{index}]", item, "not a text", "put it in quotes")
    return isinstance(item, str)


def _ignored(features: Fields, name: str, value: Json, what: str, hint: str) -> None:
    features.problem(name, Phrase("document.ignored", {"value": shown(value), "reason": what}), hint, fatal=False)
