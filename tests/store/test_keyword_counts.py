"""Counts of runs with a keyword: cached, and equal to a recount."""

import random
import sqlite3
from functools import partial
from typing import Any

import pytest

from jikko.ports.stores.run_pages import RunFilter
from jikko.ports.stores.run_store import LogQuery
from jikko.store.sqlite.console import run_pages
from jikko.store.sqlite.console.run_pages import SqliteRunPages
from jikko.store.sqlite.keywords import counts
from jikko.store.sqlite.keywords.counts import KeywordCounts
from jikko.store.sqlite.runs.run_rows import RunRows
from tests.contract.runs import APP, OTHER_APP, Draft, finished, started
from tests.store.in_memory import RunsInMemory

pytestmark = pytest.mark.anyio

WORDS = ("請求書", "🦓", "Invoice", "\ue000")
ASKED: tuple[dict[str, Any], ...] = ({}, {"statuses": ("succeeded",)}, {"after": 900.0}, {"user": "anna"})


async def test_a_count_that_is_remembered_is_that_of_all_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counts, "_MAX_OPEN", 12)
    monkeypatch.setattr(counts, "_SIZE", 5)
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    store = RunsInMemory()
    drafts: list[Draft] = []
    going_on: list[Draft] = []
    for _ in range(200):
        step = dice.random()
        if going_on and step < 0.42:
            draft = going_on.pop(dice.randrange(len(going_on)))
            await store.append(draft.step(finished(1001.0, answer=dice.choice(WORDS))))
        elif drafts and step < 0.55:
            # Often the newest, whose key is then given away again.
            draft = drafts.pop(-1 if dice.random() < 0.5 else dice.randrange(len(drafts)))
            going_on = [other for other in going_on if other is not draft]
            await store.remove(draft.id)
        else:
            draft = Draft(app=dice.choice([APP, APP, OTHER_APP]), user=dice.choice(["anna", "🦓 Bert"]))
            await store.append(draft.step(started(dice.uniform(0, 2000), q=dice.choice(WORDS))))
            drafts.append(draft)
            going_on.append(draft)
        anew = RunsInMemory(store.database)
        for keyword in (*WORDS, draft.id):
            for app in (APP, OTHER_APP):
                for asked in ASKED:
                    query = LogQuery(app_id=app, keyword=keyword, limit=1, **asked)
                    if dice.random() < 0.3:
                        assert await store.list_runs(query) == await anew.list_runs(query)
    await store.close()


async def test_a_run_that_has_the_key_of_one_that_was_removed_is_counted() -> None:
    store = RunsInMemory()
    old, newest, new = Draft(), Draft(), Draft()
    for draft in (old, newest):
        await store.append(draft.step(started(), finished(answer="🦓")))
    assert (await store.list_runs(LogQuery(app_id=APP, keyword="🦓", limit=1))).total == 2
    await store.remove(newest.id)
    await store.append(new.step(started(), finished(answer="請求")))

    assert (await store.list_runs(LogQuery(app_id=APP, keyword="🦓", limit=1))).total == 1
    await store.close()


async def test_a_run_that_goes_on_is_counted_as_it_is_now() -> None:
    store = RunsInMemory()
    ended, going_on = Draft(), Draft()
    await store.append(ended.step(started(), finished(answer="Invoice 🦓")))
    await store.append(going_on.step(started(q="Invoice")))
    for zebras in (1, 2):
        for _ in range(2):
            assert (await store.list_runs(LogQuery(app_id=APP, keyword="invoice", limit=1))).total == 2
            assert (await store.list_runs(LogQuery(app_id=APP, keyword="🦓", limit=1))).total == zebras
        if zebras == 1:
            await store.append(going_on.step(finished(answer="🦓")))
    await store.close()


async def test_a_keyword_that_every_run_has_is_counted_in_new_runs_alone() -> None:
    store = RunsInMemory()
    known = KeywordCounts()
    for number in range(1_000):
        await store.append(Draft().whole(float(number)))

    def steps(page: int) -> int:
        return counted(store, LogQuery(app_id=APP, keyword="a", page=page, limit=20), known)

    first = steps(1)
    await store.append(Draft().whole(2_000.0))

    assert steps(1) < first / 5
    assert steps(2) < first / 5
    await store.close()


async def test_the_list_of_the_console_counts_no_runs() -> None:
    store = RunsInMemory()
    pages = SqliteRunPages(store.database)
    steps = []
    for size in (200, 2_000):
        for number in range(size):
            await store.append(Draft().whole(float(number)))
        taken = [0]
        store.database.quick(partial(watch, taken=taken))
        page = await pages.page(RunFilter(keyword="a", app_id=APP), limit=20)
        store.database.quick(partial(watch, taken=[0]))
        assert len(page.records) == 20
        steps.append(taken[0])
    assert steps[1] < 2 * steps[0]
    await store.close()


def watch(connection: sqlite3.Connection, taken: list[int]) -> None:
    def step() -> int:
        taken[-1] += 1
        return 0

    connection.set_progress_handler(step, 1)


def counted(store: RunsInMemory, query: LogQuery, known: KeywordCounts) -> int:
    """Steps of SQLite for a page."""

    def count(connection: sqlite3.Connection) -> int:
        taken = [0]
        watch(connection, taken)
        found = run_pages.list_runs(connection, query, RunRows(), known, scan_up_to=10_000)
        connection.set_progress_handler(None, 1)
        assert len(found.records) == 20
        return taken[0]

    return store.database.quick(count)
