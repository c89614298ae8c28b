"""Cutting texts into chunks. Lengths are characters (code points). Source: docs/dify-behaviour.md, “Cutting texts”."""

import re
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Final

from jikko.knowledge.texts.rules import Segmentation

SEPARATORS: Final = ("\n\n", "。", ". ", " ", "")
"""In the order in which they are tried; the last one cuts between any two characters."""
_ESCAPE: Final = re.compile(r"\\(n|r|t|f|v|\\|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2})")
_ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v", "\\": "\\"}


def automatic_chunks(text: str) -> Iterator[str]:
    """The chunks of the automatic mode, as they are cut: neither trimmed for good nor without empty ones."""
    return _cut(text, 500, 50, SEPARATORS)


def custom_chunks(text: str, by: Segmentation) -> Iterator[str]:
    """The chunks at a separator, and of those that are too long their parts."""
    for piece in text.split(_decoded(by.separator)):
        if len(piece) <= by.max_tokens:
            yield piece
        else:
            yield from _cut_long(piece, by.max_tokens, by.chunk_overlap)


def _decoded(separator: str) -> str:
    # Dify decodes all of it, and so spoils what is not ASCII.
    return _ESCAPE.sub(
        lambda found: _ESCAPES[found[1]] if found[1] in _ESCAPES else chr(int(found[1][1:], 16)), separator
    )


def _cut_long(text: str, size: int, overlap: int) -> Iterator[str]:
    at = next(place for place, separator in enumerate(SEPARATORS) if separator in text)
    if SEPARATORS[at]:
        yield from _collected(text, size, overlap, SEPARATORS[at:])
        return
    step = max(1, size - overlap)
    for begin in range(0, max(len(text) - overlap, 1), step):
        yield text[begin : begin + size]


def _cut(text: str, size: int, overlap: int, separators: Sequence[str]) -> Iterator[str]:
    # As Dify does, "occurs" is asked with the separator as a regular expression: ". " is any character and a blank.
    at = next(place for place, each in enumerate(separators) if not each or re.search(each, text))
    return _collected(text, size, overlap, separators[at:])


def _collected(text: str, size: int, overlap: int, separators: Sequence[str]) -> Iterator[str]:
    """Cut at the first separator; merge what is short, and cut by the others what is not."""
    held: list[str] = []
    for piece in _pieces(text, separators[0]):
        if len(piece) < size or len(separators) == 1:
            held.append(piece)
            continue
        if held:
            yield from _merged(held, size, overlap)
        held = []
        yield from _cut(piece, size, overlap, separators[1:])
    if held:
        yield from _merged(held, size, overlap)


def _pieces(text: str, separator: str) -> Sequence[str]:
    """A text cut behind every separator."""
    if not separator:
        return text
    *pieces, last = text.split(separator)
    return [piece for piece in [*(each + separator for each in pieces), last] if piece not in ("", "\n")]


def _merged(pieces: Sequence[str], size: int, overlap: int) -> Iterator[str]:
    """Pieces put together up to a size, each text beginning with the last pieces that fit into the overlap."""
    held: deque[str] = deque()
    total = 0
    for piece in pieces:
        if held and total + len(piece) > size:
            yield "".join(held).strip()
            while total > overlap or (total and total + len(piece) > size):
                total -= len(held.popleft())
        held.append(piece)
        total += len(piece)
    yield "".join(held).strip()
