"""Cached counts of runs with a keyword, where rows must be scanned: all once, then only new ones.

An ended run keeps its texts until it is removed. So a count is valid up to its newest run, as long as no run of the app
was removed, which the app's totals show.
"""

import sqlite3
from collections import OrderedDict
from typing import Any, Final

from msgspec import Struct

from jikko.store.sqlite.runs.totals import total

_SIZE: Final = 64
"""Maximum cached counts."""
_MAX_OPEN: Final = 1_000
"""Maximum open runs, which are checked one by one."""
_IN_A_ROW: Final = 3
"""Cost of a row found by an index, in consecutively scanned rows."""
_NEWEST: Final = "SELECT key, run_id FROM runs ORDER BY key DESC LIMIT 1"
_RUN_ID: Final = "SELECT run_id FROM runs WHERE key = ?"
_OPEN: Final = f"SELECT key FROM runs INDEXED BY runs_going_on WHERE status < 2 LIMIT {_MAX_OPEN + 1}"


class KeywordSearch(Struct, frozen=True):
    """Keyword and other filters of a list."""

    app: int
    keyword: str
    table: str
    where: str
    matching: str
    """Those, and that a text of the run contains the keyword."""
    values: dict[str, Any]
    among: int
    """Number of runs that pass the other filters."""


class _Counted(Struct, frozen=True):
    newest: int
    """Key of the newest run of all at that time."""
    run_id: object
    """Its id: a key is reused if the newest run is removed."""
    of_app: int
    ended: int
    """Number of matching ended runs."""
    open: tuple[int, ...]
    """Keys of all open runs."""


_NOTHING: Final = _Counted(0, None, 0, 0, ())


class KeywordCounts:
    """Counts of one database. Used by one thread at a time."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[object, ...], _Counted] = OrderedDict()

    def count(self, connection: sqlite3.Connection, search: KeywordSearch) -> int:
        of_app = total(connection, search.app, status=None, after=None, before=None)
        going_on = tuple(key for (key,) in connection.execute(_OPEN))
        if search.among != of_app or len(going_on) > _MAX_OPEN:
            return _count(connection, search.table, search.matching, search.values)
        newest, run_id = connection.execute(_NEWEST).fetchone() or (0, None)
        name = search.app, search.keyword, search.values["run_id"]
        known = self._known.pop(name, _NOTHING)
        if connection.execute(_RUN_ID, (known.newest,)).fetchone() != (known.run_id,):
            known = _NOTHING
        came, ended = _newer(connection, search, known, newest)
        if known.of_app + came != of_app:
            known = _NOTHING
            _, ended = _newer(connection, search, known, newest)
        ended += known.ended + _of_these(connection, search, known.open, "status > 1")
        self._known[name] = _Counted(newest, run_id, of_app, ended, going_on)
        if len(self._known) > _SIZE:
            self._known.popitem(last=False)
        return ended + _of_these(connection, search, going_on, "status < 2")


def _newer(connection: sqlite3.Connection, search: KeywordSearch, known: _Counted, newest: int) -> tuple[int, int]:
    """Return the number of the app's runs since then: all, and matching ended ones."""
    in_a_row = newest - known.newest <= _IN_A_ROW * search.among
    sql = f"""
    SELECT count(*), count(CASE WHEN status > 1 AND {search.matching} THEN 1 END)
    FROM {"runs NOT INDEXED" if in_a_row else search.table} WHERE key > :newest AND {search.where}
    """
    came, ended = connection.execute(sql, search.values | {"newest": known.newest}).fetchone()
    return came, ended


def _of_these(connection: sqlite3.Connection, search: KeywordSearch, keys: tuple[int, ...], status: str) -> int:
    where = f"key IN ({', '.join(map(str, keys))}) AND {status} AND {search.matching}"
    return _count(connection, "runs NOT INDEXED", where, search.values) if keys else 0


def _count(connection: sqlite3.Connection, table: str, where: str, values: dict[str, Any]) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {table} WHERE {where}", values).fetchone()[0])
