"""A node's source in the workflow file: on the pages of run and workflow."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from playwright.sync_api import expect

from tests.acceptance.workflows import (
    app,
    end,
    first_of,
    if_contains,
    iteration,
    node,
    python,
    start,
    with_environment,
)
from tests.console.album import keep
from tests.console.conftest import LARGE, SMALL, Site, Visit, wait_for
from tests.console.test_retry_page import BROKEN, FIXED, app_of, mending, publish


@pytest.fixture
def failed(site: Site, tmp_path: Path) -> str:
    """A run of a version that is not the current one any more."""
    publish(site, tmp_path, BROKEN)
    run = site.run("mended", q="the lamp")
    site.wait(run)
    publish(site, tmp_path, FIXED)
    return run


def test_a_failed_node_shows_its_code_as_the_version_that_ran_has_it(site: Site, visit: Visit, failed: str) -> None:
    page = visit(f"/runs/{failed}")
    expect(page.get_by_role("tree")).to_be_focused()
    page.keyboard.press("f")
    expect(page.get_by_label("Inspector")).to_contain_text("ZeroDivisionError")
    page.get_by_role("tab", name="Output", exact=True).focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Source")).to_be_focused()
    panel = page.get_by_role("tabpanel", name="Source")
    expect(panel).to_contain_text("return 1 / 0")
    expect(panel).not_to_contain_text("is fine")
    expect(panel).to_contain_text(re.compile(r"Lines? [\d,]+ to [\d,]+ of the file"))
    with page.expect_download() as download:
        panel.get_by_role("link", name="Download the workflow file").click()
    assert download.value.path().read_text(encoding="utf-8") == BROKEN


@pytest.mark.parametrize("style", ["|", '"'])
def test_the_line_at_which_code_failed_is_marked(
    site: Site, visit: Visit, tmp_path: Path, style: str, axe: str
) -> None:
    content = json.loads(mending("import json\n\n\ndef main(q):\n    a = '返品 🎉'\n    return a / 0\n"))

    class Dumper(yaml.SafeDumper):
        # Texts of several lines have the style.
        def represent_str(self, data: str) -> yaml.ScalarNode:
            return self.represent_scalar("tag:yaml.org,2002:str", data, style=style if "\n" in data else None)

    Dumper.add_representer(str, Dumper.represent_str)
    publish(site, tmp_path, yaml.dump(content, Dumper=Dumper, allow_unicode=True))
    run = site.run("mended", q="the lamp")
    page = visit(f"/runs/{run}?node=judge&tab=source")
    expect(page.locator("pre mark")).to_have_text("return a / 0")
    expect(page.locator("pre mark")).to_have_attribute("title", "failed here")
    keep(page, f"failing-line-{ord(style)}", axe)


def test_a_workflow_shows_the_lines_of_the_step_that_is_chosen(site: Site, visit: Visit, failed: str) -> None:
    page = visit(f"/w/{app_of(site, failed)}?node=judge", size=SMALL, locale="ja-JP")
    expect(page.get_by_role("heading", name="定義")).to_be_visible()
    expect(page.locator("pre.numbered").first).to_contain_text("is fine")
    wait_for(lambda: page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


@pytest.mark.parametrize(("locale", "whole"), [("en-US", "Whole file"), ("ja-JP", "ファイル全体")])
def test_the_whole_file_is_read_with_the_lines_of_the_step_marked(
    site: Site, visit: Visit, failed: str, axe: str, locale: str, whole: str
) -> None:
    page = visit(f"/runs/{failed}?node=judge&tab=source", locale=locale)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    button = page.get_by_role("button", name=whole)
    button.press("Enter")
    expect(button).to_have_attribute("aria-pressed", "true")
    file = page.locator("pre.numbered").last
    expect(file).to_contain_text('"kind": "app"')
    own = file.locator(".own")
    expect(own.first).to_be_in_viewport()
    lines = "".join(own.all_text_contents())
    assert json.loads(lines.strip().rstrip(","))["id"] == "judge"
    button.focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    wait_for(lambda: page.evaluate("navigator.clipboard.readText()") == BROKEN)
    keep(page, f"whole-file-{locale}", axe)
    button.press("Enter")
    expect(own).to_have_count(0)


def test_a_viewer_sees_no_source(site: Site, visit: Visit, failed: str) -> None:
    page = visit(f"/runs/{failed}", token=site.viewer)
    expect(page.get_by_role("tree")).to_be_focused()
    page.keyboard.press("f")
    expect(page.get_by_role("tab", name="Detail")).to_be_visible()
    expect(page.get_by_role("tab", name="Source")).to_have_count(0)
    page.goto(f"{site.url}/w/{app_of(site, failed)}?node=judge")
    expect(page.get_by_role("heading", name="Recent runs")).to_be_visible()
    expect(page.locator("pre.numbered")).to_have_count(0)


SECRET = "sk-shown-nowhere"
WORDS = {
    "en-US": ("Conditions", "chosen", "does not hold", "has no value for it"),
    "ja-JP": ("条件", "選択", "不成立", "値がありません"),
}


def condition(at: str, operator: str, value: str = "") -> dict[str, Any]:
    return {"variable_selector": at.split("."), "comparison_operator": operator, "value": value}


def case(case_id: str, *conditions: dict[str, Any], any_of: bool = False) -> dict[str, Any]:
    return {"case_id": case_id, "logical_operator": "or" if any_of else "and", "conditions": list(conditions)}


def choosing(third: dict[str, Any]) -> str:
    """A workflow that looks at three cases, the last of them ``third``, and at an element of each of three rounds."""
    cases = [
        case("true", condition("start.q", "contains", "返品 🎉 \ue000"), condition("start.q", "empty")),
        case("key", condition("env.KEY", "is", "no"), condition("env.PLACE", "is", "no"), any_of=True),
        third,
    ]
    way = node("way", "if-else", title="どちら? 🛤", cases=cases)
    parts = python("parts", "def main():\n    return {'all': ['x', 'y' * 5000, 'z'], 'n': 7}\n", {})
    parts["data"]["outputs"] = {name: {"type": kind} for name, kind in (("all", "array[string]"), ("n", "number"))}
    only = {"enabled": True, "conditions": [{"key": "", "comparison_operator": "not contains", "value": "y"}]}
    few = node("few", "list-operator", variable=["parts", "all"], filter_by=only)
    each = iteration(
        "each", "parts.all", "pick.output", if_contains("in", "each.item", "z"), first_of("pick", "each.item")
    )
    text = app(
        "Mended",
        [start("q"), parts, few, *each, way, end(text="parts.n"), end("other", text="parts.n")],
        "start>parts>few>each>way way:third>end way:false>other each-start>in in:true>pick in:false>pick",
    )
    return with_environment(text, KEY=("secret", SECRET), PLACE=("string", "Oslo"))


@pytest.mark.parametrize("locale", WORDS)
def test_conditions_show_what_they_saw_and_which_case_was_chosen(
    site: Site, visit: Visit, tmp_path: Path, locale: str, axe: str
) -> None:
    tab, chosen, lost, unknown = WORDS[locale]
    publish(site, tmp_path, choosing(case("third", condition("parts.n", "≥", "{{#parts.n#}}"))))
    run = site.run("mended", q="about 返品 🎉 \ue000 of a lamp")
    page = visit(f"/runs/{run}?node=way", locale=locale)
    panel = page.get_by_role("tabpanel", name=tab, exact=True)
    cases = panel.locator("section.case")
    expect(cases).to_have_count(4)
    first, second, third, other = cases.all()
    expect(first).to_contain_text("IF")
    expect(first.locator(".pill")).to_have_text(lost)
    expect(first.locator("li").first).to_contain_text(
        re.compile(r"start\.q contains 返品 🎉 .*about 返品 🎉", re.DOTALL)
    )
    expect(first.locator("li").last).to_contain_text(lost)
    # The record has no environment: of the case that was looked at last alone it has the values that were compared.
    expect(second.locator(".pill")).to_have_text(lost)
    expect(second).to_contain_text(unknown)
    expect(third.locator(".pill")).to_have_text(chosen)
    expect(third).to_contain_text("{{#parts.n#}}")
    expect(third.locator("dd")).to_have_text("7")
    expect(other.locator(".pill")).to_have_count(0)
    expect(page.locator("body")).not_to_contain_text(SECRET)
    keep(page, f"conditions-{locale}", axe)
    page.set_viewport_size(LARGE)

    page.goto(f"{site.url}/runs/{run}?node=few")
    expect(cases).to_contain_text("not contains y")
    expect(panel).to_contain_text(re.compile("Items in the result: 2|結果の要素数: 2"))
    for number, held in enumerate((False, False, True)):
        page.goto(f"{site.url}/runs/{run}?node=each&round={number}")
        page.locator(".inside button").filter(has_text="in").first.press("Enter")
        expect(cases.nth(0 if held else 1).locator(".pill")).to_have_text(chosen)
        expect(panel.locator("dd")).to_contain_text(f'"{"xyz"[number]}')
        expect(panel.get_by_role("link")).to_have_count(int(number == 1))


def test_a_case_that_failed_is_marked_with_its_values_for_viewers_too(
    site: Site, visit: Visit, tmp_path: Path, axe: str
) -> None:
    publish(site, tmp_path, choosing(case("third", condition("start.q", ">", "{{#parts.n#}}"))))
    run = site.run("mended", q="seven")
    for token in (site.viewer, site.operator):
        page = visit(f"/runs/{run}", token=token)
        expect(page.get_by_role("tree")).to_be_focused()
        page.keyboard.press("f")
        panel = page.get_by_role("tabpanel", name="Conditions")
        expect(panel.locator(".err")).to_be_visible()
        expect(panel.locator(".pill")).to_have_text(["does not hold", "does not hold", "failed here"])
        expect(panel.locator("section.case").nth(2).locator("dd")).to_have_text(['"seven"', "7"])
        expect(panel.get_by_role("button", name="Edit and run again")).to_have_count(int(token == site.operator))
    keep(page, "conditions-failed", axe)
