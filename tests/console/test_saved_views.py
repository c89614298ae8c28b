"""Filters of the list of runs, live ones and rare ones, and saved views."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.acceptance.echo import EchoServer
from tests.console.album import keep
from tests.console.conftest import LARGE, SMALL, Site, Visit
from tests.console.test_retry_page import FIXED, app_of, mending, publish

# An app of these tests alone: that of others has versions by the dozen, which are chosen by searching.
NAME = '"Viewed 👀"'
BROKEN = mending("def main(q):\n    raise ArithmeticError('Division by lamps 💡')\n").replace('"Mended"', NAME)
WHOLE = FIXED.replace('"Mended"', NAME)


@pytest.fixture
def versions(site: Site, tmp_path: Path) -> tuple[str, str]:
    """A run of a version, and one of the next."""
    publish(site, tmp_path, BROKEN, "viewed")
    first = site.run("viewed", q="erste 🙂")
    publish(site, tmp_path, WHOLE, "viewed")
    return first, site.run("viewed", q="zweite")


def test_a_version_is_chosen_by_its_number_and_the_counts_follow(
    site: Site, visit: Visit, versions: tuple[str, str], axe: str
) -> None:
    first, second = versions
    number = site.api("GET", f"runs/{second}").json()["version"]
    page = visit(f"/runs?t=1h&app={app_of(site, second)}")
    page.get_by_role("button", name="More filters and saved views").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Version").select_option(f"version {number}")
    keep(page, "filters", axe)
    page.set_viewport_size(LARGE)
    page.keyboard.press("Escape")
    expect(page.locator("[data-row]")).to_have_count(1)
    expect(page.locator(f'[data-row="{second}"]')).to_be_visible()
    expect(page.get_by_role("button", name="All 1")).to_be_visible()
    page.get_by_role("button", name="Without Version").click()
    expect(page.locator(f'[data-row="{first}"]')).to_be_visible()


def test_only_what_took_long_is_listed(site: Site, visit: Visit, versions: tuple[str, str]) -> None:
    page = visit(f"/runs?t=1h&app={app_of(site, versions[0])}")
    page.get_by_role("button", name="More filters and saved views").click()
    page.get_by_role("dialog").get_by_label("Duration at least").select_option("3600")
    page.keyboard.press("Escape")
    expect(page.get_by_text("No run matches.")).to_be_visible()
    expect(page.get_by_role("button", name="All 0")).to_be_visible()
    page.get_by_role("button", name="Without 1 h", exact=False).click()
    expect(page.locator(f'[data-row="{versions[1]}"]')).to_be_visible()


def test_runs_are_found_by_error_node_and_retry_and_the_counts_follow(
    site: Site, visit: Visit, versions: tuple[str, str], axe: str
) -> None:
    failed, mended = versions
    app = app_of(site, failed)
    again = site.api("POST", f"runs/{failed}/retry", json={}).json()["run_id"]
    site.wait(again)
    page = visit(f"/runs?t=1h&app={app}")
    page.get_by_role("button", name="More filters and saved views").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Error contains").fill("DIVISION by lamps")
    dialog.get_by_label("Failed at the node").fill("Check policy")
    dialog.get_by_label("Retries").select_option("repeated")
    keep(page, "filters-error", axe)
    page.set_viewport_size(LARGE)
    page.keyboard.press("Escape")
    expect(page.locator("[data-row]")).to_have_count(1)
    expect(page.locator(f'[data-row="{failed}"]')).to_be_visible()
    expect(page.get_by_role("button", name="All 1")).to_be_visible()
    page.get_by_role("button", name="Without Was retried").click()
    expect(page.locator(f'[data-row="{again}"]')).to_be_visible()
    page.get_by_role("button", name="Without Error: DIVISION by lamps").click()
    page.get_by_role("button", name="Without Failed at Check policy").click()
    expect(page.locator(f'[data-row="{mended}"]')).to_be_visible()


def test_filters_of_a_link_say_what_they_are_in_japanese(visit: Visit, versions: tuple[str, str]) -> None:
    page = visit("/runs?t=1h&tokens=1000000&cost=10&model=語モデル&retry=repeats", locale="ja-JP", size=SMALL)
    expect(page.get_by_role("button", name="1,000,000 トークン以上 を外す")).to_be_visible()
    expect(page.get_by_role("button", name="費用 10 以上 を外す")).to_be_visible()
    expect(page.get_by_role("button", name="モデル 語モデル を外す")).to_be_visible()
    expect(page.get_by_role("button", name="再試行による実行 を外す")).to_be_visible()
    page.get_by_role("button", name="すべて", exact=True).click()
    expect(page.locator(f'[data-row="{versions[1]}"]')).to_be_visible()


def test_a_filter_is_kept_by_keyboard_under_a_name_and_shared_by_its_link(
    site: Site, visit: Visit, versions: tuple[str, str], axe: str
) -> None:
    page = visit(f"/runs?status=failed&t=all&app={app_of(site, versions[0])}", locale="ja-JP", size=SMALL)
    open_ = page.get_by_role("button", name="その他の絞り込みと保存したビュー")
    open_.focus()
    page.keyboard.press("Enter")
    name = page.get_by_label("このビューの名前")
    name.focus()
    page.keyboard.type("失敗 <b>だけ</b> 🙂")
    page.keyboard.press("Enter")
    view = page.get_by_role("link", name="失敗 <b>だけ</b> 🙂")
    expect(view).to_have_attribute("href", f"/console/runs{page.evaluate('location.search')}")
    keep(page, "views", axe)
    page.set_viewport_size(SMALL)

    page.goto(f"{site.url}/runs")
    open_.click()
    page.get_by_role("link", name="失敗 <b>だけ</b> 🙂").click()
    page.wait_for_url(lambda url: "status=failed" in url and "t=all" in url)
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator(f'[data-row="{versions[0]}"]')).to_be_visible()
    expect(page.locator(f'[data-row="{versions[1]}"]')).to_have_count(0)
    open_.click()
    page.get_by_role("button", name="ビュー 失敗 <b>だけ</b> 🙂 を削除").click()
    expect(page.get_by_role("dialog").get_by_role("link")).to_have_count(0)
    page.reload()
    open_.click()
    expect(page.get_by_role("dialog").get_by_role("link")).to_have_count(0)


def test_a_filtered_list_has_what_matches_now_and_its_focus_stays_in_it(
    site: Site, visit: Visit, echo: EchoServer
) -> None:
    first, second = (site.start("waits", name=name) for name in ("first", "filtered"))
    for name in ("first", "filtered"):
        echo.wait_for_calls(f"/hold/{name}/1")
    app = site.api("GET", f"runs/{first}").json()["app"]["id"]
    page = visit(f"/runs?t=all&status=running&app={app}")
    other = visit(f"/runs?t=all&status=stopped&app={app}")
    for each in (page, other):
        expect(each.get_by_text("live", exact=True)).to_be_visible()
    row = page.locator(f'[data-row="{second}"]')
    row.focus()
    site.api("POST", f"runs/{second}/stop")
    expect(row).to_have_count(0)
    expect(page.locator(f'[data-row="{first}"]')).to_be_focused()
    expect(page.locator(".foot")).to_contain_text(re.compile(r"1 of 1\b"))
    other.get_by_role("button", name="1 new run").press("Enter")
    expect(other.locator("[data-row]").first).to_have_attribute("data-row", second)
    # It matches behind one that is newer than itself.
    site.api("POST", f"runs/{first}/stop")
    expect(page.locator("[data-row]")).to_have_count(0)
    expect(page.locator(".panel")).to_be_focused()
    other.get_by_role("button", name="1 new run").press("Enter")
    expect(other.locator(f'[data-row="{first}"]')).to_be_visible()
    site.api("DELETE", f"runs/{first}")
    expect(other.locator(f'[data-row="{first}"]')).to_have_count(0)
