"""Keyword search in runs: by the index where it helps, by scanning rows where it does not.

The index proposes blocks of runs that may contain the keyword.
"""

import json
import logging
import sqlite3
import uuid
from collections.abc import Iterable
from typing import Any, Final, TypeAlias

from jikko.repositories.shared_sql import storable, stored_id
from jikko.store.run_lists import NEWEST_FIRST
from jikko.store.sqlite.connection import error_name
from jikko.store.sqlite.keywords.counts import KeywordCounts, KeywordSearch
from jikko.store.sqlite.keywords.index import BLOCK
from jikko.store.sqlite.runs.run_rows import inputs_of

_STATE: Final = "SELECT next_block FROM keyword_index"
_PARTS: Final = "SELECT part FROM keyword_parts ORDER BY part"
_SAMPLE: Final = 30
"""Documents sampled per term: their distances show how common it is."""
_FIRST_OF_TERM: Final = f"""
SELECT count(*), min(doc), max(doc) FROM (SELECT doc FROM keyword_terms_{{part}} WHERE term = ? LIMIT {_SAMPLE})
"""
_WITH_TERMS: Final = "SELECT rowid FROM keyword_part_{part} WHERE keyword_part_{part} MATCH ? LIMIT ?"
_WITH_PREFIX: Final = "SELECT DISTINCT doc FROM keyword_terms_{part} WHERE term BETWEEN ? AND ? LIMIT ?"
_LAST: Final = "\U0010ffff\U0010ffff"
_AND: Final = 8
"""Maximum terms looked up, rarest first: each further one costs as much and narrows less."""
_RARE: Final = 0.5
"""If the terms together are missing in a smaller share of the documents, most documents have them all."""


def first_unindexed_run(connection: sqlite3.Connection) -> int:
    """Return the key from which on runs are not indexed."""
    block: int = connection.execute(_STATE).fetchone()[0]
    return block * BLOCK


def candidates(connection: sqlite3.Connection, keyword: str, most: int) -> list[int] | None:
    """Return the index's blocks with runs that may contain a keyword; ``None`` if they are, counted or obviously, more
    than ``most``. ``keyword``: Not empty, without NUL. Raises ``sqlite3.DatabaseError``: the index is damaged."""
    if any("\ufffd" <= character <= "\uffff" for character in keyword):
        return None  # LIKE treats these in its own way
    # ASCII letters only, as in the index.
    folded = keyword.encode().lower().decode()
    found: list[int] = []
    for (part,) in connection.execute(_PARTS).fetchall():
        left = most - len(found) + 1
        if len(folded) < 3:
            # A term begins at every letter, so a short keyword is a prefix of some term.
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
    """Return terms with their approximate share of the documents. Empty if one is missing in the part."""
    shares: list[tuple[float, str]] = []
    for term in terms:
        count, first, last = connection.execute(_FIRST_OF_TERM.format(part=part), (term,)).fetchone()
        if not count:
            return []
        # A term of fewer documents is rare even if they are close together, as a user's runs often are.
        shares.append((count / (last - first + 1) if count == _SAMPLE else 0.0, term))
    return shares


_LOG = logging.getLogger(__name__)

Place: TypeAlias = tuple[float, int]
"""``created_at`` and ``key`` of a run: its place in the list."""

_ROW_COST: Final = 2
"""Cost of a row proposed by the index, in consecutively scanned rows."""
_DEEP_PLACE: Final = 10_000
"""Offset from which on a page is searched after counting, not along with it."""
_LOOKUP_COST: Final = 6
"""Cost of a user lookup by key, in consecutively scanned users."""
_MAX_LISTED_USERS: Final = 1_000

_OUTPUTS: Final = r"CAST(outputs AS TEXT) LIKE :keyword ESCAPE '\' OR run_id = :run_id"
_INPUTS: Final = rf"{inputs_of('runs')} LIKE :keyword ESCAPE '\'"
_USER: Final = r"EXISTS (SELECT 1 FROM end_users WHERE end_users.key = end_user AND session LIKE :keyword ESCAPE '\')"
_USERS: Final = r"SELECT key FROM end_users WHERE app = :app AND session LIKE :keyword ESCAPE '\'"
_NEWEST_USER: Final = "SELECT coalesce(max(key), 0) FROM end_users"
_COUNT_EXCLUDED: Final = "SELECT count(*) FROM keyword_left_out"
_NEWEST_RUN: Final = "SELECT coalesce(max(key), 0) FROM runs"
_RUN: Final = "SELECT key FROM runs WHERE run_id = ?"
_PROPOSED: Final = f"""
(SELECT value * {BLOCK} AS first FROM json_each(:blocks)) CROSS JOIN runs NOT INDEXED
ON key BETWEEN first AND first + {BLOCK - 1}
"""
_AFTER: Final = "runs NOT INDEXED"


class KeywordMatch:
    """Keyword to be searched in an app's runs. ``app``: Number in ``names``."""

    def __init__(self, app: int, keyword: str) -> None:
        self._text = storable(keyword[:30])
        self._app = app
        # Inputs are stored in ASCII.
        self._in_texts = f"{_OUTPUTS} OR {_INPUTS}" if self._text.isascii() else _OUTPUTS
        self._values: dict[str, Any] = {
            "app": app,
            "keyword": "%" + self._text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%",
            "run_id": _run_id(keyword),
        }

    def page(
        self,
        connection: sqlite3.Connection,
        table: str,
        where: str,
        values: dict[str, Any],
        *,
        among: int,
        skip: int,
        limit: int,
        scan_up_to: float,
        counts: KeywordCounts | None = None,
    ) -> tuple[int, list[int]]:
        """Return the number of matching runs, and the unordered keys of those on one page.

        Args:
            table: ``runs``, by the index that suits the other filters.
            where: The other filters.
            values: Values of ``where``.
            among: Number of runs that pass the other filters.
            scan_up_to: Number of them from which on the index is used.
            counts: Cached counts; ``None``: the count is not needed, and may be too small.
        """
        if "\0" in self._text:
            return 0, []  # JSON escapes it, and LIKE takes it for the end
        values = values | self._values
        proposed = self._proposed(connection, among) if among > scan_up_to else None
        if proposed is None:
            matching = f"{where} AND ({self._in_texts} OR {self._of_users(connection, among)})"
            search = KeywordSearch(self._app, self._text, table, where, matching, values, among)
            return _scanned(connection, search, skip, limit, counts)
        blocks, behind = proposed
        newest: int = connection.execute(_NEWEST_RUN).fetchone()[0]
        looked_at = len(blocks) * BLOCK + newest - behind
        where = f"{where} AND ({self._in_texts} OR {self._of_users(connection, looked_at)})"
        values |= {"blocks": json.dumps(blocks), "behind": behind}
        found: set[Place] = set()
        for source, condition in (
            (_PROPOSED, "TRUE"),
            (_AFTER, "key >= :behind"),
            (_AFTER, "key IN (SELECT run FROM keyword_left_out)"),
            (_AFTER, f"key = ({_RUN.replace('?', ':run_id')})"),
        ):
            found.update(
                connection.execute(f"SELECT created_at, key FROM {source} WHERE {condition} AND {where}", values)
            )
        return len(found), _keys(sorted(found, reverse=True)[skip : skip + limit])

    def _proposed(self, connection: sqlite3.Connection, among: int) -> tuple[list[int], int] | None:
        """Return the blocks that may contain it and the first unindexed run; ``None`` if that gains nothing."""
        try:
            behind = first_unindexed_run(connection)
            alone: int = connection.execute(_NEWEST_RUN).fetchone()[0] - behind
            alone += connection.execute(_COUNT_EXCLUDED).fetchone()[0] * _ROW_COST
            most = (among - alone) // _ROW_COST // BLOCK
            blocks = candidates(connection, self._text, most) if most > 0 else None
        except sqlite3.Error as error:
            if error_name(error) == "SQLITE_INTERRUPT":
                raise  # the store is closing
            _LOG.warning("The keyword index cannot be used: %s", error)
            return None
        return None if blocks is None else (blocks, behind)

    def _of_users(self, connection: sqlite3.Connection, rows: int) -> str:
        """Return the condition that the user matches, for scanning ``rows`` rows."""
        if connection.execute(_NEWEST_USER).fetchone()[0] > rows * _LOOKUP_COST:
            return _USER
        users = _keys(connection.execute(f"SELECT 0, key FROM ({_USERS}) LIMIT {_MAX_LISTED_USERS + 1}", self._values))
        return f"end_user IN ({_USERS if len(users) > _MAX_LISTED_USERS else ', '.join(map(str, users))})"


def _scanned(
    connection: sqlite3.Connection, search: KeywordSearch, skip: int, limit: int, counts: KeywordCounts | None
) -> tuple[int, list[int]]:
    """Return the count and a page by scanning the rows once (twice for a deep page)."""
    sql = f"SELECT created_at, key FROM {search.table} WHERE {search.matching} {NEWEST_FIRST} LIMIT :most OFFSET :skip"
    end = skip + limit
    if counts is None or end <= _DEEP_PLACE:
        first: list[Place] = connection.execute(sql, search.values | {"most": end, "skip": 0}).fetchall()
        found = len(first) if counts is None or len(first) < end else counts.count(connection, search)
        return found, _keys(first[skip:])
    found = counts.count(connection, search)
    page = connection.execute(sql, search.values | {"most": limit, "skip": skip}) if skip < found else ()
    return found, _keys(page)


def _keys(places: Iterable[Place]) -> list[int]:
    return [key for _, key in places]


def _run_id(keyword: str) -> bytes | str | None:
    try:
        return stored_id(str(uuid.UUID(keyword)))
    except ValueError:
        return None
