"""The server is killed before the eyes of who watches a run."""

from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import expect

from tests.acceptance.echo import EchoServer
from tests.acceptance.processes import Server
from tests.console.conftest import Visit, site_in
from tests.console.test_run_page import steps


def test_a_killed_server_is_told_and_the_run_goes_on_where_it_was(
    visit: Visit, tmp_path: Path, echo: EchoServer
) -> None:
    site = site_in(tmp_path, echo)
    port = urlsplit(site.server.url).port or 0
    try:
        run = site.start("waits", name="killed")
        echo.release("/hold/killed/1")
        page = visit(f"/runs/{run}", at=site)
        expect(steps(page, "second")).to_contain_text("Running")
        site.server.kill()
        expect(page.get_by_text("not connected since")).to_be_visible()
        expect(steps(page, "first")).to_contain_text("Succeeded")

        site.server = Server(site.command.home, port=port)
        expect(page.get_by_text("not connected since")).to_have_count(0)
        echo.release("/hold/killed/2")
        expect(page.get_by_text("ended", exact=True)).to_be_visible()
        expect(page.locator(".runhead .pill")).to_contain_text("Succeeded")
        steps(page, "second").click()
        page.get_by_role("tab", name="Tries").click()
        expect(page.get_by_role("tabpanel", name="Tries")).to_contain_text("The process that ran it ended.")
        assert site.wait(run)["status"] == "succeeded"
    finally:
        site.server.close()
