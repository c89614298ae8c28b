"""Two servers behind one address, which sends them requests in turn: all that one machine does is done."""

import ast
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.processes import Command
from tests.acceptance.several_servers import NOBODY_GOES, SeveralServers
from tests.acceptance.test_console import API, own_page
from tests.acceptance.test_operations import FRAGILE, Receiver
from tests.acceptance.workflows import ECHO, app, node, start
from tests.effort import PATIENCE

pytestmark = [pytest.mark.services, pytest.mark.slow]

ADDRESS = "http://one.address"
ODD = "こんにちは🙂\ue000 %_\\ 'ä\" <b>"
CHAT = app(
    "Chat",
    [
        start(),
        node(
            "count",
            "assigner",
            version="2",
            items=[
                {
                    "variable_selector": ["conversation", "asked"],
                    "operation": "append",
                    "value": ["sys", "query"],
                    "input_type": "variable",
                }
            ],
        ),
        node("answer", "answer", answer="{{#sys.query#}} / {{#conversation.asked#}}"),
    ],
    "start>count count>answer",
    mode="advanced-chat",
    conversation_variables=[
        {"id": "0199a1b2-0000-7000-8000-0000000000b1", "name": "asked", "value_type": "array[string]", "value": []}
    ],
)


class InTurn(httpx.BaseTransport):
    """Sends each request to the next server."""

    def __init__(self, urls: list[str]) -> None:
        self._next = itertools.cycle(httpx.URL(url) for url in urls)
        self._lock = threading.Lock()
        self._http = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        with self._lock:
            url = next(self._next)
        # The client's own request keeps its address, to which its cookies belong.
        sent = httpx.Request(
            request.method,
            request.url.copy_with(host=url.host, port=url.port),
            headers=request.headers,
            stream=request.stream,
            extensions=request.extensions,
        )
        return self._http.handle_request(sent)

    def close(self) -> None:
        self._http.close()


class OneAddress:
    """What clients see of the servers."""

    def __init__(self, several: SeveralServers) -> None:
        self.several = several
        self.urls = [server.url for server in several.servers]
        self._clients: list[httpx.Client] = []

    def client(self, key: str, **headers: str) -> httpx.Client:
        made = httpx.Client(
            base_url=ADDRESS,
            headers={"Authorization": f"Bearer {key}", **headers} if key else headers,
            transport=InTurn(self.urls),
            timeout=PATIENCE,
        )
        self._clients.append(made)
        return made

    def app(self, name: str) -> httpx.Client:
        return self.client(self.several.keys[name])

    def command(self, *arguments: str | Path) -> list[dict[str, Any]]:
        """By the operator, on another machine."""
        outcome = Command(self.several._folder / "operator")(*arguments, **self.several.settings)
        assert outcome.code == 0, outcome
        return outcome.lines if "--json" in arguments else []

    def close(self) -> None:
        for client in self._clients:
            client.close()


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory, several_settings_of_module: dict[str, str]) -> Iterator[OneAddress]:
    apps = {"echo": ECHO, "fragile": FRAGILE, "chat": CHAT}
    settings = {**several_settings_of_module, **NOBODY_GOES, "JIKKO_FAKE_MODELS": "true", "JIKKO_PUBLIC_URL": ADDRESS}
    several = SeveralServers(tmp_path_factory.mktemp("servers"), apps, settings, 2)
    made = OneAddress(several)
    yield made
    made.close()
    several.close()


def ok(answer: httpx.Response) -> Any:
    assert answer.status_code in (200, 201, 202), answer.text
    return answer.json()


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def body(q: str, mode: str = "blocking", **more: Any) -> dict[str, Any]:
    return {"inputs": {"q": q}, "user": "田中", "response_mode": mode, **more}


def test_a_conversation_goes_on_at_every_server(there: OneAddress) -> None:
    chat = there.app("chat")

    def ask(query: str, conversation: str) -> Any:
        asked = {"inputs": {}, "query": query, "user": "田中", "conversation_id": conversation}
        return ok(chat.post("/v1/chat-messages", json={**asked, "response_mode": "blocking"}))

    first = ask(ODD, "")
    conversation = first["conversation_id"]
    answers = [ask(f"{number}", conversation)["answer"] for number in range(3)]
    user = {"user": "田中"}
    assert answers[-1].startswith("2 / ")
    assert [word in answers[-1] for word in ("こんにちは🙂", "0", "1", "2")] == [True] * 4
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: ask(f"at once {number}", conversation), range(4)))
    messages = ok(chat.get("/v1/messages", params={"conversation_id": conversation, **user, "limit": 100}))["data"]
    [asked] = ok(chat.get(f"/v1/conversations/{conversation}/variables", params=user))["data"]

    assert sorted(m["query"] for m in messages) == sorted([ODD, "0", "1", "2", *(f"at once {n}" for n in range(4))])
    # Of turns at once the last holds (decisions/0024). Of those one behind the other nothing is lost.
    kept = asked["value"] if isinstance(asked["value"], list) else ast.literal_eval(asked["value"])
    assert kept[:4] == [ODD, "0", "1", "2"]
    assert ok(
        chat.post(f"/v1/messages/{first['message_id']}/feedbacks", json={"rating": "like", **user, "content": ODD})
    )
    assert ok(chat.post(f"/v1/conversations/{conversation}/name", json={"name": ODD, **user}))["name"] == ODD
    assert [c["name"] for c in ok(chat.get("/v1/conversations", params=user))["data"]] == [ODD]
    assert chat.request("DELETE", f"/v1/conversations/{conversation}", json=user).status_code == 204
    for _ in there.urls:
        assert ok(chat.get("/v1/conversations", params=user))["data"] == []
        assert chat.get("/v1/messages", params={"conversation_id": conversation, **user}).status_code == 404


def test_one_key_is_one_run_however_many_ask_at_once(there: OneAddress) -> None:
    echo = there.app("echo")
    for word in ("k", ODD.encode().hex(), "x" * 255):
        with ThreadPoolExecutor(8) as pool:
            answers = list(
                pool.map(
                    lambda _, word=word: ok(
                        echo.post("/v1/workflows/run", json=body(word), headers={"Idempotency-Key": word})
                    ),
                    range(8),
                )
            )
        assert len({answer["workflow_run_id"] for answer in answers}) == 1
        assert {answer["data"]["status"] for answer in answers} == {"succeeded"}
        for _ in there.urls:
            other = echo.post("/v1/workflows/run", json=body("other"), headers={"Idempotency-Key": word})
            assert other.status_code == 409


def test_runs_are_found_by_what_is_in_them(there: OneAddress) -> None:
    echo = there.app("echo")
    run = ok(echo.post("/v1/workflows/run", json=body(ODD)))["workflow_run_id"]
    for word in ("にちは", "%_", "\\", "'ä", "<b>", "🙂", run):
        for _ in there.urls:
            found = ok(echo.get("/v1/workflows/logs", params={"keyword": word, "limit": 100}))["data"]
            assert run in {entry["workflow_run"]["id"] for entry in found}, word
    for word in ("nobody wrote this", "%%%", "\x00"):
        assert echo.get("/v1/workflows/logs", params={"keyword": word}).status_code == 200


def test_a_run_is_retried_elsewhere_and_what_has_finished_is_not_run_again(there: OneAddress) -> None:
    fragile = there.app("fragile")
    for _ in there.urls:
        run = ok(fragile.post("/v1/workflows/run", json=body("no number")))["workflow_run_id"]
        again = ok(fragile.post(f"/v1/workflows/run/{run}/retry", json={"user": "田中", "response_mode": "blocking"}))
        new = again["workflow_run_id"]
        nodes = ok(fragile.get(f"/v1/workflows/run/{new}/node-executions"))["data"]
        assert new != run
        assert [node["node_id"] for node in nodes][:2] == ["start", "once"]
        assert run in fragile.get(f"/v1/workflows/run/{new}/lineage").text


def test_a_call_back_comes_once_for_each_run(there: OneAddress) -> None:
    echo, receiver = there.app("echo"), Receiver()
    try:
        runs = {
            ok(echo.post("/v1/workflows/run", json=body(ODD, "async", callback_url=receiver.url)))["workflow_run_id"]
            for _ in range(10)
        }
        until(lambda: len(receiver.requests) >= len(runs))
        until(lambda: there.command("callbacks", "list", "--json") == [])
    finally:
        receiver.close()
    assert len(receiver.requests) == len(runs)


def test_a_version_that_is_imported_holds_at_all_servers(there: OneAddress, tmp_path: Path) -> None:
    echo = there.app("echo")
    for word in ("one", "two"):
        file = tmp_path / "echo.yml"
        file.write_text(
            app(
                "Echo",
                [start("q"), node("end", "end", outputs=[{"variable": word, "value_selector": ["start", "q"]}])],
                "start>end",
            ),
            encoding="utf-8",
        )
        there.command("apps", "import", file)

        def outputs() -> dict[str, str]:
            found: dict[str, str] = ok(echo.post("/v1/workflows/run", json=body(ODD)))["data"]["outputs"]
            return found

        # Each has to hear of it first.
        until(lambda word=word, outputs=outputs: all(outputs() == {word: ODD} for _ in there.urls))  # type: ignore[misc]
        for _ in range(4):
            assert outputs() == {word: ODD}


def test_a_key_that_is_revoked_opens_nothing_at_any_server(there: OneAddress) -> None:
    [made] = there.command("apps", "keys", "Fragile", "--new", "--json")
    client = there.client(str(made["api_key"]))
    for _ in range(4):
        assert client.get("/v1/info").status_code == 200
    newest = there.command("apps", "keys", "Fragile", "--json")[-1]
    there.command("apps", "keys", "Fragile", "--revoke", newest["id"])
    # Each has to hear of it first.
    until(lambda: all(client.get("/v1/info").status_code == 401 for _ in there.urls))
    for _ in range(4):
        assert client.get("/v1/info").status_code == 401


def test_who_signs_in_at_one_server_is_signed_in_at_all(there: OneAddress) -> None:
    [made] = there.command("console", "tokens", "new", ODD, "--json")
    browser = there.client("", **own_page(ADDRESS))
    entered = browser.post(f"{API}/session", json={"token": made["token"]})
    assert entered.status_code == 200, entered.text
    for _ in range(4):
        assert ok(browser.get(f"{API}/session"))["role"] == "operator"
        assert browser.get(f"{API}/runs").status_code == 200
    assert browser.delete(f"{API}/session").status_code in (200, 204)
    for _ in there.urls:
        assert browser.get(f"{API}/runs").status_code == 401


def test_a_dataset_is_indexed_once_and_searched_everywhere(there: OneAddress) -> None:
    [made] = there.command("knowledge", "keys", "create", "--json")
    knowledge = there.client(str(made["api_key"]))
    dataset = ok(knowledge.post("/v1/datasets", json={"name": ODD[:40], "indexing_technique": "economy"}))["id"]
    added = []
    for number in range(6):
        document = {
            "name": f"{number} {ODD}",
            "text": f"ふくろう{number} owls{number} hunt 🙂",
            "indexing_technique": "economy",
            "process_rule": {"mode": "automatic"},
        }
        added.append(ok(knowledge.post(f"/v1/datasets/{dataset}/document/create-by-text", json=document)))

    def are_indexed() -> bool:
        batches = [entry["batch"] for entry in added]
        states = [
            ok(knowledge.get(f"/v1/datasets/{dataset}/documents/{batch}/indexing-status"))["data"][0]
            for batch in batches
        ]
        assert not [state for state in states if state["indexing_status"] == "error"], states
        return all(state["indexing_status"] == "completed" for state in states)

    until(are_indexed)
    for _ in there.urls:
        for query in ("owls3", "ふくろう3"):
            found = ok(knowledge.post(f"/v1/datasets/{dataset}/retrieve", json={"query": query}))["records"]
            assert any("owls3" in record["segment"]["content"] for record in found), (query, found)
    assert knowledge.delete(f"/v1/datasets/{dataset}").status_code == 204
    for _ in there.urls:
        assert knowledge.get(f"/v1/datasets/{dataset}").status_code == 404


def test_runs_are_exported_and_brought_back(there: OneAddress, tmp_path: Path) -> None:
    echo = there.app("echo")
    run = ok(echo.post("/v1/workflows/run", json=body(ODD)))["workflow_run_id"]
    file = tmp_path / "runs.jsonl"
    there.command("runs", "export", file)
    assert run in file.read_text(encoding="utf-8")
