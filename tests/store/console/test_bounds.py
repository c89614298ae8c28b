"""A list of runs looks at no more of an index for the bounds of its filter: the nearest bound is sought."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from jikko.ports.stores.run_pages import RunCursor, RunFilter
from jikko.store import run_lists
from jikko.store.sqlite import Database
from jikko.store.sqlite.console.figures import counts_of, histogram_of, strata_of
from jikko.store.sqlite.console.run_pages import SqliteRunPages, _newer
from jikko.store.sqlite.runs.run_rows import RunRows
from jikko.store.sqlite.runs.totals import HOUR
from tests.store.console.many_runs import BEGIN, write_runs

RUNS, SECONDS = 20_000, 2.0
END = BEGIN + RUNS * SECONDS
STEPS = 50
"""Instructions of SQLite, of so many of which one is counted."""


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    path = tmp_path_factory.mktemp("runs") / "jikko.db"
    _, versions = write_runs(path, RUNS, SECONDS)
    return path, versions[0]


def steps(path: Path, work: Callable[[sqlite3.Connection], Any]) -> tuple[int, Any]:
    """What a look costs, in instructions that do not depend on the machine; and what it gave."""
    done = 0

    def count() -> int:
        nonlocal done
        done += 1
        return 0

    with closing(sqlite3.connect(path)) as connection:
        connection.set_progress_handler(count, STEPS)
        found = work(connection)
    return done * STEPS, found


def page(path: Path, wanted: RunFilter, place: RunCursor | None = None) -> tuple[int, Any]:
    database = Database.open(path)
    try:
        return steps(path, lambda connection: SqliteRunPages(database)._page(wanted, place, 50, connection))
    finally:
        database.close()


@pytest.mark.parametrize(
    "wanted", [RunFilter(min_elapsed=0.7), RunFilter(user="user-3"), RunFilter(statuses=("failed", "stopped"))]
)
def test_a_time_that_leaves_nothing_out_costs_nothing(versions: tuple[Path, str], wanted: RunFilter) -> None:
    path, _ = versions
    without, found = page(path, wanted)
    bounded = RunFilter(
        min_elapsed=wanted.min_elapsed, user=wanted.user, statuses=wanted.statuses, after=BEGIN, before=END
    )
    within, same = page(path, bounded)
    assert [one.identity.run_id for one in same.records] == [one.identity.run_id for one in found.records]
    assert within < 1.5 * without


def test_the_last_page_of_a_span_costs_what_the_first_does(versions: tuple[Path, str]) -> None:
    path, _ = versions
    wanted = RunFilter(before=END)
    first, _ = page(path, wanted)
    last, found = page(path, wanted, RunCursor(BEGIN + 100 * SECONDS, 0))
    assert len(found.records) == 50
    assert last < 1.5 * first


def test_counting_newer_runs_looks_at_these_alone(versions: tuple[Path, str]) -> None:
    path, version = versions
    than = RunCursor(END - 30.5 * SECONDS, 0)
    cost, newer = steps(path, partial(_newer, RunFilter(after=BEGIN), than))
    of_version, fewer = steps(path, partial(_newer, RunFilter(workflow_id=version, after=BEGIN), than))
    assert (newer, fewer <= newer) == (30, True)
    assert max(cost, of_version) < 5_000


@pytest.mark.parametrize(
    "wanted",
    [
        RunFilter(min_tokens=1),
        RunFilter(min_cost=1e9),
        RunFilter(error="nowhere"),
        RunFilter(failed_at="nowhere"),
        RunFilter(retry="repeats"),
        RunFilter(retry="repeated"),
        RunFilter(min_tokens=10**9, retry="repeated"),
    ],
    ids=str,
)
def test_a_page_looks_at_so_many_rows(
    versions: tuple[Path, str], monkeypatch: pytest.MonkeyPatch, wanted: RunFilter
) -> None:
    path, _ = versions
    monkeypatch.setattr(run_lists, "MAX_SCANNED_ROWS", 500)
    monkeypatch.setattr(run_lists, "MAX_ROW_LOOKUPS", 500)
    monkeypatch.setattr(run_lists, "MAX_NEWER", 501)
    cost, _ = page(path, wanted)
    counting, counts = steps(path, partial(counts_of, wanted))
    of_newer, newer = steps(path, partial(_newer, wanted, RunCursor(BEGIN, 0)))
    assert max(cost, counting, of_newer) < 500 * 120
    assert newer <= 501
    assert counts.capped or sum(counts.by_status.values()) <= 500


@pytest.mark.parametrize("hours", [1, 6])
def test_charts_look_at_so_many_rows(versions: tuple[Path, str], monkeypatch: pytest.MonkeyPatch, hours: int) -> None:
    path, _ = versions
    monkeypatch.setattr(run_lists, "MAX_SAMPLED", 500)
    first = BEGIN // HOUR * HOUR
    cost, strata = steps(path, partial(strata_of, RunRows(), None, first, first + 12 * hours * HOUR, hours * HOUR))
    assert sum(sum(each.by_status.values()) for each in strata) == RUNS
    assert 0 < sum(len(each.newest) for each in strata) <= 500
    assert cost < 500 * 200


def test_a_histogram_looks_at_so_many_runs(versions: tuple[Path, str]) -> None:
    path, version = versions
    for wanted in (RunFilter(min_elapsed=0.1), RunFilter(min_elapsed=0.1, workflow_id=version)):
        work = partial(histogram_of, wanted, BEGIN, (END - BEGIN) / 48, 48)
        cost, bars = steps(path, work)
        counted = sum(sum(bar.by_status.values()) for bar in bars)
        assert 0 < counted <= 5_000
        assert cost < 5_000 * 100
    # A version is sought within the span, too.
    far = RunFilter(workflow_id=version, after=END - 20 * SECONDS)
    cost, bars = steps(path, partial(histogram_of, far, BEGIN, (END - BEGIN) / 48, 48))
    assert cost < 2_000
