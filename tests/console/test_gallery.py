"""Runs with unusual content: nothing overflows its frame."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from tests.acceptance.echo import EchoServer
from tests.acceptance.processes import Command
from tests.console.album import AXE_RUN
from tests.console.conftest import HANDBOOK, LARGE, SMALL, Site, Visit, site_in, walk
from tests.console.gallery import ARABIC, FAMILY, LONG, UNBROKEN, WEEKDAY, gallery_apps, providers
from tests.console.pictures import png
from tests.console.test_looks import settle
from tests.providers.fake_model import Exchange
from tests.providers.model_thread import Model
from tests.strategies.agents import calls, says, script

QUESTION = "How many days do refunds take?"


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    of_agent, of_title = script([calls(WEEKDAY), says("It is ", "Thursday.")]), script([says("A day")])

    async def answer(exchange: Exchange) -> None:
        # A title is asked for at its own time, and may come first.
        await (of_agent if "tools" in exchange.body else of_title)(exchange)

    made = Model(answer)
    yield made
    made.close()


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory, echo: EchoServer, built: Path, model: Model) -> Iterator[Site]:
    """A server with odd apps."""
    folder = tmp_path_factory.mktemp("gallery")
    (folder / "handbook").mkdir()
    for name, text in HANDBOOK.items():
        (folder / "handbook" / name).write_text(text, encoding="utf-8")
    command = Command(folder / "home")
    assert command("knowledge", "add", "handbook", folder / "handbook", "--technique", "economy").code == 0
    [dataset] = command.json("knowledge", "list")
    (folder / "providers.yml").write_text(providers(model.model.url), encoding="utf-8")
    settings = {"JIKKO_PROVIDERS": str(folder / "providers.yml"), "JIKKO_MAX_TEXT": "4000000"}
    site = site_in(folder, echo, apps=gallery_apps(echo.url, dataset["id"]), settings=settings)
    yield site
    site.server.close()


def in_frame(page: Page) -> None:
    """Nothing is beyond the side, whatever its names are."""
    assert page.evaluate("document.documentElement.scrollWidth") <= (page.viewport_size or LARGE)["width"]


def app_id(site: Site, name: str) -> str:
    return str(next(one["id"] for one in site.api("GET", "apps").json()["data"] if one["name"] == name))


def test_failures_that_were_handled_are_no_further_failures(gallery: Site, visit: Visit) -> None:
    page = visit(f"/runs/{gallery.run('handled', q='x')}", at=gallery)
    expect(page.locator(".strip")).to_contain_text("Check policy failed: ZeroDivisionError")
    expect(page.locator(".strip")).to_contain_text("1 more, handled")
    page.get_by_role("button", name="日本語").click()
    expect(page.locator(".strip")).to_contain_text("処理済み")
    expect(page.locator(".err")).to_contain_text("コードの実行エラー（CodeExecutionError）")


def test_a_run_with_exceptions_names_what_was_handled(gallery: Site, visit: Visit) -> None:
    page = visit(f"/runs/{gallery.run('exceptions', q='x')}", at=gallery)
    expect(page.locator(".runhead .pill")).to_contain_text("With exceptions")
    expect(page.locator(".strip")).to_contain_text("Ask the warehouse failed, but the run continued")


def test_a_retry_is_told_on_both_runs_and_runs_in_its_own_version(gallery: Site, visit: Visit, tmp_path: Path) -> None:
    first = gallery.run("again", q="x")
    retry = gallery.api("POST", f"runs/{first}/retry", json={}).json()["run_id"]
    gallery.wait(retry)
    page = visit(f"/runs/{first}", at=gallery)
    page.get_by_role("link", name=f"retried by {retry[-4:]}").click()
    expect(page.get_by_role("link", name=f"retries {first[-4:]}")).to_be_visible()
    newer = tmp_path / "again.yml"
    text = gallery_apps(gallery.echo.url, "x")["again"]
    newer.write_text(text.replace("Check policy", "Check it twice"), encoding="utf-8")
    gallery.command.json("apps", "import", newer)
    page.goto(f"{gallery.url}/runs/{first}")
    expect(page.locator(".runhead")).to_contain_text("version 1")
    expect(page.locator(".graph .node").filter(has_text="Check policy")).to_be_visible()
    page.goto(f"{gallery.url}/runs/{gallery.run('again', q='x')}")
    expect(page.locator(".runhead")).to_contain_text("version 2")
    expect(page.locator(".graph .node").filter(has_text="Check it twice")).to_be_visible()


TEXTS = """() => [...document.querySelectorAll('.graph .node .cut')].filter(text => text.offsetWidth > 0)
    .map(text => parseFloat(getComputedStyle(text).fontSize) * text.getBoundingClientRect().width / text.offsetWidth)"""
"""The sizes that the texts of a graph have on the screen, in pixels."""


@pytest.mark.parametrize("size", [LARGE, SMALL], ids=["1440", "390"])
def test_no_text_of_a_graph_is_too_small_to_read(gallery: Site, visit: Visit, size: ViewportSize) -> None:
    page = visit(f"/runs/{gallery.run('handled', q='x')}", at=gallery, size=size)
    expect(page.locator(".graph .node").first).to_be_visible()
    assert min(page.evaluate(TEXTS)) >= 10
    page.get_by_role("button", name="Larger").click()
    assert min(page.evaluate(TEXTS)) >= 10


def test_steps_are_as_high_as_the_screen_wants_when_it_is_turned(gallery: Site, visit: Visit) -> None:
    page = visit(f"/runs/{gallery.run('handled', q='x')}", at=gallery)
    steps = page.get_by_role("treeitem")
    expect(steps).to_have_count(4)
    for size, height in ((SMALL, 40), (LARGE, 28)):
        page.set_viewport_size(size)
        page.wait_for_function(
            """height => {
                const rows = [...document.querySelectorAll('[role=treeitem]')]
                const [one, next] = rows.map(row => row.getBoundingClientRect())
                return one.height === height && next.top - one.top === height
            }""",
            arg=height,
        )


def test_a_graph_that_is_too_large_for_words_has_names_as_titles(gallery: Site, visit: Visit) -> None:
    page = visit(f"/w/{app_id(gallery, 'Wide')}", at=gallery)
    node = page.locator(".graph .node").first
    expect(node).to_be_visible()
    expect(page.locator(".graph .node .cut").first).to_be_hidden()
    expect(node).to_have_attribute("title", "start")
    while page.evaluate(TEXTS) == []:
        page.get_by_role("button", name="Larger").click()
    assert min(page.evaluate(TEXTS)) >= 10


@pytest.mark.parametrize("size", [LARGE, SMALL], ids=["1440", "390"])
def test_long_turned_and_private_names_stay_in_their_place(gallery: Site, visit: Visit, size: ViewportSize) -> None:
    run = gallery.run("long", q="x")
    gallery.run("arabic", q=f"{ARABIC} {FAMILY}")
    page = visit(f"/runs/{run}", at=gallery, size=size)
    expect(page.get_by_role("treeitem").filter(has_text=UNBROKEN)).to_be_visible()
    expect(page.get_by_role("treeitem").filter(has_text=ARABIC).first).to_be_visible()
    in_frame(page)
    page.goto(f"{gallery.url}/runs/{run}?node=say")
    inspector = page.get_by_label("Inspector")
    expect(inspector.get_by_role("heading", name=LONG[:20])).to_be_visible()
    assert inspector.evaluate("box => box.scrollWidth <= box.clientWidth")
    inspector.get_by_role("button", name="Copy the link").click(trial=True)
    inspector.get_by_role("button", name="Edit and run again from here").click()
    dialog = page.get_by_role("dialog", name=LONG[:20])
    dialog.get_by_role("checkbox").first.check()
    run_again = dialog.get_by_role("button", name="Run again", exact=True)
    run_again.scroll_into_view_if_needed()
    expect(run_again).to_be_in_viewport(ratio=0.99)
    assert dialog.evaluate("box => box.scrollWidth <= box.clientWidth")
    for path in (f"/w/{app_id(gallery, LONG)}", "/", "/runs?t=all"):
        page.goto(f"{gallery.url}{path}")
        expect(page.get_by_role("main").locator(":visible", has_text=LONG[:20]).last).to_be_visible()
        in_frame(page)


def test_an_output_of_a_megabyte_is_cut_and_had_whole(gallery: Site, visit: Visit) -> None:
    page = visit(f"/runs/{gallery.run('large', q='x')}?node=make", at=gallery)
    inspector = page.get_by_label("Inspector")
    expect(inspector).to_contain_text("行é🍓行é🍓")
    expect(inspector).to_contain_text(FAMILY)
    with page.expect_download() as download:
        inspector.get_by_role("link", name="Download").first.click()
    assert Path(download.value.path()).read_text(encoding="utf-8").endswith("THE END")
    inspector.get_by_role("button", name="Show all").first.click()
    expect(inspector.locator(".whole")).to_contain_text("THE END")
    page.get_by_role("tab", name="Answer").click()
    expect(page.get_by_role("tabpanel", name="Answer")).to_contain_text("行é🍓")
    in_frame(page)


def test_files_of_a_run_are_seen_and_kept(gallery: Site, visit: Visit) -> None:
    app = app_id(gallery, "Pictures")
    files = []
    for name, content in (("画像 \ue000.png", png(64, 48)), ("notes.txt", b"Dear all")):
        file = gallery.api("POST", f"apps/{app}/files", files={"file": (name, content)}).json()
        kind = "image" if name.endswith("png") else "document"
        files.append({"type": kind, "transfer_method": "local_file", "upload_file_id": file["id"]})
    started = gallery.api("POST", f"apps/{app}/runs", json={"inputs": {"picture": files}}).json()
    gallery.wait(started["run_id"])
    page = visit(f"/runs/{started['run_id']}?node=end", at=gallery)
    inspector = page.get_by_label("Inspector")
    picture = inspector.get_by_role("img", name="画像 \ue000.png")
    expect(picture).to_be_visible()
    page.wait_for_function("() => document.querySelector('.inspector .kept img').naturalWidth === 64")
    with page.expect_download() as download:
        inspector.get_by_role("link", name="Download notes.txt").click()
    assert Path(download.value.path()).read_bytes() == b"Dear all"
    page.get_by_role("tab", name="Inputs and outputs").click()
    expect(page.get_by_role("tabpanel", name="Inputs and outputs").get_by_role("img").first).to_be_visible()


def test_an_agent_tells_its_calls_and_what_was_answered(gallery: Site, visit: Visit) -> None:
    app = app_id(gallery, "Counts days")
    turn = gallery.api("POST", f"apps/{app}/messages", json={"query": "Which day?", "inputs": {}}).json()
    gallery.wait(turn["run_id"])
    page = visit(f"/runs/{turn['run_id']}?node=agent&tab=calls", at=gallery)
    panel = page.get_by_role("tabpanel", name="Calls")
    expect(panel).to_contain_text("CALL weekday")
    expect(panel).to_contain_text("February 29, 2024 is Thursday.")
    page.goto(f"{gallery.url}/chat/{app}/{turn['conversation_id']}")
    expect(page.get_by_role("article").last).to_contain_text("It is Thursday.")
    # The run goes, the conversation stays.
    assert gallery.api("DELETE", f"runs/{turn['run_id']}").status_code == 204
    page.reload()
    expect(page.get_by_role("article").last).to_contain_text("It is Thursday.")
    expect(page.get_by_label("Run of this answer")).to_contain_text("Its run has been deleted.")


def test_what_a_node_found_has_its_scores(gallery: Site, visit: Visit) -> None:
    run = gallery.run("finds", q=QUESTION)
    page = visit(f"/runs/{run}?node=found", at=gallery)
    hit = page.get_by_label("Inspector").get_by_role("article").first
    expect(hit).to_contain_text("Refunds take ten days.")
    expect(hit).to_contain_text("handbook › refunds.md")
    event = next(
        one
        for one in gallery.api("GET", f"runs/{run}/log").json()["data"]
        if one["event"] == "node_finished" and one["node_id"] == "found"
    )
    score = event["outputs"]["result"][0]["metadata"]["score"]
    expect(hit.locator("b")).to_have_text(f"{score:.3f}")
    page.goto(f"{gallery.url}/runs/{gallery.run('finds', q='zzzz')}?node=found")
    expect(page.get_by_label("Inspector")).to_contain_text("Nothing was found.")


def test_a_run_of_a_workflow_that_was_removed_is_still_told(gallery: Site, visit: Visit) -> None:
    run = gallery.run("arabic", q="kept")
    app = gallery.api("GET", f"runs/{run}").json()["app"]["id"]
    assert gallery.api("DELETE", f"apps/{app}").status_code == 204
    page = visit(f"/runs/{run}", at=gallery)
    expect(page.get_by_role("treeitem").first).to_be_visible()
    page.get_by_role("tab", name="Inputs and outputs").click()
    expect(page.get_by_role("tabpanel", name="Inputs and outputs")).to_contain_text("kept")


@pytest.mark.parametrize(
    ("size", "locale", "theme"), [(LARGE, "en-US", "light"), (SMALL, "ja-JP", "dark")], ids=["1440", "390"]
)
def test_odd_runs_break_no_rule_of_accessibility_in_both_languages(
    gallery: Site, visit: Visit, axe_source: str, size: ViewportSize, locale: str, theme: str
) -> None:
    app = app_id(gallery, "Counts days")
    turn = gallery.api("POST", f"apps/{app}/messages", json={"query": "Which day?", "inputs": {}}).json()
    gallery.wait(turn["run_id"])
    [dataset] = gallery.api("GET", "datasets").json()["data"]
    places = [
        f"/runs/{gallery.run('handled', q='x')}",
        f"/runs/{gallery.run('finds', q=QUESTION)}?node=found",
        f"/runs/{gallery.run('long', q='x')}",
        f"/runs/{turn['run_id']}?node=agent&tab=calls",
        f"/w/{app_id(gallery, 'Everything')}",
        f"/chat/{app}/{turn['conversation_id']}",
        f"/knowledge/{dataset['id']}",
        "/runs?t=all&user=someone",
    ]
    found = {}
    page = visit("/nowhere", at=gallery, size=size, locale=locale)
    # In one document, in which the rules are compiled once.
    page.evaluate(axe_source)
    page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
    for place in (None, *places):
        if place:
            walk(page, place)
        settle(page)
        in_frame(page)
        if wrong := page.evaluate(AXE_RUN):
            found[place] = wrong
    assert found == {}
