"""Pages on paper: light, without what is only pressed, and with all that can be scrolled to on a screen."""

import pytest
from playwright.sync_api import expect

from tests.console.album import picture
from tests.console.conftest import LARGE, SMALL, Site, Visit


@pytest.mark.parametrize("size", [LARGE, SMALL], ids=["1440", "390"])
def test_a_run_is_printed_light_and_whole(site: Site, visit: Visit, size: object) -> None:
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
