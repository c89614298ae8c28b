"""Variables for the small languages: reading them, and following a selector into a value."""

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
        """``limit``: characters."""
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
