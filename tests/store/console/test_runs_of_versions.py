"""Runs of a version, and of all apps, are found by the index of each app: between the hours in which there were any."""

import random
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from jikko.ids import new_id
from jikko.ports.stores.run_pages import RunCursor, RunFilter
from jikko.ports.stores.run_store import Append
from jikko.store.sqlite import Database, SqliteRunStore
from jikko.store.sqlite.console import run_pages
from jikko.store.sqlite.console.run_pages import SqliteRunPages
from jikko.store.sqlite.runs.totals import HOUR
from tests.contract.runs import APP, OTHER_APP, Draft, finished, started

pytestmark = pytest.mark.anyio

OLD, NEW = (f"0199a1b2-0000-7000-8000-00000000000{digit}" for digit in "ef")
APPS = [APP, OTHER_APP, *(f"0199a1b2-0000-7000-8000-00000000020{digit}" for digit in range(6))]


class Runs:
    """A store of runs, and the lists of them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.database = Database.open(path)
        self.store = SqliteRunStore(self.database)
        self.pages = SqliteRunPages(self.database)

    def append(self, at: float, *, version: str = OLD, app: str = APP) -> Append:
        draft = Draft(app=app)
        draft.record.identity = msgspec.structs.replace(draft.record.identity, workflow_id=version)
        return draft.step(started(at), finished(at + 1.0))

    async def add(self, at: float, *, version: str = OLD, app: str = APP) -> str:
        append = self.append(at, version=version, app=app)
        await self.store.append(append)
        return append.run_id

    async def read(self, wanted: RunFilter, limit: int = 50) -> list[list[str]]:
        """All pages."""
        pages: list[list[str]] = []
        behind: RunCursor | None = None
        while True:
            page = await self.pages.page(wanted, behind=behind, limit=limit)
            pages.append([record.identity.run_id for record in page.records])
            behind = page.next
            if behind is None:
                return pages

    def hours(self) -> list[tuple[int, int]]:
        """First and last hour of each version."""
        with closing(sqlite3.connect(self.path)) as connection:
            return connection.execute("SELECT first, last FROM version_hours ORDER BY app, workflow").fetchall()


@pytest.fixture
async def runs(tmp_path: Path) -> AsyncIterator[Runs]:
    runs = Runs(tmp_path / "jikko.db")
    yield runs
    await runs.store.close()


async def test_a_version_is_found_wherever_its_runs_are(runs: Runs) -> None:
    early = [await runs.add(hour * HOUR + 5.0) for hour in (3, 2)]
    await runs.add(4 * HOUR, version=NEW)
    late = await runs.add(9 * HOUR - 1.0)

    assert await runs.read(RunFilter(workflow_id=OLD.upper())) == [[late, *early]]
    assert await runs.read(RunFilter(workflow_id=OLD, app_id=APP), limit=2) == [[late, early[0]], [early[1]]]
    assert await runs.read(RunFilter(workflow_id=OLD, app_id=OTHER_APP)) == [[]]
    assert await runs.read(RunFilter(workflow_id=new_id())) == [[]]
    assert (await runs.pages.counts(RunFilter(workflow_id=OLD))).by_status == {"succeeded": 3}
    assert runs.hours() == [(2, 8), (4, 4)]


async def test_an_hour_that_was_written_in_vain_is_written_again(runs: Runs) -> None:
    with closing(sqlite3.connect(runs.path)) as other, other:
        other.execute("CREATE TRIGGER broken BEFORE INSERT ON run_totals BEGIN SELECT raise(FAIL, 'broken'); END")
    with pytest.raises(sqlite3.IntegrityError):
        await runs.add(5 * HOUR)
    with closing(sqlite3.connect(runs.path)) as other, other:
        other.execute("DROP TRIGGER broken")
    assert runs.hours() == []

    run = await runs.add(5 * HOUR)

    assert await runs.read(RunFilter(workflow_id=OLD)) == [[run]]


async def test_what_another_process_has_written_is_kept(runs: Runs) -> None:
    other = Runs(runs.path)
    ids = [await runs.add(5 * HOUR), await other.add(7 * HOUR), await runs.add(6 * HOUR), await other.add(5.5 * HOUR)]
    await other.store.close()

    assert runs.hours() == [(5, 7)]
    assert await runs.read(RunFilter(workflow_id=OLD)) == [[ids[1], ids[2], ids[3], ids[0]]]


async def test_a_version_among_many_runs_of_others_comes_page_by_page(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_pages, "_MAX_SCANNED_IN_INDEX", 5)
    found = []
    for number in range(20):
        run = await runs.add(float(number), version=OLD if number in (0, 11, 19) else NEW)
        found += [run] if number in (0, 11, 19) else []

    pages = await runs.read(RunFilter(workflow_id=OLD), limit=3)

    assert [run for page in pages for run in page] == found[::-1]
    assert len(pages) > 2


@pytest.mark.parametrize("limit", [1, 3, 50])
async def test_the_newest_of_many_apps_come_in_their_order(runs: Runs, limit: int) -> None:
    drawn = random.Random(limit)
    times = [float(drawn.randrange(40)) for _ in range(60)]
    ids = [await runs.add(at, app=drawn.choice(APPS)) for at in times]
    by_age = sorted(range(60), key=lambda number: (-times[number], -number))

    pages = await runs.read(RunFilter(), limit=limit)

    assert [run for page in pages for run in page] == [ids[number] for number in by_age]
    assert await runs.pages.newest() == await runs.pages.place(ids[by_age[0]])
    assert await runs.pages.earliest() == min(times)
