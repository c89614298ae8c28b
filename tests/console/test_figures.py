"""The budgets of the page in seconds, of its main thread; longer where the same work takes longer now.

The same in seconds of the clock are rows of ``benchmarks/console_page.py``.
"""

from contextlib import suppress

import pytest
from benchmarks.console_page import JUMP, Eyes, busy, heap
from playwright.sync_api import Browser

from tests.console.apps import MOST_ROUNDS
from tests.console.conftest import Site

LIST, SLOWER = 1.2, 4
"""Seconds until the rows of the list are there, and how many times as slow the processor is then."""
THOUSAND, TEN_THOUSAND, HUNDRED_THOUSAND = 0.8, 1.2, 6.0
"""Seconds until the steps of a run of as many events are there; of the last one, until it is there whole."""
JUMP_SECONDS = 0.05
WORK = """() => {
  let found = 0
  for (let round = 0; round < 60; round++) {
    const rows = Array.from({ length: 5000 }, (_, n) => ({ id: n, name: `row ${n * round}`, at: n / 7 }))
    found += new Map(JSON.parse(JSON.stringify(rows)).map(row => [row.name, row])).size
  }
  return found
}"""
WORK_SECONDS = 0.16
"""That ``WORK`` takes where the budgets were set."""

pytestmark = pytest.mark.serial
MEMORY = 60.0
"""MB."""


@pytest.fixture(scope="module")
def eyes(browser: Browser, site: Site) -> Eyes:
    return Eyes(browser, site.server.url, site.operator)


@pytest.fixture
def slower(eyes: Eyes) -> float:
    """How many times as long the same work takes now, at least 1."""
    with eyes.page() as (page, session):
        page.evaluate(WORK)
        began = busy(session)
        page.evaluate(WORK)
        return max(1.0, (busy(session) - began) / WORK_SECONDS)


@pytest.fixture(scope="module")
def large(site: Site) -> tuple[str, int]:
    """A run of 100,000 events, and how many these are."""
    run = site.start("counts", n=str(MOST_ROUNDS))
    for _ in range(5):  # it takes seconds; minutes, where much else is done
        with suppress(AssertionError):
            return run, int(site.wait(run)["log_end"])
    raise AssertionError("the run does not end")


def test_the_list_of_runs_is_there_within_its_budget(site: Site, eyes: Eyes, slower: float) -> None:
    for _ in range(50):
        site.run("greets", name="a row")
    assert eyes.opened("/runs?t=all", "rows", times=3)["cpu"] <= slower * LIST / SLOWER


@pytest.mark.parametrize(("rounds", "seconds"), [(250, THOUSAND), (2_500, TEN_THOUSAND)])
def test_the_steps_of_a_run_are_there_within_their_budget(
    site: Site, eyes: Eyes, slower: float, rounds: int, seconds: float
) -> None:
    run = site.run("counts", n=str(rounds))
    assert site.wait(run)["log_end"] >= 4 * rounds
    assert eyes.opened(f"/runs/{run}", "rows", times=3)["cpu"] <= slower * seconds


def test_a_run_of_a_hundred_thousand_events_is_read_jumped_along_and_kept_in_little_memory(
    site: Site, eyes: Eyes, slower: float, large: tuple[str, int]
) -> None:
    run, count = large
    assert count >= 100_000
    with eyes.page() as (page, session):
        page.goto(f"{site.url}/runs")
        page.locator("[data-row]").first.wait_for()
        before = heap(session)
        page.goto(f"{site.url}/runs/{run}")
        page.get_by_text("ended", exact=True).wait_for()
        assert busy(session) <= slower * HUNDRED_THOUSAND
        assert heap(session) - before <= MEMORY
        places = [count * step * 37 % count for step in range(1, 61)]
        began = busy(session)
        page.evaluate(JUMP, places)
        assert busy(session) - began <= slower * JUMP_SECONDS * len(places)
