"""Figures of runs: how many there are, when, in which status, and what they took."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from jikko.events import RunStatus
from jikko.ports.stores.run_pages import AppDay, Bucket, RunCounts, RunFilter, SampledRun, Stratum
from jikko.record import RunRecord
from jikko.repositories.shared_sql import id_text
from jikko.store import run_lists
from jikko.store.postgres.console.drivers import apps_of, plan_of
from jikko.store.postgres.database import Postgres, Row
from jikko.store.postgres.runs.hour_counts import HOUR, HourCount, HourCounts
from jikko.store.postgres.runs.run_rows import ALL_RUNS, COLUMNS, record_of
from jikko.store.postgres.sql import id_column
from jikko.store.run_columns import STATUSES
from jikko.store.run_lists import NEWEST_FIRST, bars, by_status, created, numbered, sampled

_MAX_BARRED: Final = 20_000
"""Runs of bars that are no whole hours, or for whose runs an index is gone through."""
_OPEN: Final = "SELECT status, count(*) FROM open_runs GROUP BY status"
_OF_EACH: Final = f"unnest($1::bytea[]) AS a (app), LATERAL (SELECT * FROM {ALL_RUNS} WHERE app_id = a.app"
_LAST: Final = f"SELECT {COLUMNS} FROM {_OF_EACH} {NEWEST_FIRST} LIMIT $2) AS newest {NEWEST_FIRST}"
_SAMPLE: Final = """
SELECT place, workflow_id, session, status, elapsed, total_tokens, price
FROM unnest($1::bytea[], $2::float8[], $3::float8[], $4::int4[]) WITH ORDINALITY
  AS span (app, since, until, most, place), LATERAL (
  SELECT * FROM runs WHERE app_id = span.app AND created_at >= span.since AND created_at < span.until
  ORDER BY created_at DESC, key DESC LIMIT span.most) AS newest
"""
_TOOK: Final = f"""
SELECT app_id, elapsed FROM {_OF_EACH} AND created_at >= $2 AND status > 1 {NEWEST_FIRST} LIMIT $3) AS newest
"""


class PostgresRunFigures:
    """The part of ``RunPages`` that counts, in PostgreSQL."""

    def __init__(self, database: Postgres) -> None:
        self._database = database
        self._hours = HourCounts(database)

    async def counts(self, wanted: RunFilter) -> RunCounts:
        plan = await plan_of(self._database, wanted, with_statuses=False)
        if plan is None:
            return RunCounts()
        counts: Counter[int] = Counter()
        left = (run_lists.MAX_COUNTED if plan.rest.text == "TRUE" else run_lists.MAX_LOOKED_UP) + 1
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
        """Of whole hours without another filter by the hour; else of the newest runs, as many as may be looked at."""
        found: list[Counter[int]] = [Counter() for _ in range(buckets)]
        last = first + step * buckets
        if step % HOUR == 0 and first % HOUR == 0 and wanted.is_of_times:
            apps = None if wanted.app_id is None else [id_column(wanted.app_id)]
            for count in await self._hours.runs(apps, int(first // HOUR)):
                if count.hour * HOUR < last:
                    found[int((count.hour * HOUR - first) // step)][count.status or 0] += count.runs
        elif (plan := await plan_of(self._database, wanted, with_statuses=False)) is not None:
            span = created(first, last)
            most = _MAX_BARRED if plan.rest.text == "TRUE" else run_lists.MAX_LOOKED_UP
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
        # There may be some hundred thousand of them.
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


def _by_span(
    counts: Sequence[HourCount],
    hour_costs: Sequence[HourCount],
    apps: Collection[bytes],
    first: float,
    last: float,
    step: float,
) -> tuple[dict[tuple[bytes, int], Counter[int]], dict[tuple[bytes, int], dict[str, float]]]:
    """How many runs ended in each span of each app, and what they cost."""
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
