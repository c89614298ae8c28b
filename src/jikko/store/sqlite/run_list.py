"""Which runs a list of logs shows. Source: Dify 1.15, spec/records.md §6."""

import sqlite3
import uuid
from typing import Any, Final

from jikko.ports.run_store import LogPage, LogQuery
from jikko.store.sqlite.identifiers import storable, stored_id
from jikko.store.sqlite.run_rows import COLUMNS, STATUS_NUMBERS, RunRows
from jikko.store.sqlite.totals import total

_APP: Final = "SELECT key FROM names WHERE text = ?"
_USERS: Final = "SELECT key FROM end_users WHERE app = ? AND session = ?"
_KEYWORD: Final = r"""(
  inputs LIKE :keyword ESCAPE '\' OR CAST(outputs AS TEXT) LIKE :keyword ESCAPE '\' OR run_id = :run_id
  OR end_user IN (SELECT key FROM end_users WHERE app = :app AND session LIKE :keyword ESCAPE '\')
)"""


def list_runs(connection: sqlite3.Connection, query: LogQuery, rows: RunRows) -> LogPage:
    """One page, newest first, and how many runs there are on all pages."""
    found = connection.execute(_APP, (storable(query.app_id),)).fetchone()
    if found is None:
        return LogPage(total=0)
    app: int = found[0]
    status = None if query.status is None else STATUS_NUMBERS[query.status]
    table, where, values = _filters(connection, app, status, query)
    if query.keyword or query.user is not None:
        count: int = connection.execute(f"SELECT count(*) FROM {table} WHERE {where}", values).fetchone()[0]
    else:
        count = total(connection, app, status=status, after=query.created_after, before=query.created_before)
    values |= {"limit": query.limit, "skip": (query.page - 1) * query.limit}
    if values["skip"] >= count:
        return LogPage(total=count)
    # The inner query reads the index alone, however deep the page (unless there is a keyword).
    page = connection.execute(
        f"SELECT {COLUMNS} FROM runs WHERE key IN ("
        f"SELECT key FROM {table} WHERE {where} ORDER BY created_at DESC, key DESC LIMIT :limit OFFSET :skip"
        ") ORDER BY created_at DESC, key DESC",
        values,
    )
    return LogPage(total=count, records=[rows.record(connection, row) for row in page.fetchall()])


def _filters(
    connection: sqlite3.Connection, app: int, status: int | None, query: LogQuery
) -> tuple[str, str, dict[str, Any]]:
    """The table with the index to go by, the condition, and its values."""
    index, conditions = "runs_listed", ["app = :app"]
    values: dict[str, Any] = {"app": app, "status": status}
    if status is not None:
        conditions.append("status = :status")
        if status > STATUS_NUMBERS["succeeded"]:
            # Said again in the words of the index, which SQLite takes only if it sees that it covers all rows wanted.
            conditions.append("status > 2")
            index = "runs_unsuccessful"
    if query.created_before is not None:
        conditions.append("created_at <= :before")
        values["before"] = query.created_before
    if query.created_after is not None:
        conditions.append("created_at >= :after")
        values["after"] = query.created_after
    if query.user is not None:
        keys = [row[0] for row in connection.execute(_USERS, (app, storable(query.user)))]
        conditions[0] = f"end_user IN ({', '.join(map(str, keys))})"
        index = "runs_of_user"
    if query.keyword:
        conditions.append(_KEYWORD)
        values["keyword"] = f"%{_literal(query.keyword[:30])}%"
        values["run_id"] = _run_id(query.keyword)
    return f"runs INDEXED BY {index}", " AND ".join(conditions), values


def _literal(keyword: str) -> str:
    return storable(keyword).replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _run_id(keyword: str) -> bytes | str | None:
    try:
        return stored_id(str(uuid.UUID(keyword)))
    except ValueError:
        return None
