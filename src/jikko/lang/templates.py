"""Templates with references to variables, ``Hello {{#1721.name#}}``, and text renderings of values.

Source: docs/dify-behaviour.md, “Rendering of values”.
"""

import json
import re
from collections.abc import Callable
from typing import Final, Self, TypeAlias

import msgspec
from msgspec import Struct

from jikko.lang.variables import Readable
from jikko.long_texts import LongTexts
from jikko.values import UNSET, Json, Selector, is_file, type_of


def to_text(value: Json, kind: str | None = None) -> str:
    """Return the plain rendering, for prompts, HTTP requests, conditions and tools. Files are omitted. ``kind``: The
    declared type of an array, if it has one."""
    match value:
        case str():
            return value
        case None:
            return ""
        case bool() | int() | float():
            return str(value)
        case list():
            return _list_to_text(value, kind or type_of(value))
        case _:
            return "" if is_file(value) else json.dumps(value, ensure_ascii=False)


def to_markdown(value: Json, kind: str | None = None) -> str:
    """Return the Markdown rendering, for answers, streamed text and forms. ``kind``: As for ``to_text``."""
    match value:
        case list():
            if (kind or type_of(value)) == "array[file]":
                return "\n".join(map(_file_link, value))
            return "\n".join(f"- {item}" for item in value)
        case dict():
            return _file_link(value) if is_file(value) else _indented(value)
        case _:
            return to_text(value)


def _indented(value: Json) -> str:
    # Python's own encoder takes twenty times as long with indentation, and a result may have 200,000 elements. Long
    # texts are encoded separately: each step takes 20 ms for 12 MB.
    texts = LongTexts(value, _encoded)
    try:
        if texts.are_many:
            while texts.encode_piece():
                pass
            return texts.filled(msgspec.json.format(_encoded(texts.marked()), indent=2)).decode()
        return msgspec.json.format(json.dumps(value, ensure_ascii=False), indent=2)
    except (msgspec.DecodeError, UnicodeEncodeError):
        # NaN, infinities and lone surrogates are Python's, not JSON's.
        return json.dumps(value, ensure_ascii=False, indent=2)


def _encoded(value: Json) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def _list_to_text(items: list[Json], kind: str) -> str:
    if not items:
        return ""
    match kind:
        case "array[file]":
            return ""
        case "array[string]":
            return json.dumps(items, ensure_ascii=False)
        case _:
            return str(items)


def _file_link(file: Json) -> str:
    name = file.get("filename") or ""
    url = file.get("url") or ""
    return f"![{name}]({url})" if file.get("type") == "image" else f"[{name or url}]({url})"


_REFERENCE: Final = re.compile(r"\{\{#([A-Za-z0-9_]{1,50}(?:\.[A-Za-z_][A-Za-z0-9_]{0,29}){1,10})#\}\}")

_Piece: TypeAlias = tuple[str, Selector | None]
"""Text of a piece whose variable does not exist, and the variable."""


class Template(Struct, frozen=True):
    """Text split once at its references. Source: docs/dify-behaviour.md, “Templates”.

    A reference to a missing variable renders as its dotted path, one to null as nothing. What does not match the
    grammar of references is text.
    """

    source: str
    parts: tuple[str | Selector, ...]
    """Texts and references in order, without empty texts."""
    selectors: tuple[Selector, ...]
    """References, including repetitions."""
    _pieces: tuple[_Piece, ...]
    _is_fixed: bool
    """Whether it has no references."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a template. Every text is one."""
        parts: list[str | Selector] = []
        pieces: list[_Piece] = []
        selectors: list[Selector] = []
        # Splitting by a pattern with one group yields texts at even and groups at odd positions.
        for index, piece in enumerate(_REFERENCE.split(text)):
            if not piece:
                continue
            path = tuple(piece.split(".")) if "." in piece else None
            if index % 2 and path is not None:
                selectors.append(path)
                parts.append(path)
            else:
                parts.append(piece)
            # Dify looks up every piece with a dot, text or reference: a text between two references that equals the
            # dotted path of a variable is replaced, too.
            pieces.append((piece, path))
        return cls(
            source=text,
            parts=tuple(parts),
            selectors=tuple(selectors),
            _pieces=tuple(pieces),
            _is_fixed=all(path is None for _, path in pieces),
        )

    def to_text(self, variables: Readable) -> str:
        """Render with values as plain text. Raises ``TextTooLong``: see ``Readable.spend``."""
        return self.source if self._is_fixed else self._rendered(variables, to_text)

    def to_markdown(self, variables: Readable) -> str:
        """Render with values as Markdown. Raises ``TextTooLong``: see ``Readable.spend``."""
        return self.source if self._is_fixed else self._rendered(variables, to_markdown)

    def _rendered(self, variables: Readable, render: Callable[[Json, str | None], str]) -> str:
        texts: list[str] = []
        known: dict[tuple[int, str | None], tuple[Json, str]] = {}
        for text, selector in self._pieces:
            value = UNSET if selector is None else variables.get(selector)
            if isinstance(value, str):
                text = value
            elif selector is not None and value is not UNSET:
                kind = variables.declared_type(selector) if isinstance(value, list) else None
                if (found := known.get((id(value), kind))) is not None:
                    text = found[1]
                else:
                    text = render(value, kind)
                    # With the value, so that its id is not reused.
                    known[id(value), kind] = value, text
            variables.spend(len(text))
            texts.append(text)
        return "".join(texts)
