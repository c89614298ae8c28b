"""What the file of a workflow says of a node: on the page of a run, and on that of the workflow."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.console.conftest import SMALL, Site, Visit, wait_for
from tests.console.test_retry_page import BROKEN, FIXED, app_of, publish


@pytest.fixture
def failed(site: Site, tmp_path: Path) -> str:
    """A run of a version that is not the current one any more."""
    publish(site, tmp_path, BROKEN)
    run = site.run("mended", q="the lamp")
    site.wait(run)
    publish(site, tmp_path, FIXED)
    return run


def test_a_failed_node_shows_its_code_as_the_version_that_ran_has_it(site: Site, visit: Visit, failed: str) -> None:
    page = visit(f"/runs/{failed}")
    expect(page.get_by_role("tree")).to_be_focused()
    page.keyboard.press("f")
    expect(page.get_by_label("Inspector")).to_contain_text("ZeroDivisionError")
    page.get_by_role("tab", name="Output", exact=True).focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Source")).to_be_focused()
    panel = page.get_by_role("tabpanel", name="Source")
    expect(panel).to_contain_text("return 1 / 0")
    expect(panel).not_to_contain_text("is fine")
    expect(panel).to_contain_text(re.compile(r"Lines? [\d,]+ to [\d,]+ of the file"))
    with page.expect_download() as download:
        panel.get_by_role("link", name="Download the file").click()
    assert download.value.path().read_text(encoding="utf-8") == BROKEN


def test_a_workflow_shows_the_lines_of_the_step_that_is_chosen(site: Site, visit: Visit, failed: str) -> None:
    page = visit(f"/w/{app_of(site, failed)}?node=judge", size=SMALL, locale="ja-JP")
    expect(page.get_by_role("heading", name="定義")).to_be_visible()
    expect(page.locator("pre.numbered")).to_contain_text("is fine")
    wait_for(lambda: page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


def test_a_viewer_sees_no_source(site: Site, visit: Visit, failed: str) -> None:
    page = visit(f"/runs/{failed}", token=site.viewer)
    expect(page.get_by_role("tree")).to_be_focused()
    page.keyboard.press("f")
    expect(page.get_by_role("tab", name="Detail")).to_be_visible()
    expect(page.get_by_role("tab", name="Source")).to_have_count(0)
    page.goto(f"{site.url}/w/{app_of(site, failed)}?node=judge")
    expect(page.get_by_role("heading", name="Recent runs")).to_be_visible()
    expect(page.locator("pre.numbered")).to_have_count(0)
