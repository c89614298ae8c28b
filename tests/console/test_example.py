"""The example that a server without a workflow offers: published, opened and run from the page."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import ViewportSize, expect

from tests.acceptance.echo import EchoServer
from tests.acceptance.workflows import app, end, start
from tests.console.album import keep
from tests.console.conftest import LARGE, SMALL, Site, Visit, site_in

WORDS = {"en-US": "Try an example", "ja-JP": "サンプルを試す"}


@pytest.fixture
def empty(tmp_path: Path, echo: EchoServer, built: Path) -> Iterator[Site]:
    """A server without a workflow."""
    site = site_in(tmp_path, echo, apps={})
    yield site
    site.server.close()


def apps(site: Site) -> list[str]:
    return [one["name"] for one in site.api("GET", "apps").json()["data"]]


@pytest.mark.parametrize(("locale", "size"), [("en-US", LARGE), ("ja-JP", SMALL)], ids=["1440", "390"])
def test_it_is_published_and_run_by_the_keyboard(
    empty: Site, visit: Visit, axe: str, locale: str, size: ViewportSize
) -> None:
    begin = WORDS[locale]
    page = visit("/", at=empty, size=size, locale=locale)
    button = page.get_by_role("button", name=begin)
    expect(button).to_be_enabled()
    keep(page, f"example-{size['width']}", axe)
    page.set_viewport_size(size)
    button.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/w/*")
    field = page.get_by_label("Pieces")
    expect(field).to_be_focused()
    expect(field).to_have_value("120")
    expect(field).to_be_in_viewport()
    page.keyboard.press("Enter")
    page.wait_for_url("**/runs/*")
    ended = empty.wait(page.url.partition("/runs/")[2].partition("?")[0])
    assert (ended["status"], ended["outputs"]) == ("succeeded", {"price": "10 % off", "delivery": "9 days by sea"})
    page.goto(f"{empty.url}/")
    expect(page.get_by_role("link", name="Example quote")).to_be_visible()
    expect(page.get_by_role("button", name=begin)).to_have_count(0)


def test_a_file_is_chosen_where_files_are_dropped(empty: Site, visit: Visit, tmp_path: Path) -> None:
    (tmp_path / "返品.yml").write_text(app("返品 📦", [start("q"), end(text="start.q")], "start>end"), encoding="utf-8")
    page = visit("/", at=empty)
    page.get_by_label("Choose workflow files").set_input_files(tmp_path / "返品.yml")
    dialog = page.get_by_role("dialog", name="Import a file")
    expect(dialog).to_contain_text("A new workflow.")
    dialog.get_by_role("button", name="Import and publish").press("Enter")
    dialog.get_by_role("link", name="Open").press("Enter")
    expect(page.get_by_role("heading", name="返品 📦")).to_be_visible()


def test_a_second_click_makes_no_second_app(empty: Site, visit: Visit) -> None:
    page = visit("/", at=empty)
    other = page.context.new_page()
    other.goto(f"{empty.url}/")
    for tab in (page, other):
        expect(tab.get_by_role("button", name="Try an example")).to_be_visible()
    # Without a news of the first, as a tab that sleeps.
    other.route("**/console/api/apps", lambda route: route.abort())
    page.get_by_role("button", name="Try an example").dblclick()
    other.get_by_role("button", name="Try an example").click()
    for tab in (page, other):
        tab.wait_for_url("**/w/*")
    assert page.url == other.url
    assert apps(empty) == ["Example quote"]
    [app] = empty.api("GET", "apps").json()["data"]
    assert app["versions"] == 1


def test_only_who_may_publish_is_offered_it(empty: Site, visit: Visit) -> None:
    made = empty.api("POST", "tokens", json={"name": "reads", "role": "operator", "scopes": ["apps:read", "runs:read"]})
    for token in (empty.viewer, made.json()["token"]):
        page = visit("/", at=empty, token=token)
        expect(page.get_by_text("No workflow yet.")).to_be_visible()
        expect(page.get_by_role("button", name="Try an example")).to_have_count(0)


def test_a_refusal_is_told_and_the_button_is_there_again(empty: Site, visit: Visit) -> None:
    page = visit(None, at=empty)
    body = '{"code": "invalid_param", "message": "The disk says no.", "status": 400}'
    page.route("**/apps/Example*", lambda route: route.fulfill(status=400, content_type="application/json", body=body))
    page.goto(f"{empty.url}/")
    page.get_by_role("button", name="Try an example").click()
    expect(page.get_by_role("alert")).to_contain_text("The disk says no.")
    page.unroute("**/apps/Example*")
    page.get_by_role("button", name="Try an example").click()
    page.wait_for_url("**/w/*")
    assert apps(empty) == ["Example quote"]
