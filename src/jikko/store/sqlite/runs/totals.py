"""Totals of runs by app, hour and version, so that lists need not count or search them."""

import math
import sqlite3
from typing import Any, Final

from jikko.repositories.shared_sql import storable
from jikko.store.sqlite.runs.projections import RunChange, StandingProjection

HOUR: Final = 3600.0

_ADD: Final = """
INSERT INTO run_totals (app, status, runs) VALUES (?, ?, ?)
ON CONFLICT (app, status) DO UPDATE SET runs = runs + excluded.runs
"""
_ADD_TO_HOUR: Final = """
INSERT INTO run_hours (app, hour, status, runs) VALUES (?, ?, ?, ?)
ON CONFLICT (app, hour, status) DO UPDATE SET runs = runs + excluded.runs
"""

_ADD_COST: Final = """
INSERT INTO run_costs (app, hour, currency, cost) VALUES (?, ?, ?, ?)
ON CONFLICT (app, hour, currency) DO UPDATE SET cost = cost + excluded.cost
"""
_WIDEN: Final = """
INSERT INTO version_hours (workflow, app, first, last) VALUES (?, ?, ?, ?)
ON CONFLICT (workflow, app) DO UPDATE SET first = min(first, excluded.first), last = max(last, excluded.last)
RETURNING first, last
"""
_MAX_KNOWN_VERSIONS: Final = 20_000
_APPS: Final = "SELECT DISTINCT app FROM run_totals"
_APP: Final = "SELECT key FROM names WHERE text = ?"


def apps_of(connection: sqlite3.Connection, app_id: str | None = None) -> list[int]:
    """Return the number of an app, or those of all apps with runs."""
    rows = connection.execute(_APPS) if app_id is None else connection.execute(_APP, (storable(app_id),))
    return [app for (app,) in rows.fetchall()]


class Totals(StandingProjection):
    """Collects the changes of one transaction, and writes them as few rows at its end."""

    def __init__(self) -> None:
        self._changes: dict[tuple[int, int, int], int] = {}

    def changed(self, change: RunChange, connection: sqlite3.Connection) -> None:
        hour = int(change.created_at // HOUR)
        for status, by in ((change.before, -1), (change.after, 1)):
            if status is not None:
                key = (change.app, hour, status)
                self._changes[key] = self._changes.get(key, 0) + by

    def before_commit(self, connection: sqlite3.Connection) -> None:
        if not self._changes:
            return
        changes: dict[tuple[int, int], int] = {}
        for (app, _, status), by in self._changes.items():
            changes[app, status] = changes.get((app, status), 0) + by
        connection.executemany(_ADD, [(*key, by) for key, by in changes.items() if by])
        connection.executemany(_ADD_TO_HOUR, [(*key, by) for key, by in self._changes.items() if by])
        self._changes.clear()

    def rolled_back(self) -> None:
        self._changes.clear()


class Costs(StandingProjection):
    """Adds up the costs of runs, which stay when a run is removed."""

    def changed(self, change: RunChange, connection: sqlite3.Connection) -> None:
        if change.price is None or change.after is None or change.after < 2:
            return
        cost, _, currency = change.price.partition(" ")
        connection.execute(_ADD_COST, (change.app, int(change.created_at // HOUR), currency, float(cost)))


class VersionHours(StandingProjection):
    """Tracks the first and last hour in which a version's runs were created."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], tuple[int, int]] = {}
        """Cached first and last hour by version and app. The stored range may be wider: other processes write too."""

    def changed(self, change: RunChange, connection: sqlite3.Connection) -> None:
        if change.before is not None or change.after is None:
            return
        hour, version = int(change.created_at // HOUR), (change.workflow, change.app)
        known = self._known.get(version)
        if known is not None and known[0] <= hour <= known[1]:
            return
        if len(self._known) >= _MAX_KNOWN_VERSIONS:
            self._known.clear()
        [self._known[version]] = connection.execute(_WIDEN, (*version, hour, hour)).fetchall()

    def rolled_back(self) -> None:
        self._known.clear()


def total(
    connection: sqlite3.Connection, app: int, *, status: int | None, after: float | None, before: float | None
) -> int:
    """Return the number of an app's runs in a status (any, if ``None``), created between two times, inclusive."""
    values: dict[str, Any] = {"app": app, "status": status, "after": after, "before": before}
    where = "app = :app" if status is None else "app = :app AND status = :status"
    if after is None and before is None:
        return _number(connection, f"SELECT coalesce(sum(runs), 0) FROM run_totals WHERE {where}", values)
    parts = []
    # Whole hours from the table; remainders at either end from the index.
    first = None if after is None else -int(-after // HOUR)
    end = None if before is None else int(before // HOUR)
    if first is not None and end is not None and first >= end:
        parts.append(f"SELECT count(*) FROM runs WHERE {where} AND created_at BETWEEN :after AND :before")
    else:
        hours = where
        if first is not None:
            values["first"], values["first_second"] = first, first * HOUR
            hours += " AND hour >= :first"
            parts.append(
                f"SELECT count(*) FROM runs WHERE {where} AND created_at >= :after AND created_at < :first_second"
            )
        if end is not None:
            values["end"], values["end_second"] = end, end * HOUR
            hours += " AND hour < :end"
            parts.append(
                f"SELECT count(*) FROM runs WHERE {where} AND created_at >= :end_second AND created_at <= :before"
            )
        parts.append(f"SELECT coalesce(sum(runs), 0) FROM run_hours WHERE {hours}")
    return sum(_number(connection, part, values) for part in parts)


def place(
    connection: sqlite3.Connection, app: int, *, status: int | None, before: float | None, skip: int
) -> tuple[float, int]:
    """Return the hour with the run after the newest ``skip`` of an app in a status (any, if ``None``), created until
    ``before``: its end, and how many of its runs come first."""
    where, values = (
        "app = :app" if status is None else "app = :app AND status = :status",
        {"app": app, "status": status},
    )
    if before is not None:
        values["end"] = end = int(before // HOUR)
        where += " AND hour < :end"
        newest = total(connection, app, status=status, after=end * HOUR, before=before)
        if skip < newest:
            return math.inf, skip
        skip -= newest
    hours = f"SELECT hour, sum(runs) FROM run_hours WHERE {where} GROUP BY hour ORDER BY hour DESC"
    for hour, runs in connection.execute(hours, values):
        if skip < runs:
            return (hour + 1) * HOUR, skip
        skip -= runs
    return -math.inf, 0


def _number(connection: sqlite3.Connection, sql: str, values: dict[str, Any]) -> int:
    return int(connection.execute(sql, values).fetchone()[0])
