"""``jikko users delete``: an end user is gone with all data, whether a server runs or not."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.echo import EchoServer
from tests.acceptance.processes import Command, Server
from tests.acceptance.terminal import CTRL_C, Terminal
from tests.acceptance.workflows import app, fetch, node, start
from tests.effort import trusted

SECRET = "個人データ-4711"
"""What anna says, and nobody else."""


@pytest.fixture
def file(tmp_path: Path, echo: EchoServer) -> Path:
    path = tmp_path / "talk.yml"
    nodes = [
        start(),
        node("reply", "answer", answer="{{#sys.query#}}"),
        fetch("wait", f"{echo.url}/{{{{#sys.query#}}}}"),
    ]
    features = {"file_upload": {"enabled": True, "allowed_file_upload_methods": ["local_file"]}}
    path.write_text(app("Talk", nodes, "start>reply reply>wait", mode="advanced-chat", features=features))
    return path


class User:
    def __init__(self, url: str, key: str, name: str) -> None:
        self.name = name
        self.url = url
        self.asked = 0
        self.key = {"Authorization": f"Bearer {key}"}

    def request(self, method: str, path: str, headers: dict[str, str] | None = None, **options: Any) -> httpx.Response:
        headers = {**self.key, **(headers or {})}
        return httpx.request(method, self.url + path, headers=headers, verify=trusted(), timeout=60, **options)

    def ask(self, query: str, **more: Any) -> httpx.Response:
        self.asked += 1
        headers = {"Idempotency-Key": f"key of {self.name.split()[0]} {self.asked}"}
        body = {"query": query, "inputs": {}, "user": self.name, **more}
        return self.request("POST", "/v1/chat-messages", json=body, headers=headers)

    def upload(self, text: str) -> str:
        files = {"file": ("notes.txt", text.encode(), "text/plain")}
        answer = self.request("POST", "/v1/files/upload", files=files, data={"user": self.name})
        id_: str = answer.json()["id"]
        return id_

    def conversations(self) -> list[Any]:
        found: list[Any] = self.request("GET", "/v1/conversations", params={"user": self.name}).json()["data"]
        return found


@pytest.fixture
def key(jikko: Command, file: Path) -> str:
    [imported] = jikko.json("apps", "import", file)
    return str(imported["api_key"])


@pytest.fixture
def server(jikko: Command, key: str) -> Iterator[Server]:
    server = Server(jikko.home)
    yield server
    server.close()


def talked(server: Server, key: str) -> tuple[User, User]:
    """Anna and berta have talked with the app, each with a file."""
    anna, berta = User(server.url, key, "anna 🙂"), User(server.url, key, "berta")
    for user, text in ((anna, SECRET), (berta, "harmless")):
        file = {"type": "document", "transfer_method": "local_file", "upload_file_id": user.upload(text * 10)}
        for _ in range(2):
            assert user.ask(text, files=[file]).status_code == 200
    return anna, berta


def traces(home: Path, *words: str) -> list[str]:
    """Tables in which one of these words is left."""
    found = []
    with closing(sqlite3.connect(home / "jikko.db")) as connection:
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        for name in names:
            for row in connection.execute(f'SELECT * FROM "{name}"'):
                text = "".join(str(value) for value in row)
                if any(word in text for word in words):
                    found.append(name)
    return found


def test_nothing_is_left_of_an_end_user_and_everything_of_others(jikko: Command, server: Server, key: str) -> None:
    talked(server, key)
    server.stop()

    outcome = jikko("users", "delete", "Talk", "anna 🙂", "--json")

    assert outcome.code == 0, outcome
    assert outcome.lines == [{"conversations": 2, "runs": 2, "files": 1}]
    assert traces(jikko.home, SECRET, "anna") == []
    again = Server(jikko.home)
    try:
        assert User(again.url, key, "anna 🙂").conversations() == []
        assert len(User(again.url, key, "berta").conversations()) == 2
        assert User(again.url, key, "somebody new").ask("harmless").status_code == 200
    finally:
        again.close()
    [noted] = jikko.json("audit", "--action", "users delete")
    assert noted["what"] == "Talk …"


def test_data_of_a_removed_app_can_be_removed_too(jikko: Command, server: Server, key: str) -> None:
    talked(server, key)
    server.stop()
    assert jikko("apps", "delete", "Talk", "--yes").code == 0
    assert traces(jikko.home, SECRET) != []

    outcome = jikko("users", "delete", "Talk", "anna 🙂", "--json")

    assert outcome.lines == [{"conversations": 2, "runs": 2, "files": 1}], outcome
    assert traces(jikko.home, SECRET, "anna") == []
    assert jikko("users", "delete", "Talk", "anna 🙂").code == 7


def test_it_works_beside_a_server_which_goes_on(jikko: Command, server: Server, key: str, echo: EchoServer) -> None:
    anna, _ = talked(server, key)
    running = anna.ask("hold/anna", response_mode="async").json()
    echo.wait_for_calls("/hold/anna")

    outcome = jikko("users", "delete", "Talk", "anna 🙂", "--json")

    assert outcome.code == 0, outcome
    assert outcome.lines == [{"conversations": 3, "runs": 3, "files": 1}]
    assert anna.conversations() == []
    detail = anna.request("GET", f"/v1/workflows/run/{running['workflow_run_id']}")
    assert detail.status_code == 404
    assert anna.ask("back again").json()["answer"] == "back again"
    assert len(anna.conversations()) == 1
    assert traces(jikko.home, SECRET) == []
    server.stop()
    assert jikko("users", "delete", "Talk", "anna 🙂").code == 0
    assert traces(jikko.home, SECRET, "anna") == []


def test_who_is_not_there_and_apps_that_are_not_there_are_told(jikko: Command, key: str) -> None:
    assert jikko("users", "delete", "Talk", "nobody").code == 7
    assert jikko("users", "delete", "No app", "anna").code == 7


def test_a_data_folder_that_is_not_there_is_not_made(jikko: Command) -> None:
    assert jikko("users", "delete", "Talk", "anna").code == 7
    assert not jikko.home.exists()


def test_ctrl_c_at_the_question_ends_the_command_at_once(jikko: Command, key: str) -> None:
    with Terminal(jikko.home, ["users", "delete", "Talk", "花子"]) as terminal:
        terminal.wait_for("[y/N]: ")
        terminal.type(CTRL_C)
        assert terminal.ended() == 130
    assert "nothing further was done" in terminal.seen
