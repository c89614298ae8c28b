"""Removal of expired runs."""

import sqlite3
from typing import Any, Final

from jikko.repositories.callback_store import PENDING
from jikko.repositories.shared_sql import id_text, storable, stored_id
from jikko.store.sqlite.runs.large_values import drop_of_run
from jikko.store.sqlite.runs.projections import Projections, RunChange
from jikko.store.sqlite.runs.totals import apps_of

# A run may have been paused for long: its age counts from its end, which is never before its creation.
_FROM_EXPIRED: Final = f"""
FROM runs INDEXED BY runs_listed
WHERE app = ? AND created_at < ? AND status > 1 AND finished_at < ?
  AND NOT EXISTS (SELECT 1 FROM callbacks WHERE callbacks.run_id = runs.run_id AND state = {PENDING})
"""
_ROW: Final = "SELECT key, app, run_id, created_at, status"
_EXPIRED: Final = f"{_ROW} {_FROM_EXPIRED} ORDER BY created_at LIMIT ?"
_COUNT: Final = f"SELECT count(*) {_FROM_EXPIRED}"
_OPEN_OF_USER: Final = "SELECT run_id FROM runs INDEXED BY runs_of_user WHERE end_user = ? AND status < 2"
_OF_USER: Final = f"{_ROW} FROM runs INDEXED BY runs_of_user WHERE end_user = ? AND status > 1 LIMIT ?"
_ENDED: Final = f"{_ROW} FROM runs WHERE run_id = ? AND status > 1"
_USERS: Final = """
SELECT end_users.key FROM end_users JOIN names ON names.key = app WHERE end_user_id = ? AND text = ?
"""
# Only a day's keys exist: no index leads from a run to its key.
_FREE_KEY: Final = "DELETE FROM idempotency_keys WHERE app_id = ? AND run_id = ?"
_REMOVE_LOG: Final = "DELETE FROM run_archive WHERE run = ?"
_REMOVE_PIECES: Final = "DELETE FROM run_log WHERE run = ?"
"""Left behind by a process that died."""
_REMOVE_INPUTS: Final = "DELETE FROM run_inputs WHERE run = ?"
_REMOVE: Final = "DELETE FROM runs WHERE key = ?"
_UNUSED_PAGES: Final = "PRAGMA freelist_count"
_GIVE_BACK: Final = "PRAGMA incremental_vacuum(1)"


class RunPruning:
    """Removes finished runs within the writer's transactions, on its thread."""

    def __init__(self, projections: Projections) -> None:
        self._projections = projections

    @staticmethod
    def prunable(before: float, app_id: str | None, connection: sqlite3.Connection) -> int:
        """Return the number of runs that ``prune`` would remove in all."""
        counts = (connection.execute(_COUNT, (app, before, before)).fetchone() for app in apps_of(connection, app_id))
        return sum(count for (count,) in counts)

    def prune(self, before: float, limit: int, app_id: str | None, connection: sqlite3.Connection) -> int:
        """Remove at most ``limit`` runs that finished before a time, with all their data. Returns their number.

        A run with a pending callback stays until that is delivered or given up.
        """
        removed = 0
        for app in apps_of(connection, app_id):
            removed += len(self._remove(connection, _EXPIRED, app, before, before, limit - removed))
        if removed:
            _give_back(connection)
        return removed

    def remove_of_user(self, app_id: str, end_user_id: str, limit: int, connection: sqlite3.Connection) -> int:
        """See ``RunStore.remove_of_user``."""
        removed = 0
        for user in _users(app_id, end_user_id, connection):
            ended = self._remove(connection, _OF_USER, user, limit - removed)
            connection.executemany(_FREE_KEY, [(stored_id(app_id), change.run_id) for change in ended])
            removed += len(ended)
        if removed:
            _give_back(connection)
        return removed

    def remove(self, run_id: str, connection: sqlite3.Connection) -> bool:
        """See ``RunStore.remove``."""
        ended = self._remove(connection, _ENDED, stored_id(run_id))
        if ended:
            _give_back(connection)
        return bool(ended)

    def _remove(self, connection: sqlite3.Connection, found: str, *values: Any) -> list[RunChange]:
        """Remove the runs that a statement finds. Returns their changes."""
        rows = connection.execute(found, values).fetchall()
        changes = [RunChange(key, app, run_id, at, status, None) for key, app, run_id, at, status in rows]
        for change in changes:
            for statement in (_REMOVE_LOG, _REMOVE_PIECES, _REMOVE_INPUTS):
                connection.execute(statement, (change.key,))
            drop_of_run(connection, change.key)
            connection.execute(_REMOVE, (change.key,))
            self._projections.changed(change, connection)
        return changes


def open_of_user(app_id: str, end_user_id: str, connection: sqlite3.Connection) -> list[str]:
    """See ``RunStore.open_of_user``."""
    users = _users(app_id, end_user_id, connection)
    return [id_text(run_id) for user in users for (run_id,) in connection.execute(_OPEN_OF_USER, (user,))]


def _users(app_id: str, end_user_id: str, connection: sqlite3.Connection) -> list[int]:
    rows = connection.execute(_USERS, (stored_id(end_user_id.lower()), storable(app_id)))
    return [user for (user,) in rows.fetchall()]


def _give_back(connection: sqlite3.Connection) -> None:
    # One by one: before Python 3.12 the statement frees one page, regardless of the number given.
    for _ in range(connection.execute(_UNUSED_PAGES).fetchone()[0]):
        connection.execute(_GIVE_BACK).fetchall()
