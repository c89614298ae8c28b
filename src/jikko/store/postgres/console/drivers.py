"""Choice of the index for a list of runs."""

import uuid
from typing import Final

from msgspec import Struct

from jikko.ports.stores.run_pages import RunFilter
from jikko.repositories.shared_sql import storable
from jikko.store.postgres.database import Postgres
from jikko.store.postgres.runs.run_rows import ALL_RUNS
from jikko.store.postgres.sql import id_column, text
from jikko.store.run_lists import ALL, MAX_LONG_RUNS, SqlCondition, created, of_few, row_conditions, status_numbers

# A skip scan of the index: one step per app, however many runs there are.
_APPS: Final = " UNION ".join(
    f"""(WITH RECURSIVE a AS (
  (SELECT app_id FROM {table} ORDER BY app_id LIMIT 1) UNION ALL
  SELECT (SELECT app_id FROM {table} WHERE app_id > a.app_id ORDER BY app_id LIMIT 1) FROM a WHERE app_id IS NOT NULL
) SELECT app_id FROM a WHERE app_id IS NOT NULL)"""
    for table in ("runs", "open_runs")
)
# In index order, or PostgreSQL may scan all rows.
_LONG_RUNS: Final = f"""
SELECT run_id FROM runs WHERE elapsed >= $1 AND elapsed >= 1.0 ORDER BY elapsed DESC LIMIT {MAX_LONG_RUNS + 1}
"""
_RETRIES, _REPEATED = (
    f"SELECT {column} FROM {ALL_RUNS} WHERE retry_of IS NOT NULL ORDER BY retry_of LIMIT {MAX_LONG_RUNS + 1}"
    for column in ("run_id", "DISTINCT retry_of")
)
_MAX_VERSIONS: Final = 16
"""Versions that each get an index scan."""
_OF_CONVERSATION: Final = """
SELECT m.run_id FROM messages m JOIN conversations c ON c.key = m.conversation
WHERE c.conversation_id = $1 AND m.run_id IS NOT NULL
"""

_KEYWORD_CHARACTERS: Final = 30
# `lower` with the collation "C" changes ASCII letters only.
_HAS_KEYWORD: Final = """(
  position(?::text IN lower(inputs COLLATE "C")) > 0
  OR position(?::text IN lower(convert_from(outputs, 'UTF8') COLLATE "C")) > 0
  OR position(?::text IN lower(session COLLATE "C")) > 0
  OR run_id = ?::bytea)"""


class Driver(Struct, frozen=True):
    """Runs of an index, by age."""

    within: SqlCondition = ALL
    table: str = ALL_RUNS


class DriverPlan(Struct, frozen=True):
    """Query plan of a filter: the runs of any driver that meet the other conditions."""

    drivers: tuple[Driver, ...]
    within: SqlCondition
    """Creation time."""
    rest: SqlCondition
    """Conditions that need the row of a run."""


async def plan_of(
    database: Postgres, wanted: RunFilter, *, with_statuses: bool = True, with_keyword: bool = False
) -> DriverPlan | None:
    """Plan the query of a filter; ``None`` if no run can match.

    Args:
        with_statuses: Whether the filter's statuses apply.
        with_keyword: Whether its keyword applies.
    """
    statuses = list(status_numbers(wanted, with_statuses=with_statuses))
    within = created(wanted.after, wanted.before)
    error, cost = 'lower(error COLLATE "C")', "split_part(price, ' ', 1)::float8"
    rest = row_conditions(wanted, place="strpos", error=error, cost=cost, retries=ALL_RUNS)
    drivers = await _drivers(database, wanted, statuses)
    covered = " ".join(driver.within.text for driver in drivers)
    if wanted.app_id is not None and "app_id" not in covered:
        rest &= SqlCondition("app_id = ?", (id_column(wanted.app_id),))
    if wanted.versions is not None and "workflow_id" not in covered:
        rest &= SqlCondition("workflow_id = ANY(?::bytea[])", ([id_column(each) for each in wanted.versions],))
    if wanted.user is not None and "session" not in covered:
        rest &= SqlCondition("session = ?", (text(wanted.user),))
    if wanted.end_user_id is not None:
        rest &= SqlCondition("end_user_id = ?", (id_column(wanted.end_user_id),))
    if statuses and "status =" not in covered:
        rest &= SqlCondition("status = ANY(?::int2[])", (statuses,))
    if with_keyword and wanted.keyword:
        rest &= _has_keyword(wanted.keyword)
    return DriverPlan(tuple(drivers), within, rest) if drivers else None


async def _drivers(database: Postgres, wanted: RunFilter, statuses: list[int]) -> list[Driver]:
    if wanted.conversation_id is not None:
        rows = await database.fetch(_OF_CONVERSATION, id_column(wanted.conversation_id.lower()))
        return _these([row[0] for row in rows])
    apps = None if wanted.app_id is None else [id_column(wanted.app_id)]
    if wanted.user is not None:
        if apps is None:
            apps = await apps_of(database)
        of_user = "app_id = ? AND session = ?"
        return [Driver(SqlCondition(of_user, (app, text(wanted.user)))) for app in apps]
    if statuses and max(statuses) < 2:
        return [Driver(SqlCondition("status = ANY(?::int2[])", (statuses,)), "open_runs")]
    for sql, values in of_few(wanted, _RETRIES, _REPEATED, _LONG_RUNS):
        ids = [row[0] for row in await database.fetch(sql, *values)]
        if len(ids) <= MAX_LONG_RUNS:
            return _these(ids)
    if wanted.versions is not None and len(wanted.versions) <= _MAX_VERSIONS:
        return [Driver(SqlCondition("workflow_id = ?", (id_column(each),))) for each in wanted.versions]
    if statuses and min(statuses) > 2:
        # As in the index's definition. With an app, a driver per status, the first column of that index.
        if apps is None:
            return [Driver(SqlCondition("status > 2 AND status = ANY(?::int2[])", (statuses,)), "runs")]
        of_app = "app_id = ? AND status > 2 AND status = ?"
        return [Driver(SqlCondition(of_app, (apps[0], status)), "runs") for status in statuses]
    table = "runs" if statuses and min(statuses) == 2 else ALL_RUNS
    return [Driver(ALL if apps is None else SqlCondition("app_id = ?", (apps[0],)), table)]


async def apps_of(database: Postgres) -> list[bytes]:
    """Return the stored ids of apps with runs."""
    return [row[0] for row in await database.fetch(_APPS)]


def _these(run_ids: list[bytes]) -> list[Driver]:
    return [Driver(SqlCondition("run_id = ANY(?::bytea[])", (run_ids,)))] if run_ids else []


def _has_keyword(keyword: str) -> SqlCondition:
    wanted = storable(keyword[:_KEYWORD_CHARACTERS]).encode().lower().decode().replace("\0", "\ufffd")
    return SqlCondition(_HAS_KEYWORD, (wanted, wanted, wanted, _run_id(keyword)))


def _run_id(keyword: str) -> bytes:
    """Return the id of the run that a keyword names, in any notation; otherwise empty."""
    try:
        return uuid.UUID(keyword).bytes
    except ValueError:
        return b""
