"""Trying operations on the page at ``/docs``: in a browser, also behind a proxy below a path."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.conftest import Scene
from tests.acceptance.processes import Server
from tests.acceptance.test_clients import PROGRAMS, Node, key_of, succeed

pytestmark = [pytest.mark.slow, pytest.mark.services]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Callable[[object], list[str]]:
    """The program that tries the page: task in, answers out."""
    node, folder = Node(), tmp_path_factory.mktemp("page")
    install: list[str | Path] = [*node.npm, "install", "--no-audit", "--no-fund", "jsdom@26.1.0"]
    succeed(install, "installing jsdom from npm, which this test needs,", folder=folder)
    script = shutil.copy(PROGRAMS / "docs_page.mjs", folder)

    def tried(task: object) -> list[str]:
        answers: list[str] = json.loads(succeed([*node.node, script, json.dumps(task)], "the program", folder=folder))
        return answers

    return tried


@pytest.mark.parametrize("prefix", ["", "/jikko"])
def test_operations_can_be_tried_from_the_page(
    scene: Scene, page: Callable[[object], list[str]], tmp_path: Path, prefix: str
) -> None:
    client = scene.client("echo")
    run = client.run(q="日本 🌸")["workflow_run_id"]
    below = Server(tmp_path / "below", settings={"JIKKO_ROOT_PATH": "/jikko"}) if prefix else None
    server = below or scene.server
    started = json.dumps({"inputs": {"q": "hello"}, "user": "me", "response_mode": "streaming"})
    task = {
        "url": f"{server.url}{prefix}/docs",
        "key": key_of(client),
        "forms": [
            {"id": "run_detail", "values": {"workflow_run_id": run}},
            {"id": "run_current", "values": {"body": started, "Idempotency-Key": "from the page"}},
            {"id": "logs", "values": {"keyword": "日本", "limit": "0"}},
        ],
    }

    read, streamed, refused = page(task)

    if below is not None:
        below.stop()
        assert {answer.split()[0] for answer in (read, streamed, refused)} == {"401"}
        return
    assert read.startswith("200 OK\ncontent-type: application/json\nx-request-id: ")
    assert '"q": "日本 🌸"' in read
    assert "event: ping" in streamed
    assert '"event":"workflow_finished"' in streamed
    assert "limit: must lie between 1 and 100" in refused
