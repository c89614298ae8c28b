"""Rows that stand for values which many runs repeat, so that a run holds a small number instead."""

import sqlite3
from typing import Any, Final, TypeAlias

Values: TypeAlias = tuple[Any, ...]


class Interned:
    """A table of values by number. Rows are only ever added, so that what was read once stays true.

    One object is for one thread: the writer's, or the readers'.
    """

    def __init__(self, *, find: str, add: str, read: str, max_entries: int = 20_000) -> None:
        self._find: Final = find
        self._add: Final = add
        self._read: Final = read
        self._max_entries: Final = max_entries
        """How many rows to remember."""
        self._keys: dict[Values, int] = {}
        self._values: dict[int, Values] = {}

    def key(self, connection: sqlite3.Connection, values: Values) -> int:
        """The number of the values; they get one if they have none."""
        known = self._keys.get(values)
        if known is not None:
            return known
        row = connection.execute(self._find, values).fetchone()
        key: int | None = row[0] if row else connection.execute(self._add, values).lastrowid
        assert key is not None
        if len(self._keys) >= self._max_entries:
            self._keys.clear()
        self._keys[values] = key
        return key

    def values(self, connection: sqlite3.Connection, key: int) -> Values:
        """The values with that number."""
        known = self._values.get(key)
        if known is None:
            known = connection.execute(self._read, (key,)).fetchone()
            if len(self._values) >= self._max_entries:
                self._values.clear()
            self._values[key] = known
        return known

    def forget(self) -> None:
        """Forget what was remembered: a row that was added may be gone again."""
        self._keys.clear()
