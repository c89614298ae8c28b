"""The list of conversations: of one user, and what it says if there is none."""

import re

from playwright.sync_api import expect

from tests.console.conftest import Site, Visit

HOSTILE_USER = "<b>eve\u202e</b>"


def asked(site: Site, app: str, user: str, query: str) -> str:
    """Ask as a user. Returns the conversation."""
    turn = site.api("POST", f"apps/{app}/messages", json={"query": query, "inputs": {}, "user": user}).json()
    site.wait(turn["run_id"])
    return str(turn["conversation_id"])


def test_the_list_is_kept_to_a_user_by_its_address_while_conversations_are_opened(site: Site, visit: Visit) -> None:
    [app] = [one["id"] for one in site.api("GET", "apps").json()["data"] if one["name"] == "Talks"]
    first, second, other = (
        asked(site, app, user, query)
        for user, query in (("amelie", "the first"), ("amelie", "the second"), (HOSTILE_USER, "of another"))
    )
    page = visit(f"/chat/{app}")
    listed = page.locator(".list .convs a")
    of_all = page.locator(f'.list a[href*="{other}"]')
    expect(of_all).to_contain_text("<b>eve⟨U+202E⟩</b>")
    field = page.get_by_label("Only conversations of this user")
    field.fill("amelie")
    expect(listed).to_have_count(2)
    assert page.url.endswith(f"/chat/{app}?user=amelie")
    page.locator(f'.list a[href*="{first}"]').click()
    expect(page.get_by_role("article")).to_contain_text("You said: the first")
    assert page.url.endswith(f"/chat/{app}/{first}?user=amelie")
    page.reload()
    expect(field).to_have_value("amelie")
    expect(listed).to_have_count(2)
    page.locator(f'.list a[href*="{second}"]').click()
    expect(page.get_by_role("article")).to_contain_text("You said: the second")
    page.go_back()
    page.wait_for_url(f"**/{first}?user=amelie")

    field.fill("nobody")
    expect(page.locator(".list .convs")).to_contain_text("No conversation of nobody.")
    # What is open stays open.
    expect(page.get_by_role("article")).to_contain_text("You said: the first")
    page.get_by_role("button", name="Conversations of all users").click()
    expect(of_all).to_be_visible()
    expect(field).to_have_value("")
    page.go_back()
    expect(field).to_have_value("nobody")
    page.get_by_role("button", name="New").click()
    page.wait_for_url(f"**/chat/{app}?user=nobody")

    japanese = visit(f"/chat/{app}?user=nobody", locale="ja-JP")
    expect(japanese.locator(".list .convs")).to_contain_text("nobody の会話はありません。")
    expect(japanese.get_by_label("このユーザーの会話だけ")).to_have_value("nobody")
    japanese.get_by_role("button", name="すべてのユーザーの会話").click()
    japanese.wait_for_url(re.compile(f"/chat/{app}$"))
