"""Two runs compared on the page."""

from playwright.sync_api import expect

from tests.console.conftest import Site, Visit


def test_a_failed_run_is_compared_with_the_last_that_succeeded_by_keyboard(site: Site, visit: Visit) -> None:
    done = site.call(n=2)["runs"][0]
    failed = site.call(n=0)["runs"][0]
    page = visit(f"/runs/{failed}")
    expect(page.get_by_role("treeitem").first).to_be_visible()
    page.get_by_role("button", name="More").press("Enter")
    page.get_by_role("menuitem", name="Compare with the last success").press("Enter")
    dialog = page.get_by_role("dialog", name="Compare runs")
    expect(dialog).to_contain_text("ZeroDivisionError")
    expect(dialog.get_by_role("link", name="Succeeded")).to_have_attribute("href", f"/console/runs/{done}")
    other = visit(page.url.partition("/console")[2], locale="ja-JP")
    expect(other.get_by_role("dialog", name="実行を比較")).to_contain_text("ZeroDivisionError")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)


def test_a_retry_is_compared_with_the_run_that_it_repeats(site: Site, visit: Visit) -> None:
    delivery = site.call(n=0)
    retry = site.api("POST", f"deliveries/{delivery['id']}/replay").json()["run_id"]
    site.wait(retry)
    page = visit(f"/runs/{retry}")
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(page.get_by_role("dialog")).to_contain_text("They did the same.")
    expect(page.get_by_role("dialog").get_by_role("link", name="Failed")).to_have_count(2)
