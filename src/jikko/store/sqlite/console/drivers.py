"""Index selection for lists of runs."""

import json
import math
import re
import sqlite3
from collections.abc import Collection
from typing import Final

from msgspec import Struct

from jikko.ports.stores.run_pages import RunFilter
from jikko.record import COUNTS
from jikko.repositories.shared_sql import storable, stored_id
from jikko.store.run_columns import TEXTS
from jikko.store.run_lists import ALL, MAX_LONG_RUNS, SqlCondition, created, of_few, row_conditions, status_numbers
from jikko.store.sqlite.runs.totals import HOUR, apps_of

_OF_ROWS: Final = ("app", "workflow", "end_user", "elapsed", "retry_of", "run_id", *COUNTS, *TEXTS)
_WITH_STATUS: Final = ("runs_listed", "runs_of_user", "runs_going_on", "runs_ended_badly", "runs_unsuccessful")
_NAMES: Final = "SELECT key FROM names WHERE text IN (SELECT value FROM json_each(?))"
_USERS: Final = "SELECT key FROM end_users WHERE app = ? AND session = ? AND end_user_id = coalesce(?, end_user_id)"
_LONG_RUNS: Final = """
SELECT key FROM runs INDEXED BY runs_that_took_long WHERE elapsed >= ? AND elapsed >= 1.0 LIMIT ?
"""
_RETRIES: Final = "SELECT key FROM runs INDEXED BY runs_retrying WHERE retry_of IS NOT NULL LIMIT ?"
_REPEATED: Final = """
SELECT runs.key FROM runs JOIN (
  SELECT DISTINCT retry_of FROM runs INDEXED BY runs_retrying WHERE retry_of IS NOT NULL LIMIT ?) AS retries
ON runs.run_id = retries.retry_of
"""
_VERSIONS: Final = """
SELECT app, min(first), max(last) FROM version_hours
WHERE workflow IN (SELECT value FROM json_each(?2)) AND (?1 IS NULL OR app = ?1) GROUP BY app
"""
_OF_CONVERSATION: Final = """
SELECT runs.key FROM messages JOIN conversations ON conversations.key = conversation JOIN runs USING (run_id)
WHERE conversation_id = ?
"""


class IndexRange(Struct, frozen=True):
    """Part of an index, ordered by the runs' age."""

    index: str
    """``""``: runs are looked up by key."""
    within: SqlCondition = ALL

    @property
    def table(self) -> str:
        return f"runs INDEXED BY {self.index}" if self.index else "runs"


class IndexPlan(Struct, frozen=True):
    """Query plan for a filter: all runs in any driver that pass the other conditions."""

    drivers: tuple[IndexRange, ...]
    within: SqlCondition
    """Conditions covered by the indices: time of creation, and status."""
    rest: SqlCondition
    reads_rows: bool = True
    """Whether ``rest`` really needs rows: the index by app has the version."""
    of_all_apps: bool = False
    """Whether the drivers are all apps, and so cover every run."""
    app: int | None = None

    @property
    def columns(self) -> str:
        """The status, and the columns used by ``rest``."""
        return ", ".join(["status", *(name for name in _OF_ROWS if re.search(rf"\b{name}\b", self.rest.text))])


def plan_of(connection: sqlite3.Connection, wanted: RunFilter, *, with_statuses: bool = True) -> IndexPlan | None:
    """Plan a filter; ``None`` if no run matches. ``with_statuses``: Whether its statuses count. Keywords never do."""
    statuses = status_numbers(wanted, with_statuses=with_statuses)
    within = created(wanted.after, wanted.before)
    rest = rows = row_conditions(
        wanted, place="instr", error="lower(error)", cost="CAST(price AS REAL)", retries="runs INDEXED BY runs_retrying"
    )
    apps = [] if wanted.app_id is None else _keys(connection, (wanted.app_id,))
    workflows = None if wanted.versions is None else _keys(connection, wanted.versions)
    if (wanted.app_id is not None and not apps) or workflows == []:
        return None
    app = apps[0] if apps else None
    drivers = _drivers(connection, wanted, app, workflows, statuses)
    by_app = all(driver.index in ("runs_listed", "runs_unsuccessful", "runs_of_user") for driver in drivers)
    if app is not None and not by_app:
        rest &= SqlCondition("app = ?", (app,))
    if workflows is not None:
        rest &= SqlCondition("workflow IN (SELECT value FROM json_each(?))", (json.dumps(workflows),))
    if statuses:
        chosen = SqlCondition(f"status IN ({', '.join(map(str, statuses))})")
        if all(driver.index in _WITH_STATUS for driver in drivers):
            within &= chosen
        else:
            rest &= chosen
    if not drivers:
        return None
    listed = all(driver.index == "runs_listed" for driver in drivers)
    reads_rows = rows != ALL or not listed
    of_all_apps = listed and app is None and workflows is None
    return IndexPlan(tuple(drivers), within, rest, reads_rows, of_all_apps, app)


def _drivers(
    connection: sqlite3.Connection,
    wanted: RunFilter,
    app: int | None,
    workflows: list[int] | None,
    statuses: tuple[int, ...],
) -> list[IndexRange]:
    if wanted.conversation_id is not None:
        rows = connection.execute(_OF_CONVERSATION, (stored_id(wanted.conversation_id.lower()),))
        keys = [key for (key,) in rows]
        users = None if wanted.user is None else _users(connection, wanted, app)
        who = "" if users is None else f" AND end_user IN ({_listed(users)})"
        return [IndexRange("", SqlCondition(f"key IN ({_listed(keys)}){who}"))] if keys else []
    if wanted.user is not None:
        return [
            IndexRange("runs_of_user", SqlCondition("end_user = ?", (key,))) for key in _users(connection, wanted, app)
        ]
    if statuses and max(statuses) < 2:
        # Repeats the index's condition, without which SQLite cannot use the partial index. So below.
        where = "status < 2 AND status = ?"
        return [IndexRange("runs_going_on", SqlCondition(where, (status,))) for status in statuses]
    for sql, values in of_few(wanted, _RETRIES, _REPEATED, _LONG_RUNS):
        keys = [key for (key,) in connection.execute(sql, (*values, MAX_LONG_RUNS + 1))]
        if len(keys) <= MAX_LONG_RUNS:
            return [IndexRange("", SqlCondition(f"key IN ({_listed(keys)})"))] if keys else []
    if workflows is not None:
        after = -math.inf if wanted.after is None else wanted.after
        before = math.inf if wanted.before is None else wanted.before
        return [
            IndexRange(
                "runs_listed",
                SqlCondition("app = ?", (key,)) & created(max(first * HOUR, after), min((last + 1) * HOUR, before)),
            )
            for key, first, last in connection.execute(_VERSIONS, (app, json.dumps(workflows)))
        ]
    if statuses and min(statuses) > 2:
        if app is None:
            where = "status > 2 AND status = ?"
            return [IndexRange("runs_ended_badly", SqlCondition(where, (status,))) for status in statuses]
        where = "app = ? AND status > 2 AND status = ?"
        return [IndexRange("runs_unsuccessful", SqlCondition(where, (app, status))) for status in statuses]
    if app is not None:
        return [IndexRange("runs_listed", SqlCondition("app = ?", (app,)))]
    return [IndexRange("runs_listed", SqlCondition("app = ?", (key,))) for key in apps_of(connection)]


def _users(connection: sqlite3.Connection, wanted: RunFilter, app: int | None) -> list[int]:
    """Return the numbers of end users with the wanted name, of one app or of all."""
    apps = [app] if app is not None else apps_of(connection)
    user, end_user_id = (
        storable(wanted.user or ""),
        None if wanted.end_user_id is None else stored_id(wanted.end_user_id),
    )
    return [key for each in apps for (key,) in connection.execute(_USERS, (each, user, end_user_id))]


def _keys(connection: sqlite3.Connection, texts: Collection[str]) -> list[int]:
    return [key for (key,) in connection.execute(_NAMES, (json.dumps([storable(text) for text in texts]),))]


def _listed(keys: list[int]) -> str:
    return ", ".join(map(str, keys))
