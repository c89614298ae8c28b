"""Lists of runs of all apps and of one, in SQLite. Source: docs/dify-behaviour.md, “Logs”."""

import heapq
import sqlite3
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Final

from jikko.events import RunStatus
from jikko.ports.stores.run_pages import AppDay, Bucket, RunCounts, RunCursor, RunFilter, RunPage, Stratum
from jikko.ports.stores.run_store import LogQuery, RunSlice
from jikko.record import RunRecord
from jikko.repositories.shared_sql import id_text, stored_id
from jikko.store import run_lists
from jikko.store.run_columns import STATUS_NUMBERS
from jikko.store.run_lists import NEWEST_FIRST, SqlCondition, any_of, behind, named, newer
from jikko.store.sqlite.console.drivers import IndexPlan, IndexRange, plan_of
from jikko.store.sqlite.console.figures import (
    app_days,
    counts_of,
    histogram_of,
    open_counts,
    since,
    strata_of,
    total_of_all,
)
from jikko.store.sqlite.database import Database
from jikko.store.sqlite.keywords.counts import KeywordCounts
from jikko.store.sqlite.keywords.match import KeywordMatch
from jikko.store.sqlite.runs.run_rows import COLUMNS, RunRows
from jikko.store.sqlite.runs.totals import apps_of, place, total

_MAX_SCANNED_IN_INDEX: Final = 100_000
"""Maximum runs scanned for one page, where the index has all columns needed."""
_PLACE: Final = "SELECT created_at, key FROM runs WHERE run_id = ?"
_APPS: Final = "(SELECT DISTINCT app FROM run_totals) AS apps"
_NEWEST: Final = f"""
SELECT created_at, key FROM {_APPS} CROSS JOIN runs NOT INDEXED ON key = (
  SELECT key FROM runs INDEXED BY runs_listed WHERE app = apps.app ORDER BY created_at DESC, key DESC LIMIT 1)
ORDER BY created_at DESC, key DESC LIMIT 1
"""
_EARLIEST: Final = f"""
SELECT min((SELECT min(created_at) FROM runs INDEXED BY runs_listed WHERE app = apps.app)) FROM {_APPS}
"""

_CONVERSATIONS: Final = """
SELECT run_id, conversation_id FROM messages JOIN conversations ON conversations.key = conversation
"""

_Found = tuple[float, int]


class SqliteRunPages:
    """``RunPages`` in a SQLite file."""

    def __init__(self, database: Database, *, scan_up_to: int = 10_000) -> None:
        """``scan_up_to``: See ``SqliteRunStore``."""
        self._database = database
        self._rows = RunRows()
        self._scan_up_to = scan_up_to

    async def page(self, wanted: RunFilter, *, behind: RunCursor | None = None, limit: int = 50) -> RunPage:
        if wanted.keyword:
            return await self._database.search(partial(self._searched, wanted, behind, limit))
        return await self._database.read(partial(self._page, wanted, behind, limit))

    def _page(self, wanted: RunFilter, place: RunCursor | None, limit: int, connection: sqlite3.Connection) -> RunPage:
        plan = plan_of(connection, wanted)
        if plan is None:
            return RunPage()
        ends: list[_Found] = []
        best: list[_Found] = []
        for driver in plan.drivers:
            # Older runs of the remaining drivers are not needed.
            floor = RunCursor(*best[limit]) if len(best) > limit else None
            more_found = _found(connection, plan, driver, place, floor, limit + 1, ends)
            best = heapq.nlargest(limit + 1, chain(best, more_found))
        # Unscanned runs of a driver are older than everything found before its end.
        reached = max(ends, default=None)
        keys = [found for found in best if reached is None or found >= reached]
        more = len(keys) > limit
        keys = keys[:limit]
        at = keys[-1] if more else reached
        return RunPage(self._records(connection, [key for _, key in keys]), None if at is None else RunCursor(*at))

    def _searched(
        self, wanted: RunFilter, place: RunCursor | None, limit: int, connection: sqlite3.Connection
    ) -> RunPage:
        plan = plan_of(connection, wanted)
        if plan is None:
            return RunPage()
        where = behind(place) & plan.within & plan.rest
        if wanted.user is not None or wanted.conversation_id is not None:
            # These are few, and the index by app does not cover them.
            where &= any_of(driver.within for driver in plan.drivers)
        condition, values_by_name = named(where)
        found: list[_Found] = []
        for app in apps_of(connection, wanted.app_id):
            match = KeywordMatch(app, wanted.keyword or "")
            _, keys = match.page(
                connection,
                "runs INDEXED BY runs_listed",
                f"app = :app AND {condition}",
                values_by_name,
                among=total(connection, app, status=None, after=wanted.after, before=wanted.before),
                skip=0,
                limit=limit + 1,
                scan_up_to=self._scan_up_to,
            )
            found += [
                (row[0], key)
                for key in keys
                if (row := connection.execute("SELECT created_at FROM runs WHERE key = ?", (key,)).fetchone())
            ]
        found.sort(reverse=True)
        at = found[limit - 1] if len(found) > limit else None
        return RunPage(
            self._records(connection, [key for _, key in found[:limit]]), None if at is None else RunCursor(*at)
        )

    def _records(self, connection: sqlite3.Connection, keys: Sequence[int]) -> list[RunRecord]:
        wanted = ", ".join(map(str, keys))
        rows = connection.execute(f"SELECT {COLUMNS} FROM runs WHERE key IN ({wanted}) {NEWEST_FIRST}").fetchall()
        return [self._rows.record(connection, row) for row in rows]

    async def counts(self, wanted: RunFilter) -> RunCounts:
        return await self._database.read(partial(counts_of, wanted))

    async def histogram(self, wanted: RunFilter, *, first: float, step: float, buckets: int) -> list[Bucket]:
        return await self._database.read(partial(histogram_of, wanted, first, step, buckets))

    async def newest(self) -> RunCursor | None:
        row = await self._database.read(lambda connection: connection.execute(_NEWEST).fetchone())
        return None if row is None else RunCursor(*row)

    async def place(self, run_id: str) -> RunCursor | None:
        row = self._database.quick(
            lambda connection: connection.execute(_PLACE, (stored_id(run_id.lower()),)).fetchone()
        )
        return None if row is None else RunCursor(*row)

    async def newer(self, wanted: RunFilter, than: RunCursor | None) -> int:
        return await self._database.read(partial(_newer, wanted, than))

    async def those(self, wanted: RunFilter, run_ids: Sequence[str]) -> list[RunRecord]:
        return await self._database.read(partial(self._those, wanted, run_ids))

    def _those(self, wanted: RunFilter, run_ids: Sequence[str], connection: sqlite3.Connection) -> list[RunRecord]:
        plan = plan_of(connection, wanted)
        if plan is None:
            return []
        asked = SqlCondition(
            f"run_id IN ({', '.join('?' * len(run_ids))})", tuple(stored_id(run_id.lower()) for run_id in run_ids)
        )
        drivers = () if plan.of_all_apps else plan.drivers
        where = asked & any_of(driver.within for driver in drivers) & plan.within & plan.rest
        rows = connection.execute(f"SELECT {COLUMNS} FROM runs WHERE {where.text} {NEWEST_FIRST}", where.values)
        return [self._rows.record(connection, row) for row in rows]

    async def total(self) -> int:
        return await self._database.read(total_of_all)

    async def open_counts(self) -> Mapping[RunStatus, int]:
        return await self._database.read(open_counts)

    async def since(self, at: float) -> tuple[Mapping[RunStatus, int], Mapping[str, float]]:
        return await self._database.read(partial(since, at))

    async def app_days(self, app_ids: Sequence[str], *, since: float, last: int) -> dict[str, AppDay]:
        return await self._database.read(partial(app_days, self._rows, app_ids, since, last))

    async def strata(self, app_id: str | None, *, first: float, last: float, step: float) -> list[Stratum]:
        return await self._database.read(partial(strata_of, self._rows, app_id, first, last, step))

    async def conversations(self, run_ids: Sequence[str]) -> dict[str, str]:
        marks = ", ".join("?" * len(run_ids))
        rows = await self._database.read(
            lambda connection: connection.execute(
                f"{_CONVERSATIONS} WHERE run_id IN ({marks})", [stored_id(run_id) for run_id in run_ids]
            ).fetchall()
        )
        return {id_text(run_id): id_text(conversation_id) for run_id, conversation_id in rows}

    async def earliest(self) -> float | None:
        return await self._database.read(lambda connection: connection.execute(_EARLIEST).fetchone()[0])


def _found(
    connection: sqlite3.Connection,
    plan: IndexPlan,
    driver: IndexRange,
    place: RunCursor | None,
    floor: RunCursor | None,
    most: int,
    ends: list[_Found],
) -> list[_Found]:
    """Return a driver's newest matching runs, newest first.

    Args:
        floor: Older runs are not wanted.
        ends: Gets the place where the scan ended, if too few were found.
    """
    # Of several bounds on one side SQLite seeks the first and checks the others row by row: the nearest comes first.
    within = newer(floor) & behind(place) & driver.within & plan.within
    if plan.rest.text == "TRUE" or not driver.index:
        within &= plan.rest
        sql = f"SELECT created_at, key FROM {driver.table} WHERE {within.text} {NEWEST_FIRST} LIMIT ?"
        return connection.execute(sql, (*within.values, most)).fetchall()
    source = f"FROM {driver.table} WHERE {within.text} {NEWEST_FIRST}"
    limit = run_lists.MAX_SCANNED_ROWS if plan.reads_rows else _MAX_SCANNED_IN_INDEX
    max_scanned = max(limit // len(plan.drivers), most)
    looked_at = f"SELECT created_at, key, {plan.columns} {source} LIMIT {max_scanned}"
    sql = f"SELECT created_at, key FROM ({looked_at}) WHERE {plan.rest.text} LIMIT ?"
    found = connection.execute(sql, (*within.values, *plan.rest.values, most)).fetchall()
    if len(found) < most:
        end = f"SELECT created_at, key {source} LIMIT 1 OFFSET {max_scanned - 1}"
        ends += connection.execute(end, within.values).fetchall()
    return found


def _newer(wanted: RunFilter, than: RunCursor | None, connection: sqlite3.Connection) -> int:
    plan = plan_of(connection, wanted)
    if plan is None:
        return 0
    count = looked_at = 0
    for driver in plan.drivers:
        within = newer(than) & driver.within & plan.within
        inner = f"SELECT {plan.rest.text} AS passes FROM {driver.table} WHERE {within.text} {NEWEST_FIRST} LIMIT ?"
        sql = f"SELECT count(*), count(*) FILTER (WHERE passes) FROM ({inner})"
        values = (*plan.rest.values, *within.values, run_lists.MAX_NEWER - looked_at)
        seen, passed = connection.execute(sql, values).fetchone()
        looked_at += seen
        count += passed
    return count


_DEEP: Final = 1_000
"""Offset from which on a page is located by hourly totals, without scanning."""


def list_runs(
    connection: sqlite3.Connection, query: LogQuery, rows: RunRows, counts: KeywordCounts, *, scan_up_to: float
) -> RunSlice:
    """Return one page, newest first, and the number of runs on all pages. ``scan_up_to``: Number of runs scanned for a
    keyword without the index. The answer is the same."""
    plan = plan_of(connection, query)
    if plan is None or plan.app is None:
        return RunSlice(total=0)
    where = any_of(driver.within for driver in plan.drivers) & plan.within & plan.rest
    table = plan.drivers[0].table
    status = STATUS_NUMBERS[query.statuses[0]] if query.statuses else None
    if query.user is not None:
        sql = f"SELECT count(*) FROM {table} WHERE {where.text}"
        count: int = connection.execute(sql, where.values).fetchone()[0]
    else:
        count = total(connection, plan.app, status=status, after=query.after, before=query.before)
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
            until, skip = place(connection, plan.app, status=status, before=query.before, skip=skip)
            where = SqlCondition("created_at < ?", (until,)) & where
        # Reads only the index.
        text = f"SELECT key FROM {table} WHERE {where.text} {NEWEST_FIRST} LIMIT ? OFFSET ?"
        page = SqlCondition(text if skip < count else "", (*where.values, query.limit, skip))
    if not page.text:
        return RunSlice(total=count)
    found = connection.execute(f"SELECT {COLUMNS} FROM runs WHERE key IN ({page.text}) {NEWEST_FIRST}", page.values)
    return RunSlice(total=count, records=[rows.record(connection, row) for row in found.fetchall()])
