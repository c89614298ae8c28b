"""Words of texts as PostgreSQL searches them: the same ones that SQLite's full text has.

A text is cut at what is no letter, no digit and no character for private use; case and accents do not count, and
English words are brought to their stems (Porter). The server's own parser would have it otherwise: it knows addresses
and names of files, drops some scripts, and depends on the language of the database.
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
"""Characters of a keyword that count."""


def add_nodes(dataset_id: str, document_id: str, version: int, nodes: Iterable[IndexEntry]) -> Operation[None]:
    """Add nodes to a version of a document."""
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
    """The values of ``ADD_NODE``. ``vector``: as ``IndexEntry.vector`` has it; so ``words``."""
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
    """A vector as PostgreSQL reads it."""
    return f"[{','.join(map(repr, numbers))}]"


def keyword_of(given: str) -> str:
    """A keyword as it is kept: an entry of an index takes 2,704 bytes."""
    return text(given)[:_MAX_KEYWORD]


_TOKEN: Final = re.compile(r"(?:[^\W_]|[\ue000-\uf8ff]|[\U000f0000-\U0010fffd])+")
_ACCENTS: Final = re.compile("[\u0300-\u036f]")
_LAST_POSITION: Final = 16_383
"""Of a word in a text; further ones are found, but not beside each other."""
_MAX_LENGTH: Final = 500
"""Characters of a word; the server takes 2,046 bytes."""


def as_tsvector(words: str) -> str | None:
    """What stands for a text; ``None``: nothing."""
    found = " ".join(f"{_quoted(each)}:{min(place, _LAST_POSITION)}" for place, each in enumerate(_tokens(words), 1))
    return found or None


def as_tsquery(words: Sequence[str]) -> str | None:
    """A query for texts that have all of some words, one with several parts being a phrase; ``None``: for none."""
    phrases = [tokens for word in words if (tokens := _tokens(word))]
    return " & ".join("(" + " <-> ".join(map(_quoted, each)) + ")" for each in phrases) or None


def _tokens(words: str) -> list[str]:
    stem = _stemmer()
    plain = unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFD", words))).lower()
    return [stem(each) if each.isascii() and len(each) < 64 else each[:_MAX_LENGTH] for each in _TOKEN.findall(plain)]


def _quoted(word: str) -> str:
    # Tokens have neither quotes nor backslashes.
    return f"'{word}'"


@cache
def _stemmer() -> Any:
    try:
        from Stemmer import Stemmer  # type: ignore[import-not-found,unused-ignore]
    except ModuleNotFoundError:
        raise InvalidSettings(f"Datasets in PostgreSQL need another library: {how_to_install('cluster')}") from None
    return Stemmer("porter").stemWord
