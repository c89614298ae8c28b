"""Queries of the lists of logs. Source: docs/dify-behaviour.md, “Logs”."""

import sqlite3
from typing import Final

from jikko.ports.stores.run_store import LogQuery, RunSlice
from jikko.store.run_columns import STATUS_NUMBERS
from jikko.store.run_lists import NEWEST_FIRST, SqlCondition, any_of, named
from jikko.store.sqlite.console.drivers import plan_of
from jikko.store.sqlite.keywords.counts import KeywordCounts
from jikko.store.sqlite.keywords.match import KeywordMatch
from jikko.store.sqlite.runs.run_rows import COLUMNS, RunRows
from jikko.store.sqlite.runs.totals import place, total

_DEEP: Final = 1_000
"""Runs from which on a page is found by the hours before it, without going through them."""


def list_runs(
    connection: sqlite3.Connection, query: LogQuery, rows: RunRows, counts: KeywordCounts, *, scan_up_to: float
) -> RunSlice:
    """One page, newest first, and how many runs there are on all pages.
    ``scan_up_to``: runs that are searched for a keyword without asking the index. The answer is the same."""
    plan = plan_of(connection, query.wanted)
    if plan is None or plan.app is None:
        return RunSlice(total=0)
    where = any_of(driver.within for driver in plan.drivers) & plan.within & plan.rest
    table = plan.drivers[0].table
    status = None if query.status is None else STATUS_NUMBERS[query.status]
    if query.user is not None:
        sql = f"SELECT count(*) FROM {table} WHERE {where.text}"
        count: int = connection.execute(sql, where.values).fetchone()[0]
    else:
        count = total(connection, plan.app, status=status, after=query.created_after, before=query.created_before)
    skip = (query.page - 1) * query.limit
    if query.keyword:
        condition, values = named(where)
        match = KeywordMatch(plan.app, query.keyword)
        count, keys = match.page(
            connection,
            table,
            condition,
            values,
            among=count,
            skip=skip,
            limit=query.limit,
            scan_up_to=scan_up_to,
            counts=counts,
        )
        page = SqlCondition(", ".join(map(str, keys)))
    else:
        if _DEEP <= skip < count and query.user is None:
            until, skip = place(connection, plan.app, status=status, before=query.created_before, skip=skip)
            where = SqlCondition("created_at < ?", (until,)) & where
        # Reads the index alone.
        text = f"SELECT key FROM {table} WHERE {where.text} {NEWEST_FIRST} LIMIT ? OFFSET ?"
        page = SqlCondition(text if skip < count else "", (*where.values, query.limit, skip))
    if not page.text:
        return RunSlice(total=count)
    found = connection.execute(f"SELECT {COLUMNS} FROM runs WHERE key IN ({page.text}) {NEWEST_FIRST}", page.values)
    return RunSlice(total=count, records=[rows.record(connection, row) for row in found.fetchall()])
