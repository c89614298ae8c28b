"""How many runs each app has, so that a list need not count them."""

import sqlite3
from typing import Final

_ADD: Final = """
INSERT INTO run_totals (app, status, runs) VALUES (?, ?, ?)
ON CONFLICT (app, status) DO UPDATE SET runs = runs + excluded.runs
"""


class Totals:
    """Collects the changes of one transaction, and writes them as few rows at its end. For the writer's thread."""

    def __init__(self) -> None:
        self._changes: dict[tuple[int, int], int] = {}

    def change(self, app: int, status: int, by: int) -> None:
        """Note that an app has ``by`` more runs in a status."""
        key = (app, status)
        self._changes[key] = self._changes.get(key, 0) + by

    def before_commit(self, connection: sqlite3.Connection) -> None:
        """Write what was noted."""
        if self._changes:
            connection.executemany(_ADD, [(*key, by) for key, by in self._changes.items() if by])
            self._changes.clear()

    def rolled_back(self) -> None:
        """Forget what was noted."""
        self._changes.clear()
