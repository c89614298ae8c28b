"""A file's ``features``: the face of an app, and its files. Source: docs/dify-behaviour.md, “Features”."""

from collections.abc import Mapping
from typing import Any, Final

from jikko.diagnostics.diagnostic import Phrase
from jikko.dsl.fields import Fields, shown
from jikko.dsl.repair import repair_features
from jikko.values import Json

_SWITCHES: Final = (
    "file_upload more_like_this retriever_resource sensitive_word_avoidance speech_to_text "
    "suggested_questions_after_answer text_to_speech"
)
_KINDS: Final[dict[str, tuple[Any, ...]]] = {
    **dict.fromkeys(_SWITCHES.split(), (Mapping, "not a mapping", "expected a mapping such as {enabled: true}")),
    "opening_statement": (str, "not a text", "put it in quotes"),
    "suggested_questions": (list, "not a list", "expected a list of texts"),
}
"""What features have to be, and what is said of others."""


def read_features(features: Fields) -> Mapping[str, Any]:
    """The features in the form of today. No run depends on them: wrong types are warnings and left out, others kept."""
    kept: dict[str, Json] = {}
    for name, value in features.raw.items():
        kind, *refusal = _KINDS.get(name, (object,))
        if value is not None and not isinstance(value, kind):
            _ignored(features, name, value, *refusal)
        elif value is not None and kind is list:
            kept[name] = [item for index, item in enumerate(value) if _is_question(features, index, item)]
        else:
            kept[name] = value
    return repair_features(kept)


def _is_question(features: Fields, index: int, item: Json) -> bool:
    if not isinstance(item, str):
        _ignored(features, f"suggested_questions[{index}]", item, "not a text", "put it in quotes")
    return isinstance(item, str)


def _ignored(features: Fields, name: str, value: Json, what: str, hint: str) -> None:
    features.problem(name, Phrase("document.ignored", {"value": shown(value), "reason": what}), hint, fatal=False)
