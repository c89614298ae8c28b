"""Graphs of real-world files: overview, branch names, and view of failures."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.acceptance.echo import EchoServer
from tests.acceptance.workflows import app, end, iteration, python, start, template
from tests.console.album import keep
from tests.console.apps import placed
from tests.console.conftest import LARGE, ROOT, SMALL, Site, Visit, site_in, wait_for

SAMPLES = sorted(
    file
    for file in (ROOT / "tests" / "forecast" / "samples").glob("*.yml")
    if "\n  graph:" in file.read_text(encoding="utf-8")
)
BRANCHED = [file for file in SAMPLES if re.search(r"sourceHandle: (?!source\n)", file.read_text(encoding="utf-8"))]
"""Those with a line that has a name."""
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


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, echo: EchoServer, built: Path) -> Iterator[Site]:
    """A server of its own: files without their providers are on the pages of others."""
    site = site_in(tmp_path_factory.mktemp("graphs"), echo)
    yield site
    site.server.close()


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
    for file in BRANCHED:
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


FOLD = {"en-US": ("Fold", "Unfold", "1 node"), "ja-JP": ("を折りたたむ", "を展開", "ノード 1 個")}
PLACES = """() => Object.fromEntries([...document.querySelectorAll('.react-flow__node')].map(node => {
    const {x, y} = node.getBoundingClientRect()
    return [node.dataset.id, [Math.round(x), Math.round(y)]]
}))"""
LINES_END_AT = """id => {
    const box = document.querySelector(`.react-flow__node[data-id="${id}"]`).getBoundingClientRect()
    const on = ({x, y}, side) => Math.abs(x - side) < 2 && y > box.top && y < box.bottom
    return [...document.querySelectorAll('svg.edges path.edge')].filter(line => {
        const at = length => line.getPointAtLength(length).matrixTransform(line.getScreenCTM())
        return on(at(0), box.right) || on(at(line.getTotalLength()), box.left)
    }).length
}"""


@pytest.mark.parametrize("locale", ["en-US", "ja-JP"])
def test_a_container_folds_to_one_node_and_nothing_else_moves(site: Site, visit: Visit, axe: str, locale: str) -> None:
    fold, unfold, inside = FOLD[locale]
    run = site.run("rounds", q="folds")
    page = visit(f"/runs/{run}?node=split", locale=locale)
    shut = page.get_by_role("button", name=re.compile(rf"^{fold} Each item|^Each item {fold}"))
    opens = page.get_by_role("button", name=re.compile(rf"^{unfold} Each item|^Each item {unfold}"))
    expect(shut).to_be_visible()
    expect(page.locator('.react-flow__node[data-id="judge"]')).to_be_visible()
    before = page.evaluate(PLACES)
    shut.press("Enter")
    expect(opens).to_be_focused()
    each = page.locator('.react-flow__node[data-id="each"]')
    expect(page.locator('.react-flow__node[data-id="judge"]')).to_have_count(0)
    after = page.evaluate(PLACES)
    assert after == {name: place for name, place in before.items() if name not in ("judge", "each-start")}
    assert page.evaluate(LINES_END_AT, "each") == 2
    page.set_viewport_size(LARGE)
    expect(each).to_contain_text(inside)
    expect(each).to_contain_text(re.compile(r"100\D+100"))
    expect(each.locator(".st-failed svg")).to_have_count(1)
    keep(page, f"folded-{locale}", axe)
    # The browser keeps it; the page of the workflow has it, too.
    page.set_viewport_size(LARGE)
    page.reload()
    expect(opens).to_be_visible()
    page.goto(f"{site.url}/w/{site.api('GET', f'runs/{run}').json()['app']['id']}")
    expect(opens).to_be_visible()
    opens.press(" ")
    expect(shut).to_be_focused()
    expect(page.locator('.react-flow__node[data-id="judge"]')).to_be_visible()
    page.reload()
    expect(shut).to_be_visible()


def test_a_step_within_a_folded_container_unfolds_it_or_marks_it(site: Site, visit: Visit) -> None:
    run = site.run("rounds", q="folds")
    page = visit(f"/runs/{run}?node=judge")
    inner = page.locator('.react-flow__node[data-id="judge"]')
    each = page.locator('.react-flow__node[data-id="each"] .node')
    expect(inner).to_be_visible()
    page.get_by_role("button", name="Fold Each item").click()
    expect(inner).to_have_count(0)
    expect(each).to_have_class(re.compile(r"\bholds\b"))
    page.reload()
    # The address names a step within it.
    expect(inner).to_be_visible()
    page.goto(f"{site.url}/runs/{run}?node=split")
    expect(page.get_by_role("button", name="Unfold Each item")).to_be_visible()
    expect(each).not_to_have_class(re.compile(r"\bholds\b"))


def test_what_failed_is_shown_within_a_folded_container(site: Site, visit: Visit) -> None:
    split = python("split", "def main():\n    return {'items': ['🍓', '心']}\n", {"items": "array[string]"})
    judge = python("judge", "def main(item):\n    return 1 / 0\n", {"score": "string"}, item="each.item")
    body = [start("q"), split, *iteration("each", "split.items", "judge.score", judge), end(got="each.output")]
    text = placed(app("Breaks", body, "start>split>each>end each-start>judge"))
    answer = site.api("POST", "apps", files=[("files", ("breaks.yml", text.encode()))]).json()
    run = site.api("POST", f"apps/{answer['data'][0]['app_id']}/runs", json={"inputs": {"q": "x"}}).json()["run_id"]
    site.wait(run)
    page = visit(f"/runs/{run}?node=split")
    page.get_by_role("button", name="Fold each").click()
    each = page.locator('.react-flow__node[data-id="each"] .node')
    expect(each).to_have_class(re.compile(r"\bst-failed\b"))
    page.get_by_role("button", name="Show what failed").click()
    expect(page.locator('.react-flow__node[data-id="judge"] .node.st-partial')).to_be_in_viewport(ratio=0.9)
    page.reload()
    expect(page.get_by_role("button", name="Unfold each")).to_be_visible()
