"""Slow chat answers: stopped, watched in two windows, their server killed."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.acceptance.echo import EchoServer
from tests.acceptance.processes import Server
from tests.acceptance.workflows import app, node
from tests.console.apps import placed
from tests.console.conftest import Site, Visit, site_in, wait_for
from tests.console.gallery import providers
from tests.console.test_crash import is_free
from tests.providers.fake_model import Exchange, delta, whole
from tests.providers.model_thread import Model

CHAT = app(
    "Slow talk",
    [
        node("start", "start", variables=[]),
        node(
            "llm",
            "llm",
            model={"provider": "langgenius/openai/openai", "name": "gpt-4o", "mode": "chat", "completion_params": {}},
            prompt_template=[{"role": "user", "text": "{{#sys.query#}}"}],
        ),
        node("answer", "answer", answer="{{#llm.text#}}"),
    ],
    "start>llm>answer",
    mode="advanced-chat",
)


class Speaker:
    """Says the first words, and the last ones once it may."""

    def __init__(self) -> None:
        self.may_end = threading.Event()

    async def answer(self, exchange: Exchange) -> None:
        if not exchange.body.get("stream"):
            await whole({"content": "A title"})(exchange)
            return
        await exchange.begin_stream()
        await exchange.event(delta("<b>first</b> \u202ewords "))
        await asyncio.to_thread(self.may_end.wait)
        await exchange.event(delta("and the last."))
        await exchange.event(delta(finish="stop"))
        await exchange.end_stream()


@pytest.fixture
def speaker() -> Speaker:
    return Speaker()


@pytest.fixture
def slow(tmp_path: Path, echo: EchoServer, built: Path, speaker: Speaker) -> Iterator[Site]:
    """A server with a chat whose model is the speaker."""
    model = Model(speaker.answer)
    (tmp_path / "providers.yml").write_text(providers(model.model.url), encoding="utf-8")
    site = site_in(
        tmp_path, echo, {"talk": placed(CHAT)}, settings={"JIKKO_PROVIDERS": str(tmp_path / "providers.yml")}
    )
    yield site
    speaker.may_end.set()
    site.server.close()
    model.close()


def ask(page: Page, text: str) -> None:
    page.get_by_label("Message", exact=True).fill(text)
    page.keyboard.press("Enter")


def test_an_answer_is_stopped_and_a_further_one_seen_in_both_windows(
    slow: Site, visit: Visit, speaker: Speaker
) -> None:
    page = visit("/chat", at=slow)
    ask(page, "slowly")
    expect(page.get_by_role("article")).to_contain_text("<b>first</b> ⟨U+202E⟩words")
    expect(page.locator('[aria-busy="true"].text')).to_have_count(1)
    other = visit(page.url.removeprefix(slow.url), at=slow)
    page.reload()
    for window in (page, other):
        expect(window.get_by_role("article")).to_contain_text("first")
    page.get_by_role("button", name="Stop the answer").click()
    for window in (page, other):
        expect(window.get_by_role("button", name="Stop the answer")).to_have_count(0)
        expect(window.get_by_role("article")).to_contain_text("first")
        expect(window.get_by_role("article")).to_contain_text("Stopped")
    speaker.may_end.set()
    ask(page, "again")
    for window in (page, other):
        expect(window.get_by_role("article")).to_have_count(2)
        expect(window.get_by_role("article").last).to_contain_text("and the last.")
        expect(window.get_by_role("article").last).to_contain_text("Succeeded")


def test_an_answer_goes_on_after_its_server_was_killed(slow: Site, visit: Visit, speaker: Speaker) -> None:
    page = visit("/chat", at=slow)
    ask(page, "slowly")
    expect(page.get_by_role("article")).to_contain_text("first")
    port = urlsplit(slow.server.url).port or 0
    slow.server.kill()
    wait_for(lambda: is_free(port))
    expect(page.get_by_text("not connected since")).to_be_visible()
    expect(page.get_by_role("article")).to_contain_text("first")
    speaker.may_end.set()
    settings = {"JIKKO_PROVIDERS": str(slow.command.home.parent / "providers.yml")}
    slow.server = Server(slow.command.home, port=port, settings=settings)
    expect(page.get_by_role("article")).to_contain_text("<b>first</b> ⟨U+202E⟩words and the last.")
    expect(page.get_by_role("article")).to_contain_text("Succeeded")
    expect(page.get_by_text("not connected since")).to_have_count(0)
