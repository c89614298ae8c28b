"""Run page: cause of failure, continuation, and comparison with earlier runs."""

import re

import pytest
from playwright.sync_api import Locator, Page, ViewportSize, expect

from tests.console.album import keep
from tests.console.apps import FAILS, HOSTILE, LARGE_NUMBER, ROUNDS
from tests.console.conftest import LARGE, SMALL, Site, Visit

JAPANESE = ("その他", "呼び出し方", "編集してここから再実行")


def steps(page: Page, name: str) -> Locator:
    return page.get_by_role("treeitem").filter(has_text=name)


def test_a_failed_run_names_its_cause_and_is_repeated(site: Site, visit: Visit) -> None:
    """Without scrolling, on both widths."""
    run = site.run("fails", q="x")
    for size in (None, SMALL):
        page = visit(f"/runs/{run}", size=size)
        cause = page.locator(".strip")
        expect(cause).to_contain_text("Check policy failed after 3 tries")
        expect(cause).to_contain_text("ZeroDivisionError")
        expect(cause).to_be_in_viewport()
        expect(page.get_by_role("button", name="Retry from failed")).to_be_in_viewport()
    page = visit(f"/runs/{run}")
    expect(page).to_have_title(re.compile("^✕ Fails"))
    page.get_by_role("button", name="Go to node").click()
    page.get_by_role("tab", name="Tries").click()
    expect(page.get_by_role("tabpanel", name="Tries").get_by_role("listitem")).to_have_count(3)
    page.get_by_role("button", name="Retry from failed").click()
    page.wait_for_url(lambda url: run not in url)
    expect(page.get_by_text(f"retries {run[-4:]}")).to_be_visible()
    expect(steps(page, "start")).to_contain_text("reused")


def test_a_run_is_followed_live_and_a_reload_loses_nothing(site: Site, visit: Visit) -> None:
    run = site.start("waits", name="live")
    page = visit(f"/runs/{run}")
    expect(steps(page, "first")).to_contain_text("Running")
    expect(page.get_by_text("live", exact=True)).to_be_visible()
    site.echo.release("/hold/live/1")
    expect(steps(page, "first")).to_contain_text("Succeeded")
    page.reload()
    expect(steps(page, "first")).to_contain_text("Succeeded")
    expect(steps(page, "second")).to_contain_text("Running")
    site.echo.release("/hold/live/2")
    expect(page.get_by_text("ended", exact=True)).to_be_visible()
    record = site.wait(run)
    assert record["status"] == "succeeded"
    expect(page.locator(".runhead .pill")).to_contain_text("Succeeded")


def test_a_lost_connection_is_told_and_mended(site: Site, visit: Visit) -> None:
    run = site.start("waits", name="cut")
    page = visit(f"/runs/{run}")
    expect(steps(page, "first")).to_contain_text("Running")
    page.context.set_offline(True)
    page.evaluate("window.dispatchEvent(new Event('offline'))")
    site.echo.release("/hold/cut/1")
    site.echo.release("/hold/cut/2")
    site.wait(run)
    page.context.set_offline(False)
    page.reload()
    expect(steps(page, "end")).to_contain_text("Succeeded")
    expect(page.get_by_text("ended", exact=True)).to_be_visible()


def test_a_run_is_stopped(site: Site, visit: Visit) -> None:
    run = site.start("waits", name="stop")
    page = visit(f"/runs/{run}")
    expect(steps(page, "first")).to_contain_text("Running")
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".runhead .pill")).to_contain_text("Stopped")
    site.echo.release("/hold/stop/1")


def test_a_form_is_found_from_the_badge_and_answered(site: Site, visit: Visit) -> None:
    run = site.run("asks", until=["paused"], q="the lamp")
    page = visit("/")
    # In two clicks.
    page.get_by_title(re.compile("waiting for input")).click()
    page.locator(f'[data-row="{run}"]').click()
    form = page.get_by_role("tabpanel", name="Form")
    expect(form).to_contain_text("About the lamp")
    form.get_by_label("comment").fill("fine 🌸")
    form.get_by_role("button", name="Yes").click()
    expect(page.locator(".runhead .pill")).to_contain_text("Succeeded")
    page.get_by_role("tab", name="Inputs and outputs").click()
    expect(page.get_by_role("tabpanel", name="Inputs and outputs")).to_contain_text("fine 🌸")


def test_of_a_hundred_rounds_the_failed_one_is_found_in_four_ways(site: Site, visit: Visit) -> None:
    run = site.run("rounds", q="x")
    failed = f"Round {FAILS + 1}"
    page = visit(f"/runs/{run}")
    expect(steps(page, "Each item")).to_contain_text(f"{ROUNDS}/{ROUNDS}")
    # By the grid.
    steps(page, "Each item").click()
    page.get_by_role("button", name=f"{failed}, Failed", exact=True).click()
    expect(page.get_by_role("heading", name=f"{failed} of {ROUNDS}")).to_be_visible()
    expect(page.get_by_label("Inspector")).to_contain_text("no score for 41")
    # By leaving out all else.
    page.get_by_label("failed only").check()
    expect(page.get_by_role("treeitem")).to_have_count(3)
    expect(steps(page, failed)).to_be_visible()
    page.get_by_label("failed only").uncheck()
    # By keyboard alone.
    page.goto(f"{site.url}/runs/{run}")
    expect(page.get_by_role("tree")).to_be_focused()
    page.keyboard.press("f")
    expect(page.get_by_label("Inspector")).to_contain_text("no score for 41")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Inspector")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("tree")).to_be_focused()
    # By its error; and from the round to what failed in it.
    page.goto(f"{site.url}/runs/{run}")
    steps(page, "Each item").click()
    page.get_by_label("Inspector").get_by_role("button", name=failed, exact=True).click()
    expect(page.get_by_role("heading", name=f"{failed} of {ROUNDS}")).to_be_visible()
    page.get_by_label("Inspector").get_by_role("button", name="judge").click()
    expect(page.get_by_role("heading", name="judge", exact=True)).to_be_visible()


def test_an_earlier_moment_shows_graph_steps_and_values_of_then_also_to_others(site: Site, visit: Visit) -> None:
    run = site.run("greets", name="Dr Ada")
    page = visit(f"/runs/{run}")
    slider = page.get_by_role("slider", name="Position in the log")
    expect(steps(page, "end-formal")).to_be_visible()
    last = int(slider.get_attribute("max") or 0)
    events = site.api("GET", f"runs/{run}/log").json()["data"]
    moment = next(event["id"] for event in events if event["event"] == "node_started" and event["node_id"] == "formal")
    slider.fill(str(moment))
    expect(page.get_by_text(re.compile("As it was at"))).to_be_visible()
    expect(steps(page, "end-formal")).to_have_count(0)
    expect(steps(page, "formal")).to_contain_text("Running")
    other = visit(page.url.partition("/console")[2])
    expect(steps(other, "formal")).to_contain_text("Running")
    expect(steps(other, "end-formal")).to_have_count(0)
    page.get_by_role("button", name="Back to the end").click()
    expect(slider).to_have_value(str(last))
    expect(steps(page, "end-formal")).to_be_visible()
    page.get_by_role("button", name="Play", exact=True).click()
    expect(slider).to_have_value(str(last))
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()
    expect(steps(page, "end-formal")).to_be_visible()


def test_a_cause_is_read_its_run_repeated_and_its_moments_walked_by_keyboard_alone(site: Site, visit: Visit) -> None:
    run = site.run("fails", q="by keys")
    page = visit(f"/runs/{run}")
    slider = page.get_by_role("slider", name="Position in the log")
    expect(page.get_by_role("tree")).to_be_focused()
    page.keyboard.press("f")
    expect(page.get_by_label("Inspector")).to_contain_text("ZeroDivisionError")
    last = int(slider.get_attribute("max") or 0)
    for _ in range(3):
        page.keyboard.press(",")
    expect(slider).to_have_value(str(last - 3))
    expect(page.get_by_text(re.compile("As it was at"))).to_be_visible()
    page.keyboard.press(".")
    expect(slider).to_have_value(str(last - 2))
    page.keyboard.press("l")
    expect(slider).to_have_value(str(last))
    expect(page.get_by_text(re.compile("As it was at"))).to_have_count(0)
    press_by_keyboard(page, "Retry from failed")
    page.wait_for_url(lambda url: run not in url)
    expect(page.get_by_text(f"retries {run[-4:]}")).to_be_visible()


def press_by_keyboard(page: Page, name: str) -> None:
    """Go from place to place until the button has the focus, and press it."""
    button = page.get_by_role("button", name=name)
    for _ in range(60):
        page.keyboard.press("Tab")
        if button.evaluate("one => one === document.activeElement"):
            return page.keyboard.press("Enter")
    raise AssertionError(f"{name} cannot be reached by keyboard")


def test_hostile_outputs_are_text(site: Site, visit: Visit) -> None:
    run = site.run("hostile", q="x")
    page = visit(f"/runs/{run}?tab=output")
    steps(page, "hostile").click()
    panel = page.get_by_role("tabpanel", name="Output")
    expect(panel).to_contain_text(HOSTILE)
    expect(panel).to_contain_text("safe⟨U+202E⟩gpj.exe")
    expect(panel).to_contain_text("a␇b")
    expect(panel).to_contain_text(f"a⟨U+202E⟩b: {LARGE_NUMBER}")
    expect(panel).not_to_contain_text("THE END")
    panel.get_by_role("button", name="Show all", exact=True).click()
    expect(panel).to_contain_text("THE END")
    page.get_by_role("tab", name="Answer").click()
    expect(page.get_by_role("tabpanel", name="Answer")).to_contain_text("<script>")
    assert page.locator("img").count() == 0
    assert "taken" not in page.title()
    page.goto(f"{site.url}/runs?t=all")
    expect(page.locator(f'[data-row="{run}"]')).to_be_visible()
    assert "taken" not in page.title()


def test_an_answer_is_read_raw_and_stays_so(site: Site, visit: Visit, axe: str) -> None:
    run = site.run("greets", name="**Ada** 語 🙂\ue000\n\n- one\n- `two`")
    page = visit(f"/runs/{run}?view=answer")
    panel = page.get_by_role("tabpanel", name="Answer")
    expect(panel.locator("b")).to_have_text("Ada")
    raw = panel.get_by_role("button", name="Raw text")
    raw.focus()
    page.keyboard.press("Enter")
    expect(raw).to_have_attribute("aria-pressed", "true")
    text = panel.locator("pre")
    expect(text).to_contain_text("**Ada** 語 🙂")
    assert "\n\n- one\n- `two`" in text.inner_text()
    expect(panel.locator("b")).to_have_count(0)
    keep(page, "raw", axe)

    page.reload()
    expect(text).to_contain_text("**Ada**")
    raw.click()
    expect(panel.locator("b")).to_have_text("Ada")
    page.reload()
    expect(panel.locator("b")).to_have_text("Ada")


def test_the_end_of_a_run_is_what_its_record_says(site: Site, visit: Visit) -> None:
    """The page folds the log itself; the server has a fold of its own."""
    run = site.run("rounds", q="y")
    record = site.wait(run)
    page = visit(f"/runs/{run}")
    expect(page.get_by_text("ended", exact=True)).to_be_visible()
    page.get_by_role("tab", name="Inputs and outputs").click()
    shown = page.get_by_role("tabpanel", name="Inputs and outputs")
    assert len(record["outputs"]["got"]) == ROUNDS - 1
    shown.get_by_text(f"[ {ROUNDS - 1} ]").click()
    expect(shown).to_contain_text(f'0: "{record["outputs"]["got"][0]}"')


@pytest.mark.parametrize(("size", "locale"), [(LARGE, "en-US"), (SMALL, "ja-JP")], ids=["1440", "390"])
def test_back_closes_a_dialog_and_one_that_was_closed_leaves_no_trace_for_back(
    site: Site, visit: Visit, size: ViewportSize, locale: str
) -> None:
    """As on a telephone, where Back is how people close what is open."""
    more, call, edit = ("More", "Call by API", "Edit and run again from here") if locale == "en-US" else JAPANESE
    run = site.run("fails", q="戻る 🔙")
    page = visit("/runs?status=failed", size=size, locale=locale)
    page.locator(f'[data-row="{run}"]').press("Enter")
    dialog = page.get_by_role("dialog")

    def opened(name: str) -> None:
        if name == call:
            page.get_by_role("button", name=more, exact=True).press("Enter")
        page.get_by_role("menuitem" if name == call else "button", name=name).last.press("Enter")
        expect(dialog).to_be_visible()

    for name in (call, edit):
        opened(name)
        page.go_back()
        expect(dialog).to_have_count(0)
        page.wait_for_url(f"**/runs/{run}?*")
        opened(name)
        page.keyboard.press("Escape")
        page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)
        page.wait_for_url(f"**/runs/{run}?*")
    opened(edit)
    page.evaluate("history.replaceState(history.state, '', `${location.href}&tab=log`)")  # as the page does
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    page.wait_for_url(lambda url: "tab=log" in url and "edit" not in url)
    opened(edit)
    page.reload()
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    page.go_back()
    page.wait_for_url("**/console/runs?status=failed")
