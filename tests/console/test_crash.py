"""Processes killed while a run is watched."""

import os
import signal
import socket
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.acceptance.echo import EchoServer
from tests.acceptance.processes import Server
from tests.console.conftest import Site, Visit, site_in, wait_for
from tests.console.test_run_page import steps
from tests.store.postgres_server import PostgresServer


def site_with(settings: str, folder: Path, echo: EchoServer) -> Site:
    """A server of its own.

    Args:
        settings: Its file of settings.
    """
    (folder / "home").mkdir()
    (folder / "home" / "jikko.toml").write_text(settings, encoding="utf-8")
    return site_in(folder, echo)


def is_free(port: int) -> bool:
    """Whether no process listens there."""
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) != 0


def expect_it_went_on(page: Page, site: Site, run: str) -> None:
    """It ended as it would have, and the step that was cut off says so."""
    expect(page.get_by_text("ended", exact=True)).to_be_visible()
    expect(page.locator(".runhead .pill")).to_contain_text("Succeeded")
    steps(page, "second").click()
    page.get_by_role("tab", name="Tries").click()
    expect(page.get_by_role("tabpanel", name="Tries")).to_contain_text("The process that ran it ended.")
    assert site.wait(run)["status"] == "succeeded"


@pytest.mark.parametrize("kind", ["one process", "two workers and PostgreSQL"])
def test_a_killed_server_is_told_and_the_run_goes_on_where_it_was(
    visit: Visit, tmp_path: Path, echo: EchoServer, request: pytest.FixtureRequest, kind: str
) -> None:
    settings = "workers = 2\n" if "workers" in kind else ""
    if "PostgreSQL" in kind:
        postgres: PostgresServer = request.getfixturevalue("postgres_server")
        settings += f'database_url = "{postgres.made()}"\n'
    site = site_with(settings, tmp_path, echo)
    name = kind.replace(" ", "-")
    port = urlsplit(site.server.url).port or 0
    try:
        run = site.start("waits", name=name)
        echo.release(f"/hold/{name}/1")
        page = visit(f"/runs/{run}", at=site)
        expect(steps(page, "second")).to_contain_text("Running")
        site.server.kill()
        expect(page.get_by_text("not connected since")).to_be_visible()
        expect(steps(page, "first")).to_contain_text("Succeeded")
        wait_for(lambda: is_free(port))

        site.server = Server(site.command.home, port=port)
        expect(page.get_by_text("not connected since")).to_have_count(0)
        echo.release(f"/hold/{name}/2")
        expect_it_went_on(page, site, run)
    finally:
        site.server.close()


def test_workers_that_are_killed_one_after_the_other_take_no_run_and_no_session_along(
    visit: Visit, tmp_path: Path, echo: EchoServer
) -> None:
    site = site_with("workers = 2\n", tmp_path, echo)
    try:
        run = site.start("waits", name="workers")
        echo.release("/hold/workers/1")
        page = visit(f"/runs/{run}", at=site)
        expect(steps(page, "second")).to_contain_text("Running")
        first = children(site)
        for worker in first:
            os.kill(worker, signal.SIGKILL)
            wait_for(partial(has_workers, site, len(first), worker))
            page.reload()
            expect(page.get_by_text("live", exact=True)).to_be_visible()
            expect(steps(page, "second")).to_contain_text("Running")
        echo.release("/hold/workers/2")
        expect_it_went_on(page, site, run)
    finally:
        site.server.close()


def has_workers(site: Site, count: int, gone: int) -> bool:
    """Whether there are as many as before, without that one."""
    found = children(site)
    return gone not in found and len(found) == count


def children(site: Site) -> set[int]:
    """The processes of its workers."""
    return set(map(int, Path(f"/proc/{site.server.pid}/task/{site.server.pid}/children").read_text().split()))
