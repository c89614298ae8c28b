"""The site of the documentation: no broken link, no other host, searched in both languages without a server."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.chromium import chromium
from tests.page_blocks import PAGES, ROOT

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.once]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "scripts.site", folder], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with browser.new_context() as context:
        yield context.new_page()


def test_every_page_is_there_and_asks_no_other_host(built: Path) -> None:
    expected = {name.removeprefix("docs/").removesuffix(".md") for name in PAGES if name.startswith("docs/")}
    pages = {
        path.relative_to(built).with_suffix("").as_posix(): path.read_text("utf-8") for path in built.rglob("*.html")
    }
    assert expected - {"README"} <= pages.keys()
    assert {"index", "ja/index", "changelog", "decisions/index"} <= pages.keys()
    asked = {
        name: re.findall(r'<(?:script|link|img|iframe)[^>]*"(?:https?:)?//[^"]*"', text) for name, text in pages.items()
    }
    assert {name: found for name, found in asked.items() if found} == {}
    styles = [path.read_text("utf-8") for path in built.rglob("*.css")]
    assert [style for style in styles if re.search(r"(?:url\(|@import)[\"' ]*(?:https?:)?//", style)] == []


@pytest.mark.parametrize("width", [1440, 390])
def test_no_page_is_wider_than_the_window(built: Path, page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    for name in ("index", "quickstart", "settings", "reliability", "performance", "ja/index"):
        page.goto((built / f"{name}.html").as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name


@pytest.mark.parametrize(
    ("index", "word", "found"),
    [("index", "idempotency", "Starting a run once"), ("ja/index", "クイックスタート", "クイックスタート")],
)
def test_the_site_is_searched_without_a_server(built: Path, page: Page, index: str, word: str, found: str) -> None:
    page.goto((built / f"{index}.html").as_uri())
    page.locator("input[name=q]").first.fill(word)
    page.keyboard.press("Enter")
    page.locator("#search-results li a", has_text=found).first.wait_for()


def test_guides_are_found_before_decisions(built: Path, page: Page) -> None:
    page.goto((built / "search.html").as_uri() + "?q=backup")
    page.locator("#search-results li a[href^=decisions]").first.wait_for()
    found = [link.get_attribute("href") or "" for link in page.locator("#search-results li > a").all()]

    decisions = [href.startswith("decisions/") for href in found]
    assert decisions == sorted(decisions), found
    assert not decisions[0]


def test_lines_of_commands_wrap_and_are_not_hidden(built: Path, page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 900})
    page.goto((built / "service.html").as_uri())
    wide = "pre => pre.scrollWidth > pre.clientWidth"
    assert not any(each.evaluate(wide) for each in page.locator(".highlight-sh pre").all())
