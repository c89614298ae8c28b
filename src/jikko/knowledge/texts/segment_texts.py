"""Cuts documents into segments, by characters (code points). Source: docs/dify-behaviour.md, “Cutting texts”."""

import re
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final

from msgspec import Struct

from jikko.knowledge.texts.rules import CuttingError, ProcessRule, Segmentation

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


_LEADING: Final = re.compile(
    r"""[\u2000-\u2025\u2027-\u206f\u2e00-\u2e7f\u3000-\u300f\u3012-\u303f"#$%&'()*+,./:;<=>?@^_`~]+"""
)


MAX_CHUNKS: Final = 1_000_000
"""Chunks of a document, those of children included."""
MAX_CHARACTERS: Final = 67_108_864
"""Characters of all chunks of a document together, where they repeat its text: chunks may overlap."""
_REPEATED: Final = 4
"""Times that chunks may repeat a text, however long it is."""


class ChunkBudget:
    """What the chunks of one document may come to. With an overlap as large as a chunk, each character begins one."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._chunks = MAX_CHUNKS
        self._characters = self._limit = max(MAX_CHARACTERS, _REPEATED * sum(map(len, texts)))

    def of(self, chunks: Iterable[str]) -> Iterator[str]:
        """The chunks, as long as there is room. Raises ``CuttingError``: there is none for the next one."""
        for chunk in chunks:
            self._chunks -= 1
            self._characters -= len(chunk)
            if self._chunks < 0 or self._characters < 0:
                raise CuttingError("cutting.too_much", {"chunks": MAX_CHUNKS, "characters": self._limit})
            yield chunk


class DraftSegment(Struct, frozen=True, gc=False):
    """A segment that was cut."""

    content: str
    children: tuple[str, ...] = ()
    answer: str | None = None
    raw: str = ""
    """As it was cut: what its hash is made of."""


def drafts(texts: Sequence[str], rule: ProcessRule) -> Iterator[DraftSegment]:
    """The segments, in order. Raises ``CuttingError``: too many. ``texts``: Of a file; no chunk spans two of them."""
    room = ChunkBudget(texts)
    if rule.mode != "hierarchical":
        for text in texts:
            yield from (DraftSegment(chunk, raw=raw) for raw, chunk in plain_chunks(text, rule, room))
        return
    for raw, parent in _parents(texts, rule, room):
        children = () if rule.children is None else tuple(children_of(parent, rule.children, room))
        yield DraftSegment(parent, children, raw=raw)


def plain_chunks(text: str, rule: ProcessRule, room: ChunkBudget) -> Iterator[tuple[str, str]]:
    """The chunks of one text, as they were cut and as segments hold them."""
    text = cleaned(text, rule.cleaning)
    chunks = automatic_chunks(text) if rule.mode == "automatic" else custom_chunks(text, rule.segmentation)
    return ((raw, chunk) for raw in room.of(chunks) if (chunk := _without_leading_symbols(raw)))


def children_of(parent: str, by: Segmentation, room: ChunkBudget) -> Iterator[str]:
    """The child chunks of a parent. Raises ``CuttingError``: there are too many."""
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
    """Chunks as they were cut, and without one full stop at their beginning."""
    for chunk in chunks:
        if chunk.strip() and (kept := chunk[1:].strip() if chunk[:1] in (".", "。") else chunk):
            yield chunk, kept


# Cleaning a text before it is cut. Source: docs/dify-behaviour.md, “Cleaning texts”.

BLANKS: Final = "\t\f\r \u00a0\u1680\u180e\u2000-\u200a\u202f\u205f\u3000"
"""As a character class of a regular expression."""
LINK: Final = re.compile(r"!?\[[^\]]{0,2000}\]\(https?://[^)]{1,4000}\)")
"""A link or an image of Markdown. Bounded, so that a text of brackets takes no longer than others."""
# Dify also removes ï, ¿ and ¾, which it takes for the bytes of U+FFFE.
_CONTROLS: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe]")
_LINES: Final = re.compile(r"\n{3,}")
_SPACES: Final = re.compile(f"[{BLANKS}]{{2,}}")
_MAIL: Final = re.compile(r"(?<![\w.+-])[\w.+-]{1,200}@[A-Za-z0-9-]{1,200}\.[A-Za-z0-9.-]+")
_URL: Final = re.compile(rf"({LINK.pattern})|https?://\S+")


def cleaned(text: str, rules: Collection[str]) -> str:
    """A text without what never belongs into a segment, and without what the rules of these ids remove."""
    text = text.replace("<|", "<").replace("|>", ">")
    text = _CONTROLS.sub("", text)
    if "remove_extra_spaces" in rules:
        text = _SPACES.sub(" ", _LINES.sub("\n\n", text))
    if "remove_urls_emails" in rules:
        text = _MAIL.sub("", text)
        text = _URL.sub(lambda found: found[1] or "", text)
    return text
