"""Which runs a list of logs shows. Source: Dify 1.15, spec/records.md §6."""

import sqlite3
import uuid
from typing import Any, Final

from jikko.ports.run_store import LogPage, LogQuery
from jikko.store.sqlite.identifiers import storable, stored_id
from jikko.store.sqlite.run_rows import COLUMNS, STATUS_NUMBERS, RunRows

_APP: Final = "SELECT key FROM names WHERE text = ?"
_USERS: Final = "SELECT key FROM end_users WHERE app = ? AND session = ?"
_TOTAL: Final = "SELECT coalesce(sum(runs), 0) FROM run_totals WHERE app = ?"
_TOTAL_OF_STATUS: Final = "SELECT coalesce(sum(runs), 0) FROM run_totals WHERE app = ? AND status = ?"
_KEYWORD: Final = r"""(
  inputs LIKE :keyword ESCAPE '\' OR CAST(outputs AS TEXT) LIKE :keyword ESCAPE '\' OR run_id = :run_id
  OR end_user IN (SELECT key FROM end_users WHERE app = :app AND session LIKE :keyword ESCAPE '\')
)"""


def list_runs(connection: sqlite3.Connection, query: LogQuery, rows: RunRows) -> LogPage:
    """One page, newest first, and how many runs there are on all pages."""
    app = connection.execute(_APP, (storable(query.app_id),)).fetchone()
    if app is None:
        return LogPage(total=0)
    conditions, values = ["app = :app"], {"app": app[0]}
    if query.status is not None:
        conditions.append("status = :status")
        values["status"] = STATUS_NUMBERS[query.status]
    if query.created_before is not None:
        conditions.append("created_at <= :before")
        values["before"] = query.created_before
    if query.created_after is not None:
        conditions.append("created_at >= :after")
        values["after"] = query.created_after
    if query.user is not None:
        keys = [row[0] for row in connection.execute(_USERS, (app[0], storable(query.user)))]
        conditions.append(f"end_user IN ({', '.join(map(str, keys))})")
    if query.keyword:
        conditions.append(_KEYWORD)
        values["keyword"] = f"%{_literal(query.keyword[:30])}%"
        values["run_id"] = _run_id(query.keyword)
    where = " AND ".join(conditions)
    total = _total(connection, query, where, values)
    values |= {"limit": query.limit, "skip": (query.page - 1) * query.limit}
    if values["skip"] >= total:
        return LogPage(total=total)
    # The inner query reads the index alone, however deep the page.
    found = connection.execute(
        f"SELECT {COLUMNS} FROM runs WHERE key IN ("
        f"SELECT key FROM runs INDEXED BY runs_listed WHERE {where} "
        "ORDER BY created_at DESC, key DESC LIMIT :limit OFFSET :skip"
        ") ORDER BY created_at DESC, key DESC",
        values,
    )
    return LogPage(total=total, records=[rows.record(connection, row) for row in found.fetchall()])


def _total(connection: sqlite3.Connection, query: LogQuery, where: str, values: dict[str, Any]) -> int:
    total: int
    if query.keyword or query.user is not None or query.created_before is not None or query.created_after is not None:
        total = connection.execute(
            f"SELECT count(*) FROM runs INDEXED BY runs_listed WHERE {where}", values
        ).fetchone()[0]
    elif query.status is not None:
        total = connection.execute(_TOTAL_OF_STATUS, (values["app"], values["status"])).fetchone()[0]
    else:
        total = connection.execute(_TOTAL, (values["app"],)).fetchone()[0]
    return total


def _literal(keyword: str) -> str:
    return storable(keyword).replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _run_id(keyword: str) -> bytes | str | None:
    try:
        return stored_id(str(uuid.UUID(keyword)))
    except ValueError:
        return None
