"""Repeating a run from a step with changed inputs, and with skipped steps."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.acceptance.workflows import app, end, if_contains, node, python, start, template
from tests.console.album import keep
from tests.console.conftest import LARGE, SMALL, Site, Visit
from tests.console.test_retry_page import BROKEN, FIXED, publish, repeated, version

WORDS = {
    "en-US": ("Edit and run again from here", "Run again from Check policy", "Run again", "Mocked steps"),
    "ja-JP": ("編集してここから再実行", "Check policy から再実行", "再実行", "モックするステップ"),
}
PRIVATE = "the 青い lamp 🎉 \ue000"


@pytest.fixture
def failed(site: Site, tmp_path: Path) -> str:
    """A run of the newest version, whose second step fails."""
    publish(site, tmp_path, BROKEN)
    return site.run("mended", q="the lamp")


def press(button: Locator) -> None:
    """By keyboard: what has the focus is pressed, once it can be."""
    expect(button).to_be_enabled()
    button.focus()
    button.press("Enter")


def edited(page: Page, words: tuple[str, ...]) -> Locator:
    """The dialog for the failed step, opened by keyboard."""
    press(page.get_by_role("tabpanel").get_by_role("button", name=words[0]))
    dialog = page.get_by_role("dialog", name=words[1])
    expect(dialog.get_by_role("button", name=words[2])).to_be_visible()
    return dialog


@pytest.mark.parametrize(("locale", "size"), [("en-US", LARGE), ("ja-JP", SMALL)])
def test_a_step_that_cannot_run_is_mocked_and_what_it_reads_edited_by_keyboard(
    site: Site, visit: Visit, failed: str, locale: str, size: object, axe: str
) -> None:
    words = WORDS[locale]
    page = visit(f"/runs/{failed}?node=judge", size=size, locale=locale)
    dialog = edited(page, words)
    expect(dialog.get_by_label("Look up 📖")).to_have_value("about the lamp")
    dialog.get_by_label("Look up 📖").fill(PRIVATE)
    mocks = dialog.get_by_role("region", name=words[3])
    box = mocks.get_by_role("checkbox", name="Check policy")
    box.focus()
    box.press("Space")
    outputs = mocks.get_by_role("textbox")
    expect(outputs).to_have_value("{}")
    outputs.fill('{"text": "良い"')
    keep(page, f"edit-again-{locale}", axe)
    page.set_viewport_size(size)  # type: ignore[arg-type]
    press(dialog.get_by_role("button", name=words[2]))
    expect(dialog.get_by_role("alert")).to_contain_text("judge: ")
    outputs.fill('{"text": "良い"}')
    press(dialog.get_by_role("button", name=words[2]))
    again = repeated(page, site, failed)

    found = site.api("GET", f"runs/{again}").json()
    assert (found["status"], found["outputs"]) == ("succeeded", {"text": "良い"})
    assert (found["lineage"]["replaced"], found["lineage"]["mocked"]) == ({"look": ["output"]}, ["judge"])
    assert site.api("GET", f"runs/{failed}").json()["status"] == "failed"
    expect(page.get_by_role("dialog")).to_have_count(0)
    if size == LARGE:
        expect(page.locator(".runhead")).to_contain_text("values given by hand: Look up 📖, Check policy")
        press(page.get_by_role("button", name="Compare", exact=True))
        expect(page.get_by_role("dialog", name="Compare runs")).to_contain_text("青い")


def test_the_steps_whose_values_were_given_say_so(site: Site, visit: Visit, failed: str, axe: str) -> None:
    body = {"values": {"look": {"output": PRIVATE}}, "mocks": {"judge": {"text": "x"}}}
    again = site.api("POST", f"runs/{failed}/retry", json=body).json()["run_id"]
    site.wait(again)
    for step, is_given in (("look", True), ("judge", True), ("end", False)):
        page = visit(f"/runs/{again}?node={step}")
        expect(page.get_by_role("complementary").get_by_role("heading")).to_be_visible()
        expect(page.get_by_text("given by hand", exact=True)).to_have_count(int(is_given))
        if step == "judge":
            keep(page, "given-by-hand", axe)


def test_the_version_is_chosen_and_what_is_refused_is_said_in_the_dialog(
    site: Site, visit: Visit, failed: str, tmp_path: Path
) -> None:
    own = version(site, failed)
    publish(site, tmp_path, FIXED)
    page = visit(f"/runs/{failed}?node=judge")
    dialog = edited(page, WORDS["en-US"])
    expect(dialog.get_by_role("radio", name=f"version {own + 1}")).to_be_checked()
    expect(dialog).to_contain_text(re.compile("Reused: start, Look up 📖"))
    dialog.get_by_role("radio", name=f"version {own}").check()
    dialog.get_by_label("Look up 📖").fill(PRIVATE)
    dialog.get_by_role("checkbox", name="Check policy").check()
    dialog.get_by_role("textbox", name="Outputs of Check policy").fill('{"text": "it"}')
    publish(site, tmp_path, FIXED.replace("is fine", "is well"))
    run = dialog.get_by_role("button", name="Run again")
    press(run)
    expect(dialog.get_by_role("alert")).to_contain_text(f"Version {own + 2} was published meanwhile")
    expect(dialog.get_by_role("radio", name=f"version {own}")).to_be_checked()
    expect(dialog.get_by_label("Look up 📖")).to_have_value(PRIVATE)
    expect(dialog.get_by_role("textbox", name="Outputs of Check policy")).to_have_value('{"text": "it"}')
    dialog.get_by_role("radio", name=f"version {own}").focus()
    page.keyboard.press("ArrowUp")
    expect(dialog.get_by_role("radio", name=f"version {own + 2}")).to_be_checked()
    dialog.get_by_role("checkbox", name="Check policy").uncheck()
    press(run)
    again = repeated(page, site, failed)
    assert version(site, again) == own + 2
    assert site.api("GET", f"runs/{again}").json()["outputs"] == {"text": f"{PRIVATE} is well"}


def test_a_selection_that_ends_beside_the_dialog_and_a_click_there_keep_what_was_edited(
    site: Site, visit: Visit, failed: str
) -> None:
    page = visit(f"/runs/{failed}?node=judge")
    dialog = edited(page, WORDS["en-US"])
    field = dialog.get_by_label("Look up 📖")

    def drag_out() -> None:
        box = field.bounding_box()
        assert box
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 5)
        page.mouse.down()
        page.mouse.move(3, 3)
        page.mouse.up()

    drag_out()
    expect(field).to_be_focused()
    field.fill(PRIVATE)
    drag_out()
    page.mouse.click(3, 3)
    expect(field).to_have_value(PRIVATE)
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)

    dialog = edited(page, WORDS["en-US"])
    page.mouse.click(3, 3)
    expect(dialog).to_have_count(0)


def test_back_leads_to_the_page_before_the_run_and_from_its_repetition_to_the_run(
    site: Site, visit: Visit, failed: str
) -> None:
    page = visit("/runs")
    page.locator(f"a[href*='{failed}']").first.click()
    page.get_by_role("treeitem", name="Check policy").click()
    dialog = edited(page, WORDS["en-US"])
    press(dialog.get_by_role("button", name="Cancel"))
    expect(dialog).to_have_count(0)
    dialog = edited(page, WORDS["en-US"])
    dialog.get_by_role("checkbox", name="Check policy").check()
    press(dialog.get_by_role("button", name="Run again"))
    repeated(page, site, failed)
    page.go_back()
    page.wait_for_url(lambda url: failed in url)
    expect(page.get_by_role("button", name="Retry from failed")).to_be_visible()
    expect(dialog).to_have_count(0)
    page.go_back()
    page.wait_for_url(lambda url: "/runs/" not in url)


def test_a_branch_goes_the_way_that_is_written(site: Site, visit: Visit, tmp_path: Path) -> None:
    nodes = [
        start("q"),
        if_contains("path", "start.q", "fine"),
        python("yes", "def main(q):\n    return {'text': 'yes ' + q}\n", {"text": "string"}, q="start.q"),
        template("no", "no"),
        end("good", out="yes.text"),
        end("bad", out="no.output"),
    ]
    publish(site, tmp_path, app("Mended", nodes, "start>path path:true>yes path:false>no yes>good no>bad"))
    run = site.run("mended", q="x")
    page = visit(f"/runs/{run}?node=path")
    press(page.get_by_role("complementary").get_by_role("button", name="Edit and run again from here"))
    dialog = page.get_by_role("dialog")
    box = dialog.get_by_role("checkbox", name="path")
    expect(dialog.get_by_text("takes true, false")).to_be_visible()
    box.check()
    outputs = dialog.get_by_role("textbox", name="Outputs of path")
    outputs.fill('{"selected_case_id": "maybe"}')
    press(dialog.get_by_role("button", name="Run again"))
    expect(dialog.get_by_role("alert")).to_contain_text("'path' is not left by 'maybe'. It is left by true or false")
    outputs.fill('{"selected_case_id": "true"}')
    dialog.get_by_label("start").fill("fine\nor not")
    press(dialog.get_by_role("button", name="Run again"))

    again = repeated(page, site, run)
    assert site.api("GET", f"runs/{again}").json()["outputs"] == {"out": "yes fine\nor not"}


def test_a_viewer_is_offered_nothing_of_it(site: Site, visit: Visit, failed: str) -> None:
    page = visit(f"/runs/{failed}?node=judge&edit=judge", token=site.viewer)
    expect(page.get_by_role("tabpanel", name="Output")).to_contain_text("ZeroDivisionError")
    expect(page.get_by_role("button", name="Edit and run again from here")).to_have_count(0)
    expect(page.get_by_role("dialog")).to_have_count(0)


MODEL = {"provider": "nowhere/none/none", "name": "m", "mode": "chat", "completion_params": {}}
PROMPT = [{"role": "user", "text": "About {{#start.q#}}"}]
ASKS = app(
    "Asks nobody",
    [
        start("q"),
        node("ask", "llm", title="Ask 🤖", model=MODEL, prompt_template=PROMPT, context={"enabled": False}),
        end(text="ask.text"),
    ],
    "start>ask>end",
)


@pytest.mark.parametrize(
    ("locale", "size", "mocks", "fake", "pill"),
    [
        ("en-US", LARGE, "Mocked steps", "Ask 🤖: Fake model", "Fake model"),
        ("ja-JP", SMALL, "モックするステップ", "Ask 🤖: 偽のモデル", "偽のモデル"),
    ],
)
def test_a_fake_model_answers_in_the_place_of_one_that_is_missing(
    site: Site, visit: Visit, tmp_path: Path, axe: str, locale: str, size: object, mocks: str, fake: str, pill: str
) -> None:
    (tmp_path / "asks.yml").write_text(ASKS, encoding="utf-8")
    site.command.json("apps", "import", tmp_path / "asks.yml")
    [asks] = [each for each in site.api("GET", "apps").json()["data"] if each["name"] == "Asks nobody"]
    run = site.api("POST", f"apps/{asks['id']}/runs", json={"inputs": {"q": PRIVATE}}).json()["run_id"]
    assert site.wait(run)["status"] == "failed"
    page = visit(f"/runs/{run}?node=ask", size=size, locale=locale)
    press(page.get_by_role("tabpanel").get_by_role("button", name=WORDS[locale][0]))
    dialog = page.get_by_role("dialog")
    steps = dialog.get_by_role("region", name=mocks)
    for name in ("Ask 🤖", fake):
        box = steps.get_by_role("checkbox", name=name, exact=True)
        box.focus()
        box.press("Space")
    expect(steps.get_by_role("textbox")).to_have_count(0)
    keep(page, f"fake-model-{locale}", axe)
    page.set_viewport_size(size)  # type: ignore[arg-type]
    press(dialog.get_by_role("button", name=WORDS[locale][2]))
    again = repeated(page, site, run)

    found = site.api("GET", f"runs/{again}").json()
    assert (found["status"], found["lineage"]["mocked"]) == ("succeeded", ["ask"])
    assert PRIVATE in found["outputs"]["text"]
    page.goto(f"{site.url}/runs/{again}?node=ask")
    expect(page.locator(".inspector").get_by_text(pill, exact=True)).to_be_visible()
