"""Every operation of a chat app, against Dify's own description of its Service API."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.acceptance.client import Client
from tests.acceptance.described import check
from tests.acceptance.processes import Command, Server
from tests.acceptance.workflows import app, end, node, start

NOTHING = "00000000-0000-4000-8000-000000000000"
COUNT = {"id": "0199a1b2-0000-7000-8000-0000000000c1", "name": "count", "value_type": "number", "value": 1}
REPLY = {"score_threshold": 0.9, "embedding_provider_name": "openai", "embedding_model_name": "small"}


def post(client: Client, path: str, **body: Any) -> httpx.Response:
    return client.request("POST", f"/v1{path}", json={"user": client.user, **body})


def get(client: Client, path: str, **query: Any) -> httpx.Response:
    return client.request("GET", f"/v1{path}", params={"user": client.user, **query})


def asked(client: Client, **more: Any) -> httpx.Response:
    return post(client, "/chat-messages", query="hello", inputs={}, **more)


def ids(client: Client) -> tuple[str, str]:
    """A new conversation, and its message."""
    answer = asked(client).json()
    return answer["conversation_id"], answer["message_id"]


def feedbacks(client: Client) -> httpx.Response:
    post(client, f"/messages/{ids(client)[1]}/feedbacks", rating="dislike")
    return client.request("GET", "/v1/app/feedbacks")


def conversations(client: Client) -> httpx.Response:
    ids(client)
    return get(client, "/conversations", limit=2)


def put_variable(client: Client, conversation_id: str, value: Any) -> httpx.Response:
    body = {"value": value, "user": client.user}
    return client.request("PUT", f"/v1/conversations/{conversation_id}/variables/{COUNT['id']}", json=body)


def annotation(client: Client) -> httpx.Response:
    return client.request("POST", "/v1/apps/annotations", json={"question": "who?", "answer": "私"})


def annotations(client: Client) -> httpx.Response:
    annotation(client)
    return client.request("GET", "/v1/apps/annotations?limit=3")


def changed_annotation(client: Client) -> httpx.Response:
    body = {"question": "who?", "answer": "me"}
    return client.request("PUT", f"/v1/apps/annotations/{annotation(client).json()['id']}", json=body)


def reply(client: Client) -> httpx.Response:
    return client.request("POST", "/v1/apps/annotation-reply/enable", json=REPLY)


Case = Callable[[Client], httpx.Response]
CASES: dict[tuple[str, int], Case] = {
    ("POST /chat-messages", 200): lambda client: asked(client),
    ("POST /chat-messages", 400): lambda client: asked(client, conversation_id="no id"),
    ("POST /chat-messages", 404): lambda client: asked(client, workflow_id=NOTHING),
    ("POST /chat-messages/{task_id}/stop", 200): lambda client: post(client, f"/chat-messages/{NOTHING}/stop"),
    ("POST /chat-messages/{task_id}/stop", 400): lambda client: client.request(
        "POST", f"/v1/chat-messages/{NOTHING}/stop", json={}
    ),
    ("GET /messages/{message_id}/suggested", 200): lambda client: get(client, f"/messages/{ids(client)[1]}/suggested"),
    ("GET /messages/{message_id}/suggested", 404): lambda client: get(client, f"/messages/{NOTHING}/suggested"),
    ("POST /messages/{message_id}/feedbacks", 200): lambda client: post(
        client, f"/messages/{ids(client)[1]}/feedbacks", rating="like", content="gut 🙂"
    ),
    ("POST /messages/{message_id}/feedbacks", 400): lambda client: post(
        client, f"/messages/{ids(client)[1]}/feedbacks", rating="love"
    ),
    ("POST /messages/{message_id}/feedbacks", 404): lambda client: post(
        client, f"/messages/{NOTHING}/feedbacks", rating="like"
    ),
    ("GET /app/feedbacks", 200): feedbacks,
    ("GET /conversations", 200): conversations,
    ("GET /conversations", 404): lambda client: get(client, "/conversations", last_id=NOTHING),
    ("GET /messages", 200): lambda client: get(client, "/messages", conversation_id=ids(client)[0]),
    ("GET /messages", 404): lambda client: get(client, "/messages", conversation_id=NOTHING),
    ("GET /conversations/{conversation_id}/variables", 200): lambda client: get(
        client, f"/conversations/{ids(client)[0]}/variables"
    ),
    ("GET /conversations/{conversation_id}/variables", 400): lambda client: get(
        client, f"/conversations/{ids(client)[0]}/variables", limit=0
    ),
    ("GET /conversations/{conversation_id}/variables", 404): lambda client: get(
        client, f"/conversations/{NOTHING}/variables"
    ),
    ("POST /conversations/{conversation_id}/name", 200): lambda client: post(
        client, f"/conversations/{ids(client)[0]}/name", name="名前"
    ),
    ("POST /conversations/{conversation_id}/name", 400): lambda client: post(
        client, f"/conversations/{ids(client)[0]}/name", name="  "
    ),
    ("POST /conversations/{conversation_id}/name", 404): lambda client: post(
        client, f"/conversations/{NOTHING}/name", name="x"
    ),
    ("PUT /conversations/{conversation_id}/variables/{variable_id}", 200): lambda client: put_variable(
        client, ids(client)[0], 7
    ),
    ("PUT /conversations/{conversation_id}/variables/{variable_id}", 400): lambda client: put_variable(
        client, ids(client)[0], "seven"
    ),
    ("PUT /conversations/{conversation_id}/variables/{variable_id}", 404): lambda client: put_variable(
        client, NOTHING, 7
    ),
    ("DELETE /conversations/{conversation_id}", 204): lambda client: client.request(
        "DELETE", f"/v1/conversations/{ids(client)[0]}", json={"user": client.user}
    ),
    ("DELETE /conversations/{conversation_id}", 404): lambda client: client.request(
        "DELETE", f"/v1/conversations/{NOTHING}", json={"user": client.user}
    ),
    ("POST /apps/annotations", 201): lambda client: annotation(client),
    ("GET /apps/annotations", 200): annotations,
    ("PUT /apps/annotations/{annotation_id}", 200): changed_annotation,
    ("PUT /apps/annotations/{annotation_id}", 404): lambda client: client.request(
        "PUT", f"/v1/apps/annotations/{NOTHING}", json={"question": "q", "answer": "a"}
    ),
    ("DELETE /apps/annotations/{annotation_id}", 204): lambda client: client.request(
        "DELETE", f"/v1/apps/annotations/{annotation(client).json()['id']}"
    ),
    ("DELETE /apps/annotations/{annotation_id}", 404): lambda client: client.request(
        "DELETE", f"/v1/apps/annotations/{NOTHING}"
    ),
    ("POST /apps/annotation-reply/{action}", 200): lambda client: reply(client),
    ("GET /apps/annotation-reply/{action}/status/{job_id}", 200): lambda client: client.request(
        "GET", f"/v1/apps/annotation-reply/enable/status/{reply(client).json()['job_id']}"
    ),
    ("GET /apps/annotation-reply/{action}/status/{job_id}", 400): lambda client: client.request(
        "GET", f"/v1/apps/annotation-reply/enable/status/{NOTHING}"
    ),
    ("POST /completion-messages", 400): lambda client: post(client, "/completion-messages", inputs={}),
    ("POST /completion-messages/{task_id}/stop", 400): lambda client: post(
        client, f"/completion-messages/{NOTHING}/stop"
    ),
}
"""By the operation and the status that it has to be answered with."""


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Client]]:
    """A chat app and a workflow app on one server."""
    folder = tmp_path_factory.mktemp("described")
    model = {"provider": "openai", "name": "gpt-4o", "mode": "chat", "completion_params": {}}
    prompt = [{"role": "user", "text": "{{#sys.query#}}"}]
    llm = node("llm", "llm", model=model, prompt_template=prompt, context={"enabled": False}, vision={"enabled": False})
    nodes = [start(), llm, node("reply", "answer", answer="{{#conversation.count#}} {{#llm.text#}}")]
    more: dict[str, Any] = {
        "features": {"suggested_questions_after_answer": {"enabled": True}, "retriever_resource": {"enabled": True}},
        "conversation_variables": [COUNT],
    }
    chat = app("Chat", nodes, "start>llm>reply", mode="advanced-chat", **more)
    flow = app("Flow", [start("q"), end(a="start.q")], "start>end")
    keys = Command(folder / "home").imported(folder, {"chat": chat, "workflow": flow})
    server = Server(folder / "home", options=["--fake-models"])
    made = {name: Client(server.url, key) for name, key in keys.items()}
    yield made
    for client in made.values():
        client.close()
    server.close()


@pytest.mark.parametrize(("operation", "status"), CASES, ids=lambda value: str(value))
def test_an_answer_is_as_described(operation: str, status: int, clients: dict[str, Client]) -> None:
    check(operation, status, CASES[operation, status](clients["chat"]))


def test_a_streamed_answer_is_of_the_described_type(clients: dict[str, Client]) -> None:
    answer = asked(clients["chat"], response_mode="streaming")

    check("POST /chat-messages", 200, answer)
    assert answer.headers["content-type"].partition(";")[0] == "text/event-stream"


@pytest.mark.parametrize(
    ("operation", "ask"),
    [
        ("POST /chat-messages", asked),
        ("POST /chat-messages/{task_id}/stop", lambda client: post(client, f"/chat-messages/{NOTHING}/stop")),
        ("GET /messages/{message_id}/suggested", lambda client: get(client, f"/messages/{NOTHING}/suggested")),
        ("GET /conversations", lambda client: get(client, "/conversations")),
        ("GET /messages", lambda client: get(client, "/messages", conversation_id=NOTHING)),
        (
            "GET /conversations/{conversation_id}/variables",
            lambda client: get(client, f"/conversations/{NOTHING}/variables"),
        ),
        (
            "POST /conversations/{conversation_id}/name",
            lambda client: post(client, f"/conversations/{NOTHING}/name", name="x"),
        ),
        (
            "PUT /conversations/{conversation_id}/variables/{variable_id}",
            lambda client: put_variable(client, NOTHING, 1),
        ),
        (
            "DELETE /conversations/{conversation_id}",
            lambda client: client.request("DELETE", f"/v1/conversations/{NOTHING}", json={"user": client.user}),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_workflow_app_is_told_to_be_no_chat(operation: str, ask: Case, clients: dict[str, Client]) -> None:
    answer = ask(clients["workflow"])

    check(operation, 400, answer)
    assert answer.json()["code"] == "not_chat_app"
