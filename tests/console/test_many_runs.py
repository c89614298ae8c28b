"""List of very many runs: loaded pages survive a reconnect, and bulk actions take a thousand."""

import asyncio
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from jikko.events import RunFinished, RunStarted
from jikko.ids import new_id
from jikko.ports.stores.run_store import Append
from jikko.record import RunIdentity, RunRecord
from jikko.store.sqlite import Database, SqliteRunStore
from tests.acceptance.echo import EchoServer
from tests.acceptance.processes import Server
from tests.console.conftest import Site, Visit, site_in, wait_for
from tests.console.test_retry_page import BROKEN

MANY = 1_000
"""Runs that one deed is done to at most."""


async def fill(path: Path, app_id: str, version_id: str, count: int) -> None:
    """Add small runs that have failed, a second after each other, to the record of a server that does not run."""
    store = SqliteRunStore(Database.open(path))
    end_user, first = new_id(), time.time() - count - 60
    appends = []
    for n in range(count):
        identity = RunIdentity(
            run_id=new_id(),
            task_id=new_id(),
            app_id=app_id,
            workflow_id=version_id,
            version="1",
            end_user_id=end_user,
            user="ada",
        )
        began = RunStarted(at=first + n, inputs={"q": f"número {n} 🙂"}, system={})
        ended = RunFinished(at=first + n + 0.5, status="failed", error="no", elapsed=0.5, total_steps=1)
        record = RunRecord(identity=identity)
        record.apply(began)
        record.apply(ended)
        appends.append(Append(identity.run_id, 0, [began, ended], record))
    for at in range(0, count, 200):
        await asyncio.gather(*map(store.append, appends[at : at + 200]))
    await store.close()


@pytest.fixture
def filled(tmp_path: Path, echo: EchoServer, built: Path) -> Iterator[Site]:
    """A server with very many runs."""
    site = site_in(tmp_path, echo, {"mended": BROKEN})
    app = site.api("GET", "apps").json()["data"][0]
    version = site.api("GET", f"apps/{app['id']}/versions").json()["data"][0]["workflow_id"]
    site.server.close()
    # Not in this thread, whose event loop is the browser's.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: asyncio.run(fill(site.command.home / "jikko.db", app["id"], version, MANY))).result()
    site.server = Server(site.command.home)
    yield site
    site.server.close()


def rows(page: Page) -> list[str]:
    listed: list[str] = page.locator("[data-row]").evaluate_all("rows => rows.map(row => row.dataset.row)")
    return listed


def test_rows_that_were_loaded_stay_when_the_stream_is_opened_again(filled: Site, visit: Visit) -> None:
    page = visit("/runs?t=all", at=filled)
    older = page.get_by_role("button", name="Older")
    for shown in (100, 150, 200, 250):
        older.press("Enter")
        expect(page.locator("[data-row]")).to_have_count(shown)
    before = rows(page)
    page.route("**/api/runs/stream*", lambda route: route.abort())
    filled.server.close()
    expect(page.get_by_text("not connected since").first).to_be_visible()
    filled.server = Server(filled.command.home, port=int(filled.server.url.rpartition(":")[2]))
    gone = before[120]
    assert filled.api("DELETE", f"runs/{gone}").status_code == 204
    fresh = filled.run("mended", q="meanwhile")
    page.unroute("**/api/runs/stream*")
    page.evaluate("window.dispatchEvent(new Event('online'))")

    stay = [one for one in before if one != gone]
    wait_for(lambda: rows(page)[:249] == stay)
    expect(page.locator("[data-row]")).to_have_count(250)
    page.get_by_role("button", name="1 new run").press("Enter")
    wait_for(lambda: rows(page)[:250] == [fresh, *stay])


def test_a_thousand_runs_are_done_at_once_stopped_and_done_to_the_end(filled: Site, visit: Visit) -> None:
    page = visit("/runs?t=all", at=filled)
    group = page.get_by_role("group", name="Selected runs")

    page.get_by_role("checkbox", name=re.compile("^Select all .* shown$")).check()
    group.get_by_role("button", name="Select all 1,000 that match").press("Enter")
    group.get_by_role("button", name="Delete", exact=True).press("Enter")
    dialog = page.get_by_role("dialog", name="Delete")
    expect(dialog).to_contain_text("1,000 ended runs are deleted permanently")
    dialog.get_by_role("button", name="Delete").press("Enter")
    progress = dialog.get_by_role("progressbar")
    wait_for(lambda: int(progress.get_attribute("value") or 0) >= 40)
    dialog.get_by_role("button", name="Stop here").press("Enter")
    expect(dialog.get_by_role("button", name="Done")).to_be_focused()
    done = int(re.search(r"([\d,]+) of 1,000 done", dialog.inner_text())[1].replace(",", ""))  # type: ignore[index]
    assert 40 <= done < MANY
    dialog.get_by_role("button", name="Done").press("Enter")

    left = f"{MANY - done:,}"
    expect(group).to_contain_text(f"All {left} matching selected")
    group.get_by_role("button", name="Delete", exact=True).press("Enter")
    dialog.get_by_role("button", name="Delete").press("Enter")
    expect(dialog).to_contain_text(f"{left} of {left} done")
    dialog.get_by_role("button", name="Done").press("Enter")
    expect(page.get_by_text("Nothing has run yet.")).to_be_visible()
    assert filled.api("GET", "runs").json()["data"] == []
    assert len({*pages(filled)}) == MANY


def pages(site: Site) -> list[str]:
    """What was deleted, as the audit entries tell."""
    found, cursor = [], ""
    while cursor is not None:
        page = site.api("GET", "audit", params={"limit": 200, "cursor": cursor, "action": "delete_run"}).json()
        found += [entry["what"] for entry in page["data"]]
        cursor = page["next"]
    return found
