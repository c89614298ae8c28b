"""``{{name}}`` for an input. Source: docs/dify-behaviour.md, “Prompts of apps without a workflow”."""

import re
from collections.abc import Mapping
from typing import Final

from jikko.lang.variables import Readable
from jikko.values import UNSET, Json

START: Final = "start"
"""The node that has the inputs of an app without a workflow."""
NOTHING: Final[Mapping[str, Json]] = {}

_PLACE: Final = re.compile(r"\{\{([a-zA-Z_][a-zA-Z0-9_]{0,29}|#histories#|#query#|#context#)\}\}")
_MARK: Final = re.compile(r"<\|.*?\|>")


def filled(text: str, variables: Readable, known: Mapping[str, Json] = NOTHING, *, absent: str = "None") -> str:
    """A text with values in its places, in the form of Python.

    A place without a value, and one inside a value, loses a pair of its braces. Marks such as ``<|end|>`` are cut out.
    ``variables``: Inputs are of the node ``start``; ``absent`` is one that was not given [QUIRK]. ``known``:
    ``#context#``, ``#query#`` and ``#histories#``, as far as there are such.
    """

    def value(place: re.Match[str]) -> str:
        name = place[1]
        given = known[name] if name in known else variables.get((START, name))
        if given is UNSET:
            return place[0][1:-1]
        shown = absent if given is None else without_places(str(given))
        variables.spend(len(shown))
        return shown

    return _without_marks(_PLACE.sub(value, text))


def _without_marks(text: str) -> str:
    """A text without marks.

    Each line is looked through up to its last end of a mark: behind that, the pattern would look through all of the
    rest for each beginning.
    """
    if "<|" not in text:
        return text
    ends = [(line, line.rfind("|>") + 2) for line in text.split("\n")]
    return "\n".join(_MARK.sub("", line[:end]) + line[end:] if end > 1 else line for line, end in ends)


def without_places(text: str) -> str:
    """A text in which nothing is a place any more: each has lost a pair of braces."""
    return _PLACE.sub(lambda place: place[0][1:-1], text)


def has_place(text: str, name: str) -> bool:
    """Whether a text has a place for a value."""
    return any(place[1] == name for place in _PLACE.finditer(text))
