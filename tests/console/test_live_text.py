"""Live text of a step's model, even if the run does not stream it."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.acceptance.echo import EchoServer
from tests.acceptance.workflows import app, end, iteration, node, python, start, template
from tests.console.album import keep
from tests.console.apps import placed
from tests.console.conftest import SMALL, Site, Visit, site_in, wait_for
from tests.console.gallery import providers
from tests.providers.fake_model import Exchange, delta
from tests.providers.model_thread import Model


def asks(name: str, text: str, provider: str = "langgenius/openai/openai") -> dict[str, Any]:
    """A step that asks a model."""
    return node(
        name,
        "llm",
        title=f"Asks {name} 💬",
        model={"provider": provider, "name": "gpt-4o", "mode": "chat", "completion_params": {}},
        prompt_template=[{"role": "user", "text": text}],
    )


HIDDEN = app(
    "Hidden text",
    [start("q"), asks("llm", "{{#start.q#}}"), template("last", "{{ x }}", x="llm.text"), end(text="last.output")],
    "start>llm>last>end",
)
SHOWN = app("Shown text", [start("q"), asks("llm", "{{#start.q#}}"), end(text="llm.text")], "start>llm>end")
IN_ROUNDS = app(
    "Text in rounds",
    [
        start("q"),
        python("split", "def main():\n    return {'items': ['一', '二']}\n", {"items": "array[string]"}),
        *iteration("each", "split.items", "llm.text", asks("llm", "{{#each.item#}}"), parallel=2),
        end(got="each.output"),
    ],
    "start>split>each>end each-start>llm",
)


class Speaker:
    """Says the first words, and the last ones once it may."""

    def __init__(self) -> None:
        self.may_end = threading.Event()

    async def answer(self, exchange: Exchange) -> None:
        asked = exchange.body["messages"][-1]["content"]
        await exchange.begin_stream()
        await exchange.event(delta(f"{asked}: 最初の\n<b>words</b> "))
        await asyncio.to_thread(self.may_end.wait)
        await exchange.event(delta("and the last."))
        await exchange.event(delta(finish="stop"))
        await exchange.end_stream()


@pytest.fixture
def speaker() -> Speaker:
    return Speaker()


@pytest.fixture
def slow(tmp_path: Path, echo: EchoServer, built: Path, speaker: Speaker) -> Iterator[Site]:
    model = Model(speaker.answer)
    (tmp_path / "providers.yml").write_text(providers(model.model.url), encoding="utf-8")
    apps = {"hidden": placed(HIDDEN), "shown": placed(SHOWN), "rounds": placed(IN_ROUNDS)}
    site = site_in(tmp_path, echo, apps, settings={"JIKKO_PROVIDERS": str(tmp_path / "providers.yml")})
    yield site
    speaker.may_end.set()
    site.server.close()
    model.close()


@pytest.mark.parametrize("which", ["hidden", "shown"])
def test_the_text_of_a_step_is_there_while_it_comes_and_so_is_when_it_began(
    slow: Site, visit: Visit, speaker: Speaker, axe: str, which: str
) -> None:
    run = slow.start(which, q="問い 🙂")
    page = visit(f"/runs/{run}?node=llm", at=slow)
    text = page.locator('.inspector .msg [aria-busy="true"]')
    expect(text).to_have_text("問い 🙂: 最初の\n<b>words</b>")
    head = page.locator(".inspector .facts3")
    expect(head).to_contain_text("first text")
    page.reload()
    expect(text).to_have_text("問い 🙂: 最初の\n<b>words</b>")
    keep(page, f"live-text-{which}", axe)
    speaker.may_end.set()
    slow.wait(run)

    expect(page.locator(".inspector .msg")).to_contain_text("and the last.")
    expect(text).to_have_count(0)
    expect(head).to_contain_text("tokens/s")
    keep(page, f"live-text-{which}-ended", axe)


def test_each_round_has_its_own_text_also_when_the_log_is_gone_through_later(
    slow: Site, visit: Visit, speaker: Speaker
) -> None:
    run = slow.start("rounds", q="x")
    page = visit(f"/runs/{run}?node=each", at=slow, size=SMALL, locale="ja-JP")
    said: list[dict[str, Any]] = []

    def both_speak() -> bool:
        log = slow.api("GET", f"runs/{run}/log").json()["data"]
        said[:] = [event for event in log if event.get("said")]
        return len(said) == 2

    wait_for(both_speak)
    for one in said:
        item = one["said"][0]
        assert item in "一二"
        page.goto(f"{slow.url}/runs/{run}?node={one['execution_id']}")
        expect(page.locator('.inspector .msg [aria-busy="true"]')).to_have_text(f"{item}: 最初の\n<b>words</b>")
        expect(page.locator(".inspector .facts3")).to_contain_text("最初のテキスト")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    speaker.may_end.set()
    assert slow.wait(run)["status"] == "succeeded"

    page.goto(f"{slow.url}/runs/{run}?node={said[0]['execution_id']}&at={said[0]['id']}")
    expect(page.locator('.inspector .msg [aria-busy="true"]')).to_contain_text("最初の")
