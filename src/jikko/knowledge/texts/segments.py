"""From the texts of a document to its segments. Source: Dify 1.15, spec/knowledge.md §2.4, §2.5."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from msgspec import Struct

from jikko.knowledge.texts.cleaning import LINK, cleaned
from jikko.knowledge.texts.cutting import automatic_chunks, custom_chunks
from jikko.knowledge.texts.rules import ProcessRule, Segmentation

_LEADING: Final = re.compile(
    r"""[\u2000-\u2025\u2027-\u206f\u2e00-\u2e7f\u3000-\u300f\u3012-\u303f"#$%&'()*+,./:;<=>?@^_`~]+"""
)


class Draft(Struct, frozen=True, gc=False):
    """A segment that was cut."""

    content: str
    children: tuple[str, ...] = ()
    answer: str | None = None
    raw: str = ""
    """As it was cut: what its hash is made of."""


def drafts(texts: Sequence[str], rule: ProcessRule) -> Iterator[Draft]:
    """The segments of a document, in their order.

    Args:
        texts: Those that its file was read into: a chunk never spans two of them.
    """
    if rule.mode != "hierarchical":
        for text in texts:
            yield from (Draft(chunk, raw=raw) for raw, chunk in plain_chunks(text, rule))
        return
    for parent in _parents(texts, rule):
        children = () if rule.children is None else tuple(children_of(parent, rule.children))
        yield Draft(parent, children, raw=parent)


def plain_chunks(text: str, rule: ProcessRule) -> Iterator[tuple[str, str]]:
    """The chunks of one text, as they were cut and as segments hold them."""
    text = cleaned(text, rule.cleaning)
    chunks = automatic_chunks(text) if rule.mode == "automatic" else custom_chunks(text, rule.segmentation)
    return ((raw, chunk) for raw in chunks if (chunk := _without_leading_symbols(raw)))


def children_of(parent: str, by: Segmentation) -> Iterator[str]:
    """The child chunks of a parent."""
    return _without_stops(custom_chunks(parent, by))


def _parents(texts: Sequence[str], rule: ProcessRule) -> Iterator[str]:
    if rule.full_doc:
        whole = "\n".join(texts)
        if whole:
            yield whole
        return
    for text in texts:
        yield from _without_stops(custom_chunks(cleaned(text, rule.cleaning), rule.segmentation))


def _without_leading_symbols(chunk: str) -> str:
    return (
        chunk if LINK.match(chunk) else _LEADING.sub("", chunk, count=1) if _LEADING.match(chunk) else chunk
    ).strip()


def _without_stops(chunks: Iterable[str]) -> Iterator[str]:
    """Chunks without one full stop at their beginning."""
    for chunk in chunks:
        if chunk.strip() and (kept := chunk[1:].strip() if chunk[:1] in (".", "。") else chunk):
            yield kept
