"""The page at ``/docs`` as a browser shows it: readable at any width, and with nothing that comes from elsewhere."""

import pytest
from playwright.sync_api import Browser, ViewportSize

from tests.console.conftest import LARGE, SMALL, Site

BROKEN = """() => {
  const lines = node => { const range = document.createRange(); range.selectNodeContents(node);
                          return new Set([...range.getClientRects()].map(box => Math.round(box.top))).size; };
  const words = "td:nth-child(2):not([colspan]), td:first-child code";
  return [...document.querySelectorAll(words)].filter(cell => lines(cell) > 1).length;
}"""
"""How many names, and of the words "header", "query" and "path", take more than one line."""


@pytest.mark.parametrize("size", [LARGE, {"width": 1200, "height": 900}, SMALL])
def test_the_reference_broke_its_words_letter_by_letter(browser: Browser, site: Site, size: ViewportSize) -> None:
    asked: list[str] = []
    page = browser.new_page(viewport=size)
    page.on("request", lambda request: asked.append(request.url))
    try:
        page.goto(f"{site.server.url}/docs")
        words = page.locator("td:nth-child(2):not([colspan])").count()
        broken = page.evaluate(BROKEN)
        too_wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    finally:
        page.close()

    assert words > 20
    assert (broken, too_wide) == (0, 0)
    assert all(url.startswith(site.server.url) for url in asked)
