"""The graph of files as people made them: its overview, the names of its branches, and the view of what failed."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.acceptance.workflows import app, end, python, start, template
from tests.console.album import keep
from tests.console.apps import placed
from tests.console.conftest import LARGE, ROOT, SMALL, Site, Visit, wait_for

SAMPLES = sorted(
    file
    for file in (ROOT / "tests" / "forecast" / "samples").glob("*.yml")
    if "\n  graph:" in file.read_text(encoding="utf-8")
)
MAP = {"en-US": "Overview of the graph", "ja-JP": "グラフの全体図"}
ON_LINES = """() => {
    const svg = document.querySelector('svg.edges')
    const names = [...svg.querySelectorAll('.branch')].map(name => [name.textContent, name.getBBox()])
    const hit = []
    for (const line of svg.querySelectorAll('path.edge')) {
        const long = line.getTotalLength()
        for (let at = 0; at <= long; at += 2) {
            const {x, y} = line.getPointAtLength(at)
            for (const [text, box] of names)
                if (x > box.x && x < box.x + box.width && y > box.y && y < box.y + box.height) hit.push(text)
        }
    }
    return [names.length, [...new Set(hit)]]
}"""
SMALLEST = """() => {
    const zoom = Number(document.querySelector('.graph').style.getPropertyValue('--k'))
    const words = [...document.querySelectorAll('.graph .node .cut, .graph .node .sub, .graph .note, .graph .branch')]
    return Math.min(...words.filter(one => one.textContent && one.checkVisibility())
        .map(one => parseFloat(getComputedStyle(one).fontSize) * zoom))
}"""


def published(site: Site, file: Path) -> str:
    """The id of the app of a file."""
    answer = site.api("POST", "apps", files=[("files", (file.name, file.read_bytes()))]).json()
    return str(answer["data"][0]["app_id"])


def view_of(page: Page) -> list[float]:
    box = page.locator(".minimap .shown").bounding_box()
    assert box is not None
    return [round(box["x"]), round(box["y"])]


def test_names_of_branches_stand_on_no_line(site: Site, visit: Visit) -> None:
    page = visit(None)
    named = 0
    for file in SAMPLES:
        page.goto(f"{site.url}/w/{published(site, file)}")
        expect(page.locator(".react-flow__node").first).to_be_visible()
        for _ in range(2):
            count, hit = page.evaluate(ON_LINES)
            assert hit == [], (file.name, count)
            page.get_by_role("button", name="Larger").click()
        named += count
    assert named >= 15


@pytest.mark.parametrize("locale", ["en-US", "ja-JP"])
def test_an_overview_moves_what_is_shown_by_keyboard_and_pointer(
    site: Site, visit: Visit, axe: str, locale: str
) -> None:
    file = next(one for one in SAMPLES if one.stem == "deep-researcher")
    page = visit(f"/w/{published(site, file)}", locale=locale, size=SMALL)
    overview = page.get_by_role("button", name=MAP[locale])
    expect(overview).to_be_visible()
    keep(page, f"minimap-{locale}", axe)
    page.set_viewport_size(SMALL)
    overview.focus()
    before = view_of(page)
    page.keyboard.press("ArrowRight")
    wait_for(lambda: view_of(page)[0] > before[0])
    page.keyboard.press("ArrowLeft")
    wait_for(lambda: view_of(page) == before)
    page.keyboard.press("Enter")
    expect(overview).to_be_focused()
    box = overview.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] - 4, box["y"] + box["height"] / 2)
    wait_for(lambda: view_of(page)[0] > before[0] + 20)


def test_there_is_no_overview_where_all_is_seen(site: Site, visit: Visit) -> None:
    page = visit(f"/runs/{site.run('greets', name='x')}")
    expect(page.locator(".react-flow__node").first).to_be_visible()
    expect(page.locator(".minimap")).to_have_count(0)
    for _ in range(4):
        page.get_by_role("button", name="Larger").click()
    expect(page.locator(".minimap")).to_be_visible()
    page.get_by_role("button", name="Fit").click()
    expect(page.locator(".minimap")).to_have_count(0)


@pytest.mark.parametrize("size", [LARGE, SMALL], ids=["large", "small"])
def test_what_failed_comes_to_the_middle_with_words_that_can_be_read(
    site: Site, visit: Visit, axe: str, size: dict[str, int]
) -> None:
    steps = [template(f"t{n}", "{{ q }}", q="start.q") for n in range(40)]
    fails = python("judge", "def main():\n    return 1 / 0\n", {"text": "string"})
    note = {"id": "n", "type": "custom-note", "data": {"type": "", "title": "", "text": "ein Hinweis 📝"}}
    text = app(
        "Long way",
        [start("q"), *steps, fails, end(text="judge.text"), {**note, "position": {"x": 0, "y": 0}}],
        ">".join(["start", *(one["id"] for one in steps), "judge", "end"]),
    )
    content = json.loads(placed(text))
    answer = site.api("POST", "apps", files=[("files", ("long.yml", json.dumps(content).encode()))]).json()
    run = site.api("POST", f"apps/{answer['data'][0]['app_id']}/runs", json={"inputs": {"q": "x"}}).json()["run_id"]
    site.wait(run)
    page = visit(f"/runs/{run}", size=size)
    page.get_by_role("button", name="Show what failed").press("Enter")
    failed = page.locator(".node.st-failed")
    expect(failed).to_be_in_viewport(ratio=0.9)
    assert page.evaluate(SMALLEST) >= 9
    frame, box = page.locator(".graph").bounding_box(), failed.bounding_box()
    assert frame is not None
    assert box is not None
    assert abs((box["x"] + box["width"] / 2) - (frame["x"] + frame["width"] / 2)) < 3
    keep(page, f"failure-{size['width']}", axe)
