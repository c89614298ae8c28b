"""Removing runs that are over for long enough."""

import sqlite3
from typing import Final

from jikko.store.sqlite.callback_states import PENDING
from jikko.store.sqlite.identifiers import storable
from jikko.store.sqlite.runs.projections import Projections, RunChange

_APPS: Final = "SELECT DISTINCT app FROM run_totals"
_APP: Final = "SELECT key FROM names WHERE text = ?"
# A run may have been paused for long: it counts from when it finished, which is never before it was created.
_FROM_OLD: Final = f"""
FROM runs INDEXED BY runs_listed
WHERE app = ? AND created_at < ? AND status > 1 AND finished_at < ?
  AND NOT EXISTS (SELECT 1 FROM callbacks WHERE callbacks.run_id = runs.run_id AND state = {PENDING})
"""
_OLD: Final = f"SELECT key, status, created_at, run_id {_FROM_OLD} ORDER BY created_at LIMIT ?"
_COUNT: Final = f"SELECT count(*) {_FROM_OLD}"
_REMOVE_LOG: Final = "DELETE FROM run_archive WHERE run = ?"
_REMOVE_PIECES: Final = "DELETE FROM run_log WHERE run = ?"
"""A process that died has left them behind."""
_REMOVE: Final = "DELETE FROM runs WHERE key = ?"
_UNUSED_PAGES: Final = "PRAGMA freelist_count"
_GIVE_BACK: Final = "PRAGMA incremental_vacuum(1)"


class Retention:
    """Removes finished runs within transactions of the writer, on its thread."""

    def __init__(self, projections: Projections) -> None:
        self._projections = projections

    @staticmethod
    def prunable(before: float, app_id: str | None, connection: sqlite3.Connection) -> int:
        """How many runs ``prune`` would remove in all."""
        counts = (connection.execute(_COUNT, (app, before, before)).fetchone() for app in _apps(app_id, connection))
        return sum(count for (count,) in counts)

    def prune(self, before: float, limit: int, app_id: str | None, connection: sqlite3.Connection) -> int:
        """Remove at most ``limit`` runs that finished before a time, with all that is theirs. Returns how many.

        A run whose call-back is still tried stays until that was delivered or given up.
        """
        removed = 0
        for app in _apps(app_id, connection):
            old = connection.execute(_OLD, (app, before, before, limit - removed)).fetchall()
            for key, status, created_at, run_id in old:
                connection.execute(_REMOVE_LOG, (key,))
                connection.execute(_REMOVE_PIECES, (key,))
                connection.execute(_REMOVE, (key,))
                self._projections.changed(RunChange(key, app, run_id, created_at, status, None), connection)
            removed += len(old)
        if removed:
            # One by one: before Python 3.12 the statement gives back one page, whatever its number is.
            for _ in range(connection.execute(_UNUSED_PAGES).fetchone()[0]):
                connection.execute(_GIVE_BACK).fetchall()
        return removed


def _apps(app_id: str | None, connection: sqlite3.Connection) -> list[int]:
    rows = connection.execute(_APPS) if app_id is None else connection.execute(_APP, (storable(app_id),))
    return [app for (app,) in rows.fetchall()]
