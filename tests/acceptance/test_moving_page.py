"""docs/moving-from-dify.md, from first to last command: Dify's data is moved, and clients notice nothing."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.acceptance.client import Client
from tests.acceptance.conftest import apps_of
from tests.acceptance.dify_chats import DifyChats, own_id
from tests.acceptance.echo import EchoServer
from tests.acceptance.page_shell import Shell
from tests.acceptance.processes import Command, Server
from tests.knowledge.embedding_server import EmbeddingServer
from tests.page_blocks import Block, Blocks, replaced

pytestmark = pytest.mark.once

KEY = "app-There0123456789abcdefghi"
"""Of the app at the Dify, which its clients have."""


def test_a_dify_moves_as_the_page_says(tmp_path: Path, echo: EchoServer) -> None:
    page = Blocks("docs/moving-from-dify.md")
    shell = Shell(tmp_path)
    for folder in ("flows", "packages", "handbook"):
        (tmp_path / folder).mkdir()
    file = json.loads(apps_of(echo)["chat"])
    file["app"]["name"] = "Support"
    (tmp_path / "flows" / "support.yml").write_text(json.dumps(file), encoding="utf-8")
    (tmp_path / "handbook" / "leave.txt").write_text("There are thirty days of leave a year.\n")
    (tmp_path / "keys.txt").write_text(f"{KEY}\n")
    (tmp_path / "users.txt").write_text("花子\n", encoding="utf-8")

    [checked] = shell.runs(page.take("jikko check"))
    assert "1 file: 1 run" in checked or "runs: jikko chat" in checked
    shell.runs(page.take("jikko providers init"))
    shell.runs(page.take("jikko plugins list"))
    with EmbeddingServer(tmp_path / "models.yaml", seconds=0.0) as models:
        shell.environment["JIKKO_PROVIDERS"] = str(models.providers)
        _datasets(page.take("jikko knowledge import"), shell, tmp_path)
        shell.runs(page.take("jikko apps import"))
        with DifyChats(key=KEY) as there:
            first = there.say("abc-123", "leave", "How long?", "30 days 🏖️")
            there.say("花子", "休暇", "何日?", "三十日")
            there.feedbacks = None
            commands = _at(page.take("jikko chat import"), there.url).commands()
            by_user, by_file = shell.says(f"echo {there.key} | {command}" for command, _ in commands)
            assert "abc-123: 1 new conversation, 1 message, 0 ratings" in by_user
            assert "花子: 1 new conversation, 1 message, 0 ratings" in by_file

        server = Server(tmp_path / "home", settings={"JIKKO_PROVIDERS": str(models.providers)})
        client = Client(server.url, KEY, "abc-123")
        try:
            known = {"conversation_id": own_id("leave"), "user": "abc-123"}
            asked = {"query": "And then?", "inputs": {}, "response_mode": "blocking", **known}
            assert client.request("POST", "/v1/chat-messages", json=asked).json()["conversation_id"] == own_id("leave")
            told = client.get("/v1/messages", params=known)["data"]
            assert [each["query"] for each in told] == [first["query"], "And then?"]
        finally:
            client.close()
            server.stop()

        shell.runs(page.take("jikko users delete"))
    page.end()


def _at(block: Block, url: str) -> Block:
    return replace(block, text=replaced(block.text, {"https://dify.example": url}))


def _datasets(block: Block, shell: Shell, folder: Path) -> None:
    there = Command(folder / "there")
    models = {"JIKKO_PROVIDERS": shell.environment["JIKKO_PROVIDERS"]}
    assert there("knowledge", "add", "handbook", folder / "handbook", **models).code == 0
    [key] = there.json("knowledge", "keys", "create")
    server = Server(there.home, settings=models)
    try:
        [(command, _)] = _at(block, server.url).commands()
        [said] = shell.says([f"echo {key['api_key']} | {command}"])
        assert "handbook: 1 added" in said
    finally:
        server.stop()
