"""Lists and figures of runs, of all apps or one, in PostgreSQL."""

import asyncio
import math
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple

from jikko.events import RunStatus
from jikko.ports.stores.run_pages import AppDay, Bucket, RunCounts, RunCursor, RunFilter, RunPage, SampledRun, Stratum
from jikko.ports.stores.run_store import LogQuery
from jikko.record import RunRecord
from jikko.repositories.shared_sql import id_text
from jikko.store import run_lists
from jikko.store.postgres.console.drivers import Driver, DriverPlan, apps_of, plan_of
from jikko.store.postgres.database import Postgres, Row
from jikko.store.postgres.runs.hour_counts import HOUR, MIN_KEPT_RUNS, HourCount, HourCounts
from jikko.store.postgres.runs.run_rows import ALL_RUNS, COLUMNS, record_of
from jikko.store.postgres.sql import id_column
from jikko.store.run_columns import STATUSES
from jikko.store.run_lists import (
    NEWEST_FIRST,
    SqlCondition,
    any_of,
    bars,
    behind,
    by_status,
    created,
    newer,
    numbered,
    sampled,
    status_numbers,
)

_MAX_BARRED: Final = 20_000
"""Runs counted for bars that are not whole hours, or that need an index scan."""
_OPEN: Final = "SELECT status, count(*) FROM open_runs GROUP BY status"
_OF_EACH: Final = f"unnest($1::bytea[]) AS a (app), LATERAL (SELECT * FROM {ALL_RUNS} WHERE app_id = a.app"
_LAST: Final = f"SELECT {COLUMNS} FROM {_OF_EACH} {NEWEST_FIRST} LIMIT $2) AS newest {NEWEST_FIRST}"
# PostgreSQL's JSON does not unescape U+0000.
_SAMPLE: Final = r"""
SELECT place, workflow_id, session, newest.status, elapsed, total_tokens, price,
  (SELECT CASE WHEN details <> '' THEN
     (replace(details, '\u0000', '\ufffd')::json #>> '{metadata,usage,time_to_first_token}')::float8 END
   FROM messages WHERE run_id = newest.run_id LIMIT 1)
FROM unnest($1::bytea[], $2::float8[], $3::float8[], $4::int4[]) WITH ORDINALITY
  AS span (app, since, until, most, place), LATERAL (
  SELECT * FROM runs WHERE app_id = span.app AND created_at >= span.since AND created_at < span.until
  ORDER BY created_at DESC, key DESC LIMIT span.most) AS newest
"""
_TOOK: Final = f"""
SELECT app_id, elapsed FROM {_OF_EACH} AND created_at >= $2 AND status > 1 {NEWEST_FIRST} LIMIT $3) AS newest
"""


def _by_span(
    counts: Sequence[HourCount],
    hour_costs: Sequence[HourCount],
    apps: Collection[bytes],
    first: float,
    last: float,
    step: float,
) -> tuple[dict[tuple[bytes, int], Counter[int]], dict[tuple[bytes, int], dict[str, float]]]:
    """Return the number and cost of runs by app and span."""
    runs: dict[tuple[bytes, int], Counter[int]] = defaultdict(Counter)
    costs: dict[tuple[bytes, int], dict[str, float]] = defaultdict(lambda: defaultdict(float))
    hour, end, hours = int(first // HOUR), int(last // HOUR), int(step // HOUR)
    for count in counts:
        if count.of is not None and count.status is not None and count.status > 1 and count.hour < end:
            runs[count.of, (count.hour - hour) // hours][count.status] += count.runs
    for cost in hour_costs:
        if cost.of in apps and cost.of is not None and cost.hour < end:
            costs[cost.of, (cost.hour - hour) // hours][cost.currency] += cost.value
    return runs, costs


def _by_app(rows: Sequence[Row]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = defaultdict(list)
    for app, elapsed in rows:
        found[id_text(app)].append(elapsed)
    return found


_SEARCHED: Final = 50_000
"""Runs that a page examines with a keyword: reads all inputs and outputs, in a fifth of a second."""
_PLACE: Final = f"SELECT created_at, key FROM {ALL_RUNS} WHERE run_id = $1"
_NEWEST: Final = f"SELECT created_at, key FROM {ALL_RUNS} {NEWEST_FIRST} LIMIT 1"
_EARLIEST: Final = f"SELECT created_at FROM {ALL_RUNS} ORDER BY created_at, key LIMIT 1"
_RECORDS: Final = f"SELECT {COLUMNS} FROM {ALL_RUNS} WHERE run_id = ANY($1::bytea[]) {NEWEST_FIRST}"
_CONVERSATIONS: Final = """
SELECT m.run_id, c.conversation_id FROM messages m JOIN conversations c ON c.key = m.conversation
WHERE m.run_id = ANY($1::bytea[])
"""


class _Found(NamedTuple):
    created_at: float
    key: int
    run_id: bytes
    passes: bool
    is_last: bool
    """Whether its driver was not examined beyond it."""


class PostgresRunPages:
    """``RunPages`` in PostgreSQL. Keywords are searched in the rows, without an index."""

    def __init__(self, database: Postgres) -> None:
        self._database = database
        self._hours = HourCounts(database)

    async def page(self, wanted: RunFilter, *, behind: RunCursor | None = None, limit: int = 50) -> RunPage:
        plan = await plan_of(self._database, wanted, with_keyword=True)
        if plan is None:
            return RunPage()
        most = limit + 1
        looked_at = max((_SEARCHED if wanted.keyword else run_lists.MAX_SCANNED_ROWS) // len(plan.drivers), most)
        parts = [_newest(plan, driver, behind, most, looked_at) for driver in plan.drivers]
        sql = numbered(" UNION ALL ".join(f"({part.text})" for part in parts))
        fetch = self._database.search if wanted.keyword else self._database.fetch
        rows = sorted(
            (_Found(*row) for row in await fetch(sql, *(v for part in parts for v in part.values))), reverse=True
        )
        # Runs that a driver was not examined for come after all those found before its end.
        reached = max((row[:2] for row in rows if row.is_last), default=None)
        found = [row for row in rows if row.passes and (reached is None or row[:2] >= reached)]
        more = len(found) > limit
        shown = found[:limit]
        at = shown[-1][:2] if more else reached
        records = await self._database.fetch(_RECORDS, [row.run_id for row in shown])
        return RunPage([record_of(row) for row in records], None if at is None else RunCursor(*at))

    async def newest(self) -> RunCursor | None:
        row = await self._database.row(_NEWEST)
        return None if row is None else RunCursor(*row)

    async def place(self, run_id: str) -> RunCursor | None:
        row = await self._database.row(_PLACE, id_column(run_id.lower()))
        return None if row is None else RunCursor(*row)

    async def newer(self, wanted: RunFilter, than: RunCursor | None) -> int:
        plan = await plan_of(self._database, wanted)
        if plan is None:
            return 0
        count = 0
        for driver in plan.drivers:
            within = newer(than) & driver.within & plan.within
            inner = (
                f"SELECT {plan.rest.text} AS passes FROM {driver.table} WHERE {within.text} {NEWEST_FIRST} "
                f"LIMIT {run_lists.MAX_NEWER}"
            )
            sql = numbered(f"SELECT count(*) FILTER (WHERE passes) FROM ({inner}) AS newer")
            count += await self._database.value(sql, *plan.rest.values, *within.values)
        return min(count, run_lists.MAX_NEWER)

    async def those(self, wanted: RunFilter, run_ids: Sequence[str]) -> list[RunRecord]:
        plan = await plan_of(self._database, wanted)
        if plan is None:
            return []
        asked = SqlCondition("run_id = ANY(?::bytea[])", ([id_column(run_id.lower()) for run_id in run_ids],))
        where = asked & any_of(driver.within for driver in plan.drivers) & plan.within & plan.rest
        sql = numbered(f"SELECT {COLUMNS} FROM {ALL_RUNS} WHERE {where.text} {NEWEST_FIRST}")
        return [record_of(row) for row in await self._database.fetch(sql, *where.values)]

    async def conversations(self, run_ids: Sequence[str]) -> dict[str, str]:
        rows = await self._database.fetch(_CONVERSATIONS, [id_column(run_id) for run_id in run_ids])
        return {id_text(run_id): id_text(conversation_id) for run_id, conversation_id in rows}

    async def earliest(self) -> float | None:
        return await self._database.value(_EARLIEST)  # type: ignore[no-any-return]

    async def counts(self, wanted: RunFilter) -> RunCounts:
        plan = await plan_of(self._database, wanted, with_statuses=False)
        if plan is None:
            return RunCounts()
        counts: Counter[int] = Counter()
        left = (run_lists.MAX_COUNTED if plan.rest.text == "TRUE" else run_lists.MAX_ROW_LOOKUPS) + 1
        for driver in plan.drivers:
            within = driver.within & plan.within
            looked_at = (
                f"SELECT status, {plan.rest.text} AS passes FROM {driver.table} WHERE {within.text} "
                f"{NEWEST_FIRST} LIMIT {left}"
            )
            sql = numbered(f"SELECT status, passes, count(*) FROM ({looked_at}) AS looked_at GROUP BY 1, 2")
            for status, passes, runs in await self._database.fetch(sql, *plan.rest.values, *within.values):
                counts[status] += runs if passes else 0
                left -= runs
            if left <= 0:
                break
        return RunCounts(by_status(counts), capped=left <= 0)

    async def histogram(self, wanted: RunFilter, *, first: float, step: float, buckets: int) -> list[Bucket]:
        """See ``RunPages.histogram``. Unfiltered whole hours use hourly counts; otherwise up to a limit of the newest
        runs is counted."""
        found: list[Counter[int]] = [Counter() for _ in range(buckets)]
        last = first + step * buckets
        if step % HOUR == 0 and first % HOUR == 0 and wanted.is_of_times:
            apps = None if wanted.app_id is None else [id_column(wanted.app_id)]
            for count in await self._hours.runs(apps, int(first // HOUR)):
                if count.hour * HOUR < last:
                    found[int((count.hour * HOUR - first) // step)][count.status or 0] += count.runs
        elif (plan := await plan_of(self._database, wanted, with_statuses=False)) is not None:
            span = created(first, last)
            most = _MAX_BARRED if plan.rest.text == "TRUE" else run_lists.MAX_ROW_LOOKUPS
            each = max(most // len(plan.drivers), 1)
            for driver in plan.drivers:
                within = driver.within & span & plan.within
                sql = (
                    "SELECT floor((created_at - ?) / ?)::int4, status, count(*) FROM ("
                    f"SELECT created_at, status, {plan.rest.text} AS passes FROM {driver.table} "
                    f"WHERE {within.text} {NEWEST_FIRST} LIMIT {each}) AS looked_at WHERE passes GROUP BY 1, 2"
                )
                values = (first, step, *plan.rest.values, *within.values)
                for bucket, status, runs in await self._database.fetch(numbered(sql), *values):
                    found[min(max(bucket, 0), buckets - 1)][status] += runs
        return bars(found, first, step)

    async def open_counts(self) -> Mapping[RunStatus, int]:
        return by_status(dict(await self._database.fetch(_OPEN)))

    async def total(self) -> int:
        return sum(count.runs for count in await self._hours.runs(None, 0))

    async def since(self, at: float) -> tuple[Mapping[RunStatus, int], Mapping[str, float]]:
        first = int(at // HOUR)
        counts: Counter[int] = Counter()
        for count in await self._hours.runs(None, first):
            counts[count.status or 0] += count.runs
        costs: dict[str, float] = defaultdict(float)
        for cost in await self._hours.costs(first):
            costs[cost.currency] += cost.value
        return by_status(counts), costs

    async def strata(self, app_id: str | None, *, first: float, last: float, step: float) -> list[Stratum]:
        apps = await apps_of(self._database) if app_id is None else [id_column(app_id)]
        hour = int(first // HOUR)
        counted = await self._hours.runs(apps, hour) if apps else ()
        cost = await self._hours.costs(hour)
        # There may be several hundred thousand.
        runs, costs = await asyncio.to_thread(_by_span, counted, cost, frozenset(apps), first, last, step)
        spans = sampled(runs, costs)
        asked = [(*span, most) for span, most in spans if most]
        newest: dict[tuple[bytes, int], list[SampledRun]] = defaultdict(list)
        if asked:
            since = [first + step * number for _, number, _ in asked]
            until = [min(at + step, last) for at in since]
            apps, most = [app for app, _, _ in asked], [most for _, _, most in asked]
            for place, workflow, user, status, *told in await self._database.fetch(_SAMPLE, apps, since, until, most):
                newest[asked[place - 1][:2]].append(SampledRun(id_text(workflow), user, STATUSES[status], *told))
        return [
            Stratum(id_text(span[0]), first + step * span[1], by_status(runs[span]), costs[span], newest[span])
            for span, _ in spans
        ]

    async def app_days(self, app_ids: Sequence[str], *, since: float, last: int) -> dict[str, AppDay]:
        apps = [id_column(app_id) for app_id in app_ids]
        newest: dict[str, list[RunRecord]] = defaultdict(list)
        for record in map(record_of, await self._database.fetch(_LAST, apps, last)):
            newest[record.identity.app_id].append(record)
        counts: dict[bytes | str | None, Counter[int]] = defaultdict(Counter)
        for count in await self._hours.runs(apps, int(since // HOUR)):
            counts[count.of][count.status or 0] += count.runs
        took = _by_app(await self._database.fetch(_TOOK, apps, since, run_lists.SAMPLED))
        return {app: AppDay(runs, by_status(counts[id_column(app)]), took.get(app, ())) for app, runs in newest.items()}


def _newest(plan: DriverPlan, driver: Driver, place: RunCursor | None, most: int, looked_at: int) -> SqlCondition:
    """Return a statement for the newest matching runs of a driver, as ``_Found``, with its values. ``looked_at``: Runs
    to examine; the last one is returned even if it does not match."""
    # Of several bounds on one side, the scan starts at the first: the nearest.
    within = behind(place) & driver.within & plan.within
    columns = "created_at, key, run_id"
    if plan.rest.text == "TRUE":
        text = f"SELECT {columns}, TRUE, FALSE FROM {driver.table} WHERE {within.text} {NEWEST_FIRST} LIMIT {most}"
        return SqlCondition(text, within.values)
    rows = (
        f"SELECT {columns}, {plan.rest.text} AS passes FROM {driver.table} WHERE {within.text} "
        f"{NEWEST_FIRST} LIMIT {looked_at}"
    )
    counted = f"SELECT *, row_number() OVER ({NEWEST_FIRST}) = {looked_at} AS is_last FROM ({rows}) AS looked_at"
    # Enough matches come before the last one, or include it.
    text = f"SELECT * FROM ({counted}) AS counted WHERE passes OR is_last {NEWEST_FIRST} LIMIT {most}"
    return SqlCondition(text, (*plan.rest.values, *within.values))


_NEVER: Final = 1e15
_DEEP: Final = 1_000
"""Offset from which a page's start is located first, with an index-only scan."""
# With a keyword, one scan of rows serves both the page and the count.
_SEARCH: Final = f"""
WITH found AS MATERIALIZED (SELECT created_at, key, run_id FROM {{}} WHERE {{}})
SELECT counted.total, page.run_id FROM (SELECT count(*) AS total FROM found) AS counted
LEFT JOIN LATERAL (SELECT run_id FROM found {NEWEST_FIRST} {{}}) AS page ON true
"""


async def list_runs(database: Postgres, hours: HourCounts, query: LogQuery) -> tuple[int, list[Row]]:
    """Return the number of runs on all pages, and one page: rows with the columns ``COLUMNS``."""
    plan = await plan_of(database, query, with_keyword=True)
    if plan is None:
        return 0, []
    # For one app and status, one index has them all.
    [driver] = plan.drivers
    where, table = driver.within & plan.within & plan.rest, driver.table
    skip = (query.page - 1) * query.limit
    page = f"LIMIT {query.limit:d} OFFSET {skip:d}"
    if query.keyword:
        found = await database.search(numbered(_SEARCH.format(table, where.text, page)), *where.values)
        ids = [row[1] for row in found if row[1] is not None]
        return found[0][0], await database.fetch(_RECORDS, ids) if ids else []
    spans = await _spans(database, hours, query, table, where)
    total = sum(runs for _, runs in spans)
    # Cached counts by status lack runs of old hours that ended since: they give neither offsets nor the last page.
    if not query.statuses:
        if skip >= total:
            return total, []
        if skip >= _DEEP:
            while skip >= spans[0][1]:
                skip -= spans.pop(0)[1]
            # Of several bounds on one side, the scan starts at the first.
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
    """Count matching runs by spans of time, newest first: each with its end. One span, counted run by run, unless there
    are many runs and hourly counts suffice."""
    by_hour = query.user is None and table != "open_runs"
    most = f"LIMIT {MIN_KEPT_RUNS + 1}" if by_hour else ""
    count: int = await _count(database, table, where, most)
    if not by_hour or count <= MIN_KEPT_RUNS:
        return [(math.inf, count)]
    after = -math.inf if query.after is None else query.after
    before = math.inf if query.before is None else query.before
    first, end = (0 if after < 0 else math.ceil(after / HOUR)), (_NEVER if before > _NEVER else int(before // HOUR))
    if first >= end:
        return [(math.inf, await _count(database, table, where))]
    wanted = status_numbers(query, with_statuses=True)
    counts: Counter[float] = Counter()
    if before < _NEVER:
        counts[math.inf] = await _count(database, table, SqlCondition("created_at >= ?", (end * HOUR,)) & where)
    for each in await hours.runs([id_column(query.app_id)], first):
        if each.hour < end and (not wanted or each.status in wanted):
            counts[(each.hour + 1) * HOUR] += each.runs
    if after > 0:
        counts[first * HOUR] += await _count(database, table, SqlCondition("created_at < ?", (first * HOUR,)) & where)
    return sorted(counts.items(), reverse=True)


async def _count(database: Postgres, table: str, where: SqlCondition, most: str = "") -> int:
    sql = f"SELECT count(*) FROM (SELECT FROM {table} WHERE {where.text} {most}) AS counted"
    return int(await database.value(numbered(sql), *where.values))
