"""List of conversations: filtered by user, and empty."""

import json
import re
from urllib.parse import quote

from playwright.sync_api import expect

from tests.acceptance.workflows import app, end, node, template
from tests.console.apps import placed
from tests.console.conftest import SMALL, Site, Visit

HOSTILE_USER = "<b>eve\u202e</b>"


TURNED = "\u202eturned"
SAID = {"variable": "q", "label": f"Say {TURNED}", "type": "paragraph", "required": False, "max_length": 100}


def asked(site: Site, app: str, user: str, query: str) -> str:
    """Ask as a user. Returns the conversation."""
    turn = site.api("POST", f"apps/{app}/messages", json={"query": query, "inputs": {}, "user": user}).json()
    site.wait(turn["run_id"])
    return str(turn["conversation_id"])


def test_the_list_is_kept_to_a_user_by_its_address_while_conversations_are_opened(site: Site, visit: Visit) -> None:
    [chat] = [one["id"] for one in site.api("GET", "apps").json()["data"] if one["name"] == "Talks"]
    first, second, other = (
        asked(site, chat, user, query)
        for user, query in (("amelie", "the first"), ("amelie", "the second"), (HOSTILE_USER, "of another"))
    )
    page = visit(f"/chat/{chat}")
    listed = page.locator(".list .convs a")
    of_all = page.locator(f'.list a[href*="{other}"]')
    expect(of_all).to_contain_text("<b>eve⟨U+202E⟩</b>")
    field = page.get_by_label("Only conversations of this user")
    field.fill("amelie")
    expect(listed).to_have_count(2)
    assert page.url.endswith(f"/chat/{chat}?user=amelie")
    page.locator(f'.list a[href*="{first}"]').click()
    expect(page.get_by_role("article")).to_contain_text("You said: the first")
    assert page.url.endswith(f"/chat/{chat}/{first}?user=amelie")
    page.reload()
    expect(field).to_have_value("amelie")
    expect(listed).to_have_count(2)
    # The list is not drawn anew, or it would begin at its top again.
    page.locator(".list .convs").evaluate("list => list.dataset.seen = 'yes'")
    page.locator(f'.list a[href*="{second}"]').click()
    expect(page.get_by_role("article")).to_contain_text("You said: the second")
    behind = page.get_by_label("Run of this answer")
    expect(behind).to_contain_text('"the second"')
    page.go_back()
    page.wait_for_url(f"**/{first}?user=amelie")
    expect(page.get_by_role("article")).to_contain_text("You said: the first")
    expect(behind).to_contain_text('"the first"')
    expect(page.locator(".list .convs")).to_have_attribute("data-seen", "yes")

    field.fill("nobody")
    expect(page.locator(".list .convs")).to_contain_text("No conversation with nobody.")
    # What is open stays open.
    expect(page.get_by_role("article")).to_contain_text("You said: the first")
    page.get_by_role("button", name="Conversations of all users").click()
    expect(of_all).to_be_visible()
    expect(field).to_have_value("")
    page.go_back()
    expect(field).to_have_value("nobody")
    page.get_by_role("button", name="New").click()
    page.wait_for_url(f"**/chat/{chat}?user=nobody")

    japanese = visit(f"/chat/{chat}?user=nobody", locale="ja-JP")
    expect(japanese.locator(".list .convs")).to_contain_text("nobody の会話はありません。")
    expect(japanese.get_by_label("このユーザーの会話だけ")).to_have_value("nobody")
    japanese.get_by_role("button", name="すべてのユーザーの会話").click()
    japanese.wait_for_url(re.compile(f"/chat/{chat}$"))


def test_a_long_name_of_a_conversation_moves_nothing_aside(site: Site, visit: Visit) -> None:
    [chat] = [one["id"] for one in site.api("GET", "apps").json()["data"] if one["name"] == "Talks"]
    talk = asked(site, chat, "long", "返品についての長い質問 🙂 " * 20)
    page = visit(f"/chat/{chat}/{talk}?user=long", size=SMALL)
    expect(page.get_by_role("article")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_contain_text("返品")
    assert page.get_by_role("main").evaluate("main => main.scrollWidth <= main.clientWidth")


def test_marks_of_direction_are_shown_wherever_a_name_is(site: Site, visit: Visit) -> None:
    text = app(
        f"Turns {TURNED}",
        [node("start", "start", variables=[SAID]), template("say", "{{ q }}", q="start.q"), end(text="say.output")],
        "start>say>end",
    )
    content = json.loads(placed(text))
    content["app"]["description"] = f"What {TURNED}"
    files = [("files", ("turns.yml", json.dumps(content).encode()))]
    assert site.api("POST", "apps", files=files).status_code == 200
    [made] = [one["id"] for one in site.api("GET", "apps").json()["data"] if TURNED in one["name"]]
    user = f"eve {TURNED}"
    body = {"inputs": {"q": "x"}, "user": user}
    site.wait(site.api("POST", f"apps/{made}/runs", json=body).json()["run_id"])
    for path in ("/", f"/w/{made}", f"/runs?t=all&app={made}&user={quote(user)}"):
        page = visit(path)
        expect(page.get_by_text("⟨U+202E⟩").first).to_be_visible()
        expect(page.get_by_text("Loading")).to_have_count(0)
        assert "\u202e" not in page.locator("#main").inner_text(), path
