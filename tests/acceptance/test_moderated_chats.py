"""Chats of a real server that are moderated by servers elsewhere: an API-based extension, and a provider's model."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from tests.acceptance.processes import Command, Server
from tests.acceptance.workflows import app, node, start
from tests.effort import PATIENCE, trusted


class Guard:
    """A server that is both: it refuses what has the word ``secret`` in it, and calls ``name`` by another name."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        """Path, ``Authorization`` and body of each request."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, path: str, body: Any) -> Any:
        if path.endswith("/moderations"):
            return {"id": "m", "model": "m", "results": [{"flagged": "secret" in text} for text in body["input"]]}
        params = body["params"]
        text = params["text"] if body["point"] == "app.moderation.output" else params["query"]
        if "secret" in text:
            return {"flagged": True, "action": "direct_output", "preset_response": "of that I say nothing"}
        if "name" in text:
            changed = {"text": text.replace("name", "▇▇▇▇"), "query": text.replace("name", "▇▇▇▇"), "inputs": {}}
            return {"flagged": True, "action": "overridden", **changed}
        return {"flagged": False}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        guard = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                guard.asked.append((self.path, self.headers["Authorization"], body))
                content = json.dumps(guard.answer(self.path, body)).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *arguments: Any) -> None:
                """Nothing to say."""

        return Handler


@pytest.fixture(scope="module")
def guard() -> Iterator[Guard]:
    guard = Guard()
    yield guard
    guard.close()


def moderated(name: str, kind: str) -> str:
    """A chat that says what it hears."""
    looks = {"enabled": True, "preset_response": "not here"}
    config = {"api_based_extension_id": "guard-1", "inputs_config": looks, "outputs_config": looks}
    features = {"sensitive_word_avoidance": {"enabled": True, "type": kind, "config": config}}
    code = "def main(q: str) -> dict:\n    return {'said': q[::-1]}"
    nodes = [
        start(),
        node(
            "turned",
            "code",
            code_language="python3",
            code=code,
            variables=[{"variable": "q", "value_selector": ["sys", "query"]}],
            outputs={"said": {"type": "string", "children": None}},
        ),
        node("reply", "answer", answer="{{#turned.said#}}"),
    ]
    return app(name, nodes, "start>turned>reply", mode="advanced-chat", features=features)


@pytest.fixture(scope="module")
def keys(guard: Guard, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, httpx.Client]]:
    """A client of each of the two apps."""
    folder = tmp_path_factory.mktemp("moderated")
    providers = folder / "providers.yml"
    entry = {"type": "openai", "base_url": f"{guard.url}/v1", "api_key": "sk-guard"}
    extension = {"url": f"{guard.url}/hook", "api_key": "hook-key"}
    providers.write_text(json.dumps({"providers": {"openai": entry}, "extensions": {"guard-1": extension}}))
    files = {"api": folder / "api.yml", "openai_moderation": folder / "model.yml"}
    for kind, file in files.items():
        file.write_text(moderated(kind, kind))
    home = folder / "home"
    entries = Command(home).json("apps", "import", *files.values())
    server = Server(home, settings={"JIKKO_PROVIDERS": str(providers), "JIKKO_HTTP_ALLOW": "127.0.0.0/8"})
    clients = {
        kind: httpx.Client(
            base_url=f"{server.url}/v1",
            headers={"Authorization": f"Bearer {imported['api_key']}"},
            verify=trusted(),
            timeout=PATIENCE,
        )
        for kind, imported in zip(files, entries, strict=True)
    }
    yield clients
    for client in clients.values():
        client.close()
    server.close()


def answer_to(client: httpx.Client, query: str) -> str:
    """The answer, which is the same in the stream and in the list of messages."""
    ask: dict[str, Any] = {"query": query, "inputs": {}, "user": "anna", "response_mode": "streaming"}
    # No model is asked for a name: the server has none.
    ask["auto_generate_name"] = False
    answered, conversation = "", ""
    for line in client.post("/chat-messages", json=ask).text.splitlines():
        if not line.startswith("data: "):
            continue
        event = json.loads(line[6:])
        conversation = event.get("conversation_id", conversation)
        if event["event"] == "message":
            answered += event["answer"]
        elif event["event"] == "message_replace":
            answered = event["answer"]
    [message] = client.get("/messages", params={"conversation_id": conversation, "user": "anna"}).json()["data"]
    assert message["answer"] == answered
    return answered


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ("今日は", "は日今"),
        ("a secret", "of that I say nothing"),
        ("terces a", "of that I say nothing"),
        ("my name", "▇▇▇▇ ym"),
        ("eman", "▇▇▇▇"),
    ],
)
def test_an_extension_looks_at_questions_and_answers(
    guard: Guard, keys: dict[str, httpx.Client], query: str, answer: str
) -> None:
    guard.asked.clear()

    assert answer_to(keys["api"], query) == answer

    path, authorization, body = guard.asked[0]
    assert (path, authorization, body["point"]) == ("/hook", "Bearer hook-key", "app.moderation.input")
    assert body["params"]["query"] == query


@pytest.mark.parametrize(
    ("query", "answer"), [("今日は", "は日今"), ("a secret", "not here"), ("terces a", "not here")]
)
def test_a_model_looks_at_questions_and_answers(
    guard: Guard, keys: dict[str, httpx.Client], query: str, answer: str
) -> None:
    guard.asked.clear()

    assert answer_to(keys["openai_moderation"], query) == answer

    assert guard.asked[0] == (
        "/v1/moderations",
        "Bearer sk-guard",
        {"model": "omni-moderation-latest", "input": [query]},
    )
