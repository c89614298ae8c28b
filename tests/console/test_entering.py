"""Sign-in, and the permissions of viewers."""

from playwright.sync_api import Browser, expect

from tests.console.conftest import Site, Visit


def test_a_link_signs_in_and_leaves_no_trace_in_the_address(site: Site, browser: Browser) -> None:
    [report] = site.command.json("console")
    link = site.server.url + report["url"][report["url"].index("/console") :]
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(link)
        expect(page.get_by_role("heading", name="Workflows")).to_be_visible()
        assert "ticket" not in page.url
        page.context.clear_cookies()
        page.goto("about:blank")
        page.goto(link)
        expect(page.get_by_role("alert")).to_be_visible()


def test_a_token_signs_in_where_the_visitor_wanted_to_go(site: Site, browser: Browser) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{site.url}/runs?status=failed")
        page.get_by_label("Operator or viewer token").fill("jko_wrong")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert")).to_be_visible()
        page.get_by_label("Operator or viewer token").fill(site.operator)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", name="Runs")).to_be_visible()
        assert page.url.endswith("/console/runs?status=failed")
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_a_viewer_sees_no_button_that_he_may_not_press(site: Site, visit: Visit) -> None:
    run = site.run("fails", q="for a viewer")
    page = visit(f"/runs/{run}", token=site.viewer)
    expect(page.get_by_text("Check policy").first).to_be_visible()
    expect(page.get_by_role("tree", name="Steps of the run")).to_be_visible()
    for name in ("Run again", "Retry from failed", "Retry from here", "Stop"):
        expect(page.get_by_role("button", name=name)).to_have_count(0)
    refused = page.evaluate(
        """async id => (await fetch(`../api/runs/${id}/retry`, {
            method: 'POST', headers: {'X-Jikko-Console': '1', 'Content-Type': 'application/json'}, body: '{}'
        })).status""",
        run,
    )
    assert refused == 403


def test_the_console_speaks_the_language_of_the_browser_and_the_one_that_is_chosen(site: Site, visit: Visit) -> None:
    page = visit("/runs", locale="ja-JP")
    expect(page.get_by_role("heading", name="実行")).to_be_visible()
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("heading", name="Runs")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="Runs")).to_be_visible()
