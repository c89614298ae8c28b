"""Loading, empty and error states of every page, with causes and remedies."""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import Error, Route, expect

from tests.acceptance.echo import EchoServer
from tests.console.album import keep
from tests.console.conftest import LARGE, SMALL, Site, Visit, site_in, walk

ASKED = {
    "workflows": "apps",
    "workflow": "apps/{app}",
    "runs": "runs?*",
    "run": "runs/{run}/log*",
    "chat": "conversations/{talk}/messages*",
    "conversations": "apps/{chat}/conversations*",
    "datasets": "datasets",
    "documents": "datasets/{handbook}/documents*",
    "triggers": "triggers",
    "deliveries": "deliveries",
    "system": "system",
    "tools": "tools",
    "tokens": "tokens",
    "keys": "apps/{app}/keys",
    "versions": "apps/{app}/versions",
}
"""What a page or panel asks the API."""
WHERE = {
    "workflows": "/",
    "workflow": "/w/{app}",
    "runs": "/runs?t=all",
    "run": "/runs/{run}",
    "chat": "/chat/{chat}/{talk}",
    "conversations": "/chat/{chat}",
    "datasets": "/knowledge",
    "documents": "/knowledge/{handbook}",
    "triggers": "/triggers",
    "deliveries": "/triggers",
    "system": "/system",
    "tools": "/system",
    "tokens": "/system",
    "keys": "/w/{app}",
    "versions": "/w/{app}",
}
WHOLE = ("workflows", "workflow", "runs", "chat", "datasets", "documents", "triggers", "deliveries", "system")
"""What says that it loads, and is the first of its page to do so."""


@pytest.fixture(scope="module")
def names(site: Site, handbook: str) -> dict[str, str]:
    """The ids that addresses have."""
    apps = {entry["name"]: entry["id"] for entry in site.api("GET", "apps").json()["data"]}
    talk = site.api("POST", f"apps/{apps['Talks']}/messages", json={"query": "hello", "inputs": {}}).json()
    site.wait(talk["run_id"])
    return {
        "app": apps["Greets"],
        "chat": apps["Talks"],
        "talk": talk["conversation_id"],
        "run": site.run("greets", name="Dr States"),
        "handbook": handbook,
    }


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory, echo: EchoServer, built: Path) -> Iterator[Site]:
    """A server without workflows, runs and datasets."""
    site = site_in(tmp_path_factory.mktemp("bare"), echo, apps={})
    yield site
    site.server.close()


def answered(route: Route, status: int, code: str, message: str) -> None:
    body = json.dumps({"code": code, "message": message, "status": status})
    route.fulfill(status=status, content_type="application/json", body=body)


@pytest.mark.parametrize("name", ASKED)
def test_a_page_says_that_it_loads_and_if_it_is_refused_why_and_is_asked_for_again(
    site: Site, visit: Visit, names: dict[str, str], name: str
) -> None:
    page, asked = visit(None), f"**/console/api/{ASKED[name].format(**names)}"
    held: list[Route] = []
    page.route(asked, lambda route: held.append(route))
    page.goto(f"{site.url}{WHERE[name].format(**names)}")
    loading = page.get_by_role("status").filter(has_text="Loading")
    if name in WHOLE:
        expect(loading.first).to_be_visible()
        if name == "runs":
            # Of what is not here there is not a number.
            expect(page.get_by_role("group", name="Status")).to_contain_text("All–")
        keep(page, f"{name}-loading")

    def refuse(route: Route) -> None:
        answered(route, 400, "invalid_param", "The disk says no.")

    page.route(asked, refuse)
    for route in held:
        # A request that the page itself gave up is none any more.
        with suppress(Error):
            refuse(route)
    alert = page.get_by_role("alert").filter(has_text="The disk says no.")
    expect(alert).to_be_visible()
    expect(page.locator(".skeleton")).to_have_count(0)
    keep(page, f"{name}-error")
    again, words = alert.get_by_role("button").bounding_box(), alert.get_by_text("The disk says no.").bounding_box()
    assert again
    assert words
    assert again["y"] < words["y"] + words["height"], "one beside the other"
    page.unroute(asked)
    alert.get_by_role("button", name="Try again").click()
    expect(alert).to_have_count(0)
    expect(loading).to_have_count(0)
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_fault_of_the_server_and_an_answer_that_is_none_are_told_in_words(
    site: Site, visit: Visit, names: dict[str, str]
) -> None:
    page = visit(None)
    page.route("**/console/api/datasets", lambda route: answered(route, 500, "internal_server_error", "It is broken."))
    page.route("**/console/api/apps", lambda route: route.fulfill(status=502, body="<h1>Bad Gateway</h1>"))
    page.goto(f"{site.url}/knowledge")
    expect(page.get_by_role("alert")).to_contain_text("It is broken.")
    page.get_by_role("link", name="Workflows").click()
    expect(page.get_by_role("alert")).to_contain_text("The server answered 502")
    expect(page.get_by_role("alert")).not_to_contain_text("<h1>")


def test_a_run_whose_log_is_on_its_way_says_nothing_that_is_not_so(
    site: Site, visit: Visit, names: dict[str, str]
) -> None:
    page, asked = visit(None), f"**/console/api/{ASKED['run'].format(**names)}"
    held: list[Route] = []
    page.route(asked, lambda route: held.append(route))
    page.goto(f"{site.url}{WHERE['run'].format(**names)}?node=plain")
    expect(page.locator(".runhead .pill")).to_contain_text("Succeeded")
    expect(page.locator(".graph .node").first).to_be_visible()
    for wrong in ("This node did not run", "No step has begun", "live"):
        expect(page.get_by_text(wrong, exact=wrong == "live")).to_have_count(0)
    expect(page.locator(".axis span")).to_have_count(0)
    page.unroute(asked)
    for route in held:
        with suppress(Error):
            route.continue_()
    expect(page.get_by_role("treeitem").first).to_be_visible()
    expect(page.get_by_text("ended", exact=True)).to_be_visible()


def test_a_run_whose_log_cannot_be_read_says_why_and_nothing_that_is_not_so(
    site: Site, visit: Visit, names: dict[str, str]
) -> None:
    page, asked = visit(None), f"**/console/api/{ASKED['run'].format(**names)}"
    page.route(asked, lambda route: answered(route, 503, "storage_damaged", "The log is damaged."))
    page.goto(f"{site.url}{WHERE['run'].format(**names)}?node=plain&round=NaN")
    expect(page.get_by_role("alert")).to_contain_text("The log is damaged.")
    expect(page.locator(".runhead .pill")).to_contain_text("Succeeded")
    expect(page.get_by_text("This node did not run")).to_have_count(0)
    expect(page.locator(".axis span")).to_have_count(0)
    expect(page.locator(".runhead dl")).to_contain_text(re.compile(r"nodes\s*–"))


def test_a_run_that_has_ended_is_told_as_ended_while_its_log_is_read(site: Site, visit: Visit) -> None:
    run = site.run("many", q="read")
    page = visit(None)
    held: list[Route] = []
    page.route(re.compile(rf"/console/api/runs/{run}/log\?.*after=[1-9]"), lambda route: held.append(route))
    page.goto(f"{site.url}/runs/{run}")
    expect(page.get_by_role("status").filter(has_text="events read")).to_be_visible()
    expect(page.locator(".runhead .pill")).to_contain_text("Succeeded")
    for name in ("Stop", "Run again"):
        expect(page.locator(".runhead").get_by_role("button", name=name)).to_have_count(int(name != "Stop"))
    # A step of what was read has taken no longer than what was read.
    expect(page.get_by_role("treeitem").filter(has_text="each")).not_to_contain_text(re.compile(r"\d m \d"))
    for route in held:
        with suppress(Error):
            route.continue_()


def test_a_step_that_a_stop_cut_off_took_no_longer_than_its_run(site: Site, visit: Visit) -> None:
    run = site.start("waits", name="cut-off")
    site.echo.wait_for_calls("/hold/cut-off/1")
    assert site.api("POST", f"runs/{run}/stop").status_code == 200
    site.wait(run)
    page = visit(f"/runs/{run}")
    expect(page.locator(".strip")).to_contain_text("stopped by user")
    log = site.api("GET", f"runs/{run}/log").json()["data"]
    began = next(one["at"] for one in log if one["event"] == "node_started" and one["node_id"] == "first")
    took = page.get_by_role("treeitem").filter(has_text="first").inner_text()
    shown = re.search(r"([\d.]+) (ms|s)\b", took)
    assert shown is not None, took
    seconds = float(shown[1]) / (1000 if shown[2] == "ms" else 1)
    assert seconds <= log[-1]["at"] - began + 0.01, took
    site.echo.release("/hold/cut-off/1")


def test_where_there_is_nothing_the_page_says_what_to_do(bare: Site, visit: Visit) -> None:
    page = visit("/enter", at=bare)
    for path, words in (
        ("/", "No workflow yet. Import a file"),
        ("/runs", "No run in this period"),
        ("/runs?t=all", "Nothing has run yet"),
        ("/runs?t=all&status=failed", "No run matches"),
        ("/chat", "This server has no chatflow"),
        ("/knowledge", "No dataset yet"),
        ("/triggers", "No trigger. Workflows with a webhook or schedule node have one."),
        ("/triggers", "No webhook call yet"),
        ("/triggers?state=failed", "No delivery matches"),
        ("/system", "No model provider is set up"),
    ):
        walk(page, path)
        expect(page.locator("main")).to_contain_text(words)
        expect(page.get_by_role("alert")).to_have_count(0)
        keep(page, f"{re.sub(r'[^a-z]+', '-', path).strip('-') or 'workflows'}-empty")


@pytest.mark.parametrize(
    ("path", "words", "way"),
    [
        ("/runs/019acd4e-0000-7000-8000-000000000000", "No such run", "All runs"),
        ("/w/019acd4e-0000-7000-8000-000000000000", "No such workflow", "All workflows"),
        ("/knowledge/019acd4e-0000-7000-8000-000000000000", "No such dataset", "All datasets"),
        ("/nowhere/at/all", "No such page", "All workflows"),
    ],
)
def test_what_is_gone_is_told_with_a_way_on(bare: Site, visit: Visit, path: str, words: str, way: str) -> None:
    page = visit(path, at=bare)
    expect(page.get_by_role("heading", name=words)).to_be_visible()
    page.get_by_role("main").get_by_role("link", name=way).click()
    expect(page.get_by_role("heading", name=words)).to_have_count(0)


def test_a_page_whose_server_is_gone_keeps_what_it_shows_and_says_since_when(
    visit: Visit, tmp_path: Path, echo: EchoServer
) -> None:
    site = site_in(tmp_path, echo)
    try:
        apps = {entry["name"]: entry["id"] for entry in site.api("GET", "apps").json()["data"]}
        run, paused = site.run("greets", name="Dr Gone"), site.run("asks", until=["paused"], q="gone")
        talk = site.api("POST", f"apps/{apps['Talks']}/messages", json={"query": "anybody?", "inputs": {}}).json()
        site.wait(talk["run_id"])
        shown = {
            "/": "Greets",
            "/runs": "Good day, Dr Gone.",
            "/system": "To fix",
            f"/w/{apps['Greets']}": "Recent runs",
            f"/runs/{run}?node=formal": "Dr Gone",
            f"/runs/{paused}": "Questions",
            f"/chat/{apps['Talks']}/{talk['conversation_id']}": "anybody?",
            "/knowledge": "No dataset yet",
        }
        pages = [visit(path, at=site, size=SMALL if path == "/runs" else None) for path in shown]
        for page, words in zip(pages, shown.values(), strict=True):
            expect(page.get_by_role("main").get_by_text(words).first).to_be_visible()
        site.server.kill()
        for page, words in zip(pages, shown.values(), strict=True):
            expect(page.get_by_text("not connected since").first).to_be_visible()
            expect(page.get_by_role("main").get_by_text(words).first).to_be_visible()
            expect(page.get_by_role("alert")).to_have_count(0)
            keep(page, f"{re.sub(r'[^a-z]+', '-', words.lower()).strip('-')}-lost")
            if words == "anybody?":
                # Nothing of the page is pushed out of the screen by the strip.
                assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")
        # A page whose script was not loaded before cannot be shown, and says so.
        pages[0].get_by_role("link", name="Knowledge").click()
        expect(pages[0].get_by_role("alert")).to_contain_text("the server cannot be reached, or has a newer version")
        expect(pages[0].get_by_role("button", name="Reload")).to_be_visible()
    finally:
        site.server.close()


def test_a_browser_without_a_network_still_asks_a_server_of_its_own_machine(
    site: Site, visit: Visit, names: dict[str, str]
) -> None:
    page = visit("/")
    expect(page.get_by_role("link", name="Greets").first).to_be_visible()
    page.context.set_offline(True)
    expect(page.get_by_text("not connected since")).to_be_visible()
    page.context.set_offline(False)
    expect(page.get_by_text("not connected since")).to_have_count(0)
    expect(page.get_by_role("link", name="Greets").first).to_be_visible()


def test_a_viewer_sees_no_button_that_is_not_for_viewers(site: Site, visit: Visit, names: dict[str, str]) -> None:
    forbidden = re.compile(r"^(Run|Stop|Retry|Import|New|Revoke|Publish|Send|Test|Check|Delete)\b")
    asked: list[str] = []
    page = visit("/enter", token=site.viewer)
    page.on("request", lambda request: asked.append(request.method))
    for name in ("workflows", "workflow", "runs", "run", "chat", "documents", "triggers", "system"):
        walk(page, WHERE[name].format(**names))
        expect(page.locator("main")).to_be_visible()
        expect(page.get_by_text("viewer", exact=True).first).to_be_visible()
        expect(page.locator(".skeleton")).to_have_count(0)
        assert page.get_by_role("button", name=forbidden).count() == 0, name
        page.keyboard.press("r")
        if name in ("run", "chat"):
            page.get_by_role("button", name="More").click()
            expect(page.get_by_role("menuitem").first).to_be_visible()
            assert page.get_by_role("menuitem", name=re.compile("Delete|again")).count() == 0, name
    page.close()
    assert set(asked) <= {"GET"}


def test_what_a_tool_lacks_is_told_within_the_frame(site: Site, visit: Visit) -> None:
    lacks = (
        "the plugin tester/sdk needs key; add under 'plugins:' in a plugins file: tester/sdk: {credentials: {}} " * 3
    )
    listed = [{"type": "plugin", "name": "tester/sdk/sdk", "error": f"{lacks}{'k' * 300} 鍵🗝"}]
    page = visit(None)
    page.route("**/console/api/tools", lambda route: route.fulfill(json={"data": listed}))
    page.goto(f"{site.url}/system")
    expect(page.get_by_text("鍵🗝")).to_be_visible()
    for size in (LARGE, SMALL):
        page.set_viewport_size(size)
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
        ends = "table => table.getBoundingClientRect().right - table.closest('.panel').getBoundingClientRect().right"
        assert page.locator("table", has_text="鍵🗝").evaluate(ends) <= 0


def test_who_is_signed_out_elsewhere_signs_in_and_is_back_where_he_was(site: Site, visit: Visit) -> None:
    page = visit("/runs?t=all&status=failed")
    expect(page.get_by_role("heading", name="Runs")).to_be_visible()
    page.context.clear_cookies()
    field = page.get_by_label("Operator or viewer token")
    field.fill("jko_wrong")
    field.press("Enter")
    expect(page.get_by_role("alert")).to_be_visible()
    field.fill(site.operator)
    field.press("Enter")
    expect(page.get_by_role("heading", name="Runs")).to_be_visible()
    assert "t=all&status=failed" in page.url
