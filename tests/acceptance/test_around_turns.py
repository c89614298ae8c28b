"""Annotations, names and suggestions with a real server: over restarts, kills and several workers."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.processes import Command, Server
from tests.acceptance.workflows import app, node, start
from tests.effort import PATIENCE, trusted
from tests.providers.fake_model import Exchange
from tests.providers.model_thread import Model

FAKE = {"JIKKO_FAKE_MODELS": "true"}
SETTING = {"score_threshold": 0.6, "embedding_provider_name": "openai", "embedding_model_name": "small"}


class User:
    def __init__(self, url: str, key: str) -> None:
        self.url = url
        self.key = {"Authorization": f"Bearer {key}"}

    def __call__(self, method: str, path: str, **body: Any) -> Any:
        given: dict[str, Any] = {"params": body} if method == "GET" else {"json": body}
        answer = httpx.request(
            method, f"{self.url}/v1{path}", headers=self.key, verify=trusted(), timeout=PATIENCE, **given
        )
        assert answer.is_success, answer.text
        return answer.json()

    def ask(self, query: str, **more: Any) -> Any:
        return self("POST", "/chat-messages", query=query, inputs={}, user="anna", **more)

    def name(self) -> str:
        [conversation] = self("GET", "/conversations", user="anna")["data"]
        return str(conversation["name"])


def until(is_so: Callable[[], bool]) -> None:
    """Look again and again: what happens in the background tells no client."""
    end = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)


@pytest.fixture
def key(jikko: Command, tmp_path: Path) -> str:
    file = tmp_path / "talk.yml"
    nodes = [start(), node("reply", "answer", answer="You said: {{#sys.query#}}")]
    features = {"suggested_questions_after_answer": {"enabled": True}}
    file.write_text(app("Talk", nodes, "start>reply", mode="advanced-chat", features=features))
    [imported] = jikko.json("apps", "import", file)
    return str(imported["api_key"])


@pytest.fixture
def server(jikko: Command, key: str) -> Iterator[Server]:
    server = Server(jikko.home, settings=FAKE)
    yield server
    server.close()


def begun_replies(user: User) -> str:
    """A question and its answer, by which the app replies. Returns the id of the annotation."""
    made = user("POST", "/apps/annotations", question="When is the shop open? 🕘", answer="朝 9 時からです")
    job = user("POST", "/apps/annotation-reply/enable", **SETTING)["job_id"]
    until(lambda: user("GET", f"/apps/annotation-reply/enable/status/{job}")["job_status"] == "completed")
    return str(made["id"])


def test_an_annotation_answers_what_is_like_its_question_also_after_a_kill(
    jikko: Command, server: Server, key: str
) -> None:
    user = User(server.url, key)
    annotation = begun_replies(user)

    hit, miss = user.ask("when is the shop open"), user.ask("who is the king of spain")
    server.kill()
    again = Server(jikko.home, settings=FAKE)
    try:
        user = User(again.url, key)
        later = user.ask("When's the shop open?", conversation_id=hit["conversation_id"])
        [listed] = user("GET", "/apps/annotations")["data"]
    finally:
        again.close()

    assert hit["answer"] == later["answer"] == "朝 9 時からです"
    assert hit["metadata"]["annotation_reply"]["id"] == annotation
    assert miss["answer"] == "You said: who is the king of spain"
    assert miss["metadata"]["annotation_reply"] is None
    assert listed["hit_count"] == 2


def test_a_change_made_by_one_worker_holds_in_all(jikko: Command, key: str) -> None:
    server = Server(jikko.home, settings=FAKE, options=["--workers", "2"])
    try:
        user = User(server.url, key)
        annotation = begun_replies(user)
        assert {user.ask("when is the shop open")["answer"] for _ in range(6)} == {"朝 9 時からです"}

        user("PUT", f"/apps/annotations/{annotation}", question="When is the shop open? 🕘", answer="10 時から")

        assert {user.ask("when is the shop open")["answer"] for _ in range(6)} == {"10 時から"}
    finally:
        server.close()


def test_a_conversation_whose_server_was_killed_gets_its_name(jikko: Command, tmp_path: Path, key: str) -> None:
    asked = threading.Event()

    async def answer(exchange: Exchange) -> None:
        if not asked.is_set():
            asked.set()
            await exchange.gone.wait()
        await exchange.json({"choices": [{"message": {"content": "二十文字 🏷"}, "finish_reason": "stop"}]})

    model = Model(answer)
    providers = {"openai": {"type": "openai", "base_url": model.model.url, "api_key": "key"}}
    defaults = {"llm": {"provider": "openai", "model": "gpt-4o"}}
    (tmp_path / "providers.yml").write_text(json.dumps({"providers": providers, "defaults": defaults}))
    settings = {"JIKKO_PROVIDERS": str(tmp_path / "providers.yml")}
    server = Server(jikko.home, settings=settings)
    try:
        user = User(server.url, key)
        user.ask("a question of more than twenty characters")
        assert asked.wait(PATIENCE)
        before = user.name()
        server.kill()

        server = Server(jikko.home, settings=settings)
        user = User(server.url, key)
        until(lambda: user.name() != before)
        name = user.name()
    finally:
        server.close()
        model.close()

    assert (before, name) == ("a question of more t…", "二十文字 🏷")


def test_a_new_conversation_is_named_and_questions_are_suggested(server: Server, key: str) -> None:
    user = User(server.url, key)
    asked = user.ask("a question of more than twenty characters")
    until(lambda: user.name().startswith("[fake answer"))

    suggested = user("GET", f"/messages/{asked['message_id']}/suggested", user="anna")

    assert suggested["result"] == "success"
    assert isinstance(suggested["data"], list)
