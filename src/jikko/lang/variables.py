"""Variables for the small languages: reading them, and following a selector into a value."""

import re
from collections.abc import Mapping
from typing import Final, Protocol

from jikko.values import UNSET, Json, Selector, Unset, is_file

RESERVED_NODES: Final = frozenset({"sys", "env", "conversation", "rag"})
"""Node ids that no node of a graph has. Source: docs/dify-behaviour.md, “Selectors”."""

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
"""What a selector or a condition may ask of a file."""


class TextTooLong(Exception):
    """More text is made of variables than may be. The message is a sentence for the user to read."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"The texts that are made of its variables have more than {limit} characters in all "
            "(set by JIKKO_MAX_EXPANDED)."
        )


class TextBudget:
    """How much text may still be made of variables. Implements ``Readable``."""

    __slots__ = ("_left", "_limit")

    def __init__(self, limit: int) -> None:
        self._limit = self._left = limit

    def spend(self, characters: int) -> None:
        self._left -= characters
        if self._left < 0:
            raise TextTooLong(self._limit)


class Readable(Protocol):
    """Variables that can be read. ``nodes.node_context.Variables`` is one."""

    def get(self, selector: Selector) -> Json | Unset:
        """The value a selector points at, or ``UNSET`` if there is none. Never to be changed in place."""

    def spend(self, characters: int) -> None:
        """Count what a text takes that is made of them, before it is made: a value of some megabytes that is named a
        thousand times would take gigabytes.

        Raises:
            TextTooLong: It is more than may be.
        """


def attribute(file: Json, name: str) -> Json | Unset:
    """An attribute of a file mapping; ``UNSET`` if files have no such attribute, ``None`` if this one lacks it."""
    key = _ATTRIBUTES.get(name)
    return UNSET if key is None else file.get(key)


def follow(value: Json, path: Selector) -> Json | Unset:
    """The value at the end of ``path``, a selector without its first two elements: through keys of objects to one
    attribute of a file; lists cannot be entered. Source: docs/dify-behaviour.md, “Selectors”.
    """
    for name in path:
        if not isinstance(value, dict):
            return UNSET
        if is_file(value):
            return attribute(value, name)
        if name not in value:
            return UNSET
        value = value[name]
    return value


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
