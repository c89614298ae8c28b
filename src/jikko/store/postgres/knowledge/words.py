"""Words of texts for PostgreSQL's full-text search: the same as in SQLite.

A text is split at anything but letters, digits and private-use characters; case and accents are ignored, and English
words are stemmed (Porter). The server's own parser differs: it recognises URLs and file names, drops some scripts, and
depends on the language of the database.
"""

import re
import struct
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, Final

from jikko.errors import InvalidSettings
from jikko.extras import how_to_install
from jikko.ports.stores.knowledge_records import IndexEntry
from jikko.repositories.shared_sql import Many, Operation
from jikko.store.postgres.sql import text

ADD_NODE: Final = """
INSERT INTO knowledge.node (dataset_id, document_id, version, segment_id, child_id, digest, dimensions, vector, words)
VALUES (:dataset_id, :document_id, :version, :segment_id, :child_id, :digest, :dimensions, :vector::text::halfvec,
  :words::text::tsvector)
"""
_MAX_KEYWORD: Final = 500
"""Characters stored of a keyword."""


def add_nodes(dataset_id: str, document_id: str, version: int, nodes: Iterable[IndexEntry]) -> Operation[None]:
    own = (dataset_id, document_id, version)
    rows = [node_values(*own, each.segment_id, each.child_id, each.digest, each.vector, each.words) for each in nodes]
    yield Many(ADD_NODE, rows)


def node_values(
    dataset_id: str,
    document_id: str,
    version: int,
    segment_id: str,
    child_id: str | None,
    digest: bytes,
    vector: bytes,
    words: str,
) -> dict[str, Any]:
    """Return the values of ``ADD_NODE``. ``vector``, ``words``: As in ``IndexEntry``."""
    return {
        "dataset_id": dataset_id,
        "document_id": document_id,
        "version": version,
        "segment_id": segment_id,
        "child_id": child_id,
        "digest": digest,
        "dimensions": len(vector) // 2,
        "vector": as_text(struct.unpack(f"<{len(vector) // 2}e", vector)) if vector else None,
        "words": as_tsvector(words),
    }


def as_text(numbers: Sequence[float]) -> str:
    """Return a vector in pgvector's notation."""
    return f"[{','.join(map(repr, numbers))}]"


def keyword_of(given: str) -> str:
    """Truncate a keyword for storage: an index entry takes 2,704 bytes at most."""
    return text(given)[:_MAX_KEYWORD]


_TOKEN: Final = re.compile(r"(?:[^\W_]|[\ue000-\uf8ff]|[\U000f0000-\U0010fffd])+")
_ACCENTS: Final = re.compile("[\u0300-\u036f]")
_LAST_POSITION: Final = 16_383
"""Highest word position; later words are found, but not in phrases."""
_MAX_LENGTH: Final = 500
"""Characters of a word; the server takes 2,046 bytes."""


def as_tsvector(words: str) -> str | None:
    """Return the text vector of words; ``None`` without words."""
    found = " ".join(f"{_quoted(each)}:{min(place, _LAST_POSITION)}" for place, each in enumerate(_tokens(words), 1))
    return found or None


def as_tsquery(words: Sequence[str]) -> str | None:
    """Return a query for texts with all words; words of several parts are phrases. ``None`` without words."""
    phrases = [tokens for word in words if (tokens := _tokens(word))]
    return " & ".join("(" + " <-> ".join(map(_quoted, each)) + ")" for each in phrases) or None


def _tokens(words: str) -> list[str]:
    stem = _stemmer()
    plain = unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFD", words))).lower()
    return [stem(each) if each.isascii() and len(each) < 64 else each[:_MAX_LENGTH] for each in _TOKEN.findall(plain)]


def _quoted(word: str) -> str:
    # Tokens contain neither quotes nor backslashes.
    return f"'{word}'"


@cache
def _stemmer() -> Any:
    try:
        from Stemmer import Stemmer  # type: ignore[import-not-found,unused-ignore]
    except ModuleNotFoundError:
        raise InvalidSettings(f"Datasets in PostgreSQL need another library: {how_to_install('cluster')}") from None
    return Stemmer("porter").stemWord
