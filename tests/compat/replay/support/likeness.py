"""Vectors and relevance of texts by the words that they share: stand-ins for models of embedding and reranking.

A vector is a bag of words, hashed into ``DIMENSIONS`` places and brought to length 1.  The relevance of a document is
the share of the query's words that it holds, and a little more the shorter it is.  Both refuse texts with
``FAIL`` in them.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter

DIMENSIONS = 256

#: A word of Latin letters and digits, or one character of Chinese or Japanese.
WORD = re.compile(r"[a-z0-9]+|[\u3040-\u30ff\u4e00-\u9fff]")


class Refused(Exception):
    """The model refuses to answer."""


def vector_of(text: str) -> list[float]:
    """Counts of the words of a text, each word at a place of its own (but for collisions), brought to length 1.

    A text without words points to the first place.
    """
    _refuse(text)
    counts = Counter(_place(word) for word in WORD.findall(text.lower())) or Counter({0: 1})
    length = math.sqrt(sum(count * count for count in counts.values()))
    return [counts[place] / length for place in range(DIMENSIONS)]


def _place(word: str) -> int:
    """The place of a word in a vector."""
    return int.from_bytes(hashlib.sha256(word.encode()).digest()[:4]) % DIMENSIONS


def relevance(query: str, document: str) -> float:
    """How well a document fits a query, between 0 and 1."""
    _refuse(query)
    wanted, held = set(WORD.findall(query.lower())), WORD.findall(document.lower())
    share = len(wanted & set(held)) / len(wanted) if wanted else 0.0
    return round(0.9 * share + 0.1 / (1 + len(held)), 6)


def _refuse(text: str) -> None:
    """Refuse a text that asks for it."""
    if "FAIL" in text:
        raise Refused("rate limited")
