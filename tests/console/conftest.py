"""Browser, built page, and a server with apps."""

import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, ViewportSize, expect
from scripts.build_console import build, is_current, sources

from tests.acceptance.client import Client
from tests.acceptance.echo import EchoServer
from tests.acceptance.processes import Command, Server
from tests.chromium import chromium
from tests.console.apps import MOST_ROUNDS, console_apps
from tests.effort import PATIENCE, trusted
from tests.free_ports import free_port

ROOT = Path(__file__).parents[2]
ENDS = ("succeeded", "failed", "stopped", "partial-succeeded")
LARGE: ViewportSize = {"width": 1440, "height": 900}
SMALL: ViewportSize = {"width": 390, "height": 844}
LOCALE = "en-US"


def pytest_collection_modifyitems(items: Iterable[pytest.Item]) -> None:
    """Mark all tests of this folder as requiring a browser, or Node and its registry."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.services)
            item.add_marker(pytest.mark.once)


@pytest.fixture(scope="session")
def built() -> Path:
    """The console's folder, with the page built."""
    if not is_current() or not (sources() / "node_modules" / "axe-core").is_dir():
        build()
    return sources()


@pytest.fixture(scope="session")
def axe_source(built: Path) -> str:
    """Source of axe, for evaluation in a page."""
    return (built / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture
def axe(axe_source: str, request: pytest.FixtureRequest) -> str:
    """Source of axe, or nothing in the English half of a test in both languages: its rules are asked once."""
    call = getattr(request.node, "callspec", None)
    return "" if call and call.params.get("locale") == LOCALE else axe_source


@pytest.fixture(scope="package")
def browser(built: Path) -> Iterator[Browser]:
    """Browser of successive modules of this folder (``tests/durations.py``): see `chromium`."""
    with chromium() as browser:
        yield browser


HANDBOOK = {
    "refunds.md": "Refunds take ten days.\n\nThe warehouse confirms each return of a lamp.",
    "休暇規程（改訂版）.md": "有給休暇は年間二十日です。欠勤は事前に届け出てください。",
    "a name of a file that says all that is in it, and then some more, for the whole quarter.txt": "Lunch is at noon.",
}


@dataclass
class Site:
    """Running server with apps, and tokens for its console."""

    server: Server
    command: Command
    echo: EchoServer
    operator: str
    viewer: str
    keys: dict[str, str]
    cookies: dict[str, list[Any]] = field(default_factory=dict)
    """Session cookies by token: sign-ins are limited to 10 a minute."""

    @property
    def url(self) -> str:
        return f"{self.server.url}/console"

    def api(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Send a script's request to the console's API."""
        headers = {"Authorization": f"Bearer {self.operator}"}
        return httpx.request(
            method, f"{self.url}/api/{path}", headers=headers, verify=trusted(), timeout=PATIENCE, **more
        )

    def start(self, app: str, **inputs: Any) -> str:
        """Start a run. Returns its id."""
        with closing(Client(self.server.url, self.keys[app])) as client:
            return str(client.run("async", **inputs)["workflow_run_id"])

    def run(self, app: str, *, until: Iterable[str] = ENDS, **inputs: Any) -> str:
        """Start a run, and wait for one of these statuses. Returns its id."""
        run = self.start(app, **inputs)
        self.wait(run, until)
        return run

    def call(self, **body: Any) -> dict[str, Any]:
        """Call the webhook. Returns the delivery after its run has ended."""
        [hook] = self.api("GET", "triggers", params={"kind": "webhook"}).json()["data"]
        httpx.post(f"{self.server.url}{hook['path']}", json=body, verify=trusted(), timeout=PATIENCE)
        delivery = self.api("GET", "deliveries", params={"limit": 1}).json()["data"][0]
        for run in delivery["runs"]:
            self.wait(run)
        return dict(self.api("GET", f"deliveries/{delivery['id']}").json())

    def wait(self, run: str, until: Iterable[str] = ENDS) -> dict[str, Any]:
        """Wait until a run has one of these statuses. Returns the run."""
        deadline = time.monotonic() + PATIENCE
        while (found := self.api("GET", f"runs/{run}").json()).get("status") not in until:
            assert time.monotonic() < deadline, found
            time.sleep(0.05)
        return dict(found)


def wait_for(is_so: Callable[[], bool]) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def site_in(
    folder: Path, echo: EchoServer, apps: dict[str, str] | None = None, settings: dict[str, str] | None = None
) -> Site:
    """Start a separate server; the caller closes it.

    Args:
        apps: Texts by file name; by default those of ``apps.py``.
    """
    files = []
    for name, text in (console_apps(echo.url) if apps is None else apps).items():
        files.append(folder / f"{name}.yml")
        files[-1].write_text(text, encoding="utf-8")
    command = Command(folder / "home")
    imported = command.json("apps", "import", *files) if files else []
    keys = {Path(entry["file"]).stem: entry["api_key"] for entry in imported}
    operator, viewer = (
        command.json("console", "tokens", "new", role, *(["--viewer"] if role == "viewer" else []))[0]["token"]
        for role in ("operator", "viewer")
    )
    return Site(
        # A killed server restarts on the same port, which no connection may have taken meanwhile.
        Server(command.home, port=free_port(), settings={"JIKKO_MAX_STRINGS": str(MOST_ROUNDS), **(settings or {})}),
        command,
        echo,
        operator,
        viewer,
        keys,
    )


@pytest.fixture(scope="session")
def echo() -> Iterator[EchoServer]:
    """Server called by workflows."""
    server = EchoServer()
    yield server
    server.close()


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, echo: EchoServer, built: Path) -> Iterator[Site]:
    """Server shared by a process's tests, none of which may depend on others."""
    site = site_in(
        tmp_path_factory.mktemp("site"),
        echo,
        settings={"JIKKO_ENV_REGION": "of the server", "JIKKO_CONSOLE_SHARES": "1"},
    )
    yield site
    site.server.close()


@pytest.fixture(scope="session")
def handbook(tmp_path_factory: pytest.TempPathFactory, site: Site) -> str:
    """Id of a dataset with indexed documents, and one that cannot be read."""
    folder = tmp_path_factory.mktemp("handbook")
    for name, text in HANDBOOK.items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "broken.pdf").write_bytes(b"%PDF-1.4 no more than its beginning")
    added = site.command("knowledge", "add", "handbook", folder, "--technique", "economy")
    assert "broken.pdf" in added.out + added.err, added
    [dataset] = [one for one in site.api("GET", "datasets").json()["data"] if one["name"] == "handbook"]
    return str(dataset["id"])


Visit = Callable[..., Page]


@pytest.fixture(scope="module")
def rested(browser: Browser) -> Iterator[list[Page]]:
    """The tab shared by a module's tests, while none uses it."""
    pages: list[Page] = []
    yield pages
    for page in pages:
        page.context.close()


@pytest.fixture
def visit(browser: Browser, site: Site, rested: list[Page]) -> Iterator[Visit]:
    """Function that opens a console address, signed in, or for ``None`` an empty tab. Fails if the page had an error or
    contacted another host.

    The first tab of a test is the previous test's, cleared: a renderer per test, which compiles the page again, was
    most of its duration. ``fresh=True`` is for tests that measure that.
    """
    tabs: list[tuple[Page, str, dict[str, Callable[[Any], None]]]] = []
    wrong: list[str] = []

    def tab(origin: str, locale: str, fresh: bool) -> Page:
        if rested and locale == LOCALE and not fresh:
            page = rested.pop()
            old = {"origin": origin, "storageTypes": "all"}
            page.context.new_cdp_session(page).send("Storage.clearDataForOrigin", old)
            return page
        context = browser.new_context(locale=locale, reduced_motion="reduce")
        context.set_default_timeout(PATIENCE * 1000)
        return context.new_page()

    def go(
        path: str | None,
        *,
        at: Site = site,
        token: str | None = None,
        size: ViewportSize | None = None,
        locale: str = LOCALE,
        fresh: bool = False,
    ) -> Page:
        host = at.server.url
        page = tab(host, locale, fresh)
        page.set_viewport_size(size or LARGE)
        sign_in(page.context, at, token or at.operator)

        def watch(request: Request) -> None:
            if not request.url.startswith((host, "data:", "blob:")):
                wrong.append(f"{path} asks {request.url}")

        heard: dict[str, Callable[[Any], None]] = {
            "pageerror": lambda error: wrong.append(f"{path}: {error}"),
            "request": watch,
        }
        for event, hear in heard.items():
            page.on(event, hear)  # type: ignore[call-overload]
        tabs.append((page, locale, heard))
        if path is not None:
            page.goto(f"{at.url}{path}")
        return page

    yield go
    for page, locale, heard in tabs:
        if rested or locale != LOCALE or page.is_closed() or page.context.pages != [page]:
            page.context.close()
            continue
        for event, hear in heard.items():
            page.remove_listener(event, hear)
        page.unroute_all(behavior="ignoreErrors")
        page.goto("about:blank")
        page.context.clear_cookies()
        rested.append(page)
    assert wrong == []


def walk(page: Page, path: str) -> None:
    """Open a console address (without its beginning) as a link does, in the document that the page has: what a load
    takes, and the page's scripts to be compiled again, is more than most addresses take."""
    strange = page.get_by_role("heading", name=re.compile("^(No such page|ページが見つかりません)$"))
    for address, count in (("/no/such/page", 1), (path, 0)):
        page.evaluate("address => history.pushState(null, '', address)", f"/console{address}")
        expect(strange).to_have_count(count)


def sign_in(context: BrowserContext, site: Site, token: str) -> None:
    """Give a browser a session cookie."""
    if token not in site.cookies:
        answer = context.request.post(
            f"{site.url}/api/session",
            data={"token": token},
            headers={"X-Jikko-Console": "1", "Origin": site.server.url},
        )
        assert answer.ok, answer.text()
        site.cookies[token] = context.cookies()
    context.add_cookies(site.cookies[token])
