"""A run shared by a link: made in the dialog of its page, opened by a browser that has not signed in, and revoked."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, Request, Route, expect

from tests.console.album import keep
from tests.console.conftest import LARGE, SMALL, Site, Visit

WORDS = {
    "en-US": {
        "more": "More",
        "title": "Shared link",
        "new": "New link",
        "revoke": "Revoke",
        "steps": "Steps of the run",
        "shown": "Shared link · until",
        "over": "This link no longer works",
        "enter": "Sign in",
    },
    "ja-JP": {
        "more": "その他",
        "title": "共有リンク",
        "new": "新しいリンク",
        "revoke": "失効",
        "steps": "実行のステップ",
        "shown": "共有リンク · 期限",
        "over": "このリンクは使えません",
        "enter": "サインイン",
    },
}


def press(button: Locator) -> None:
    """By keyboard: what has the focus is pressed, once it can be."""
    expect(button).to_be_enabled()
    button.focus()
    button.press("Enter")


@contextmanager
def stranger(browser: Browser, locale: str, size: Any) -> Iterator[tuple[Page, list[str]]]:
    """A browser that has not signed in, and the addresses that its page has asked for."""
    asked: list[str] = []

    def note(request: Request) -> None:
        asked.append(request.url)

    with browser.new_context(locale=locale, viewport=size, reduced_motion="reduce") as context:
        page = context.new_page()
        page.on("request", note)
        yield page, asked


def sections(asked: list[str]) -> set[str]:
    """Of the console's API, those that were asked for something."""
    return {url.split("?")[0].split("/console/api/")[1].split("/")[0] for url in asked if "/api/" in url}


BELOW = "() => innerHeight - document.querySelector('.scrub').getBoundingClientRect().bottom"


@pytest.mark.parametrize(("locale", "size"), [("en-US", LARGE), ("ja-JP", SMALL)])
def test_a_link_shows_its_run_to_a_stranger_until_it_is_revoked(
    site: Site, visit: Visit, browser: Browser, axe: str, locale: str, size: Any
) -> None:
    words = WORDS[locale]
    run, other = site.run("fails", q="共有 🔗 \ue000"), site.run("fails", q="another")
    page = visit(f"/runs/{run}", size=size, locale=locale)
    press(page.get_by_role("button", name=words["more"]).last)
    press(page.get_by_role("menuitem", name=words["title"]))
    dialog = page.get_by_role("dialog", name=words["title"])
    press(dialog.get_by_role("button", name=words["new"]))
    link = dialog.get_by_role("status").locator("code").inner_text()
    assert link.startswith(f"{site.url}/shared/{run}#key=")
    revoke = dialog.get_by_role("table").get_by_role("button", name=words["revoke"])
    expect(revoke).to_have_count(1)
    keep(page, f"share-{locale}", axe)
    page.set_viewport_size(size)

    with stranger(browser, locale, size) as (there, asked):
        there.goto(link)
        expect(there.get_by_role("tree", name=words["steps"])).to_contain_text("Check policy")
        expect(there.get_by_text(words["shown"])).to_be_attached()
        assert there.url.split("?")[0] == f"{site.url}/shared/{run}"
        expect(there.locator("a[href]:not(.skip)")).to_have_count(0)
        expect(there.get_by_role("button", name=words["more"])).to_have_count(0)
        keep(there, f"shared-{locale}", axe)
        there.set_viewport_size(size)
        there.reload()
        expect(there.get_by_role("tree", name=words["steps"])).to_contain_text("Check policy")
        # Nothing is left free for the navigation that a guest does not have.
        assert there.evaluate(BELOW) == 0
        key = link.partition("key=")[2]
        assert not [url for url in asked if key in url.partition("#")[0]]
        assert sections(asked) == {"shared"}

        there.goto(f"{site.url}/shared/{other}#key={key}")
        expect(there.get_by_role("heading", name=words["over"])).to_be_visible()
        keep(there, f"shared-over-{locale}", axe)
        there.set_viewport_size(size)
        there.goto(f"{site.url}/runs/{run}")
        expect(there.get_by_role("heading", name=words["enter"])).to_be_visible()

        press(revoke)
        expect(revoke).to_have_count(0)
        expect(dialog.get_by_role("status")).to_have_count(0)
        there.goto(f"{site.url}/shared/{run}")
        expect(there.get_by_role("heading", name=words["over"])).to_be_visible()


def test_a_link_that_could_not_be_opened_yet_opens_after_a_reload(site: Site, visit: Visit, browser: Browser) -> None:
    run = site.run("fails", q="later")
    page = visit(f"/runs/{run}")
    press(page.get_by_role("button", name="More").last)
    press(page.get_by_role("menuitem", name="Shared link"))
    dialog = page.get_by_role("dialog", name="Shared link")
    press(dialog.get_by_role("button", name="New link"))
    link = dialog.get_by_role("status").locator("code").inner_text()

    def busy(route: Route) -> None:
        body = '{"code": "store_unavailable", "message": "busy", "status": 503}'
        route.fulfill(status=503, content_type="application/json", body=body)

    with stranger(browser, "en-US", LARGE) as (there, asked):
        opening = f"**/console/api/shared/{run}"
        there.route(opening, busy)
        there.goto(link)
        expect(there.get_by_role("alert").first).to_be_visible()
        assert there.url == link
        there.unroute(opening)
        there.reload()
        expect(there.get_by_role("tree", name="Steps of the run")).to_be_visible()
        assert there.url.split("?")[0] == f"{site.url}/shared/{run}"

        there.get_by_role("button", name="日本語").click()
        expect(there.get_by_role("tree", name="実行のステップ")).to_contain_text("Check policy")
        there.reload()
        expect(there.get_by_role("tree", name="実行のステップ")).to_contain_text("Check policy")
        assert sections(asked) == {"shared"}

    with stranger(browser, "en-US", LARGE) as (there, _):
        there.goto(link.replace("#key=", "#key=wrong"))
        expect(there.get_by_role("heading", name="This link no longer works")).to_be_visible()
        assert there.url == f"{site.url}/shared/{run}"
        there.evaluate("hash => { location.hash = hash }", link.partition("#")[2])
        expect(there.get_by_role("tree", name="Steps of the run")).to_be_visible()


def test_a_viewer_shares_nothing(site: Site, visit: Visit) -> None:
    run = site.run("fails", q="for a viewer")
    page = visit(f"/runs/{run}", token=site.viewer)
    page.get_by_role("button", name="More").last.click()
    expect(page.get_by_role("menuitem").first).to_be_visible()
    expect(page.get_by_role("menuitem", name="Shared link")).to_have_count(0)
