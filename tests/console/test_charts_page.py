"""Charts of runs, over time and by category, with links to their runs."""

import re
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from tests.console.album import keep
from tests.console.conftest import LARGE, SMALL, Site, Visit
from tests.console.test_retry_page import BROKEN, FIXED, app_of, publish


@pytest.fixture(scope="module")
def workflow(site: Site, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A workflow with a failed run of one version and two of the next, all within one hour. Its id."""
    folder = tmp_path_factory.mktemp("charted")
    while True:
        hour = time.time() // 3600
        made = charted(site, folder)
        if time.time() // 3600 == hour:
            return made
        assert site.api("DELETE", f"apps/{made}").status_code == 204


def charted(site: Site, folder: Path) -> str:
    publish(site, folder, BROKEN.replace('"Mended"', '"Charted 図 🙂"'), "charted")
    first = site.run("charted", q="erste 🙂")
    publish(site, folder, FIXED.replace('"Mended"', '"Charted 図 🙂"'), "charted")
    for n in range(2):
        site.run("charted", q=f"zweite {n}")
    return app_of(site, first)


def test_bars_are_gone_through_by_keyboard_and_lead_to_their_runs(site: Site, visit: Visit, workflow: str) -> None:
    page = visit(f"/runs?app={workflow}", token=site.viewer)
    page.get_by_role("link", name="Charts").click()
    page.wait_for_url(lambda url: f"/charts?app={workflow}" in url)
    runs = page.get_by_role("region", name="Runs", exact=True)
    bars = runs.get_by_role("link")
    expect(bars.nth(24)).to_be_attached()
    expect(page.locator('nav a[aria-current="page"]')).to_have_text(re.compile("Runs"))
    last = bars.filter(has_text="3 runs, Failed 1")
    expect(last).to_have_count(1)
    expect(runs.locator("a[tabindex='0']")).to_have_count(1)
    runs.locator("a[tabindex='0']").focus()
    page.keyboard.press("Home")
    expect(bars.first).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(bars.nth(1)).to_be_focused()
    page.keyboard.press("End")
    expect(bars.last).to_be_focused()
    expect(runs.locator("a[tabindex='0']")).to_have_count(1)
    last.focus()
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "/runs?from=" in url and f"app={workflow}" in url)
    expect(page.locator("[data-row]")).to_have_count(3)

    page.go_back()
    page.get_by_role("region", name="Failed", exact=True).get_by_role("link").filter(has_text="1 ·").click()
    page.wait_for_url(lambda url: "status=failed" in url)
    expect(page.locator("[data-row]")).to_have_count(1)


def test_the_table_has_the_figures_of_the_bars(visit: Visit, workflow: str) -> None:
    page = visit(f"/charts?app={workflow}&t=24h")
    page.get_by_text("Figures as a table").click()
    rows = page.get_by_role("table").get_by_role("row")
    expect(rows).to_have_count(25)
    busy = rows.filter(has_text="33.3%")
    expect(busy).to_have_count(1)
    busy.get_by_role("link", name=re.compile("^Runs of ")).click()
    page.wait_for_url(lambda url: "/runs?from=" in url)
    expect(page.locator("[data-row]")).to_have_count(3)


@pytest.mark.parametrize(
    ("by", "names", "listed"),
    [
        ("Workflow", ["Charted 図 🙂"], 3),
        ("Version", ["Charted 図 🙂 · version 2", "Charted 図 🙂 · version 1"], 2),
        ("User", [None], 3),
    ],
)
def test_figures_by_what_runs_are_of_lead_to_these(
    visit: Visit, workflow: str, by: str, names: list[str | None], listed: int
) -> None:
    page = visit(f"/charts?app={workflow}&t=24h")
    page.get_by_role("group", name="Group by").get_by_role("button", name=by).click()
    links = page.get_by_role("table").get_by_role("link", name=re.compile("^Runs of "))
    expect(links).to_have_count(len(names))
    for place, name in enumerate(names):
        if name is not None:
            expect(links.nth(place)).to_have_text(name)
    links.first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "/runs?from=" in url)
    expect(page.locator("[data-row]")).to_have_count(listed)


@pytest.mark.parametrize(("by", "locale"), [("time", "ja-JP"), ("version", "ja-JP"), ("version", "en-US")])
def test_charts_break_no_rule_light_and_dark_large_and_small(
    visit: Visit, workflow: str, axe: str, locale: str, by: str
) -> None:
    page = visit(f"/charts?app={workflow}&t=24h&by={by}", locale=locale)
    if by == "time":
        page.locator("summary").click()
    expect(page.get_by_role("table")).to_be_visible()
    keep(page, f"charts-{by}-{locale}", axe)


def test_a_page_that_stays_open_goes_on_with_time(visit: Visit, workflow: str) -> None:
    page = visit(f"/charts?app={workflow}&t=24h")
    page.clock.install(time=time.time() // 3600 * 3600 + 1800)
    begins = []
    for go_on in (page.reload, lambda: page.clock.fast_forward("02:00:00")):
        with page.expect_request("**/runs/charts?*") as asked:
            go_on()
        begins.append(int(parse_qs(urlsplit(asked.value.url).query)["after"][0]))
        expect(page.get_by_role("region", name="Runs", exact=True)).to_be_visible()
    assert begins[1] - begins[0] == 2 * 3600


def test_a_stretch_that_there_is_not_is_a_week(visit: Visit, workflow: str) -> None:
    page = visit(f"/charts?app={workflow}&t=toString")
    expect(page.get_by_role("combobox", name="Time")).to_have_value("7d")
    expect(page.get_by_role("region", name="Runs", exact=True)).to_be_visible()


def test_a_stretch_without_runs_says_so(site: Site, visit: Visit, workflow: str, tmp_path: Path) -> None:
    file = tmp_path / "unused.yml"
    file.write_text(FIXED.replace('"Mended"', '"Never charted"'), encoding="utf-8")
    site.command.json("apps", "import", file)
    unused = next(one["id"] for one in site.api("GET", "apps").json()["data"] if one["name"] == "Never charted")
    page = visit(f"/charts?app={unused}", size=SMALL, locale="ja-JP")
    expect(page.get_by_text("この期間に終了した実行はありません。")).to_be_visible()
    page.set_viewport_size(LARGE)
    page.get_by_role("button", name=re.compile("^ワークフロー: ")).press("c")
    page.keyboard.type("harted 図")
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="実行数", exact=True)).to_be_visible()


@pytest.mark.parametrize("locale", ["en-US", "ja-JP"])
def test_answers_of_chats_have_the_time_until_their_first_text_and_other_runs_do_not(
    site: Site, visit: Visit, workflow: str, axe: str, locale: str
) -> None:
    [chat] = [app["id"] for app in site.api("GET", "apps").json()["data"] if app["mode"] == "advanced-chat"]
    asked = site.api("POST", f"apps/{chat}/messages", json={"query": "なぜ? 🙂", "inputs": {}}).json()
    site.wait(asked["run_id"])
    title, more = {
        "en-US": ("First text of answers", "Figures as a table"),
        "ja-JP": ("回答の最初のテキスト", "数値の表"),
    }[locale]
    page = visit(f"/charts?app={chat}&t=24h", locale=locale)
    first = page.get_by_role("region", name=title)
    busy = first.get_by_role("link").filter(has_text=re.compile("ms|秒|s"))
    expect(busy.last).to_be_attached()
    page.locator("summary").click()
    expect(page.get_by_role("table").get_by_role("columnheader")).to_have_count(9)
    keep(page, f"charts-first-{locale}", axe)
    busy.last.focus()
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "/runs?from=" in url and chat in url)
    expect(page.locator(f'a[href*="{asked["run_id"]}"]').first).to_be_visible()

    page = visit(f"/charts?app={workflow}&t=24h", locale=locale)
    page.get_by_text(more).click()
    expect(page.get_by_role("table").get_by_role("columnheader")).to_have_count(7)
    expect(page.get_by_role("region", name=title)).to_have_count(0)
