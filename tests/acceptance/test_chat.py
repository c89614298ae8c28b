"""Chats with a real server: answers that are interrupted, stopped, rejoined, and given by several processes."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.client import Client
from tests.acceptance.processes import Command, Server
from tests.acceptance.token_server import TokenServer
from tests.acceptance.workflows import app, node, start

pytestmark = pytest.mark.slow

TOKENS = ["むかし ", "", "むかし、", "\ue000", "山 🗻 ", "に", "あり", "ました。"]
NOTE = {"id": "0199a1b2-0000-7000-8000-0000000000b1", "name": "note", "value_type": "string", "value": ""}


def chat_file(name: str = "Chat") -> str:
    keep = node(
        "keep",
        "assigner",
        version="2",
        items=[
            {
                "variable_selector": ["conversation", "note"],
                "operation": "over-write",
                "input_type": "variable",
                "value": ["sys", "query"],
            }
        ],
    )
    model = {"provider": "openai", "name": "gpt-4o", "mode": "chat", "completion_params": {}}
    prompt = [{"role": "system", "text": "Tell."}]
    memory = {"window": {"enabled": False, "size": 50}, "query_prompt_template": "{{#sys.query#}}"}
    llm = node("llm", "llm", model=model, prompt_template=prompt, memory=memory, context={"enabled": False})
    answer = node("answer", "answer", answer="「{{#llm.text#}}」 {{#conversation.note#}}")
    return app(
        name,
        [start(), keep, llm, answer],
        "start>keep>llm>answer",
        mode="advanced-chat",
        conversation_variables=[NOTE],
    )


class Place:
    """A data folder with a chat app, and its servers."""

    def __init__(self, command: Command, folder: Path, model: TokenServer) -> None:
        self.command = command
        self.model = model
        self.providers = folder / "providers.json"
        self.providers.write_text(model.providers)
        file = folder / "chat.yml"
        file.write_text(chat_file())
        [entry] = command.json("apps", "import", file)
        self.key: str = entry["api_key"]
        self.servers: list[Server] = []
        self.clients: list[Client] = []

    def start(self, *options: str) -> tuple[Server, Client]:
        settings = {"JIKKO_PROVIDERS": str(self.providers), "JIKKO_HTTP_ALLOW": "127.0.0.0/8"}
        server = Server(self.command.home, settings=settings, options=options)
        self.servers.append(server)
        return server, self.client(server)

    def client(self, server: Server, user: str = "anna") -> Client:
        client = Client(server.url, self.key, user)
        self.clients.append(client)
        return client

    def close(self) -> None:
        for client in self.clients:
            client.close()
        for server in self.servers:
            server.close()


@pytest.fixture
def model() -> Iterator[TokenServer]:
    model = TokenServer(TOKENS)
    yield model
    model.close()


@pytest.fixture
def place(jikko: Command, tmp_path: Path, model: TokenServer) -> Iterator[Place]:
    place = Place(jikko, tmp_path, model)
    yield place
    place.close()


def asking(client: Client, query: str, mode: str, conversation_id: str = "") -> dict[str, Any]:
    return {
        "query": query,
        "inputs": {},
        "user": client.user,
        "response_mode": mode,
        "conversation_id": conversation_id,
        "auto_generate_name": False,
    }


def ask(client: Client, query: str, conversation_id: str = "") -> dict[str, Any]:
    answer = client.request("POST", "/v1/chat-messages", json=asking(client, query, "blocking", conversation_id))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def messages_of(client: Client, conversation_id: str) -> list[dict[str, Any]]:
    path = f"/v1/messages?user={client.user}&conversation_id={conversation_id}&limit=100"
    found: list[dict[str, Any]] = client.get(path)["data"]
    return found


def answer_of(events: list[dict[str, Any]]) -> str:
    text = ""
    for event in events:
        if event["event"] == "message":
            text += event["answer"]
        elif event["event"] == "message_replace":
            text = event["answer"]
    return text


def until_it_waits(messages: Iterator[dict[str, Any]], tokens: int) -> list[dict[str, Any]]:
    """The messages of a stream until N tokens of the model have come."""
    events = []
    for event in messages:
        events.append(event)
        if sum(one["event"] == "message" and one["from_variable_selector"][0] == "llm" for one in events) == tokens:
            break
    return events


def test_a_server_that_is_killed_within_an_answer_gives_it_whole_and_once(place: Place, model: TokenServer) -> None:
    whole = f"「{model.answer}」 山"
    server, client = place.start()
    model.hold_after = 4
    with client.messages("POST", "/v1/chat-messages", json=asking(client, "山", "streaming")) as stream:
        events = until_it_waits(stream, 3)
        run, conversation = events[0]["workflow_run_id"], events[0]["conversation_id"]
        with client.following(run) as log:
            seen = [(position, event) for position, event in zip_until(log, "text_chunk", 3)]
        server.kill()

    model.go_on()
    server, client = place.start()
    with client.following(run, after=seen[-1][0]) as log:
        rest = [event for _, event in log]
    assert client.detail(run)["status"] == "succeeded"

    [message] = messages_of(client, conversation)
    assert (message["id"], message["answer"], message["status"]) == (events[0]["message_id"], whole, "normal")
    everything = client.log(run)
    assert "text_replaced" not in [event["event"] for event in everything]
    assert "".join(event["text"] for event in everything if event["event"] == "text_chunk") == whole
    shown = [event for _, event in seen] + rest
    assert "".join(event["text"] for event in shown if event["event"] == "text_chunk") == whole
    variables = client.get(f"/v1/conversations/{conversation}/variables?user=anna")["data"]
    assert [(one["name"], one["value"]) for one in variables] == [("note", "山")]
    [listed] = client.get("/v1/conversations?user=anna")["data"]
    assert (listed["id"], listed["name"]) == (conversation, "山")

    # The next turn remembers this one.
    ask(client, "川", conversation)
    assert [one["content"] for one in model.prompts[-1]] == ["Tell.", "山", whole, "川"]


def zip_until(log: Iterator[tuple[int, dict[str, Any]]], kind: str, count: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """A log until N events of a kind have come."""
    for position, event in log:
        yield position, event
        count -= event["event"] == kind
        if not count:
            return


def test_a_client_that_comes_late_to_an_answer_sees_its_text_once(place: Place, model: TokenServer) -> None:
    _, client = place.start()
    model.hold_after = 4
    with client.messages("POST", "/v1/chat-messages", json=asking(client, "山", "streaming")) as stream:
        first = until_it_waits(stream, 3)
    run = first[0]["workflow_run_id"]
    path = f"/v1/workflow/{run}/events?user=anna&include_state_snapshot=true"
    with client.messages("GET", path) as stream:
        late = [next(stream), next(stream)]
        model.go_on()
        late += list(stream)

    assert [event["event"] for event in late[:2]] == ["workflow_started", "message_replace"]
    assert answer_of(late) == f"「{model.answer}」 山"
    assert late[-1]["event"] == "workflow_finished"
    assert {event["message_id"] for event in late} == {first[0]["message_id"]}


def test_a_stopped_answer_keeps_what_was_said(place: Place, model: TokenServer) -> None:
    _, client = place.start()
    model.hold_after = 5
    with client.messages("POST", "/v1/chat-messages", json=asking(client, "山", "streaming")) as stream:
        events = until_it_waits(stream, 4)
        stop = client.request("POST", f"/v1/chat-messages/{events[0]['task_id']}/stop", json={"user": "anna"})
        events += list(stream)

    assert stop.json() == {"result": "success"}
    assert (events[-1]["event"], events[-1]["data"]["status"]) == ("workflow_finished", "stopped")
    assert "message_end" not in [event["event"] for event in events]
    [message] = messages_of(client, events[0]["conversation_id"])
    assert message["answer"] == answer_of(events) == "「" + "".join(TOKENS[:5])
    assert (message["status"], message["error"]) == ("normal", None)
    assert client.detail(events[0]["workflow_run_id"])["status"] == "stopped"


def test_turns_of_one_conversation_at_once_are_answered_whole_by_several_processes(place: Place) -> None:
    server, client = place.start("--workers", "2")
    conversation = ask(client, "初め")["conversation_id"]
    queries = [f"問 {count}" for count in range(24)]

    def turn(query: str) -> dict[str, Any]:
        own = Client(server.url, place.key, "anna")
        try:
            return ask(own, query, conversation)
        finally:
            own.close()

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(turn, queries))

    assert [one["answer"] for one in answers] == [f"「{place.model.answer}」 {query}" for query in queries]
    messages = messages_of(client, conversation)
    assert messages[0]["query"] == "初め"
    assert sorted(one["query"] for one in messages[1:]) == sorted(queries)
    assert {one["id"]: one["answer"] for one in messages[1:]} == {one["id"]: one["answer"] for one in answers}
    [variable] = client.get(f"/v1/conversations/{conversation}/variables?user=anna")["data"]
    assert variable["value"] in queries
    assert variable["value"] == json.loads(json.dumps(variable["value"]))
