"""Embeddings and relevance of texts by shared words: stand-ins for embedding and reranking models.

A vector is a bag of words, hashed into ``DIMENSIONS`` dimensions and normalized to length 1. The relevance of a
document is the share of the query's words in it, plus a little for being short. Both refuse texts with ``FAIL``.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter

DIMENSIONS = 256

# : Word of Latin letters and digits, or one Chinese or Japanese character.
WORD = re.compile(r"[a-z0-9]+|[\u3040-\u30ff\u4e00-\u9fff]")


class Refused(Exception):
    """The model refuses to answer."""


def vector_of(text: str) -> list[float]:
    """Return the word counts of a text, each word in its own dimension (except collisions), normalized to length 1.

    A text without words points to the first dimension.
    """
    _refuse(text)
    counts = Counter(_place(word) for word in WORD.findall(text.lower())) or Counter({0: 1})
    length = math.sqrt(sum(count * count for count in counts.values()))
    return [counts[place] / length for place in range(DIMENSIONS)]


def _place(word: str) -> int:
    """Return the dimension of a word."""
    return int.from_bytes(hashlib.sha256(word.encode()).digest()[:4]) % DIMENSIONS


def relevance(query: str, document: str) -> float:
    """Return the relevance of a document to a query, between 0 and 1."""
    _refuse(query)
    wanted, held = set(WORD.findall(query.lower())), WORD.findall(document.lower())
    share = len(wanted & set(held)) / len(wanted) if wanted else 0.0
    return round(0.9 * share + 0.1 / (1 + len(held)), 6)


def _refuse(text: str) -> None:
    """Raise ``Refused`` for a text that requests it."""
    if "FAIL" in text:
        raise Refused("rate limited")
