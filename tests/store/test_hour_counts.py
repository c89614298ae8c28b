"""Hourly counts of many runs in PostgreSQL: cached, and equal to the runs' totals."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from jikko.errors import StoreUnavailable
from jikko.events import RunStatus
from jikko.ports.stores.run_store import LogQuery
from jikko.store.postgres.archive import run_archive
from jikko.store.postgres.archive.run_archive import RunArchive
from jikko.store.postgres.console import run_pages
from jikko.store.postgres.database import Postgres, Row
from jikko.store.postgres.runs import hour_counts, run_store
from jikko.store.postgres.runs.hour_counts import HOUR, HourCounts
from jikko.store.postgres.runs.run_store import PostgresRunStore
from jikko.store.postgres.sql import id_column
from tests.contract.runs import APP, OTHER_APP, Draft, finished, started
from tests.effort import PATIENCE
from tests.store.explained import Explained
from tests.store.postgres_server import new_database

pytestmark = [pytest.mark.anyio, pytest.mark.services, pytest.mark.postgres]

BEGIN = 1_700_000_000 // HOUR * HOUR + 0.0
STEP = 700.0
RUNS = 60


class Clock:
    now = BEGIN + RUNS * STEP

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def database(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Postgres]:
    for module in (hour_counts, run_pages):
        monkeypatch.setattr(module, "MIN_KEPT_RUNS", 10)
    async with new_database(request) as made:
        yield made


async def written(database: Postgres) -> list[Draft]:
    """Runs of two apps in turn, oldest first; every fifth has failed."""
    store = PostgresRunStore(database)
    drafts = []
    for number in range(RUNS):
        draft = Draft(app=OTHER_APP if number % 3 == 0 else APP)
        await store.append(draft.whole(BEGIN + number * STEP, "failed" if number % 5 == 0 else "succeeded"))
        drafts.append(draft)
    await store.close()
    return drafts


def test_so_many_runs_are_counted_by_the_hour() -> None:
    assert RUNS * 2 / 3 > 2 * 10 + HOUR / STEP


@pytest.mark.parametrize("status", [None, "failed", "succeeded"])
@pytest.mark.parametrize(
    ("after", "before"),
    [(None, None), (1234.0, None), (None, 20_000.0), (3 * HOUR, 8 * HOUR), (1234.0, 30_000.0), (100.0, 3000.0)],
)
async def test_the_total_of_a_list_is_that_of_its_runs(
    database: Postgres, status: RunStatus | None, after: float | None, before: float | None
) -> None:
    drafts = await written(database)
    store = PostgresRunStore(database)
    query: dict[str, Any] = {
        "statuses": () if status is None else (status,),
        "after": None if after is None else BEGIN + after,
        "before": None if before is None else BEGIN + before,
    }
    wanted = [
        draft.id
        for draft in reversed(drafts)
        if draft.record.identity.app_id == APP
        and status in (None, draft.record.status)
        and (after is None or draft.record.created_at >= BEGIN + after)
        and (before is None or draft.record.created_at <= BEGIN + before)
    ]
    pages = [await store.list_runs(LogQuery(app_id=APP, page=page, limit=7, **query)) for page in range(1, 9)]
    await store.close()

    assert {page.total for page in pages} == {len(wanted)}
    assert [record.identity.run_id for page in pages for record in page.records] == wanted


async def test_a_deep_page_begins_where_the_one_before_has_ended(
    database: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    drafts = await written(database)
    monkeypatch.setattr(run_pages, "_DEEP", 1)
    store = PostgresRunStore(database)
    found = []
    for page in range(1, 9):
        found += (await store.list_runs(LogQuery(app_id=APP, page=page, limit=7, before=BEGIN + 30_000))).records
    await store.close()

    expected = [d.id for d in drafts if d.record.identity.app_id == APP and d.record.created_at <= BEGIN + 30_000]
    assert [record.identity.run_id for record in found] == expected[::-1]


@pytest.mark.parametrize("deep", [1, 1000])
async def test_runs_that_end_late_are_on_a_page_of_their_status(
    database: Postgres, monkeypatch: pytest.MonkeyPatch, deep: int
) -> None:
    monkeypatch.setattr(run_pages, "_DEEP", deep)
    drafts = await written(database)
    store = PostgresRunStore(database)
    late = [Draft() for _ in range(8)]
    for number, draft in enumerate(late):
        await store.append(draft.step(started(BEGIN + 5 * number * STEP + 1)))

    async def pages() -> list[str]:
        found: list[str] = []
        for page in range(1, 20):
            query = LogQuery(app_id=APP, page=page, limit=5, statuses=("succeeded",))
            found += [record.identity.run_id for record in (await store.list_runs(query)).records]
        return found

    await pages()  # by which counts are remembered
    for draft in late:
        await store.append(draft.step(finished(BEGIN + RUNS * STEP)))
    found = await pages()
    await store.close()

    wanted = [d for d in drafts + late if d.record.identity.app_id == APP and d.record.status == "succeeded"]
    assert found == [d.id for d in sorted(wanted, key=lambda draft: draft.record.created_at, reverse=True)]


async def test_hours_that_are_over_are_counted_once_in_ten_minutes(
    request: pytest.FixtureRequest, database: Postgres
) -> None:
    await written(database)
    clock = Clock()
    watched = Explained(database._url)
    hours = HourCounts(watched, clock, clock)
    first = int(BEGIN // HOUR)

    async def looked_at() -> tuple[int, float]:
        watched.statements.clear()
        runs = sum(count.runs for count in await hours.runs(None, first))
        return runs, watched.rows

    assert await looked_at() == (RUNS, RUNS)
    of_two_hours = sum(BEGIN + number * STEP >= (clock.now // HOUR - 1) * HOUR for number in range(RUNS))
    assert await looked_at() == (RUNS, of_two_hours)
    store = PostgresRunStore(database)
    await store.append(Draft().whole(clock.now))
    assert await looked_at() == (RUNS + 1, of_two_hours + 1)
    await store.append(Draft().whole(BEGIN))  # which is seen later
    await store.close()
    assert (await looked_at())[0] == RUNS + 1
    clock.now += 600.0
    assert await looked_at() == (RUNS + 2, RUNS + 2)
    assert sum(c.runs for c in await hours.runs(None, first + 2)) < RUNS
    assert sum(c.runs for c in await hours.runs([id_column(APP)], first)) == RUNS * 2 // 3 + 2
    await watched.close()


async def test_a_look_has_few_runs_counted_again_however_many_there_are(
    database: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hour_counts, "_MAX_RECOUNTED", 15)
    await written(database)
    clock = Clock()
    watched = Explained(database._url)
    hours = HourCounts(watched, clock, clock)
    first = int(BEGIN // HOUR)

    async def looked_at() -> tuple[int, float]:
        watched.statements.clear()
        return sum(count.runs for count in await hours.runs(None, first)), watched.rows

    assert await looked_at() == (RUNS, RUNS)
    store = PostgresRunStore(database)
    for number in (0, RUNS // 2):
        await store.append(Draft().whole(BEGIN + number * STEP))
    clock.now += 600.0
    moving = max([await looked_at() for _ in range(2)])[1]
    assert moving <= 15 + 2 * (HOUR / STEP + 1)
    found = [await looked_at() for _ in range(5)]
    assert found[-1][0] == RUNS + 2
    assert max(rows for _, rows in found) <= 15 + 2 * (HOUR / STEP + 1)
    # What is over since is kept as well, and counted again like the others.
    clock.now += 2 * HOUR - 1300.0
    await store.append(Draft().whole(BEGIN + 2 * STEP))
    looks = [await looked_at() for _ in range(8)]
    assert looks[-1][0] == RUNS + 3
    clock.now += HOUR
    await store.append(Draft().whole(BEGIN))
    assert await looked_at() == (RUNS + 4, RUNS + 4)  # after an hour without a look all are counted
    await store.close()
    await watched.close()


class Unsteady(Postgres):
    """A database that answers nothing about hours that were counted before, until it is let or fails."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.asked, self.answer, self.before = asyncio.Event(), asyncio.Future[None](), 0.0

    async def fetch(self, sql: str, *values: object) -> list[Row]:
        if isinstance(values[1], int) and values[1] < self.before:
            self.asked.set()
            await self.answer
        return await super().fetch(sql, *values)


@pytest.mark.parametrize("most", [15, RUNS], ids=["pieces", "one piece"])
@pytest.mark.parametrize("cancelled", [False, True])
async def test_hours_whose_count_failed_are_counted_by_the_next_look(
    database: Postgres, monkeypatch: pytest.MonkeyPatch, most: int, cancelled: bool
) -> None:
    monkeypatch.setattr(hour_counts, "_MAX_RECOUNTED", most)
    await written(database)
    clock = Clock()
    unsteady = Unsteady(database._url)
    hours = HourCounts(unsteady, clock, clock)

    async def total() -> int:
        return sum(count.runs for count in await hours.runs(None, int(BEGIN // HOUR)))

    assert await total() == RUNS
    store = PostgresRunStore(database)
    await store.append(Draft().whole(BEGIN))  # of the piece that is counted again first
    await store.close()
    clock.now += 600.0
    unsteady.before = clock.now
    look = asyncio.create_task(total())
    async with asyncio.timeout(PATIENCE):
        await unsteady.asked.wait()
    if cancelled:
        look.cancel()
    else:
        unsteady.answer.set_exception(StoreUnavailable("The database is away."))
    with pytest.raises(asyncio.CancelledError if cancelled else StoreUnavailable):
        await look

    unsteady.before = 0.0
    assert await total() == RUNS + 1
    await unsteady.close()


async def test_a_clock_that_was_set_back_keeps_no_count_for_longer(database: Postgres) -> None:
    await written(database)
    clock, monotonic = Clock(), Clock()
    hours = HourCounts(database, clock, monotonic)
    first = int(BEGIN // HOUR)
    assert sum(count.runs for count in await hours.runs(None, first)) == RUNS
    store = PostgresRunStore(database)
    await store.append(Draft().whole(BEGIN))
    await store.close()

    clock.now -= 5 * HOUR
    assert sum(count.runs for count in await hours.runs(None, first)) == RUNS
    monotonic.now += 600.0
    assert sum(count.runs for count in await hours.runs(None, first)) == RUNS + 1


class SlowAtCosts(Postgres):
    """A database that adds up costs when it is let."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.asked, self.let = asyncio.Event(), asyncio.Event()

    async def fetch(self, sql: str, *values: object) -> list[Row]:
        if "split_part(price" in sql:
            self.asked.set()
            await self.let.wait()
        return await super().fetch(sql, *values)


async def test_those_who_count_do_not_wait_for_each_other_without_end(
    request: pytest.FixtureRequest, database: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hour_counts, "_TURN_SECONDS", 0.01)
    slow = SlowAtCosts(database._url)
    hours = HourCounts(slow)
    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
        first = group.create_task(hours.costs(0))
        await slow.asked.wait()
        with pytest.raises(StoreUnavailable):
            await hours.costs(0)
        assert await hours.runs(None, 0) == await hours.runs([id_column(APP)], 0) == []
        slow.let.set()
        assert await first == await hours.costs(0) == []
    await slow.close()


async def test_what_is_looked_through_piece_by_piece_is_found_whole(
    database: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    drafts = await written(database)
    monkeypatch.setattr(run_store, "_MAX_SCANNED", 4)
    store = PostgresRunStore(database)
    own = sorted(draft.id for draft in drafts if draft.record.identity.app_id == OTHER_APP)
    found: list[str] = []
    while records := await store.scan(app_id=OTHER_APP, after=found[-1] if found else "", limit=3):
        found += [record.identity.run_id for record in records]
    assert found == own
    assert await store.scan(app_id=APP, after=max(draft.id for draft in drafts)) == []
    old = await store.created_before(BEGIN + 10 * STEP)
    assert sorted(old) == sorted(draft.id for draft in drafts[:10])
    await store.close()


async def test_the_archive_looks_behind_runs_that_stay(database: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    drafts = await written(database)
    monkeypatch.setattr(run_archive, "_MAX_SCANNED", 4)
    staying = [id_column(draft.id) for number, draft in enumerate(drafts) if number % 8 < 6]
    await database.execute(
        "INSERT INTO callbacks (run_id, app_id, url, receiver, created_at, state, attempts, next_at) "
        "SELECT id, ''::bytea, '', '', 0, 2, 1, 0 FROM unnest($1::bytea[]) AS id",
        staying,
    )
    archive = RunArchive(database, None)
    found: list[bytes] = []
    place: run_archive._Place | None = run_archive._BEGIN
    while place is not None:
        ids, place = await archive._next(BEGIN + 50 * STEP, place)
        found += ids
    expected = [id_column(d.id) for d in drafts if d.record.finished_at and d.record.finished_at < BEGIN + 50 * STEP]
    assert found == [run_id for run_id in expected if run_id not in staying]
