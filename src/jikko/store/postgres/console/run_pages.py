"""Lists of runs of all apps, in PostgreSQL."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from jikko.ports.stores.run_pages import RunCursor, RunFilter, RunPage
from jikko.record import RunRecord
from jikko.repositories.shared_sql import id_text
from jikko.store import run_lists
from jikko.store.postgres.console.drivers import Driver, DriverPlan, plan_of
from jikko.store.postgres.console.figures import PostgresRunFigures
from jikko.store.postgres.runs.run_rows import ALL_RUNS, COLUMNS, record_of
from jikko.store.postgres.sql import id_column
from jikko.store.run_lists import NEWEST_FIRST, SqlCondition, any_of, behind, newer, numbered

_SEARCHED: Final = 50_000
"""Runs that a page looks at with a keyword: all that they were given and gave is read, in a fifth of a second."""
_PLACE: Final = f"SELECT created_at, key FROM {ALL_RUNS} WHERE run_id = $1"
_NEWEST: Final = f"SELECT created_at, key FROM {ALL_RUNS} {NEWEST_FIRST} LIMIT 1"
_EARLIEST: Final = f"SELECT created_at FROM {ALL_RUNS} ORDER BY created_at, key LIMIT 1"
_RECORDS: Final = f"SELECT {COLUMNS} FROM {ALL_RUNS} WHERE run_id = ANY($1::bytea[]) {NEWEST_FIRST}"
_CONVERSATIONS: Final = """
SELECT m.run_id, c.conversation_id FROM messages m JOIN conversations c ON c.key = m.conversation
WHERE m.run_id = ANY($1::bytea[])
"""


class _Found(NamedTuple):
    """A run that was looked at."""

    created_at: float
    key: int
    run_id: bytes
    passes: bool
    is_last: bool
    """Behind it its driver was not looked through."""


class PostgresRunPages(PostgresRunFigures):
    """``RunPages`` in PostgreSQL. A keyword is looked for in the rows themselves: there is no index for it."""

    async def page(self, wanted: RunFilter, *, behind: RunCursor | None = None, limit: int = 50) -> RunPage:
        plan = await plan_of(self._database, wanted, with_keyword=True)
        if plan is None:
            return RunPage()
        most = limit + 1
        looked_at = max((_SEARCHED if wanted.keyword else run_lists.LOOKED_AT) // len(plan.drivers), most)
        parts = [_looked_at(plan, driver, behind, most, looked_at) for driver in plan.drivers]
        sql = numbered(" UNION ALL ".join(f"({part.text})" for part in parts))
        fetch = self._database.search if wanted.keyword else self._database.fetch
        rows = sorted(
            (_Found(*row) for row in await fetch(sql, *(v for part in parts for v in part.values))), reverse=True
        )
        # What a driver was not looked through for comes behind all that was found before its end.
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


def _looked_at(plan: DriverPlan, driver: Driver, place: RunCursor | None, most: int, looked_at: int) -> SqlCondition:
    """A statement for the newest runs of a driver that pass, as ``_Found``, and its values.
    ``looked_at``: how many runs are looked at, the last of which comes out even if it does not pass."""
    # Of several bounds of one side a look begins at the first: the nearest.
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
    # As many as are wanted come before the last one, or it is among them.
    text = f"SELECT * FROM ({counted}) AS counted WHERE passes OR is_last {NEWEST_FIRST} LIMIT {most}"
    return SqlCondition(text, (*plan.rest.values, *within.values))
