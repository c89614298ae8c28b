"""Cutting of documents into segments, by characters (code points). Source: docs/dify-behaviour.md, “Cutting texts”."""

import re
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final

from msgspec import Struct

from jikko.knowledge.texts.rules import CuttingError, ProcessRule, Segmentation

SEPARATORS: Final = ("\n\n", "。", ". ", " ", "")
"""In order of attempt; the last one cuts between any two characters."""
_ESCAPE: Final = re.compile(r"\\(n|r|t|f|v|\\|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2})")
_ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v", "\\": "\\"}


def automatic_chunks(text: str) -> Iterator[str]:
    """Yield the chunks of the automatic mode, neither fully trimmed nor without empty ones."""
    return _cut(text, 500, 50, SEPARATORS)


def custom_chunks(text: str, by: Segmentation) -> Iterator[str]:
    """Yield the chunks between separators, with those that are too long cut further."""
    for piece in text.split(_decoded(by.separator)):
        if len(piece) <= by.max_tokens:
            yield piece
        else:
            yield from _cut_long(piece, by.max_tokens, by.chunk_overlap)


def _decoded(separator: str) -> str:
    # Dify decodes the whole text, which corrupts non-ASCII characters.
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
    # Like Dify, occurrence is tested with the separator as a regular expression: ". " is any character and a blank.
    at = next(place for place, each in enumerate(separators) if not each or re.search(each, text))
    return _collected(text, size, overlap, separators[at:])


def _collected(text: str, size: int, overlap: int, separators: Sequence[str]) -> Iterator[str]:
    """Cut at the first separator; merge short pieces, and cut long ones by the other separators."""
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
    """Cut a text after every separator."""
    if not separator:
        return text
    *pieces, last = text.split(separator)
    return [piece for piece in [*(each + separator for each in pieces), last] if piece not in ("", "\n")]


def _merged(pieces: Sequence[str], size: int, overlap: int) -> Iterator[str]:
    """Merge pieces up to a size, each text starting with the last pieces that fit into the overlap."""
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


_LEADING: Final = re.compile(
    r"""[\u2000-\u2025\u2027-\u206f\u2e00-\u2e7f\u3000-\u300f\u3012-\u303f"#$%&'()*+,./:;<=>?@^_`~]+"""
)


MAX_CHUNKS: Final = 1_000_000
"""Maximum chunks of a document, including children."""
MAX_CHARACTERS: Final = 67_108_864
"""Maximum total characters of a document's chunks, where overlaps repeat its text."""
_REPEATED: Final = 4
"""Permitted repetition of a text by its chunks, whatever its length."""


class ChunkBudget:
    """Limits of one document's chunks. If the overlap equals the chunk size, every character starts one."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._chunks = MAX_CHUNKS
        self._characters = self._limit = max(MAX_CHARACTERS, _REPEATED * sum(map(len, texts)))

    def of(self, chunks: Iterable[str]) -> Iterator[str]:
        """Yield the chunks. Raises ``CuttingError`` beyond the limits."""
        for chunk in chunks:
            self._chunks -= 1
            self._characters -= len(chunk)
            if self._chunks < 0 or self._characters < 0:
                raise CuttingError("cutting.too_much", {"chunks": MAX_CHUNKS, "characters": self._limit})
            yield chunk


class DraftSegment(Struct, frozen=True, gc=False):
    """Segment before indexing."""

    content: str
    children: tuple[str, ...] = ()
    answer: str | None = None
    raw: str = ""
    """As cut: the input of its hash."""


def drafts(texts: Sequence[str], rule: ProcessRule) -> Iterator[DraftSegment]:
    """Yield the segments, in order. Raises ``CuttingError``: too many. ``texts``: No chunk spans two of them."""
    room = ChunkBudget(texts)
    if rule.mode != "hierarchical":
        for text in texts:
            yield from (DraftSegment(chunk, raw=raw) for raw, chunk in plain_chunks(text, rule, room))
        return
    for raw, parent in _parents(texts, rule, room):
        children = () if rule.children is None else tuple(children_of(parent, rule.children, room))
        yield DraftSegment(parent, children, raw=raw)


def plain_chunks(text: str, rule: ProcessRule, room: ChunkBudget) -> Iterator[tuple[str, str]]:
    """Yield the chunks of one text, as cut and as stored in segments."""
    text = cleaned(text, rule.cleaning)
    chunks = automatic_chunks(text) if rule.mode == "automatic" else custom_chunks(text, rule.segmentation)
    return ((raw, chunk) for raw in room.of(chunks) if (chunk := _without_leading_symbols(raw)))


def children_of(parent: str, by: Segmentation, room: ChunkBudget) -> Iterator[str]:
    """Yield the child chunks of a parent. Raises ``CuttingError`` for too many."""
    return (chunk for _, chunk in _without_stops(room.of(custom_chunks(parent, by))))


def _parents(texts: Sequence[str], rule: ProcessRule, room: ChunkBudget) -> Iterator[tuple[str, str]]:
    if rule.full_doc:
        whole = "\n".join(texts)
        if whole:
            yield whole, whole
        return
    for text in texts:
        yield from _without_stops(room.of(custom_chunks(cleaned(text, rule.cleaning), rule.segmentation)))


def _without_leading_symbols(chunk: str) -> str:
    return (
        chunk if LINK.match(chunk) else _LEADING.sub("", chunk, count=1) if _LEADING.match(chunk) else chunk
    ).strip()


def _without_stops(chunks: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield chunks as cut, and without one leading full stop."""
    for chunk in chunks:
        if chunk.strip() and (kept := chunk[1:].strip() if chunk[:1] in (".", "。") else chunk):
            yield chunk, kept


# Cleaning a text before it is cut. Source: docs/dify-behaviour.md, “Cleaning texts”.

BLANKS: Final = "\t\f\r \u00a0\u1680\u180e\u2000-\u200a\u202f\u205f\u3000"
"""Regular expression character class."""
LINK: Final = re.compile(r"!?\[[^\]]{0,2000}\]\(https?://[^)]{1,4000}\)")
"""A link or an image of Markdown. Bounded, so that a text of brackets takes no longer than others."""
# Dify also removes ï, ¿ and ¾, which it mistakes for the bytes of U+FFFE.
_CONTROLS: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe]")
_LINES: Final = re.compile(r"\n{3,}")
_SPACES: Final = re.compile(f"[{BLANKS}]{{2,}}")
_MAIL: Final = re.compile(r"(?<![A-Za-z0-9_.+-])[A-Za-z0-9_.+-]{1,200}@[A-Za-z0-9-]{1,200}\.[A-Za-z0-9.-]+")
_URL: Final = re.compile(rf"({LINK.pattern})|https?://\S+")


def cleaned(text: str, rules: Collection[str]) -> str:
    """Clean a text: of special tokens and control characters, and of what the rules of these ids remove."""
    text = text.replace("<|", "<").replace("|>", ">")
    text = _CONTROLS.sub("", text)
    if "remove_extra_spaces" in rules:
        text = _SPACES.sub(" ", _LINES.sub("\n\n", text))
    if "remove_urls_emails" in rules:
        text = _MAIL.sub("", text)
        text = _URL.sub(lambda found: found[1] or "", text)
    return text
