"""Many runs at once: chosen in the list, or all that its filter lets through, repeated, saved, stopped and removed."""

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from playwright.sync_api import Route, expect

from tests.acceptance.echo import EchoServer
from tests.console.album import keep
from tests.console.conftest import SMALL, Site, Visit, site_in, wait_for
from tests.console.test_retry_page import BROKEN, FIXED, publish, version

MANY = 60
"""More than a page of the list has."""


@pytest.fixture
def own(tmp_path: Path, echo: EchoServer, built: Path) -> Iterator[Site]:
    """A server with one app, whose runs fail."""
    site = site_in(tmp_path, echo, {"mended": BROKEN})
    yield site
    site.server.close()


def started(site: Site, count: int) -> list[str]:
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda n: site.run("mended", q=f"número {n} 🙂"), range(count)))


def audited(site: Site, action: str) -> list[str]:
    entries = site.api("GET", "audit", params={"limit": 200}).json()["data"]
    return [entry["what"] for entry in entries if entry["action"] == action]


def test_chosen_runs_are_repeated_by_keyboard_with_the_current_version(
    own: Site, visit: Visit, tmp_path: Path, axe: str
) -> None:
    runs = started(own, 3)
    publish(own, tmp_path, FIXED)
    page = visit("/runs?t=all", at=own)
    expect(page.locator("[data-row]")).to_have_count(3)
    listed = [str(one.get_attribute("data-row")) for one in page.locator("[data-row]").all()]
    for keys in ("j", "x", "j", "x"):
        page.keyboard.press(keys)
    chosen = page.get_by_role("group", name="Selected runs")
    expect(chosen).to_contain_text("2 selected")
    keep(page, "chosen", axe)
    chosen.get_by_role("button", name="Retry").focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Retry")
    expect(dialog).to_contain_text("2 failed runs are repeated from their failed steps.")
    keep(page, "chosen-retry", axe)
    page.keyboard.press("Tab")
    dialog.get_by_role("button", name="Retry").focus()
    page.keyboard.press("Enter")
    expect(dialog).to_contain_text("2 of 2 done")
    expect(dialog.get_by_role("button", name="Done")).to_be_focused()
    keep(page, "chosen-done", axe)
    page.keyboard.press("Enter")

    expect(page.locator("[data-row]")).to_have_count(5)
    made = [one["id"] for one in own.api("GET", "runs").json()["data"] if one["id"] not in runs]
    assert [own.wait(one)["status"] for one in made] == ["succeeded"] * 2
    assert {version(own, one) for one in made} == {2}
    assert {own.api("GET", f"runs/{one}").json()["lineage"]["retry_of"] for one in made} == set(listed[:2])
    assert len(audited(own, "retry_run")) == 2


def test_all_that_match_are_removed_those_of_later_pages_too(own: Site, visit: Visit) -> None:
    started(own, MANY)
    page = visit("/runs?t=all&status=failed", at=own)
    page.get_by_role("checkbox", name=re.compile("^Select all .* shown$")).check()
    page.get_by_role("button", name=f"Select all {MANY} that match").click()
    expect(page.get_by_role("group", name="Selected runs")).to_contain_text(f"All {MANY} matching selected")
    page.get_by_role("button", name="Delete", exact=True).click()
    dialog = page.get_by_role("dialog", name="Delete")
    expect(dialog).to_contain_text(f"{MANY} ended runs are deleted permanently")
    dialog.get_by_role("button", name="Delete").click()
    expect(dialog).to_contain_text(f"{MANY} of {MANY} done")
    dialog.get_by_role("button", name="Done").click()

    expect(page.get_by_text("No run matches.")).to_be_visible()
    expect(page.locator(".panel")).to_be_focused()
    assert own.api("GET", "runs").json()["data"] == []
    assert len(audited(own, "delete_run")) == MANY


def test_it_can_be_stopped_on_the_way_and_says_what_was_refused(own: Site, visit: Visit) -> None:
    runs = started(own, 12)
    page = visit("/runs?t=all", at=own)
    held: list[Route] = []

    def hold(route: Route) -> None:
        if route.request.method == "DELETE":
            held.append(route)
        else:
            route.continue_()

    page.route("**/api/runs/*", hold)
    page.get_by_role("checkbox", name=re.compile("^Select all .* shown$")).check()
    page.get_by_role("button", name="Delete", exact=True).click()
    dialog = page.get_by_role("dialog", name="Delete")
    dialog.get_by_role("button", name="Delete").click()
    expect(dialog.get_by_role("progressbar")).to_have_attribute("value", "0")
    # Each is heard of by itself; a page that is asked something tells what came until then.
    wait_for(lambda: len(held) == page.evaluate("4"))
    dialog.get_by_role("button", name="Stop here").click()
    expect(dialog).to_contain_text("0 of 12")
    assert len(held) == 4
    gone, *others = held
    gone.fulfill(status=409, json={"code": "conflict", "message": "nicht 🙂", "status": 409})
    for route in others:
        route.continue_()
    expect(dialog).to_contain_text(f"{len(others)} of 12 done · 1 refused")
    expect(dialog.get_by_role("listitem")).to_contain_text("nicht 🙂")
    dialog.get_by_role("button", name="Done").click()

    expect(page.locator("[data-row]")).to_have_count(12 - len(others))
    assert len(own.api("GET", "runs").json()["data"]) == len(runs) - len(others)


def test_runs_are_saved_as_lines_on_a_telephone_in_japanese(own: Site, visit: Visit, tmp_path: Path, axe: str) -> None:
    runs = started(own, 2)
    page = visit("/runs?t=all", at=own, size=SMALL, locale="ja-JP")
    page.get_by_role("checkbox", name=f"実行 {runs[0][-4:]} を選択").check()
    page.get_by_role("button", name="表示中の 2 件をすべて選択").click()
    keep(page, "chosen-ja", axe)
    page.set_viewport_size(SMALL)
    page.get_by_role("button", name="エクスポート").click()
    dialog = page.get_by_role("dialog", name="エクスポート")
    with page.expect_download() as download:
        dialog.get_by_role("button", name="エクスポート").click()
    expect(dialog).to_contain_text("2 件中 2 件が完了しました")
    download.value.save_as(tmp_path / "runs.jsonl")
    lines = (tmp_path / "runs.jsonl").read_text(encoding="utf-8").splitlines()
    assert {json.loads(line)["id"] for line in lines} == set(runs)
    assert all("número" in json.loads(line)["inputs"]["q"] for line in lines)


def test_who_only_looks_can_choose_nothing(own: Site, visit: Visit) -> None:
    run = started(own, 1)[0]
    page = visit("/runs?t=all", at=own, token=own.viewer)
    expect(page.locator(f'[data-row="{run}"]')).to_be_visible()
    expect(page.get_by_role("checkbox")).to_have_count(0)
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.get_by_role("group", name="Selected runs")).to_have_count(0)
