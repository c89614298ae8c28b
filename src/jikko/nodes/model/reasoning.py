"""Separation of a model's reasoning, between ``<think>`` and ``</think>``, from its answer."""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

_MAX_TAG: Final = 520
"""Maximum characters of an opening tag; longer ones are text."""
_OPEN: Final = re.compile(rf"<think(?:\s[^<>]{{0,{_MAX_TAG - len('<think >')}}})?>", re.IGNORECASE)
_CLOSE: Final = re.compile(r"</think>", re.IGNORECASE)
_OPENING: Final = re.compile(r"<think(?:\s[^<>]*)?")
_CLOSING: Final = "</think>"
_BLANK_LINES: Final = re.compile(r"\n\s*\n")


def split_reasoning(text: str) -> tuple[str, str]:
    """Return answer and reasoning of a whole text. Source: docs/dify-behaviour.md, “LLM”.

    Blocks are joined with newlines, without blank ones; the answer's runs of blank lines collapse, and its ends are
    trimmed.
    """
    answer, reasoning = [], []
    position = 0
    for start, begin, stop, end in _blocks(text):
        answer.append(text[position:start])
        reasoning.append(text[begin:stop].strip())
        position = end
    answer.append(text[position:])
    return _BLANK_LINES.sub("\n\n", "".join(answer)).strip(), "\n".join(filter(None, reasoning))


def without_reasoning(text: str) -> str:
    """Remove complete blocks of reasoning."""
    kept = []
    position = 0
    for start, _, stop, end in _blocks(text):
        if stop < end:
            kept.append(text[position:start])
            position = end
    return "".join([*kept, text[position:]])


def _blocks(text: str) -> Iterator[tuple[int, int, int, int]]:
    """Yield the bounds of each block and its content: (block, content, end of content, end of block).

    The last one may be unclosed. Linear: a single expression for whole blocks would search for the end from every tag.
    """
    position = 0
    while (opening := _OPEN.search(text, position)) is not None:
        closing = _CLOSE.search(text, opening.end())
        stop, position = closing.span() if closing else (len(text), len(text))
        yield opening.start(), opening.end(), stop, position


class Piece(NamedTuple):
    text: str
    is_reasoning: bool


class ReasoningFilter:
    """Separates reasoning and text incrementally, with chunks cut anywhere, even within a tag."""

    __slots__ = ("_held", "_thinking")

    def __init__(self) -> None:
        self._held = ""
        """Possible start of a tag."""
        self._thinking = False

    def feed(self, text: str) -> list[Piece]:
        """Add a chunk. Returns what is certain, without tags."""
        if not self._held and "<" not in text:
            return [Piece(text, self._thinking)] if text else []
        text, self._held = self._held + text, ""
        pieces: list[Piece] = []
        position = 0
        while (tag := (_CLOSE if self._thinking else _OPEN).search(text, position)) is not None:
            if tag.start() > position:
                pieces.append(Piece(text[position : tag.start()], self._thinking))
            self._thinking = not self._thinking
            position = tag.end()
        rest = text[position:]
        start = self._possible_tag(rest)
        if start is not None:
            rest, self._held = rest[:start], rest[start:]
        if rest:
            pieces.append(Piece(rest, self._thinking))
        return pieces

    def finish(self) -> list[Piece]:
        """Return the held-back rest, which was not a tag."""
        held, self._held = self._held, ""
        return [Piece(held, self._thinking)] if held else []

    def _possible_tag(self, text: str) -> int | None:
        lowered = text[-_MAX_TAG:].lower()
        wanted = _CLOSING if self._thinking else "<think"
        offset = len(text) - len(lowered)
        start = lowered.find("<")
        while start >= 0:
            rest = lowered[start:]
            if wanted.startswith(rest) or (not self._thinking and _OPENING.fullmatch(rest)):
                return offset + start
            start = lowered.find("<", start + 1)
        return None
