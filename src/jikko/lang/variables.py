"""Variables: access by selectors, and text budgets."""

import re
from collections.abc import Mapping
from typing import Final, Protocol

from jikko.values import UNSET, Json, Selector, Unset, is_file

RESERVED_NODES: Final = frozenset({"sys", "env", "conversation", "rag"})
"""Reserved node ids. Source: docs/dify-behaviour.md, “Selectors”."""

_ATTRIBUTES: Final = {
    "type": "type",
    "size": "size",
    "name": "filename",
    "mime_type": "mime_type",
    "transfer_method": "transfer_method",
    "url": "url",
    "extension": "extension",
    "related_id": "related_id",
}

FILE_ATTRIBUTES: Final = tuple(_ATTRIBUTES)
"""Attributes of files for selectors and conditions."""


class TextTooLong(Exception):
    """Text rendered from variables exceeds the budget. The message is for the user."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"The texts that are made of its variables have more than {limit} characters in all "
            "(set by JIKKO_MAX_EXPANDED)."
        )


class TextBudget:
    """Remaining budget of text rendered from variables. Implements ``Readable``."""

    __slots__ = ("_left", "_limit")

    def __init__(self, limit: int) -> None:
        self._limit = self._left = limit

    def spend(self, characters: int) -> None:
        self._left -= characters
        if self._left < 0:
            raise TextTooLong(self._limit)


class Readable(Protocol):
    """Readable variables, such as ``nodes.contract.Variables``."""

    def get(self, selector: Selector) -> Json | Unset:
        """Return the selected value, or ``UNSET`` if there is none. Never modify it in place."""

    def declared_type(self, selector: Selector) -> str | None:
        """Return the declared type of a loop or conversation variable, if it has one."""

    def spend(self, characters: int) -> None:
        """Charge a text before it is rendered: a value of some megabytes referenced a thousand times would take
        gigabytes.

        Raises:
            TextTooLong: The budget is exceeded.
        """


def attribute(file: Json, name: str) -> Json | Unset:
    """Return an attribute of a file mapping; ``UNSET`` if files have no such attribute, ``None`` if this one
    lacks it."""
    key = _ATTRIBUTES.get(name)
    return UNSET if key is None else file.get(key)


def follow(value: Json, path: Selector) -> Json | Unset:
    """Follow ``path``, a selector without its first two elements, through keys of objects to one attribute of a file;
    lists have no keys. A file in an object has its keys, too. Source: docs/dify-behaviour.md, “Selectors”."""
    for depth, name in enumerate(path):
        if not isinstance(value, dict):
            return UNSET
        if is_file(value) and (depth == 0 or name not in value):
            return attribute(value, name)
        if name not in value:
            return UNSET
        value = value[name]
    return value


START: Final = "start"
"""Node with the inputs of an app without a workflow."""
NOTHING: Final[Mapping[str, Json]] = {}

_PLACE: Final = re.compile(r"\{\{([a-zA-Z_][a-zA-Z0-9_]{0,29}|#histories#|#query#|#context#)\}\}")
_MARK: Final = re.compile(r"<\|.*?\|>")


def filled(text: str, variables: Readable, known: Mapping[str, Json] = NOTHING, *, absent: str = "None") -> str:
    """Fill in the placeholders of a text, with values in Python's form.

    A placeholder without a value, and one inside a value, loses a pair of braces. Tokens such as ``<|end|>`` are
    removed. ``variables``: Inputs belong to the node ``start``; ``absent`` stands for missing ones [QUIRK]. ``known``:
    ``#context#``, ``#query#`` and ``#histories#``, where they exist.
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
    """Remove special tokens.

    Each line is searched up to its last token end: beyond that, the pattern would scan the rest for each token start.
    """
    if "<|" not in text:
        return text
    ends = [(line, line.rfind("|>") + 2) for line in text.split("\n")]
    return "\n".join(_MARK.sub("", line[:end]) + line[end:] if end > 1 else line for line, end in ends)


def without_places(text: str) -> str:
    """Escape all placeholders: each loses a pair of braces."""
    return _PLACE.sub(lambda place: place[0][1:-1], text)


def has_place(text: str, name: str) -> bool:
    return any(place[1] == name for place in _PLACE.finditer(text))
