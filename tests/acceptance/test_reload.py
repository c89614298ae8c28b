"""``jikko reload`` and ``jikko keys``: configuration reloaded without a restart."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.acceptance.client import Client
from tests.acceptance.processes import Command, Server
from tests.acceptance.several import process_of
from tests.acceptance.test_restore import uploaded
from tests.acceptance.token_server import TokenServer
from tests.acceptance.workflows import app, end, node, start

MODEL = {"provider": "openai", "name": "gpt-4o", "mode": "chat", "completion_params": {}}
ASK = app(
    "Ask",
    [
        start("q"),
        node(
            "llm",
            "llm",
            model=MODEL,
            prompt_template=[{"role": "user", "text": "{{#start.q#}}"}],
            context={"enabled": False},
        ),
        end(said="llm.text"),
    ],
    "start>llm>end",
)


class Place:
    """A server whose providers file can be written anew."""

    def __init__(self, command: Command, folder: Path, workers: int) -> None:
        self.command = command
        self.count = workers
        self.file = folder / "providers.json"
        self.models = [TokenServer(["alte ", "Antwort"]), TokenServer(["新しい", "答え"])]
        self.use(0)
        (folder / "ask.yml").write_text(ASK)
        [entry] = command.json("apps", "import", folder / "ask.yml")
        settings = {"JIKKO_PROVIDERS": str(self.file), "JIKKO_WORKERS": str(workers)}
        self.server = Server(command.home, settings=settings)
        self.key: str = entry["api_key"]
        self.clients: list[Client] = []

    def use(self, model: int) -> None:
        self.file.write_text(self.models[model].providers)

    def client(self) -> Client:
        self.clients.append(Client(self.server.url, self.key, connections=1))
        return self.clients[-1]

    def one_of_each_process(self) -> list[Client]:
        found: dict[int, Client] = {}
        while len(found) < self.count:
            client = self.client()
            found.setdefault(process_of(client), client)
        return list(found.values())

    def close(self) -> None:
        for client in self.clients:
            client.close()
        self.server.close()
        for model in self.models:
            model.close()


@pytest.fixture(params=[1, 2])
def place(jikko: Command, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Place]:
    made = Place(jikko, tmp_path, request.param)
    yield made
    made.close()


def answer_of(client: Client) -> str:
    return str(client.run(q="?")["data"]["outputs"]["said"])


def test_calls_that_begin_see_the_new_file_and_those_under_way_end_as_they_began(place: Place) -> None:
    count, clients = place.count, place.one_of_each_process()
    assert [answer_of(client) for client in clients] == ["alte Antwort"] * count
    place.models[0].hold_after = 1
    asked = len(place.models[0].prompts)
    with ThreadPoolExecutor(count) as pool:
        under_way = [pool.submit(answer_of, client) for client in clients]
        waiting = threading.Event()
        while len(place.models[0].prompts) < asked + count:
            waiting.wait(0.01)

        place.use(1)
        assert place.command("reload").code == 0
        assert {answer_of(client) for client in place.one_of_each_process()} == {"新しい答え"}

        place.models[0].go_on()
        assert {each.result() for each in under_way} == {"alte Antwort"}


def test_a_wrong_file_is_refused_and_what_it_said_before_goes_on_to_hold(place: Place) -> None:
    place.file.write_text(json.dumps({"providers": {"openai": {"type": "teapot", "model": 1}}}))

    outcome = place.command("reload")

    assert (outcome.code, outcome.has_traceback) == (1, False), outcome
    assert "teapot" in outcome.err
    assert "The previous contents stay in effect" in outcome.err
    assert answer_of(place.client()) == "alte Antwort"
    place.use(1)
    assert place.command.json("reload") == [{"reloaded": True}]
    assert answer_of(place.client()) == "新しい答え"


def test_links_of_older_keys_are_accepted_until_these_are_forgotten(place: Place) -> None:
    client = place.client()
    old = uploaded(client, b"content")

    assert place.command("keys", "rotate").code == 0
    new = uploaded(client, b"more")
    clients = place.one_of_each_process()
    assert [each.request("GET", old).content for each in clients] == [b"content"] * len(clients)
    assert [each.request("GET", new).content for each in clients] == [b"more"] * len(clients)

    outcome = place.command("keys", "forget")
    assert (outcome.code, outcome.out) == (0, "1 older key removed.\n")
    assert {each.request("GET", old).status_code for each in clients} == {404}
    assert {each.request("GET", new).status_code for each in clients} == {200}


def test_without_a_server_there_is_nothing_to_tell_and_keys_are_rotated(jikko: Command) -> None:
    jikko.json("migrate")

    outcome = jikko("reload")

    assert (outcome.code, outcome.err) == (10, f"Error: No server holds {jikko.home}.\n")
    first = (jikko.home / "signing.key").read_bytes()
    assert jikko("keys", "rotate").out == "A new key signs links from now on; links of 1 older key are accepted.\n"
    second = (jikko.home / "signing.key").read_bytes()
    [older] = jikko.home.glob("signing.key.*")
    assert (older.read_bytes(), older.stat().st_mode & 0o077) == (first, 0)
    assert second != first
