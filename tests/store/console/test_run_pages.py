"""Lists of runs over all apps: what they find depends on no way to it, and the time not on how many there are."""

import random
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from jikko.ports.stores.run_pages import Place, RunFilter
from jikko.record import RunRecord
from jikko.store.sqlite import Database, SqliteRunStore
from jikko.store.sqlite.console.run_pages import SqliteRunPages
from tests.store.console.many_runs import BEGIN, write_runs

pytestmark = pytest.mark.anyio

COUNT = 6_000


class Pages:
    """A database with runs, as lists read it."""

    def __init__(self, path: Path, count: int) -> None:
        self.apps, self.versions = write_runs(path, count)
        self.database = Database.open(path)
        self.store = SqliteRunStore(self.database)
        self.pages = SqliteRunPages(self.database)


@pytest.fixture
async def few(tmp_path: Path) -> AsyncIterator[Pages]:
    pages = Pages(tmp_path / "jikko.db", COUNT)
    yield pages
    await pages.store.close()


def passes(record: RunRecord, wanted: RunFilter) -> bool:
    """Whether a run is one of those, said plainly."""
    identity = record.identity
    return (
        wanted.app_id in (None, identity.app_id)
        and (not wanted.statuses or record.status in wanted.statuses)
        and wanted.user in (None, identity.user)
        and wanted.workflow_id in (None, identity.workflow_id)
        and (wanted.after is None or record.created_at >= wanted.after)
        and (wanted.before is None or record.created_at <= wanted.before)
        and (wanted.min_elapsed is None or record.elapsed >= wanted.min_elapsed)
        and (wanted.keyword is None or wanted.keyword in record.inputs + record.outputs.decode() + identity.user)
    )


def some_filters(apps: Sequence[str], versions: Sequence[str], count: int) -> list[RunFilter]:
    """Filters of all kinds, at random."""
    drawn = random.Random(7)

    def maybe(*values: object) -> object:
        return drawn.choice(values) if drawn.random() < 0.35 else None

    return [
        RunFilter(
            app_id=maybe(apps[0], apps[1]),  # type: ignore[arg-type]
            statuses=drawn.choice([(), (), ("failed",), ("failed", "stopped"), ("succeeded", "failed"), ("running",)]),
            user=maybe("user-3", "user-x"),  # type: ignore[arg-type]
            after=maybe(BEGIN + 3000.0, BEGIN + 11_000.0),  # type: ignore[arg-type]
            before=maybe(BEGIN + 9000.0),  # type: ignore[arg-type]
            min_elapsed=maybe(0.5, 3.0, 100.0),  # type: ignore[arg-type]
            workflow_id=maybe(versions[0], versions[1]),  # type: ignore[arg-type]
            keyword=maybe("user-3") if drawn.random() < 0.3 else None,  # type: ignore[arg-type]
        )
        for _ in range(count)
    ]


async def test_any_filter_finds_what_it_says_page_after_page(few: Pages) -> None:
    everything = sorted(await few.store.scan(limit=COUNT + 1), key=lambda record: record.created_at, reverse=True)
    assert len(everything) == COUNT
    for wanted in some_filters(few.apps, few.versions, 60):
        expected = [record.identity.run_id for record in everything if passes(record, wanted)]
        found: list[str] = []
        behind: Place | None = None
        while True:
            page = await few.pages.page(wanted, behind=behind, limit=170)
            found += [record.identity.run_id for record in page.records]
            behind = page.next
            if behind is None:
                break
        assert found == expected, wanted
        counts = await few.pages.counts(wanted)
        if wanted.keyword is None and not counts.capped:
            for status in wanted.statuses or ("succeeded", "failed"):
                number = sum(passes(record, wanted) for record in everything if record.status == status)
                assert counts.by_status.get(status, 0) == number, wanted
        newer = await few.pages.newer(wanted, await few.pages.place(everything[500].identity.run_id))
        if wanted.keyword is None:
            assert newer == sum(passes(record, wanted) for record in everything[:500])


async def test_the_bars_have_each_run_once(few: Pages) -> None:
    everything = await few.store.scan(limit=COUNT + 1)
    for wanted in (RunFilter(), RunFilter(app_id=few.apps[0]), RunFilter(user="user-3"), RunFilter(min_elapsed=3.0)):
        expected = sum(passes(record, wanted) for record in everything)
        for first, step, buckets in ((BEGIN, 600.0, 20), (BEGIN // 3600 * 3600, 3600.0, 6)):
            bars = await few.pages.histogram(wanted, first=first, step=step, buckets=buckets)
            assert sum(sum(bar.by_status.values()) for bar in bars) == expected, (wanted, step)


FILTERS = {
    "none": RunFilter(),
    "app": RunFilter(app_id="0"),
    "failed": RunFilter(statuses=("failed",)),
    "succeeded": RunFilter(statuses=("succeeded",)),
    "of an app, failed": RunFilter(app_id="0", statuses=("failed", "partial-succeeded")),
    "running": RunFilter(statuses=("running", "paused")),
    "user": RunFilter(user="user-3"),
    "nobody": RunFilter(user="user-none"),
    "version": RunFilter(workflow_id="0"),
    "after": RunFilter(after=BEGIN + 1_500_000.5),
    "between": RunFilter(after=BEGIN + 500_000.5, before=BEGIN + 900_000.5),
    "slow": RunFilter(min_elapsed=0.7),
    "very slow": RunFilter(min_elapsed=400.0),
    "none so slow": RunFilter(min_elapsed=1e9),
    "slow, failed, of a user": RunFilter(min_elapsed=2.0, statuses=("failed",), user="user-3"),
}


@pytest.mark.slow
@pytest.mark.serial
@pytest.mark.once
async def test_page_one_at_a_million_runs(tmp_path: Path) -> None:
    million = Pages(tmp_path / "jikko.db", 1_000_000)
    told = {}
    for name, wanted in FILTERS.items():
        app = million.apps[0] if wanted.app_id else None
        version = million.versions[0] if wanted.workflow_id else None
        query = RunFilter(
            app_id=app,
            statuses=wanted.statuses,
            user=wanted.user,
            after=wanted.after,
            before=wanted.before,
            min_elapsed=wanted.min_elapsed,
            workflow_id=version,
        )
        took = []
        for _ in range(9):
            began = time.perf_counter()
            await million.pages.page(query, limit=50)
            await million.pages.counts(query)
            took.append((time.perf_counter() - began) * 1000)
        told[name] = statistics.median(took)
    print({name: round(ms, 1) for name, ms in told.items()})
    await million.store.close()
    assert {name: ms for name, ms in told.items() if ms > 50} == {}
