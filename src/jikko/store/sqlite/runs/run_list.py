"""Queries of the lists of logs. Source: docs/dify-behaviour.md, “Logs”."""

import sqlite3
from typing import Any, Final

from jikko.ports.stores.run_store import LogQuery, RunSlice
from jikko.repositories.shared_sql import storable, stored_id
from jikko.store.run_columns import STATUS_NUMBERS
from jikko.store.run_lists import NEWEST_FIRST
from jikko.store.sqlite.keywords.match import KeywordMatch
from jikko.store.sqlite.runs.run_rows import COLUMNS, RunRows
from jikko.store.sqlite.runs.totals import place, total

_APP: Final = "SELECT key FROM names WHERE text = ?"
_DEEP: Final = 1_000
"""Runs from which on a page is found by the hours before it, without going through them."""
_USERS: Final = "SELECT key FROM end_users WHERE app = ? AND session = ? AND end_user_id = coalesce(?, end_user_id)"


def list_runs(connection: sqlite3.Connection, query: LogQuery, rows: RunRows, *, scan_up_to: float) -> RunSlice:
    """One page, newest first, and how many runs there are on all pages.
    ``scan_up_to``: runs that are searched for a keyword without asking the index. The answer is the same."""
    found = connection.execute(_APP, (storable(query.app_id),)).fetchone()
    if found is None:
        return RunSlice(total=0)
    app: int = found[0]
    status = None if query.status is None else STATUS_NUMBERS[query.status]
    index, conditions, values = _filters(connection, app, status, query)
    where = " AND ".join(conditions)
    table = f"runs INDEXED BY {index}"
    if query.user is not None:
        count: int = connection.execute(f"SELECT count(*) FROM {table} WHERE {where}", values).fetchone()[0]
    else:
        count = total(connection, app, status=status, after=query.created_after, before=query.created_before)
    skip = (query.page - 1) * query.limit
    if query.keyword:
        match = KeywordMatch(app, query.keyword)
        count, keys = match.page(
            connection, table, where, values, among=count, skip=skip, limit=query.limit, scan_up_to=scan_up_to
        )
        skip, wanted = 0, ", ".join(map(str, keys))
    else:
        if _DEEP <= skip < count and query.user is None:
            until, skip = place(connection, app, status=status, before=query.created_before, skip=skip)
            where, values = f"{where} AND created_at < :until", values | {"until": until}
        elif skip >= count:
            return RunSlice(total=count)
        # Reads the index alone.
        wanted = f"SELECT key FROM {table} WHERE {where} {NEWEST_FIRST} LIMIT :limit OFFSET :skip"
    if not wanted:
        return RunSlice(total=count)
    page = connection.execute(
        f"SELECT {COLUMNS} FROM runs WHERE key IN ({wanted}) {NEWEST_FIRST}",
        values | {"limit": query.limit, "skip": skip},
    )
    return RunSlice(total=count, records=[rows.record(connection, row) for row in page.fetchall()])


def _filters(
    connection: sqlite3.Connection, app: int, status: int | None, query: LogQuery
) -> tuple[str, list[str], dict[str, Any]]:
    """The index to go by, the conditions but for the keyword, and their values."""
    index, conditions = "runs_listed", ["app = :app"]
    values: dict[str, Any] = {"app": app, "status": status}
    if status is not None:
        conditions.append("status = :status")
        if status > STATUS_NUMBERS["succeeded"]:
            # Repeated in the words of the index, which SQLite takes only if it sees that it covers all rows wanted.
            conditions.append("status > 2")
            index = "runs_unsuccessful"
    if query.created_before is not None:
        conditions.append("created_at <= :before")
        values["before"] = query.created_before
    if query.created_after is not None:
        conditions.append("created_at >= :after")
        values["after"] = query.created_after
    if query.user is not None:
        wanted = None if query.end_user_id is None else stored_id(query.end_user_id)
        keys = [row[0] for row in connection.execute(_USERS, (app, storable(query.user), wanted))]
        conditions[0] = f"end_user IN ({', '.join(map(str, keys))})"
        index = "runs_of_user"
    return index, conditions, values
