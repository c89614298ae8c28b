"""Coverage on the graph of a workflow: parts never reached by recorded runs are marked and named."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.acceptance.workflows import app, end, if_contains, start, template
from tests.console.album import keep
from tests.console.apps import placed
from tests.console.conftest import SMALL, Site, Visit, wait_for
from tests.console.test_retry_page import app_of


def routed() -> str:
    """A workflow with a branch that none of the runs takes."""
    urgent = template("urgent", "{{ q }}!", q="start.q")
    urgent["data"]["title"] = "至急 🚨"
    way = if_contains("way", "start.q", "fire")
    way["data"]["title"] = "How urgent?"
    content = json.loads(
        placed(
            app(
                "Routed",
                [start("q"), way, urgent, end("paged", q="urgent.output"), end("kept", q="start.q")],
                "start>way way:true>urgent>paged way:false>kept",
            )
        )
    )
    content["workflow"]["graph"]["nodes"][-1]["position"]["y"] = 480
    return json.dumps(content)


@pytest.fixture(scope="module")
def workflow(site: Site, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A workflow with three runs. Its id."""
    file = tmp_path_factory.mktemp("routed") / "routed.yml"
    file.write_text(routed(), encoding="utf-8")
    [entry] = site.command.json("apps", "import", file)
    site.keys["routed"] = entry["api_key"]
    runs = [site.run("routed", q=f"tea {n}") for n in range(3)]
    return app_of(site, runs[0])


def of_node(page: Page, name: str) -> Locator:
    return page.locator(".graph button.node", has_text=name)


def test_what_no_run_came_to_is_marked_on_the_graph_and_named_below_it(site: Site, visit: Visit, workflow: str) -> None:
    page = visit(f"/w/{workflow}", token=site.viewer)
    switch = page.get_by_role("button", name="Coverage")
    expect(switch).to_have_attribute("aria-pressed", "false")
    expect(page.locator(".edge.never")).to_have_count(0)
    switch.focus()
    page.keyboard.press("Enter")

    expect(switch).to_have_attribute("aria-pressed", "true")
    legend = page.locator(".coverage")
    expect(legend.get_by_role("status")).to_have_text("Of the newest 3 runs: 3 of 5 nodes, 1 of 2 branches")
    expect(legend.get_by_role("listitem")).to_have_text(
        ["至急 🚨: never ran", "paged: never ran", re.compile(r"^How urgent\? → .+: never taken$")]
    )
    expect(of_node(page, "至急 🚨")).to_contain_text("never ran")
    expect(of_node(page, "kept")).to_contain_text("3 ×")
    expect(page.locator(".edge.never")).to_have_count(2)
    expect(page.locator(".edge.never").first).to_have_css("stroke-dasharray", "3px, 7px")
    expect(page.locator(".edge > title", has_text="never taken").first).to_be_attached()
    expect(page.locator(".edge > title", has_text="3 ×")).to_have_count(1)

    page.keyboard.press("Enter")
    expect(legend).to_have_count(0)
    expect(page.locator(".edge.never")).to_have_count(0)
    expect(of_node(page, "至急 🚨")).not_to_contain_text("never ran")


@pytest.mark.parametrize(
    ("locale", "said"),
    [("en-US", "paged: never ran"), ("ja-JP", "paged: 未実行")],
)
def test_it_is_there_for_all_light_and_dark_large_and_small(
    visit: Visit, workflow: str, axe: str, locale: str, said: str
) -> None:
    page = visit(f"/w/{workflow}?coverage=1", locale=locale)
    expect(page.locator(".coverage")).to_contain_text(said)
    keep(page, f"coverage-{locale}", axe)


def test_a_version_that_never_ran_says_so_and_marks_nothing(
    site: Site, visit: Visit, workflow: str, tmp_path: Path
) -> None:
    file = tmp_path / "unused.yml"
    file.write_text(routed().replace('"Routed"', '"Unused"'), encoding="utf-8")
    site.command.json("apps", "import", file)
    unused = next(one["id"] for one in site.api("GET", "apps").json()["data"] if one["name"] == "Unused")
    page = visit(f"/w/{unused}?coverage=1", size=SMALL, locale="ja-JP")
    expect(page.locator(".coverage")).to_have_text("このバージョンの実行で終了したものはまだありません。")
    expect(page.locator(".edge.never")).to_have_count(0)
    wait_for(lambda: page.evaluate("document.documentElement.scrollWidth <= innerWidth"))
