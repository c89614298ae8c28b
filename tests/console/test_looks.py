"""All pages, in both themes and on both widths: no finding of axe, nothing beyond the side."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.console.album import AXE_RUN, picture
from tests.console.apps import FAILS
from tests.console.conftest import LARGE, ROOT, SMALL, Site, Visit, walk

MOVED = """async names => {
    window.others ??= await Promise.all(names
        .filter(name => !document.querySelector(`link[href$="${name}"]`))
        .map(name => new Promise((done, failed) => {
            const link = Object.assign(document.createElement('link'), { rel: 'stylesheet', onerror: failed })
            link.onload = () => done(link.sheet)
            link.href = `/console/assets/${name}`
            document.head.append(link)
        })))
    const frames = disabled => {
        for (const sheet of window.others) sheet.disabled = disabled
        return [...document.querySelectorAll('main *')]
            .filter(one => !one.closest('svg, .react-flow') && one.getClientRects().length)
            .map(one => [one, one.getBoundingClientRect()])
    }
    const before = frames(true)
    const after = new Map(frames(false))
    frames(true)
    const sides = ({ x, y, width, height }) => [x, y, width, height]
    return before
        .filter(([one, was]) => sides(was).some((side, of) => !(sides(after.get(one) ?? {})[of] === side)))
        .map(([one, was]) => `${one.tagName} ${one.className} ${one.textContent.slice(0, 40)} ${sides(was)}`)
}"""
"""What moves when a page has the style sheets of all others, as if it were the last of them that is visited."""
OF_COLOURS = ["color-contrast"]
"""The rules that what a theme changes may break."""
ASSETS = ROOT / "src" / "jikko" / "http" / "static" / "assets"
ZOOMED = 720
"""A width of 1440 at twice the size."""
TABLET = 768


@pytest.fixture(scope="module")
def places(site: Site, handbook: str) -> Iterator[dict[str, str]]:
    """Addresses by name. All runs are as they stay."""
    apps = {entry["name"]: entry["id"] for entry in site.api("GET", "apps").json()["data"]}
    failed = site.run("fails", q="looked at")
    rounds = site.run("rounds", q="looked at")
    paused = site.run("asks", until=["paused"], q="the look of it")
    going = site.start("waits", name="looked-at")
    site.echo.wait_for_calls("/hold/looked-at/1")
    talk = site.api("POST", f"apps/{apps['Talks']}/messages", json={"query": "hello", "inputs": {}}).json()
    site.wait(talk["run_id"])
    triggers = {each["kind"]: each["id"] for each in site.api("GET", "triggers").json()["data"]}
    delivery = site.call(n=0)
    box = next(
        event["execution_id"]
        for event in site.api("GET", f"runs/{rounds}/log").json()["data"]
        if event["event"] == "container_started"
    )
    yield {
        "workflows": "/",
        "workflow": f"/w/{apps['Rounds']}",
        "runs": "/runs?t=all",
        "charts": "/charts?t=24h",
        "charts-users": "/charts?t=24h&by=user",
        "run-failed": f"/runs/{failed}",
        "run-rounds": f"/runs/{rounds}?node={box}",
        "run-round": f"/runs/{rounds}?node={box}&round={FAILS}",
        "run-paused": f"/runs/{paused}",
        "run-running": f"/runs/{going}",
        "run-replay": f"/runs/{rounds}?at=200",
        "chat": f"/chat/{apps['Talks']}/{talk['conversation_id']}",
        "knowledge": "/knowledge",
        "dataset": f"/knowledge/{handbook}",
        "triggers": "/triggers",
        "trigger": f"/triggers?trigger={triggers['schedule']}",
        "delivery": f"/triggers?delivery={delivery['id']}",
        "system": "/system",
    }
    site.echo.release("/hold/looked-at/1")
    site.echo.release("/hold/looked-at/2")


def test_no_page_breaks_a_rule_of_accessibility_or_its_frame(
    site: Site, visit: Visit, places: dict[str, str], axe: str
) -> None:
    page = visit("/enter")
    # In one document, in which the rules are compiled once.
    page.evaluate(axe)
    found: dict[str, Any] = {}
    for number, (name, address) in enumerate({**places, "enter": "/enter"}.items()):
        # Each begins with the width at which the one before ends.
        sizes = [SMALL, LARGE] if number % 2 else [LARGE, SMALL]
        page.set_viewport_size(sizes[0])
        walk(page, address)
        settle(page)
        wrong = []
        for size in sizes:
            page.set_viewport_size(size)
            for theme, rules in (("dark", None),) if size is SMALL else (("light", None), ("dark", OF_COLOURS)):
                page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
                picture(page, name, theme)
                wrong += page.evaluate(AXE_RUN, rules)
            for width in (size["width"], ZOOMED):
                page.set_viewport_size({"width": width, "height": size["height"]})
                if (wide := page.evaluate("document.documentElement.scrollWidth")) > width:
                    wrong.append(f"{wide} pixels wide at {width}")
        if wrong:
            found[name] = wrong
    assert found == {}


def test_no_page_is_moved_by_the_styles_of_another(site: Site, visit: Visit, places: dict[str, str]) -> None:
    page = visit(None)
    sheets = sorted({path.name.split(".css")[0] + ".css" for path in ASSETS.glob("*.css*")})
    assert len(sheets) > 5

    found = {}
    for name, address in {**places, "enter": "/enter"}.items():
        page.goto(f"{site.url}{address}")
        settle(page)
        for size in (LARGE, SMALL):
            page.set_viewport_size(size)
            if moved := page.evaluate(MOVED, sheets):
                found[name, size["width"]] = moved[:3]
    assert found == {}


COVERED = """() => {
    const one = document.activeElement
    const box = one.getBoundingClientRect()
    const there = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2)
    return one.matches('body, .sr') || one.contains(there) || there?.contains(one) ? '' : one.outerHTML.slice(0, 200)
}"""


def test_what_has_the_focus_is_not_behind_the_bars_of_a_phone(site: Site, visit: Visit, places: dict[str, str]) -> None:
    page = visit("/", size=SMALL)
    for name in ("workflows", "run-rounds", "system"):
        walk(page, places[name])
        settle(page)
        for key in ("Tab",) * 40 + ("Shift+Tab",) * 20:
            page.keyboard.press(key)
            assert page.evaluate(COVERED) == "", (name, key)


def test_pages_with_many_columns_fit_a_tablet(site: Site, visit: Visit, places: dict[str, str]) -> None:
    page = visit("/", size={"width": TABLET, "height": 900})
    for name in ("runs", "system", "dataset"):
        page.goto(f"{site.url}{places[name]}")
        settle(page)
        assert page.evaluate("document.documentElement.scrollWidth") == TABLET, name


def settle(page: Page) -> None:
    """Wait until the page shows what it loads, but for what never ends."""
    expect(page.locator("main")).to_be_visible()
    expect(page.locator(".skeleton")).to_have_count(0)
    if page.url.endswith("/system"):
        # The sandbox is tried once, which takes a second.
        expect(page.get_by_text("Being checked")).to_have_count(0)
    if "/runs/" in page.url:
        expect(page.get_by_role("treeitem").first).to_be_visible()
        expect(page.locator(".graph .node").first).to_be_visible()


@pytest.mark.parametrize("locale", ["en-US", "ja-JP"])
def test_dialogs_break_no_rule_of_accessibility(site: Site, visit: Visit, axe_source: str, locale: str) -> None:
    page = visit("/", locale=locale)
    settle(page)
    page.evaluate(axe_source)
    for keys, name in (("Control+k", "jump"), ("?", "keys")):
        page.keyboard.press(keys)
        expect(page.get_by_role("dialog")).to_be_visible()
        picture(page, f"{name}-{locale}")
        assert page.evaluate(AXE_RUN) == []
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
