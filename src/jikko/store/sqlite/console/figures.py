"""Run statistics: counts by time and status, durations and costs."""

import math
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from jikko.events import RunStatus
from jikko.ports.stores.run_pages import AppDay, Bucket, RunCounts, RunFilter, SampledRun, Stratum
from jikko.store import run_lists
from jikko.store.run_columns import STATUSES
from jikko.store.run_lists import ALL, NEWEST_FIRST, bars, by_status, created, sampled
from jikko.store.sqlite.console.drivers import IndexPlan, IndexRange, plan_of
from jikko.store.sqlite.runs.run_rows import COLUMNS, RunRows
from jikko.store.sqlite.runs.totals import HOUR, apps_of

_MAX_SCANNED: Final = 30_000
"""Maximum runs scanned, if the index has all columns needed."""
_TOTALS: Final = "SELECT status, sum(runs) FROM run_totals WHERE app = ? GROUP BY status"
_HOURS: Final = """
SELECT hour, status, runs FROM run_hours WHERE app = ? AND hour >= ? AND hour < ? AND runs > 0
"""
_EDGE: Final = """
SELECT status, count(*) FROM (
  SELECT status FROM runs INDEXED BY runs_listed WHERE app = ? AND created_at >= ? AND created_at <= ? LIMIT ?)
GROUP BY status
"""
_COSTS: Final = "SELECT currency, sum(cost) FROM run_costs WHERE app = ? AND hour >= ? GROUP BY currency"
_OPEN: Final = "SELECT status, sum(runs) FROM run_totals WHERE status < 2 GROUP BY status"
_TOTAL: Final = "SELECT coalesce(sum(runs), 0) FROM run_totals"
_LAST: Final = f"SELECT {COLUMNS} FROM runs INDEXED BY runs_listed WHERE app = ? {NEWEST_FIRST} LIMIT ?"
_TOOK: Final = """
SELECT elapsed FROM runs INDEXED BY runs_listed WHERE app = ? AND created_at >= ? AND status > 1
ORDER BY created_at DESC LIMIT ?
"""
_RUNS_BY_SPAN: Final = """
SELECT (hour - ?2) / ?4 AS span, status, sum(runs) FROM run_hours
WHERE app = ?1 AND hour >= ?2 AND hour < ?3 AND status > 1 AND runs > 0 GROUP BY 1, 2
"""
_COSTS_BY_SPAN: Final = """
SELECT (hour - ?2) / ?4 AS span, currency, sum(cost) FROM run_costs
WHERE app = ?1 AND hour >= ?2 AND hour < ?3 GROUP BY 1, 2
"""
_SAMPLE: Final = """
SELECT workflow, end_user, status, elapsed, total_tokens, price,
  (SELECT CASE WHEN details != '' THEN json_extract(details, '$.metadata.usage.time_to_first_token') END
   FROM messages INDEXED BY messages_of_run WHERE run_id = runs.run_id LIMIT 1)
FROM runs INDEXED BY runs_listed
WHERE app = ? AND created_at >= ? AND created_at < ? AND status > 1 ORDER BY created_at DESC LIMIT ?
"""
_NEVER: Final = 1e12
"""Seconds since the Unix epoch: a time at which no run was created."""

_Counts = Counter[int]
"""Number of runs by status number."""


def counts_of(wanted: RunFilter, connection: sqlite3.Connection) -> RunCounts:
    """See ``RunPages.counts``."""
    if wanted.is_of_times:
        return _of_times(wanted, connection)
    plan = plan_of(connection, wanted, with_statuses=False)
    is_covered = plan is None or plan.rest.text == "TRUE"
    most = run_lists.MAX_COUNTED if is_covered else run_lists.MAX_ROW_LOOKUPS
    if plan is not None and not is_covered and not plan.reads_rows:
        most = _MAX_SCANNED
    counts, left = _Counts(), most + 1
    drivers = () if plan is None else plan.drivers
    if plan is not None and plan.of_all_apps and plan.within == ALL:
        # Adjacent rows, and for all apps the most recently written ones.
        drivers = (IndexRange("", ALL),)
    for driver in drivers:
        assert plan is not None
        within = driver.within & plan.within
        order = NEWEST_FIRST if driver.index else "ORDER BY key DESC"
        looked_at = f"SELECT {plan.columns} FROM {driver.table} WHERE {within.text} {order} LIMIT {left}"
        sql = f"SELECT status, {plan.rest.text} AS passes, count(*) FROM ({looked_at}) GROUP BY 1, 2"
        for status, passes, runs in connection.execute(sql, (*plan.rest.values, *within.values)):
            counts[status] += runs if passes else 0
            left -= runs
        if left <= 0:
            break
    return RunCounts(by_status(counts), capped=left <= 0)


def _of_times(wanted: RunFilter, connection: sqlite3.Connection) -> RunCounts:
    """From the tables of totals; remainders of hours at either end from the index."""
    counts, capped = _Counts(), False
    after = -math.inf if wanted.after is None else wanted.after
    before = math.inf if wanted.before is None else wanted.before
    for app in apps_of(connection, wanted.app_id):
        if after == -math.inf and before == math.inf:
            counts.update(dict(connection.execute(_TOTALS, (app,)).fetchall()))
            continue
        first = 0 if after == -math.inf else math.ceil(after / HOUR)
        end = int(_NEVER // HOUR) if before == math.inf else int(before // HOUR)
        edges = [(after, before)]
        if first < end:
            for _, status, runs in connection.execute(_HOURS, (app, first, end)):
                counts[status] += runs
            edges = [] if after == -math.inf else [(after, math.nextafter(first * HOUR, 0))]
            edges += [] if before == math.inf else [(end * HOUR, before)]
        for begin, last in edges:
            values = (app, max(begin, 0.0), min(last, _NEVER), run_lists.MAX_COUNTED + 1)
            rows = dict(connection.execute(_EDGE, values).fetchall())
            counts.update(rows)
            capped = capped or sum(rows.values()) > run_lists.MAX_COUNTED
    return RunCounts(by_status(counts), capped)


def histogram_of(
    wanted: RunFilter, first: float, step: float, buckets: int, connection: sqlite3.Connection
) -> list[Bucket]:
    """See ``RunPages.histogram``. Whole hours without another filter come from the table of hours; otherwise the newest
    runs are scanned, up to the limit."""
    found = [_Counts() for _ in range(buckets)]
    last = first + step * buckets
    if step % HOUR == 0 and first % HOUR == 0 and wanted.is_of_times:
        for app in apps_of(connection, wanted.app_id):
            for hour, status, runs in connection.execute(_HOURS, (app, int(first // HOUR), int(last // HOUR))):
                found[int((hour * HOUR - first) // step)][status] += runs
    elif (plan := plan_of(connection, wanted, with_statuses=False)) is not None:
        most = _looked_at(plan)
        span = created(first, last)
        for driver in plan.drivers:
            within = driver.within & span & plan.within
            looked_at = (
                f"SELECT created_at, {plan.columns} FROM {driver.table} WHERE {within.text} {NEWEST_FIRST} LIMIT {most}"
            )
            values = (first, step, *within.values, *plan.rest.values)
            sql = (
                f"SELECT CAST((created_at - ?) / ? AS INTEGER) AS bucket, status, count(*) FROM ({looked_at}) "
                f"WHERE {plan.rest.text} GROUP BY 1, 2"
            )
            for bucket, status, runs in connection.execute(sql, values):
                found[min(max(bucket, 0), buckets - 1)][status] += runs
    return bars(found, first, step)


def _looked_at(plan: IndexPlan) -> int:
    """Return the maximum number of runs that a histogram scans per driver."""
    if plan.rest.text == "TRUE":
        return 2 * run_lists.MAX_COUNTED
    return max((run_lists.MAX_ROW_LOOKUPS if plan.reads_rows else _MAX_SCANNED) // len(plan.drivers), 1)


def total_of_all(connection: sqlite3.Connection) -> int:
    """See ``RunPages.total``."""
    return int(connection.execute(_TOTAL).fetchone()[0])


def open_counts(connection: sqlite3.Connection) -> Mapping[RunStatus, int]:
    """See ``RunPages.open_counts``."""
    return by_status(_Counts(dict(connection.execute(_OPEN).fetchall())))


def since(at: float, connection: sqlite3.Connection) -> tuple[Mapping[RunStatus, int], Mapping[str, float]]:
    """See ``RunPages.since``."""
    hour = int(at // HOUR)
    counts: _Counts = _Counts()
    costs: Counter[str] = Counter()
    for app in apps_of(connection):
        for _, status, runs in connection.execute(_HOURS, (app, hour, int(_NEVER // HOUR))):
            counts[status] += runs
        costs.update(dict(connection.execute(_COSTS, (app, hour)).fetchall()))
    return by_status(counts), dict(costs)


def strata_of(
    rows: RunRows, app_id: str | None, first: float, last: float, step: float, connection: sqlite3.Connection
) -> list[Stratum]:
    """See ``RunPages.strata``."""
    runs: dict[tuple[int, int], _Counts] = defaultdict(Counter)
    costs: dict[tuple[int, int], dict[str, float]] = defaultdict(dict)
    hours = int(first // HOUR), int(last // HOUR), int(step // HOUR)
    for app in apps_of(connection, app_id):
        for span, status, number in connection.execute(_RUNS_BY_SPAN, (app, *hours)):
            runs[app, span][status] = number
        for span, currency, cost in connection.execute(_COSTS_BY_SPAN, (app, *hours)):
            costs[app, span][currency] = cost
    found = []
    for (app, span), most in sampled(runs, costs):
        at = first + step * span
        newest = [
            SampledRun(rows.named(connection, workflow), rows.user(connection, user), STATUSES[status], *told)
            for workflow, user, status, *told in (
                connection.execute(_SAMPLE, (app, at, min(at + step, last), most)) if most else ()
            )
        ]
        found.append(Stratum(rows.named(connection, app), at, by_status(runs[app, span]), costs[app, span], newest))
    return found


def app_days(
    rows: RunRows, app_ids: Sequence[str], at: float, last: int, connection: sqlite3.Connection
) -> dict[str, AppDay]:
    """See ``RunPages.app_days``."""
    found: dict[str, AppDay] = {}
    for app_id in app_ids:
        for app in apps_of(connection, app_id):
            records = [rows.record(connection, row) for row in connection.execute(_LAST, (app, last)).fetchall()]
            counts: _Counts = _Counts()
            for _, status, runs in connection.execute(_HOURS, (app, int(at // HOUR), int(_NEVER // HOUR))):
                counts[status] += runs
            took = [elapsed for (elapsed,) in connection.execute(_TOOK, (app, at, run_lists.SAMPLED))]
            found[app_id] = AppDay(records, by_status(counts), took)
    return found
