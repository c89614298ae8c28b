"""Text with references to variables in it: ``Hello {{#1721.name#}}``."""

import re
from collections.abc import Callable, Iterator
from typing import Final, Self, TypeAlias

from msgspec import Struct

from jikko.lang.render import to_markdown, to_text
from jikko.lang.variables import Readable
from jikko.values import UNSET, Json, Selector

_REFERENCE: Final = re.compile(r"\{\{#([A-Za-z0-9_]{1,50}(?:\.[A-Za-z_][A-Za-z0-9_]{0,29}){1,10})#\}\}")

_Piece: TypeAlias = tuple[str, Selector | None]
"""What a piece reads as if its variable does not exist, and the variable."""


class Template(Struct, frozen=True):
    """A text, taken apart once at its references. Source: docs/dify-behaviour.md, “Templates”.

    A reference to a variable that does not exist reads as its dotted path; one to a null reads as nothing. What does
    not match the grammar of a reference is text.
    """

    source: str
    parts: tuple[str | Selector, ...]
    """The texts and references in their order. No empty texts."""
    selectors: tuple[Selector, ...]
    """The references, each as often as it occurs."""
    _pieces: tuple[_Piece, ...]
    _is_fixed: bool
    """Whether it reads the same whatever the variables are."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Take a text apart. Every text is a template."""
        parts: list[str | Selector] = []
        pieces: list[_Piece] = []
        selectors: list[Selector] = []
        # Splitting at a pattern with one group gives texts at even and the groups at odd positions.
        for index, piece in enumerate(_REFERENCE.split(text)):
            if not piece:
                continue
            path = tuple(piece.split(".")) if "." in piece else None
            if index % 2 and path is not None:
                selectors.append(path)
                parts.append(path)
            else:
                parts.append(piece)
            # Dify looks every piece with a dot up, text or reference: a text between two references that happens to
            # be the dotted path of a variable is replaced by it too.
            pieces.append((piece, path))
        return cls(
            source=text,
            parts=tuple(parts),
            selectors=tuple(selectors),
            _pieces=tuple(pieces),
            _is_fixed=all(path is None for _, path in pieces),
        )

    def values(self, variables: Readable) -> Iterator[Json]:
        for text, selector in self._pieces:
            if selector is None:
                yield text
            else:
                value = variables.get(selector)
                yield text if value is UNSET else value

    def to_text(self, variables: Readable) -> str:
        """The text, with values in their plain rendering. Raises ``TextTooLong``: see ``Readable.spend``."""
        return self.source if self._is_fixed else self._rendered(variables, to_text)

    def to_markdown(self, variables: Readable) -> str:
        """The text, with values in their Markdown rendering. Raises ``TextTooLong``: see ``Readable.spend``."""
        return self.source if self._is_fixed else self._rendered(variables, to_markdown)

    def _rendered(self, variables: Readable, render: Callable[[Json], str]) -> str:
        texts: list[str] = []
        known: dict[int, tuple[Json, str]] = {}
        for value in self.values(variables):
            if isinstance(value, str):
                text = value
            elif (found := known.get(id(value))) is not None:
                text = found[1]
            else:
                text = render(value)
                # With the value, so that no other gets its id.
                known[id(value)] = value, text
            variables.spend(len(text))
            texts.append(text)
        return "".join(texts)
