"""A chatflow: begun from its own page, and its variables beside each answer as they were there."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.acceptance.echo import EchoServer
from tests.acceptance.workflows import app, fetch, node
from tests.console.conftest import SMALL, Site, Visit, site_in

NOTE = {"id": "0199a1b2-0000-7000-8000-0000000000b1", "name": "note", "value_type": "string", "value": "empty"}
TOPIC = {"variable": "topic", "label": "Topic", "type": "text-input", "required": True, "max_length": 20}


def notes(echo: str, *inputs: dict[str, object]) -> str:
    """A chatflow that keeps each question, with inputs that it needs, and waits for whoever asks it to."""
    keep = {"variable_selector": ["conversation", "note"], "input_type": "variable", "value": ["sys", "query"]}
    return app(
        "Notes",
        [
            node("start", "start", variables=[TOPIC, *inputs]),
            node(
                "keep", "assigner", version="2", items=[{**keep, "operation": "over-write", "write_mode": "over-write"}]
            ),
            fetch("held", f"{echo}/hold/notes/{{{{#sys.query#}}}}"),
            node("reply", "answer", answer="On {{#start.topic#}}: {{#sys.query#}}"),
        ],
        "start>keep>held>reply",
        mode="advanced-chat",
        conversation_variables=[NOTE],
    )


@pytest.fixture(scope="module")
def chats(tmp_path_factory: pytest.TempPathFactory, echo: EchoServer, built: Path) -> Iterator[Site]:
    site = site_in(tmp_path_factory.mktemp("chats"), echo, {"notes": notes(echo.url)})
    yield site
    site.server.close()


@pytest.fixture
def notes_page(chats: Site, visit: Visit) -> Page:
    return visit(f"/w/{notes_id(chats)}", at=chats)


def notes_id(site: Site) -> str:
    return str(site.api("GET", "apps").json()["data"][0]["id"])


def form_of(page: Page) -> Locator:
    return page.locator(".panel").filter(has=page.get_by_role("heading", name="Chat"))


def test_its_page_sends_a_message_with_the_inputs_to_the_chat(chats: Site, notes_page: Page) -> None:
    form = form_of(notes_page)
    send = form.get_by_role("button", name="Send")
    expect(send).to_be_disabled()
    expect(notes_page.get_by_role("button", name="Run 10 ×")).to_have_count(0)
    form.get_by_label("Message").fill("first 🌸")
    form.get_by_label("Topic").fill("lamps")
    form.get_by_label("Run as user").fill("ada")
    chats.echo.release("/hold/notes/first%20%F0%9F%8C%B8")
    send.click()

    notes_page.wait_for_url(re.compile(f"/chat/{notes_id(chats)}/[0-9a-f-]+$"))
    expect(notes_page.get_by_role("article")).to_contain_text("On lamps: first 🌸")
    [talk] = chats.api("GET", f"apps/{notes_id(chats)}/conversations").json()["data"]
    assert (talk["user"], talk["messages"]) == ("ada", 1)


def test_what_is_wrong_stands_at_its_field_and_nothing_is_asked(chats: Site, notes_page: Page) -> None:
    before = chats.api("GET", "runs").json()["data"]
    form = form_of(notes_page)
    form.get_by_label("Message").fill("x")
    form.get_by_role("button", name="Send").click()

    expect(form.locator(".field").filter(has_text="Topic")).to_contain_text("is required")
    expect(form.get_by_label("Message")).to_have_value("x")
    assert chats.api("GET", "runs").json()["data"] == before


def test_the_inputs_of_the_last_run_come_with_its_message(chats: Site, notes_page: Page) -> None:
    asked(chats, "from before", "shelves")
    form = form_of(notes_page)
    form.get_by_role("button", name="Inputs of the last run").click()

    expect(form.get_by_label("Message")).to_have_value("from before")
    expect(form.get_by_label("Topic")).to_have_value("shelves")


def asked(site: Site, query: str, topic: str, conversation: str = "", *, ended: bool = True) -> str:
    """Ask something. Returns the conversation."""
    if ended:
        site.echo.release(f"/hold/notes/{query.replace(' ', '%20')}")
    body = {"query": query, "inputs": {"topic": topic}, "user": "ben", "conversation_id": conversation or None}
    turn = site.api("POST", f"apps/{notes_id(site)}/messages", json=body).json()
    if ended:
        site.wait(turn["run_id"])
    return str(turn["conversation_id"])


def variables(page: Page) -> Locator:
    return page.get_by_label("Run of this answer").locator(".vars").filter(has_text="note")


def test_variables_are_those_of_the_answer_that_is_chosen(chats: Site, visit: Visit) -> None:
    talk = asked(chats, "one", "lamps")
    asked(chats, "two", "lamps", talk)
    asked(chats, "three", "lamps", talk)
    page = visit(f"/chat/{notes_id(chats)}/{talk}", at=chats)

    for answer, after, before in (("three", "three", "two"), ("one", "one", "empty"), ("two", "two", "one")):
        page.get_by_role("article").filter(has_text=f": {answer}").get_by_role("button", name="Its run").click()
        expect(variables(page)).to_contain_text(f'"{after}"')
        expect(variables(page).locator(".small")).to_contain_text(f'was "{before}"')


def test_they_move_on_while_an_answer_is_made_and_at_its_end(chats: Site, visit: Visit) -> None:
    talk = asked(chats, "begun", "lamps")
    page = visit(f"/chat/{notes_id(chats)}/{talk}", at=chats)
    expect(variables(page)).to_contain_text('"begun"')
    page.get_by_role("textbox", name="Message").fill("going on")
    page.get_by_role("textbox", name="Message").press("Enter")
    # Its run waits behind the step that keeps it.
    expect(variables(page)).to_contain_text('"going on"')
    expect(variables(page).locator(".small")).to_contain_text('was "begun"')
    chats.echo.release("/hold/notes/going%20on")
    expect(page.get_by_role("article").last).to_contain_text("On lamps: going on")
    expect(variables(page)).to_contain_text('"going on"')


def test_an_input_that_a_newer_version_needs_is_asked_for_in_the_conversation(
    chats: Site, visit: Visit, tmp_path: Path
) -> None:
    talk = asked(chats, "before", "lamps")
    file = tmp_path / "notes.yml"
    file.write_text(notes(chats.echo.url, {**TOPIC, "variable": "place", "label": "Place"}), encoding="utf-8")
    chats.command.json("apps", "import", file)
    page = visit(f"/chat/{notes_id(chats)}/{talk}", at=chats)
    message = page.get_by_role("textbox", name="Message")
    message.fill("after")
    message.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("place is required")
    page.get_by_label("Place").fill("the attic")
    chats.echo.release("/hold/notes/after")
    message.press("Enter")

    expect(page.get_by_role("article").last).to_contain_text("On lamps: after")


def test_the_form_is_in_japanese_and_fits_a_telephone(chats: Site, visit: Visit) -> None:
    page = visit(f"/w/{notes_id(chats)}", at=chats, size=SMALL, locale="ja-JP")

    expect(page.get_by_role("button", name="送信")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
