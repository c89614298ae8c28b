"""Looking a keyword up in the index: which blocks of runs may contain it."""

import sqlite3
from typing import Final

from jikko.store.sqlite.keywords.index import BLOCK

_STATE: Final = "SELECT next_block FROM keyword_index"
_PARTS: Final = "SELECT part FROM keyword_parts ORDER BY part"
_SAMPLE: Final = 30
"""Documents with a term that are looked at: how far apart they are tells how common it is."""
_FIRST_OF_TERM: Final = f"""
SELECT count(*), min(doc), max(doc) FROM (SELECT doc FROM keyword_terms_{{part}} WHERE term = ? LIMIT {_SAMPLE})
"""
_WITH_TERMS: Final = "SELECT rowid FROM keyword_part_{part} WHERE keyword_part_{part} MATCH ? LIMIT ?"
_WITH_PREFIX: Final = "SELECT DISTINCT doc FROM keyword_terms_{part} WHERE term BETWEEN ? AND ? LIMIT ?"
_LAST: Final = "\U0010ffff\U0010ffff"
_AND: Final = 8
"""Terms that are looked up, the rarest: each further one costs as much and says less."""
_RARE: Final = 0.5
"""If the terms together are missing in a smaller share of the documents, most documents have them all."""


def first_run_behind(connection: sqlite3.Connection) -> int:
    """The key from which on runs are not in the index."""
    block: int = connection.execute(_STATE).fetchone()[0]
    return block * BLOCK


def candidates(connection: sqlite3.Connection, keyword: str, most: int) -> list[int] | None:
    """The blocks of the index with runs that may contain a keyword; ``None`` if they are more than ``most``,
    or if that is plain without counting.

    Args:
        keyword: Not empty, and without the character 0.

    Raises:
        sqlite3.DatabaseError: The index is damaged.
    """
    if any("\ufffd" <= character <= "\uffff" for character in keyword):
        return None  # LIKE has its own ideas of these
    # ASCII letters only, as in the index.
    folded = keyword.encode().lower().decode()
    found: list[int] = []
    for (part,) in connection.execute(_PARTS).fetchall():
        left = most - len(found) + 1
        if len(folded) < 3:
            # Every letter begins a term, so that a short keyword is the beginning of some.
            rows = connection.execute(_WITH_PREFIX.format(part=part), (folded, folded + _LAST, left))
        else:
            shares = _shares(connection, part, {folded[at : at + 3] for at in range(len(folded) - 2)})
            if not shares:
                continue
            if sum(1 - share for share, _ in shares) < _RARE:
                return None
            terms = [term for _, term in sorted(shares)[:_AND]]
            quoted = " AND ".join('"' + term.replace('"', '""') + '"' for term in terms)
            rows = connection.execute(_WITH_TERMS.format(part=part), (quoted, left))
        found += [row[0] for row in rows]
        if len(found) > most:
            return None
    return found


def _shares(connection: sqlite3.Connection, part: int, terms: set[str]) -> list[tuple[float, str]]:
    """Terms with the share of the documents that have each, roughly. Empty if one of them is nowhere in the part."""
    shares: list[tuple[float, str]] = []
    for term in terms:
        count, first, last = connection.execute(_FIRST_OF_TERM.format(part=part), (term,)).fetchone()
        if not count:
            return []
        # A term of fewer documents is rare, however close they stand: runs of one user often come together.
        shares.append((count / (last - first + 1) if count == _SAMPLE else 0.0, term))
    return shares
