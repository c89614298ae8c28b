"""Triggers and deliveries on the page: display, and operation by keyboard."""

import re
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.console.conftest import SMALL, Site, Visit


def chosen(page: Page, name: str) -> None:
    """Choose a row by the keyboard; what is chosen takes the focus."""
    page.get_by_role("button", name=name).first.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".chosen")).to_be_focused()


def press(button: Locator) -> None:
    """By the keyboard; while an action is under way a button passes keys over, and nothing of the page says so."""
    expect(button).to_be_enabled()
    button.press("Enter")


def test_a_failed_delivery_is_found_replayed_and_set_aside_by_keyboard(site: Site, visit: Visit) -> None:
    failed = site.call(n=0, 名="🙂 \ue000")
    page = visit("/triggers")
    page.get_by_role("combobox", name="Status").select_option("Failed")
    chosen(page, "ZeroDivisionError")
    panel = page.get_by_role("region", name=f"Delivery …{failed['id'][-8:]}")
    expect(panel).to_contain_text("Failed")
    expect(panel).to_contain_text("🙂")

    press(panel.get_by_role("button", name="Replay"))
    expect(panel.get_by_role("status")).to_have_text("A new run by the current version has begun.")
    expect(panel.get_by_role("listitem")).to_have_count(2)
    expect(panel.get_by_role("link", name="Failed")).to_have_count(2)
    expect(panel.get_by_role("button", name="Replay")).to_be_focused()
    press(panel.get_by_role("button", name="Discard"))
    press(page.get_by_role("dialog").get_by_role("button", name="Discard"))
    expect(panel).to_contain_text("Discarded")
    expect(panel.get_by_role("button", name="Discard")).to_have_count(0)


def test_what_comes_meanwhile_is_counted_and_put_in_by_a_click(site: Site, visit: Visit) -> None:
    site.call(n=1)
    page = visit("/triggers")
    newest = page.get_by_role("table").nth(1).locator("[data-row]").first
    before = newest.get_attribute("data-row")
    site.call(n=2)
    expect(page.get_by_role("button", name="1 new delivery")).to_be_visible()
    assert newest.get_attribute("data-row") == before
    page.get_by_role("button", name="1 new delivery").click()
    expect(newest).not_to_have_attribute("data-row", before or "")


def test_a_schedule_is_paused_resumed_and_made_up_for_by_keyboard(site: Site, visit: Visit) -> None:
    page = visit("/triggers")
    chosen(page, "毎時")
    panel = page.locator(".chosen")
    expect(panel.get_by_role("heading", name="Next due times")).to_be_visible()
    expect(panel.get_by_role("listitem")).to_have_count(10)

    press(panel.get_by_role("button", name="Pause"))
    page.get_by_label("For how long").select_option("1 day")
    page.get_by_label("Reason").fill("棚卸し 📦")
    page.keyboard.press("Enter")
    expect(panel).to_contain_text("棚卸し 📦")
    expect(page.get_by_role("row").filter(has_text="Paused")).to_contain_text("棚卸し 📦")
    press(panel.get_by_role("button", name="Resume"))
    expect(panel).not_to_contain_text("棚卸し 📦")

    press(panel.get_by_role("button", name="Backfill"))
    page.get_by_label("First due time").fill("2024-02-01T00:00")
    page.get_by_label("Last due time").fill("2024-03-02T00:00")
    press(page.get_by_role("dialog").get_by_role("button", name="Backfill"))
    expect(panel.get_by_role("status")).to_have_text("1 due time is queued.")
    started = panel.get_by_role("link", name=re.compile("Feb 29, 2024.* started"))
    started.press("Enter")
    expect(page.get_by_role("treeitem").filter(has_text="tick")).to_be_visible()


def test_a_backfill_without_a_time_that_is_one_is_refused_in_words(site: Site, visit: Visit) -> None:
    page = visit("/triggers")
    chosen(page, "毎時")
    page.get_by_role("button", name="Backfill").click()
    page.get_by_label("First due time").fill("2024-02-02T00:00")
    page.get_by_label("Last due time").fill("2024-02-01T00:00")
    page.get_by_role("dialog").get_by_role("button", name="Backfill").click()
    expect(page.get_by_role("alert")).to_have_text("to: must not be earlier than `from`")


def test_a_webhook_is_switched_off_and_on_by_keyboard(site: Site, visit: Visit) -> None:
    page = visit("/triggers", size=SMALL)
    chosen(page, "Order")
    panel = page.locator(".chosen")
    expect(panel).to_contain_text(f"{site.server.url}/triggers/webhook/")
    press(panel.get_by_role("button", name="Switch off"))
    expect(panel).to_contain_text("Off")
    expect(panel.get_by_role("button", name="Switch on")).to_be_focused()
    page.keyboard.press("Enter")
    expect(panel.get_by_role("button", name="Switch off")).to_be_focused()


def test_escape_closes_what_was_chosen_and_gives_the_focus_back(site: Site, visit: Visit) -> None:
    page = visit("/triggers")
    chosen(page, "毎時")
    page.keyboard.press("Escape")
    expect(page.locator(".chosen")).to_have_count(0)
    expect(page.get_by_role("button", name="毎時")).to_be_focused()
    page.go_back()
    expect(page.locator(".chosen")).to_contain_text("Next due times")


def test_a_viewer_sees_no_address_and_changes_nothing(site: Site, visit: Visit) -> None:
    page = visit("/triggers", token=site.viewer)
    chosen(page, "Order")
    expect(page.locator(".chosen")).to_contain_text("Anyone with the address may call")
    expect(page.locator(".chosen")).not_to_contain_text("/triggers/webhook/")
    expect(page.locator(".chosen").get_by_role("button")).to_have_count(1)


@pytest.mark.parametrize("chosen", ["delivery", "trigger"])
@pytest.mark.parametrize("id_", ['"]', "../triggers?x=", "🙂"])
def test_what_a_link_chooses_that_cannot_be_is_told_and_closed(visit: Visit, chosen: str, id_: str) -> None:
    page = visit(f"/triggers?{urlencode({chosen: id_})}")
    expect(page.locator(".chosen").get_by_role("alert")).to_be_visible()
    page.locator(".chosen").get_by_role("button", name="Close").click()
    expect(page.locator(".chosen")).to_have_count(0)


def test_what_a_call_brought_is_loaded_once_while_its_state_is_asked_for_again(site: Site, visit: Visit) -> None:
    delivery = site.call(n=0, 名="重い 📦")
    page = visit(f"/triggers?delivery={delivery['id']}")
    panel = page.locator(".chosen")
    expect(panel).to_contain_text("重い 📦")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(f"{request.method} {request.url.partition('/deliveries/')[2]}"))
    press(panel.get_by_role("button", name="Replay"))
    expect(panel.get_by_role("link", name="Failed")).to_have_count(2)
    expect(panel).to_contain_text("重い 📦")
    assert {each for each in asked if delivery["id"] in each} == {
        f"POST {delivery['id']}/replay",
        f"GET {delivery['id']}?without=call",
    }


def test_a_page_whose_words_cannot_be_loaded_says_so(site: Site, visit: Visit) -> None:
    page = visit("/enter", fresh=True)
    page.route("**/en-*.js", lambda route: route.abort())
    page.goto(f"{site.url}/enter")
    expect(page.get_by_role("alert")).to_contain_text("The page could not be loaded. Reload it.")


@pytest.mark.parametrize(("locale", "words"), [("en-US", "Triggers"), ("ja-JP", "トリガー")])
def test_a_workflow_shows_its_triggers_and_leads_to_each(site: Site, visit: Visit, locale: str, words: str) -> None:
    [hook, _] = site.api("GET", "triggers").json()["data"]
    page = visit(f"/w/{hook['app']['id']}", locale=locale)
    panel = page.locator("section").filter(has=page.get_by_role("heading", name=words, exact=True))
    panel.get_by_role("link", name="毎時").click()
    expect(page.locator(".chosen")).to_contain_text("毎時")


def test_only_the_words_of_the_language_are_loaded_and_the_other_ones_when_it_is_chosen(
    site: Site, visit: Visit
) -> None:
    page = visit("/enter", fresh=True)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url.rpartition("/")[2][:3]))
    page.goto(f"{site.url}/triggers")
    expect(page.get_by_role("heading", name="Triggers")).to_be_visible()
    assert ("en-" in asked, "ja-" in asked) == (True, False)
    page.get_by_role("button", name="日本語").click()
    expect(page.get_by_role("heading", name="トリガー")).to_be_visible()
    assert "ja-" in asked
