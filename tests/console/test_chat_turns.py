"""Turns of a chat: questions that are suggested, answers copied and asked for again, drafts, and turns of long ago."""

import json

import pytest
from playwright.sync_api import Page, expect

from tests.acceptance.workflows import app, node
from tests.console.album import keep
from tests.console.apps import placed
from tests.console.conftest import LARGE, SMALL, Site, Visit
from tests.console.test_chat_page import asked

SUGGESTED = "何日ですか <b>?</b> 🙂"


@pytest.fixture(scope="module")
def chat(site: Site) -> str:
    """A chat that suggests questions. Its id."""
    content = json.loads(
        app(
            "Suggests",
            [node("start", "start", variables=[]), node("answer", "answer", answer="You said: {{#sys.query#}}")],
            "start>answer",
            mode="advanced-chat",
        )
    )
    content["workflow"]["features"] = {"suggested_questions": [SUGGESTED, "", "Which lamp?"]}
    files = [("files", ("suggests.yml", placed(json.dumps(content)).encode()))]
    assert site.api("POST", "apps", files=files).status_code == 200
    return next(str(one["id"]) for one in site.api("GET", "apps").json()["data"] if one["name"] == "Suggests")


def answers(page: Page, count: int) -> None:
    expect(page.get_by_role("article")).to_have_count(count)
    expect(page.locator('[aria-busy="true"]')).to_have_count(0)


@pytest.mark.parametrize("locale", ["en-US", "ja-JP"])
def test_a_suggested_question_is_asked_by_keyboard_copied_and_asked_again(
    site: Site, visit: Visit, chat: str, axe: str, locale: str
) -> None:
    suggested, copy, copied, again = {
        "en-US": ("Suggested questions", "Copy the answer", "Copied", "Ask again"),
        "ja-JP": ("質問の候補", "回答をコピー", "コピーしました", "もう一度質問"),
    }[locale]
    page = visit(f"/chat/{chat}", locale=locale)
    questions = page.get_by_role("group", name=suggested).get_by_role("button")
    expect(questions).to_have_text([SUGGESTED, "Which lamp?"])
    keep(page, f"chat-suggested-{locale}", axe)
    page.set_viewport_size(LARGE)
    questions.first.focus()
    page.keyboard.press("Enter")
    answers(page, 1)
    expect(page.get_by_role("article")).to_contain_text(f"You said: {SUGGESTED}")
    page.get_by_role("button", name=copy).click()
    expect(page.get_by_role("button", name=copied)).to_be_visible()
    page.get_by_role("button", name=again).focus()
    page.keyboard.press("Enter")
    answers(page, 2)
    expect(page.get_by_role("button", name=again)).to_have_count(1)
    keep(page, f"chat-again-{locale}", axe)


def test_what_is_not_sent_is_there_when_one_comes_back(site: Site, visit: Visit, chat: str) -> None:
    first, second = (asked(site, chat, "drafts", query) for query in ("eins", "zwei"))
    page = visit(f"/chat/{chat}/{first}")
    field = page.get_by_label("Message", exact=True)
    field.fill("half a question 半分")
    page.locator(f'.list a[href*="{second}"]').click()
    expect(page.get_by_role("article")).to_contain_text("zwei")
    expect(field).to_have_value("")
    page.go_back()
    expect(field).to_have_value("half a question 半分")
    page.reload()
    expect(field).to_have_value("half a question 半分")
    field.press("Enter")
    answers(page, 2)
    page.reload()
    expect(field).to_have_value("")


def test_turns_of_long_ago_are_there_when_asked_for(site: Site, visit: Visit, chat: str) -> None:
    conversation = asked(site, chat, "long", "turn 0")
    page = visit("/enter")
    page.route(
        f"**/conversations/{conversation}/messages*",
        lambda route: route.continue_(url=route.request.url.replace("limit=100", "limit=2")),
    )
    for n in range(1, 5):
        body = {"query": f"turn {n}", "inputs": {}, "conversation_id": conversation}
        site.wait(site.api("POST", f"apps/{chat}/messages", json=body).json()["run_id"])
    page.set_viewport_size(SMALL)
    page.goto(f"{site.url}/chat/{chat}/{conversation}")
    answers(page, 2)
    older = page.get_by_role("button", name="Older messages")
    older.focus()
    page.keyboard.press("Enter")
    answers(page, 4)
    older.click()
    answers(page, 5)
    expect(older).to_have_count(0)
    expect(page.get_by_role("article").first).to_contain_text("turn 0")
