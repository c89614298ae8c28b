"""The console below a path of a proxy, which the server learns from the proxy alone."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, Request, expect

from tests.acceptance.echo import EchoServer
from tests.acceptance.processes import Server
from tests.console.conftest import Site, site_in, wait_for
from tests.console.test_run_page import steps
from tests.effort import PATIENCE, trusted
from tests.free_ports import free_port

CONFIGURATION = """
daemon off;
pid {folder}/nginx.pid;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location /tools/flows/ {{
            proxy_pass http://{server}/;
            proxy_http_version 1.1;
            proxy_buffering off;
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-Prefix /tools/flows;
            proxy_set_header X-Forwarded-For $remote_addr;
        }}
    }}
}}
"""


@dataclass
class Proxied:
    """A server behind nginx."""

    site: Site
    url: str


@pytest.fixture
def proxied(tmp_path: Path, echo: EchoServer, browser: Browser) -> Iterator[Proxied]:
    site = site_in(tmp_path, echo)
    site.server.close()
    site.server = Server(site.command.home, settings={"JIKKO_TRUSTED_PROXIES": "127.0.0.1"})
    port = free_port()
    text = CONFIGURATION.format(folder=tmp_path, port=port, server=urlsplit(site.server.url).netloc)
    (tmp_path / "nginx.conf").write_text(text, encoding="utf-8")
    process = subprocess.Popen(
        ["nginx", "-e", "stderr", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")], stdin=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}/tools/flows"
    try:
        wait_for(lambda: answers(f"{url}/health"))
        yield Proxied(site, url)
    finally:
        process.terminate()
        process.wait(PATIENCE)
        site.server.close()


def answers(url: str) -> bool:
    try:
        return httpx.get(url, verify=trusted(), timeout=PATIENCE).status_code == 200
    except httpx.TransportError:
        return False


def test_below_a_path_pages_addresses_sessions_and_streams_work(proxied: Proxied, browser: Browser) -> None:
    site = proxied.site
    with browser.new_context() as context:
        context.set_default_timeout(PATIENCE * 1000)
        page = context.new_page()
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))

        def watch(request: Request) -> None:
            if not request.url.startswith(proxied.url):
                wrong.append(request.url)

        page.on("request", watch)
        [report] = site.command.json("console")
        page.goto(proxied.url + report["url"][report["url"].index("/console") :])
        expect(page.get_by_role("heading", name="Workflows")).to_be_visible()
        assert [cookie["path"] for cookie in context.cookies()] == ["/tools/flows/console"]

        run = site.start("waits", name="below")
        page.get_by_role("link", name="Runs").click()
        page.locator(f'[data-row="{run}"]').click()
        expect(steps(page, "first")).to_contain_text("Running")
        expect(page.get_by_text("live", exact=True)).to_be_visible()
        assert page.url.startswith(f"{proxied.url}/console/runs/{run}")
        page.reload()
        site.echo.release("/hold/below/1")
        expect(steps(page, "first")).to_contain_text("Succeeded")
        page.get_by_role("button", name="Stop").click()
        expect(page.locator(".runhead .pill")).to_contain_text("Stopped")
        site.echo.release("/hold/below/2")
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        assert context.cookies() == []
        assert wrong == []
