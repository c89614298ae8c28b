"""Tells a model's reasoning, between ``<think>`` and ``</think>``, from its answer."""

import re
from typing import Final, NamedTuple

_BLOCK: Final = re.compile(r"<think[^>]*>(.*?)(?:</think>|\Z)", re.IGNORECASE | re.DOTALL)
_OPEN: Final = re.compile(r"<think[^>]*>", re.IGNORECASE)
_CLOSE: Final = re.compile(r"</think>", re.IGNORECASE)
_OPENING: Final = "<think"
_CLOSING: Final = "</think>"
_BLANK_LINES: Final = re.compile(r"\n\s*\n")
_MAX_TAG: Final = 256
"""Characters after which something that began like a tag is taken for text."""


def split_reasoning(text: str) -> tuple[str, str]:
    """Answer and reasoning of a whole text.

    Blocks are joined with newlines; runs of blank lines that are left in the answer collapse, and its ends are trimmed.

    Source: Dify 1.15, spec/nodes.md, llm.
    """
    if _OPENING not in text.lower():
        return _BLANK_LINES.sub("\n\n", text).strip(), ""
    reasoning = "\n".join(block.strip() for block in _BLOCK.findall(text))
    return _BLANK_LINES.sub("\n\n", _BLOCK.sub("", text)).strip(), reasoning


def without_reasoning(text: str) -> str:
    """The text without complete blocks of reasoning."""
    return re.sub(r"<think[^>]*>.*?</think>", "", text, flags=re.IGNORECASE | re.DOTALL)


class Piece(NamedTuple):
    """A part of a streamed text."""

    text: str
    is_reasoning: bool


class ReasoningFilter:
    """Tells reasoning from text while both come in pieces that end anywhere, also inside a tag."""

    __slots__ = ("_held", "_thinking")

    def __init__(self) -> None:
        self._held = ""
        """What may be the beginning of a tag."""
        self._thinking = False

    def feed(self, text: str) -> list[Piece]:
        """Take the next piece.

        Returns:
            What is certain by now. Tags are left out.
        """
        if not self._held and "<" not in text:
            return [Piece(text, self._thinking)] if text else []
        text, self._held = self._held + text, ""
        pieces: list[Piece] = []
        while text:
            tag = (_CLOSE if self._thinking else _OPEN).search(text)
            if tag is None:
                start = self._possible_tag(text)
                if start is not None:
                    text, self._held = text[:start], text[start:]
                if text:
                    pieces.append(Piece(text, self._thinking))
                break
            if tag.start():
                pieces.append(Piece(text[: tag.start()], self._thinking))
            self._thinking = not self._thinking
            text = text[tag.end() :]
        return pieces

    def finish(self) -> list[Piece]:
        """What was held back to the end: it was no tag."""
        held, self._held = self._held, ""
        return [Piece(held, self._thinking)] if held else []

    def _possible_tag(self, text: str) -> int | None:
        """Where a tag may begin that is not complete."""
        lowered = text[-_MAX_TAG:].lower()
        wanted = _CLOSING if self._thinking else _OPENING
        offset = len(text) - len(lowered)
        start = lowered.find("<")
        while start >= 0:
            rest = lowered[start:]
            if wanted.startswith(rest) or (not self._thinking and rest.startswith(_OPENING)):
                return offset + start
            start = lowered.find("<", start + 1)
        return None
