"""Queries of the lists of logs. Source: docs/dify-behaviour.md, “Logs”."""

import math
from collections import Counter
from typing import Final

from jikko.ports.stores.run_store import LogQuery
from jikko.store.postgres.console.drivers import plan_of
from jikko.store.postgres.database import Postgres, Row
from jikko.store.postgres.runs.hour_counts import HOUR, MIN_KEPT_RUNS, HourCounts
from jikko.store.postgres.runs.run_rows import ALL_RUNS, COLUMNS
from jikko.store.postgres.sql import id_column
from jikko.store.run_columns import STATUS_NUMBERS
from jikko.store.run_lists import NEWEST_FIRST, SqlCondition, numbered

_NEVER: Final = 1e15
_DEEP: Final = 1_000
"""Runs on earlier pages, from which on the place of a page is looked for by itself: in an index alone, without rows."""
# With a keyword rows are looked through once, for the page and for how many there are.
_SEARCH: Final = f"""
WITH found AS MATERIALIZED (SELECT created_at, key, run_id FROM {{}} WHERE {{}})
SELECT counted.total, page.run_id FROM (SELECT count(*) AS total FROM found) AS counted
LEFT JOIN LATERAL (SELECT run_id FROM found {NEWEST_FIRST} {{}}) AS page ON true
"""
_THESE: Final = f"SELECT {COLUMNS} FROM {ALL_RUNS} WHERE run_id = ANY($1::bytea[]) {NEWEST_FIRST}"


async def list_runs(database: Postgres, hours: HourCounts, query: LogQuery) -> tuple[int, list[Row]]:
    """How many runs are on all pages, and those of one page: rows with the columns ``COLUMNS``."""
    plan = await plan_of(database, query.wanted, with_keyword=True)
    if plan is None:
        return 0, []
    # Of one app and status they are all in one index.
    [driver] = plan.drivers
    where, table = driver.within & plan.within & plan.rest, driver.table
    skip = (query.page - 1) * query.limit
    page = f"LIMIT {query.limit:d} OFFSET {skip:d}"
    if query.keyword:
        found = await database.search(numbered(_SEARCH.format(table, where.text, page)), *where.values)
        ids = [row[1] for row in found if row[1] is not None]
        return found[0][0], await database.fetch(_THESE, ids) if ids else []
    spans = await _spans(database, hours, query, table, where)
    total = sum(runs for _, runs in spans)
    if skip >= total:
        return total, []
    while skip >= spans[0][1]:
        skip -= spans.pop(0)[1]
    # Of several bounds of one side a look begins at the first.
    where = SqlCondition("created_at < ?", (spans[0][0],)) & where
    if skip >= _DEEP:
        place = f"SELECT created_at, key FROM {table} WHERE {where.text} {NEWEST_FIRST} LIMIT 1 OFFSET {skip:d}"
        first = await database.row(numbered(place), *where.values)
        if first is None:
            return total, []
        where = SqlCondition("(created_at, key) <= (?, ?)", tuple(first)) & where
        skip = 0
    sql = f"SELECT {COLUMNS} FROM {table} WHERE {where.text} {NEWEST_FIRST} LIMIT {query.limit:d} OFFSET {skip:d}"
    return total, await database.fetch(numbered(sql), *where.values)


async def _spans(
    database: Postgres, hours: HourCounts, query: LogQuery, table: str, where: SqlCondition
) -> list[tuple[float, int]]:
    """How many runs pass, by spans of time, newest first: each with its end. One span, counted run by run, unless the
    runs are many and the hours that they began in tell it."""
    by_hour = query.user is None and table != "open_runs"
    most = f"LIMIT {MIN_KEPT_RUNS + 1}" if by_hour else ""
    count: int = await _count(database, table, where, most)
    if not by_hour or count <= MIN_KEPT_RUNS:
        return [(math.inf, count)]
    after = -math.inf if query.created_after is None else query.created_after
    before = math.inf if query.created_before is None else query.created_before
    first, end = (0 if after < 0 else math.ceil(after / HOUR)), (_NEVER if before > _NEVER else int(before // HOUR))
    if first >= end:
        return [(math.inf, await _count(database, table, where))]
    wanted = None if query.status is None else STATUS_NUMBERS[query.status]
    counts: Counter[float] = Counter()
    if before < _NEVER:
        counts[math.inf] = await _count(database, table, SqlCondition("created_at >= ?", (end * HOUR,)) & where)
    for each in await hours.runs([id_column(query.app_id)], first):
        if each.hour < end and wanted in (None, each.status):
            counts[(each.hour + 1) * HOUR] += each.runs
    if after > 0:
        counts[first * HOUR] += await _count(database, table, SqlCondition("created_at < ?", (first * HOUR,)) & where)
    return sorted(counts.items(), reverse=True)


async def _count(database: Postgres, table: str, where: SqlCondition, most: str = "") -> int:
    sql = f"SELECT count(*) FROM (SELECT FROM {table} WHERE {where.text} {most}) AS counted"
    count: int = await database.value(numbered(sql), *where.values)
    return count
