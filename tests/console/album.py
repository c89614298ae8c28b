"""Where pictures of pages are put, and how one is taken."""

from playwright.sync_api import Page

from tests.console.conftest import LARGE, ROOT, SMALL

PICTURES = ROOT / "build" / "console-pictures"


def keep(page: Page, name: str) -> None:
    """Take two pictures of a state: large and light, small and dark. Nothing in it may be beyond the side."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    for size, theme in ((SMALL, "dark"), (LARGE, "light")):
        page.set_viewport_size(size)
        page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], name
        page.screenshot(path=PICTURES / f"{name}-{size['width']}-{theme}.png")
