"""Conversations that are copied from a Dify, by its Service API over real sockets, and go on here."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.client import Client
from tests.acceptance.dify_chats import AT, COMPAT, PICTURE, DifyChats, own_id, recorded
from tests.acceptance.processes import Command, Outcome, Server, begun, environment
from tests.acceptance.workflows import app, node, start
from tests.effort import PATIENCE

USER = "花子 🌸"
NOTE = {"id": own_id("note"), "name": "note", "value_type": "array[object]", "value": []}
FILES = {"enabled": True, "allowed_file_upload_methods": ["local_file"], "number_limits": 3}


def chat_file(name: str = "Chat") -> str:
    """A chatflow whose answer says how many turns there were, and what a conversation variable holds."""
    reply = node("reply", "answer", answer="{{#sys.dialogue_count#}}: {{#conversation.note#}}")
    return app(
        name,
        [start(), reply],
        "start>reply",
        mode="advanced-chat",
        conversation_variables=[NOTE],
        features={"file_upload": FILES},
    )


class Here(Command):
    """A data folder with a chat app."""

    def __init__(self, home: Path, text: str) -> None:
        super().__init__(home)
        file = home.parent / "chat.yml"
        file.write_text(text, encoding="utf-8")
        [entry] = self.json("apps", "import", file)
        self.name: str = entry["name"]
        self.key: str = entry["api_key"]

    def take(self, there: DifyChats, *users: str, key: str = "", app: str = "", **settings: str) -> Outcome:
        named = [word for user in users or (USER,) for word in ("--user", user)]
        keys = ("--key", key or there.key, "--app", app or self.name)
        return self("chat", "import", "--url", there.url, *keys, *named, "--json", **settings)

    @contextmanager
    def served(self) -> Iterator[Client]:
        server = Server(self.home)
        client = Client(server.url, self.key, USER)
        try:
            yield client
        finally:
            client.close()
            server.close()


@pytest.fixture
def here(tmp_path: Path) -> Here:
    return Here(tmp_path / "home", chat_file())


@pytest.fixture
def there() -> Iterator[DifyChats]:
    with DifyChats() as server:
        yield server


def listed(client: Client, conversation: str, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get(
        "/v1/messages", params={"conversation_id": own_id(conversation), "user": USER, "limit": 100, **query}
    )["data"]
    return found


def said(client: Client, conversation: str) -> list[tuple[str, str]]:
    return [(each["query"], each["answer"]) for each in listed(client, conversation)]


def test_a_chat_goes_on_where_it_was_at_the_dify(here: Here, there: DifyChats) -> None:
    there.say(USER, "旅行", "どこへ? 🗾", "海へ \ue000")
    there.say(USER, "旅行", "long", "x" * 1_000_000 + "終")
    there.variables[own_id("旅行")] = [{**NOTE, "value": "[{'a': None}, {'b': True}]", "created_at": AT}]

    outcome = here.take(there)

    assert outcome.lines == [{"user": USER, "conversations": 1, "messages": 2, "feedbacks": 0, "failed": 0}]
    assert outcome.code == 0
    with here.served() as client:
        [conversation] = client.get("/v1/conversations", params={"user": USER})["data"]
        assert (conversation["id"], conversation["name"]) == (own_id("旅行"), "旅行")
        assert said(client, "旅行") == [("どこへ? 🗾", "海へ \ue000"), ("long", "x" * 1_000_000 + "終")]
        asked = {"query": "more", "inputs": {}, "user": USER, "conversation_id": own_id("旅行")}
        answer = client.request("POST", "/v1/chat-messages", json={**asked, "response_mode": "blocking"}).json()
        assert answer["answer"] == "3: - {'a': None}\n- {'b': True}"
        assert answer["conversation_id"] == own_id("旅行")


def test_a_second_import_adds_what_is_new_behind_what_is_there(here: Here, there: DifyChats) -> None:
    for number in range(45):
        there.say(USER, "long", f"q{number}", f"a{number}")
    assert here.take(there).lines[0]["messages"] == 45
    for number in range(45, 70):
        there.say(USER, "long", f"q{number}", f"a{number}")
    there.say(USER, "new", "hello", "hi")

    [second], [third] = here.take(there).lines, here.take(there).lines

    assert second == {"user": USER, "conversations": 1, "messages": 26, "feedbacks": 0, "failed": 0}
    assert third == {"user": USER, "conversations": 0, "messages": 0, "feedbacks": 0, "failed": 0}
    with here.served() as client:
        assert said(client, "long") == [(f"q{number}", f"a{number}") for number in range(70)]


def test_variables_are_those_of_the_dify_until_the_chat_goes_on_here(here: Here, there: DifyChats) -> None:
    def told(value: str) -> list[dict[str, Any]]:
        return [{**NOTE, "value": value, "created_at": AT, "updated_at": AT}]

    def kept(client: Client) -> str:
        path = f"/v1/conversations/{own_id('talk')}/variables"
        [variable] = client.get(path, params={"user": USER})["data"]
        return str(variable["value"])

    for number, value in enumerate(("[{'n': 1}]", "[{'n': 2}]")):
        there.say(USER, "talk", f"q{number}", "a")
        there.variables[own_id("talk")] = told(value)
        assert here.take(there).code == 0
        with here.served() as client:
            assert kept(client) == value

    asked = {"query": "here", "inputs": {}, "user": USER, "conversation_id": own_id("talk")}
    with here.served() as client:
        answer = client.request("POST", "/v1/chat-messages", json={**asked, "response_mode": "blocking"})
        assert answer.status_code == 200
    there.say(USER, "talk", "later", "a")
    there.variables[own_id("talk")] = told("[{'n': 3}]")
    assert here.take(there).lines[0]["messages"] == 1
    with here.served() as client:
        assert kept(client) == "[{'n': 2}]"


def test_all_pages_of_conversations_are_read(here: Here, there: DifyChats) -> None:
    for number in range(205):
        there.say(USER, f"c{number}", "q", "a")

    assert here.take(there).lines[0]["conversations"] == 205


def test_feedback_comes_with_its_text_and_later_changes(here: Here, there: DifyChats) -> None:
    first = there.say(USER, "talk", "one", "1")
    there.say(USER, "talk", "two", "2", feedback={"rating": "dislike"})
    rating = {"id": own_id("f"), "message_id": first["id"], "conversation_id": first["conversation_id"]}
    made = {"created_at": "2026-01-02T03:04:05", "updated_at": "2026-01-02T03:04:05"}
    there.feedbacks = [{**rating, "rating": "like", "content": "良い", "from_source": "user", **made}]
    assert here.take(there).lines[0]["feedbacks"] == 2

    there.feedbacks = [{**there.feedbacks[0], "rating": "dislike", "updated_at": "2026-02-02T00:00:00"}]
    assert here.take(there).lines[0]["feedbacks"] == 1
    assert here.take(there).lines[0]["feedbacks"] == 0

    with here.served() as client:
        assert [each["feedback"] for each in listed(client, "talk")] == [{"rating": "dislike"}] * 2
        shown = {each["message_id"]: each["content"] for each in client.get("/v1/app/feedbacks")["data"]}
        assert shown[first["id"]] == "良い"


def test_files_of_messages_are_kept_here_and_links_in_answers_lead_to_them(here: Here, there: DifyChats) -> None:
    asked, made = there.file("写真.png"), there.file("made.png", "assistant")
    # As a Dify names itself whose own address is not set: by one that only its containers know.
    made["url"] = "http://api.invalid:5001" + made["url"]
    there.say(USER, "pictures", "look", f"![made]({made['url']})", message_files=[asked, made])

    assert here.take(there).code == 0

    with here.served() as client:
        [message] = listed(client, "pictures")
        files = {each["belongs_to"]: each for each in message["message_files"]}
        assert files["user"]["filename"] == "写真.png"
        link = message["answer"].removeprefix("![made](").removesuffix(")")
        assert client.request("GET", link).content == PICTURE
        assert client.request("GET", files["user"]["url"]).content == PICTURE


def test_a_file_that_cannot_be_had_is_told_and_its_message_taken(here: Here, there: DifyChats) -> None:
    there.say(USER, "pictures", "look", "gone", message_files=[there.file("gone.png")])
    there.fault = lambda path: (404, {}, b"") if path.startswith("/files/") else None

    outcome = here.take(there)

    assert (outcome.code, outcome.lines[0]["messages"], outcome.lines[0]["failed"]) == (1, 1, 1)
    assert "gone.png" in outcome.err


def test_addresses_that_end_users_wrote_reach_nothing_inside(here: Here, there: DifyChats) -> None:
    with DifyChats() as inside:
        for number, url in enumerate((f"{inside.url}/files/x", f"{there.url}/open?to={inside.url}", "http://[bad/x")):
            link = {**there.file("花.png"), "url": url, "transfer_method": "remote_url"}
            there.say(USER, f"talk {number}", "look", "seen", message_files=[link])
        there.fault = lambda path: (
            (302, {"Location": f"{inside.url}/files/x"}, b"")
            if path.startswith("/open")
            else (404, {}, b"")
            if path.startswith("/files/")
            else None
        )

        outcome = here.take(there, JIKKO_HTTP_ALLOW="")

        assert inside.asked == []
    assert (outcome.code, outcome.lines[0]["messages"], outcome.lines[0]["failed"]) == (1, 3, 3)
    assert outcome.err.count("cannot be had") == 3


def test_a_message_that_another_conversation_has_here_is_told(here: Here, there: DifyChats) -> None:
    taken = there.say(USER, "talk", "one", "1")
    here.take(there)
    there.say(USER, "other", "same id", "2", id=taken["id"])
    there.say(USER, "other", "two", "3")

    for messages in (1, 0):
        outcome = here.take(there)
        assert (outcome.code, outcome.lines[0]["messages"], outcome.lines[0]["failed"]) == (1, messages, 1)
        assert f"message {taken['id']} already exists here" in outcome.err
    with here.served() as client:
        assert said(client, "talk") == [("one", "1")]
        assert said(client, "other") == [("two", "3")]


def test_an_import_that_is_killed_goes_on_with_the_next_one(here: Here, there: DifyChats) -> None:
    for number in range(60):
        there.say(USER, "long", f"q{number}", f"a{number}")
    hold = there.messages[own_id("long")][40]["id"]
    pages: list[str] = []
    second = threading.Event()

    def hang(path: str) -> None:
        if f"first_id={hold}" in path:
            pages.append(path)
            # The second time, with the oldest messages written.
            if len(pages) == 2:
                second.set()
                dead.wait(PATIENCE)

    dead = threading.Event()
    there.fault = hang
    words = ["chat", "import", "--url", there.url, "--key", there.key, "--app", here.name, "--user", USER]
    with open(os.devnull, "r+b") as nothing:
        process = begun(words, environment(here.home), nothing, nothing, nothing)
        assert second.wait(PATIENCE)
        process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE)
    dead.set()
    there.fault = lambda path: None

    assert 0 < here.take(there).lines[0]["messages"] < 60

    with here.served() as client:
        assert said(client, "long") == [(f"q{number}", f"a{number}") for number in range(60)]


def test_a_server_that_asks_for_patience_gets_it(here: Here, there: DifyChats) -> None:
    there.say(USER, "talk", "one", "1")
    refused: list[str] = []

    def busy(path: str) -> tuple[int, dict[str, str], bytes] | None:
        if "/messages" not in path or len(refused) >= 2:
            return None
        refused.append(path)
        return 429, {"Retry-After": "3"}, b'{"message": "slow down"}'

    there.fault = busy

    outcome = here.take(there)

    assert (outcome.code, outcome.lines[0]["messages"]) == (0, 1)
    assert "answered 429; asked again in 3 s" in outcome.err
    times = [at for at, path in there.asked if "/messages" in path]
    assert times[1] - times[0] >= 3


@pytest.mark.parametrize(
    ("path", "status", "content", "report"),
    [
        ("/v1/info", 401, b'{"message": "Access token is invalid"}', "begins with app-"),
        ("/v1/info", 200, b'{"mode": "agent-chat"}', "of this key of mode agent-chat"),
        ("/v1/conversations?", 200, b"<html>", "it is not JSON"),
        ("/v1/conversations?", 200, b'{"data": [{"id": "../x", "created_at": 1}]}', "not what Dify's API answers"),
        ("/v1/messages", 200, b'{"data": [{"id": 7}]}', "not what Dify's API answers"),
        ("/v1/messages", 200, b'{"data": "' + b"[" * 100_000, "it is not JSON"),
        ("/v1/messages", 404, b"", "404"),
        ("/v1/conversations/", 200, b'{"data": [{"id": 1}]}', "not what Dify's API answers"),
    ],
)
def test_what_is_no_answer_of_a_dify_is_told_and_the_next_import_takes_all(
    here: Here, there: DifyChats, path: str, status: int, content: bytes, report: str
) -> None:
    there.say(USER, "talk", "one", "1")
    there.fault = lambda asked: (status, {}, content) if asked.startswith(path) else None

    outcome = here.take(there)

    assert outcome.code != 0
    assert report in outcome.err
    assert not outcome.has_traceback
    there.fault = lambda path: None
    assert here.take(there).lines[0]["messages"] == 1


def test_pages_that_repeat_themselves_end(here: Here, there: DifyChats) -> None:
    for number in range(20):
        there.say(USER, "talk", f"q{number}", "a")
    page = json.dumps({"data": there.messages[own_id("talk")]}).encode()
    there.fault = lambda path: (200, {}, page) if path.startswith("/v1/messages") else None

    outcome = here.take(there)

    assert outcome.code == 1
    assert "repeat themselves" in outcome.err


def test_a_conversation_of_another_user_or_app_of_here_is_not_touched(here: Here, there: DifyChats) -> None:
    there.say(USER, "talk", "one", "1")
    here.take(there)
    there.say(USER, "talk", "two", "2")
    there.conversations["mallory"] = there.conversations[USER]
    file = here.home.parent / "other.yml"
    file.write_text(chat_file("Other"), encoding="utf-8")
    here("apps", "import", file)

    theirs, elsewhere = here.take(there, "mallory"), here.take(there, app="Other")

    for outcome in (theirs, elsewhere):
        assert (outcome.code, outcome.lines[0]["messages"]) == (1, 0)
        assert "another app or user" in outcome.err
    with here.served() as client:
        assert said(client, "talk") == [("one", "1")]


def test_a_message_that_is_being_answered_is_left_to_the_next_import(here: Here, there: DifyChats) -> None:
    message = there.say(USER, "talk", "one", "", created_at=4_000_000_000)
    assert here.take(there).lines[0]["messages"] == 0
    message["answer"] = "1"

    assert here.take(there).lines[0]["messages"] == 1


def test_wrong_calls_are_told(here: Here, there: DifyChats, tmp_path: Path) -> None:
    words = ("chat", "import", "--url", there.url, "--key", there.key, "--app", here.name)
    assert here(*words).code == 2
    (tmp_path / "users").write_bytes(b"\xff")
    assert here(*words, "--users", tmp_path / "users").code == 2
    assert here.take(there, app="nobody").code == 7
    assert here("chat", "import", "--url", "http://127.0.0.1:9", *words[4:], "--user", "u").code == 10


def test_users_of_a_file_are_taken(here: Here, there: DifyChats, tmp_path: Path) -> None:
    there.say("a", "one", "q", "a")
    there.say("花子", "two", "q", "a")
    (tmp_path / "users").write_text("a\n\n花子\n", encoding="utf-8")

    words = ("chat", "import", "--url", there.url, "--key", "-", "--app", here.name, "--users", tmp_path / "users")
    outcome = here(*words, "--json", given=f"{there.key}\n")

    assert [(line["user"], line["messages"]) for line in outcome.lines] == [("a", 1), ("花子", 1)]


RECORDED = (
    ("chats", "chat_conversation_opening", "chat_opening"),
    ("chats", "chat_error_then_fine", "chat_fail"),
    ("chats", "chat_inputs_each_turn", "chat_inputs"),
    ("chats", "chat_files_image", "chat_show_files"),
    ("chats", "chat_files_document", "chat_files"),
    ("chats", "chat_human_no", "chat_human"),
    ("basic", "basic_chat_opening", ""),
    ("basic", "basic_agent_dataset", ""),
)


@pytest.mark.parametrize(("suite", "case", "dsl"), RECORDED)
def test_recorded_conversations_of_a_real_dify_are_here_as_they_were_there(
    tmp_path: Path, there: DifyChats, suite: str, case: str, dsl: str
) -> None:
    apps = json.loads((COMPAT / suite / "cases" / case / "case.json").read_text("utf-8"))["apps"]
    text = (COMPAT / suite / "dsl" / f"{dsl or apps['main']}.yml").read_text("utf-8")
    here = Here(tmp_path / "home", text)
    messages = recorded(there, suite, case, USER)
    assert messages
    with here.served() as client:
        there.mode = client.get("/v1/info")["mode"]

    outcome = here.take(there)

    assert (outcome.code, outcome.lines[0]["messages"]) == (0, len(messages)), outcome.err
    with here.served() as client:
        query = {"conversation_id": messages[0]["conversation_id"], "user": USER}
        found = client.get("/v1/messages", params=query)["data"]
        for one in (*found, *messages):
            _without_what_names_nothing(one)
        assert found == messages


def _without_what_names_nothing(message: dict[str, Any]) -> None:
    """Remove ids and addresses that each server makes for itself, and forms, which are not taken."""
    del message["extra_contents"]
    for file in message["message_files"]:
        for name in ("id", "url", "upload_file_id", "size", "transfer_method"):
            del file[name]
    message["message_files"].sort(key=lambda each: each["belongs_to"], reverse=True)
    for resource in message["retriever_resources"]:
        del resource["id"], resource["message_id"]
    for thought in message["agent_thoughts"]:
        thought.pop("chain_id", None)
    message["answer"] = message["answer"].partition("](http")[0]
    message["status"] = {"paused": "normal"}.get(message["status"], message["status"])
