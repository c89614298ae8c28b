"""Printed pages: light, without controls, and with all steps of a run."""

from io import BytesIO
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.acceptance.workflows import app, end, start, template
from tests.console.album import picture
from tests.console.conftest import LARGE, SMALL, Site, Visit


@pytest.mark.parametrize("size", [LARGE, SMALL], ids=["1440", "390"])
def test_a_run_is_printed_light(site: Site, visit: Visit, size: object) -> None:
    run = site.run("greets", name="Ada 語 🙂")
    page = visit(f"/runs/{run}", size=size)
    expect(page.get_by_role("treeitem").first).to_be_visible()
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    dark = page.evaluate("getComputedStyle(document.body).color")
    page.emulate_media(media="print")

    expect(page.get_by_role("navigation").first).to_be_hidden()
    expect(page.locator(".scrub")).to_be_hidden()
    assert page.evaluate("getComputedStyle(document.body).color") != dark
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "light"
    expect(page.get_by_role("complementary")).to_be_visible()
    hidden = page.evaluate(
        "[...document.querySelectorAll('.runpage, .cols, .inspector, .tree')].filter("
        "one => getComputedStyle(one).overflowY !== 'visible').map(one => one.className)"
    )
    assert hidden == []
    picture(page, "printed")
    page.emulate_media(media="screen")
    expect(page.locator(".scrub")).to_be_visible()
    assert page.evaluate("getComputedStyle(document.body).color") == dark


def test_a_printed_run_has_all_its_steps_and_events(site: Site, visit: Visit, tmp_path: Path) -> None:
    names = [f"t{number}" for number in range(100)]
    nodes = [start("q"), *(template(name, "語") for name in names), end(out="t99.output")]
    for name, node in zip(names, nodes[1:], strict=False):
        node["data"]["title"] = f"Piece {name}."
    file = tmp_path / "printed.yml"
    file.write_text(app("Printed", nodes, ">".join(["start", *names, "end"])), encoding="utf-8")
    site.keys["printed"] = site.command.json("apps", "import", file)[0]["api_key"]
    page = visit(f"/runs/{site.run('printed', q='🙂')}?view=events", size=LARGE)
    from pypdf import PdfReader  # not in every process that collects this test

    for rows, times in ((page.get_by_role("treeitem"), 1), (page.locator(".event"), 3)):
        expect(rows.first).to_be_visible()
        before = rows.count()
        assert before < 102
        text = "".join(one.extract_text() for one in PdfReader(BytesIO(page.pdf(format="A4"))).pages)
        assert [name for name in names if text.count(f"Piece {name}.") < times] == []
        expect(rows).to_have_count(before)
