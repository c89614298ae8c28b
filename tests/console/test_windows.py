"""One run in several windows: each matches the record, however it was disconnected."""

from typing import Any

from playwright.sync_api import Page, expect

from tests.console.conftest import Site, Visit
from tests.console.test_run_page import steps

SOON = 0.5
"""Seconds from the commit of an event to its sight, on a machine that has nothing else to do."""
TURNS = 6


def labels(page: Page) -> list[str]:
    """The steps of a run as their rows say them, without how long each took: clocks of live rows go on."""
    return [" ".join(text.split()[:2]) for text in page.get_by_role("treeitem").all_inner_texts()]


def test_two_windows_one_reloaded_and_one_cut_off_twice_end_equal_to_the_record(site: Site, visit: Visit) -> None:
    run = site.start("waits", name="two")
    watched, cut = visit(f"/runs/{run}"), visit(f"/runs/{run}")
    for page in (watched, cut):
        expect(steps(page, "first")).to_contain_text("Running")
    streams = f"**/console/api/runs/{run}/stream*"
    # The first time before anything happens, the second time between two events.
    for call in ("1", "2"):
        cut.context.set_offline(True)
        cut.route(streams, lambda route: route.abort())
        cut.evaluate("window.dispatchEvent(new Event('offline'))")
        site.echo.release(f"/hold/two/{call}")
        expect(steps(watched, "first" if call == "1" else "second")).to_contain_text("Succeeded")
        watched.reload()
        cut.unroute(streams)
        cut.context.set_offline(False)
        cut.evaluate("window.dispatchEvent(new Event('online'))")
        expect(steps(cut, "first" if call == "1" else "second")).to_contain_text("Succeeded")
    record = site.wait(run)
    for page in (watched, cut):
        expect(page.get_by_text("ended", exact=True)).to_be_visible()
        expect(page.locator(".runhead .pill")).to_contain_text("Succeeded")
    assert labels(watched) == labels(cut)
    assert len(labels(watched)) == len([event for event in log(site, run) if event["event"] == "node_finished"])
    expect(cut.get_by_text(f"{len(log(site, run))} of {len(log(site, run))}")).to_be_visible()
    assert record["status"] == "succeeded"


def test_events_are_seen_soon_after_they_are_committed(site: Site, visit: Visit) -> None:
    """Most times: something may be in the way when the machine does something else."""
    page = visit("/runs")
    assert sum(is_seen_soon(site, page, f"soon-{turn}") for turn in range(TURNS)) > TURNS / 2


def is_seen_soon(site: Site, page: Page, name: str) -> bool:
    """Compared to what a request and a frame of this page take at the same moment, where the machine is busy."""
    run = site.start("waits", name=name)
    page.goto(f"{site.url}/runs/{run}")
    expect(steps(page, "first")).to_contain_text("Running")
    page.evaluate(
        """() => {
            window.seen = {}
            const look = () => {
                const shown = document.querySelectorAll('[role=treeitem]').length
                window.seen[shown] ??= Date.now() / 1000
            }
            look()
            new MutationObserver(look).observe(document.body, {subtree: true, childList: true})
        }"""
    )
    before = page.evaluate("Object.keys(window.seen).map(Number).at(-1)")
    frame = page.evaluate(
        """async () => {
            const began = performance.now()
            await fetch(location.href)
            await new Promise(resolve => requestAnimationFrame(() => setTimeout(resolve)))
            return (performance.now() - began) / 1000
        }"""
    )
    site.echo.release(f"/hold/{name}/1")
    expect(steps(page, "second")).to_contain_text("Running")
    seen = page.evaluate("window.seen")
    [second] = [event for event in log(site, run) if event["event"] == "node_started" and event["node_id"] == "second"]
    took = seen[str(before + 1)] - second["at"]
    site.echo.release(f"/hold/{name}/2")
    return bool(took <= max(SOON, 4 * frame))


def log(site: Site, run: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = site.api("GET", f"runs/{run}/log").json()["data"]
    return found
