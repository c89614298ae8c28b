"""Screenshots of pages for human review (``TEST_PICTURES=1``): nothing compares them."""

import os

from playwright.sync_api import Page

from tests.console.conftest import LARGE, ROOT, SMALL

PICTURES = ROOT / "build" / "console-pictures"
AXE_RUN = """async only => (await axe.run(document, {
    runOnly: only ?? ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']
})).violations.map(one => {
    const where = one.nodes.slice(0, 3).map(node => node.html.slice(0, 200)).join(' | ')
    return `${one.id}: ${one.help}: ${where}`
})"""
OF_LOOKS = ["color-contrast", "scrollable-region-focusable", "target-size"]
"""The rules that a change of width or theme alone may break."""
TAKEN = os.environ.get("TEST_PICTURES") == "1"


def picture(page: Page, name: str, theme: str = "light") -> None:
    """Take a screenshot, if enabled."""
    if TAKEN and page.viewport_size:
        page.screenshot(path=PICTURES / f"{name}-{page.viewport_size['width']}-{theme}.png")


def give(page: Page, axe: str) -> None:
    """Evaluate the source of axe in a document that has it not."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(axe)


def keep(page: Page, name: str, axe: str = "", *, both: bool = False) -> None:
    """Show a state wide and light, narrow and dark: nothing may overflow horizontally.

    Args:
        axe: Source of axe, which must not report violations: wide and light, where most is shown, of all rules, else of
            those that width or theme may break.
        both: Show it wide and dark, narrow and light as well.
    """
    looks = [(SMALL, "dark"), (LARGE, "light"), *([(SMALL, "light"), (LARGE, "dark")] if both else [])]
    for size, theme in looks:
        page.set_viewport_size(size)
        page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], name
        picture(page, name, theme)
        if axe:
            give(page, axe)
            assert page.evaluate(AXE_RUN, None if (size, theme) == (LARGE, "light") else OF_LOOKS) == [], name
    page.evaluate("document.documentElement.dataset.theme = 'light'")
