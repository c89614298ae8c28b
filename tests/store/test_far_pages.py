"""Pages of a list that are far back, in SQLite: found without going through the runs before them."""

import random
import sqlite3
from typing import Final, Literal

import pytest

from jikko.ports.stores.run_store import LogQuery
from jikko.store.sqlite.console import run_pages
from jikko.store.sqlite.keywords.counts import KeywordCounts
from jikko.store.sqlite.runs.run_rows import RunRows
from jikko.store.sqlite.runs.totals import HOUR
from tests.contract.runs import APP, OTHER_APP, Draft
from tests.store.in_memory import RunsInMemory

pytestmark = pytest.mark.anyio

STATUSES: Final[list[Literal["succeeded", "failed", "stopped"]]] = ["succeeded", "failed", "stopped"]


async def test_every_page_has_the_runs_that_counting_them_one_by_one_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    dice = random.Random(17)
    store = RunsInMemory()
    drafts = []
    for _ in range(120):
        draft = Draft(app=APP if dice.random() < 0.8 else OTHER_APP)
        # Some at the same time, some at the end of an hour.
        at = dice.choice([dice.uniform(0, 30) * HOUR, dice.randrange(30) * HOUR, dice.randrange(30) * HOUR - 0.001])
        await store.append(draft.whole(max(at, 0.0), dice.choice(STATUSES)))
        drafts.append(draft)
    queries = [
        LogQuery(
            app_id=APP, statuses=() if status is None else (status,), after=after, before=before, page=page, limit=limit
        )
        for status in (None, *STATUSES)
        for after in (None, 3 * HOUR, 11_111.5)
        for before in (None, 20 * HOUR, 20 * HOUR - 0.001, 77_777.7)
        for page, limit in ((1, 3), (2, 3), (9, 3), (12, 7), (31, 3), (90, 1))
    ]
    monkeypatch.setattr(run_pages, "_DEEP", 1_000)
    wanted = [await store.list_runs(query) for query in queries]
    monkeypatch.setattr(run_pages, "_DEEP", 1)

    found = [await store.list_runs(query) for query in queries]

    assert found == wanted
    assert any(each.records for query, each in zip(queries, found, strict=True) if query.page > 9)
    await store.close()


async def test_a_page_far_back_takes_no_more_of_the_database_than_one_near() -> None:
    store = RunsInMemory()
    for number in range(2_400):
        await store.append(Draft().whole(number * 60.0))

    def steps(page: int) -> int:
        def count(connection: sqlite3.Connection) -> int:
            taken = 0

            def step() -> int:
                nonlocal taken
                taken += 1
                return 0

            connection.set_progress_handler(step, 1)
            query = LogQuery(app_id=APP, page=page, limit=20)
            found = run_pages.list_runs(connection, query, RunRows(), KeywordCounts(), scan_up_to=0)
            connection.set_progress_handler(None, 1)
            assert len(found.records) == 20
            return taken

        return store.database.quick(count)

    steps(1)
    assert steps(119) <= 2 * steps(1)
    await store.close()
