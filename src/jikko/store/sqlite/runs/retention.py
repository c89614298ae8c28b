"""Removing runs that are over for long enough."""

import sqlite3
from typing import Final

from jikko.store.sqlite.callback_states import PENDING
from jikko.store.sqlite.runs.projections import Projections, RunChange

_APPS: Final = "SELECT DISTINCT app FROM run_totals"
# A run may have been paused for long: it counts from when it finished, which is never before it was created.
_OLD: Final = f"""
SELECT key, status, created_at, run_id FROM runs INDEXED BY runs_listed
WHERE app = ? AND created_at < ? AND status > 1 AND finished_at < ?
  AND NOT EXISTS (SELECT 1 FROM callbacks WHERE callbacks.run_id = runs.run_id AND state = {PENDING})
ORDER BY created_at LIMIT ?
"""
_REMOVE_LOG: Final = "DELETE FROM run_archive WHERE run = ?"
_REMOVE: Final = "DELETE FROM runs WHERE key = ?"
_UNUSED_PAGES: Final = "PRAGMA freelist_count"
_GIVE_BACK: Final = "PRAGMA incremental_vacuum(1)"


class Retention:
    """Removes finished runs within transactions of the writer, on its thread."""

    def __init__(self, projections: Projections) -> None:
        self._projections = projections

    def prune(self, before: float, limit: int, connection: sqlite3.Connection) -> int:
        """Remove at most ``limit`` runs that finished before a time, with all that is theirs. Returns how many.

        A run whose call-back is still tried stays until that was delivered or given up.
        """
        removed = 0
        for (app,) in connection.execute(_APPS).fetchall():
            old = connection.execute(_OLD, (app, before, before, limit - removed)).fetchall()
            for key, status, created_at, run_id in old:
                connection.execute(_REMOVE_LOG, (key,))
                connection.execute(_REMOVE, (key,))
                self._projections.changed(RunChange(key, app, run_id, created_at, status, None), connection)
            removed += len(old)
        if removed:
            # One by one: before Python 3.12 the statement gives back one page, whatever number it is told.
            for _ in range(connection.execute(_UNUSED_PAGES).fetchone()[0]):
                connection.execute(_GIVE_BACK).fetchall()
        return removed
