"""Large inputs stored beside their run's row: updates do not rewrite them, reads include them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from jikko.ports.stores.run_pages import RunFilter
from jikko.ports.stores.run_store import LogQuery
from jikko.record import RetryRecord
from jikko.store.sqlite import Database, SqliteRunStore
from jikko.store.sqlite.console.run_pages import SqliteRunPages
from jikko.store.sqlite.runs.run_rows import MAX_INPUTS_IN_ROW
from tests.contract.runs import APP, Draft, finished, node, paused, started

from .test_keyword_index import rows
from .wal import log_pages

pytestmark = pytest.mark.anyio

SIZES = {"in the row": 100, "beside it": MAX_INPUTS_IN_ROW, "too large for the index": 40_000, "very large": 4_000_000}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteRunStore]:
    store = SqliteRunStore(Database.open(tmp_path / "jikko.db"), scan_up_to=0)
    yield store
    await store.close()


async def test_an_append_writes_no_inputs_again(store: SqliteRunStore, tmp_path: Path) -> None:
    run = Draft()
    await store.append(run.step(started(text="x" * 400_000)))
    assert log_pages(tmp_path / "jikko.db") > 200  # inputs and event

    written = []
    for step in (node(index=1), node(index=2), node(index=3)):
        before = log_pages(tmp_path / "jikko.db")
        await store.append(run.step(*step))
        written.append(log_pages(tmp_path / "jikko.db") - before)

    assert max(written) < 10
    assert await store.record(run.id) == run.record


async def test_small_inputs_take_no_row_of_their_own(store: SqliteRunStore, tmp_path: Path) -> None:
    await store.append(Draft().step(started(text="x" * (MAX_INPUTS_IN_ROW // 2))))

    assert rows(tmp_path, "SELECT count(*) FROM run_inputs") == [(0,)]
    assert rows(tmp_path, "SELECT length(inputs) > 4096 FROM runs") == [(1,)]


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
async def test_they_are_told_wherever_a_run_is(store: SqliteRunStore, tmp_path: Path, size: int) -> None:
    first, under_way, waiting = Draft(), Draft(retry_of="first"), Draft()
    await store.append(first.step(started(1000.0, text="x" * size + " thimble"), *node(index=1)))
    await store.append(first.step(finished(1001.0)))
    await store.append(under_way.step(started(1002.0, text="x" * size)))
    await store.append(waiting.step(started(1003.0, text="x" * size), paused(1003.5, wake_at=2000.0)))
    records = [first.record, under_way.record, waiting.record]
    page = SqliteRunPages(Database.open(tmp_path / "jikko.db"), scan_up_to=0)

    assert [await store.record(run.identity.run_id) for run in records] == records
    assert await store.open_runs() == [under_way.record]
    assert await store.due_runs(3000.0) == [waiting.record]
    assert await store.find_task(APP, under_way.record.identity.task_id) == under_way.record
    assert await store.retries("first") == [RetryRecord(under_way.id, "running", 1002.0)]
    assert await store.scan() == sorted(records, key=lambda record: record.identity.run_id)
    assert (await store.list_runs(LogQuery(app_id=APP))).records == records[::-1]
    assert (await page.page(RunFilter())).records == records[::-1]
    page._database.close()


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
async def test_a_keyword_in_them_is_found_with_and_without_the_index(store: SqliteRunStore, size: int) -> None:
    run, others = Draft(), [Draft() for _ in range(7)]
    await store.append(run.step(started(text="x" * size + " thimble")))
    for other in others:
        await store.append(other.whole())

    for ended, indexed in ((False, False), (False, True), (True, False), (True, True)):
        if ended and not indexed:
            await store.append(run.step(finished()))
        while indexed and await store.index(limit=4) >= 4:
            pass
        found = await store.list_runs(LogQuery(app_id=APP, keyword="thimble"))
        assert found.records == [run.record]


async def test_they_are_removed_with_their_run(store: SqliteRunStore, tmp_path: Path) -> None:
    pruned, removed = Draft(), Draft()
    for run in (pruned, removed):
        await store.append(run.step(started(text="x" * 20_000), finished()))
    assert rows(tmp_path, "SELECT run, length, length(text) FROM run_inputs") == [
        (key, len(run.record.inputs), len(run.record.inputs)) for key, run in enumerate((pruned, removed), 1)
    ]

    assert await store.remove(removed.id)
    assert await store.prune(9000.0) == 1
    assert rows(tmp_path, "SELECT count(*) FROM run_inputs") == [(0,)]

    # The next run gets a key that was theirs.
    again = Draft()
    await store.append(again.whole())
    assert await store.record(again.id) == again.record
