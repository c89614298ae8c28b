"""Unmodified Dify clients from their registries.

Each is installed into its own folder: two of them share a module name. Their programs are in ``clients/``, one each.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from scripts.build_console import npm

from tests.acceptance.conftest import Scene

pytestmark = [pytest.mark.slow, pytest.mark.services]

PROGRAMS = Path(__file__).parent / "clients"
GREETING = "grüezi"


def succeed(command: list[str | Path], what: str, *, folder: Path, **more: str) -> str:
    """What a command prints. The test fails if the command does."""
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", **more}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, f"{what} failed:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def pip_install(package: str, folder: Path) -> None:
    command: list[str | Path] = [sys.executable, "-m", "pip", "install", "--quiet", "--target", folder, package]
    succeed(command, f"installing {package} from PyPI, which this test needs,", folder=folder)


class Node:
    """``node`` and ``npm``: those that build the page of the console."""

    def __init__(self) -> None:
        self.npm, environment = npm()
        node = shutil.which("node", path=environment["PATH"])
        assert node is not None
        self.node = [node]


Program = Callable[[Mapping[str, Any]], dict[str, Any]]


VERSIONS = {"dify-client-python": "1.0.3", "dify-python-sdk": "0.1.16", "dify-client": "2.3.2"}
"""Those that were seen to work with Dify 1.15."""


@pytest.fixture(scope="module", params=VERSIONS)
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Program:
    """The program that uses a client: task in, answers out."""
    package: str = request.param
    folder = tmp_path_factory.mktemp(package)
    settings = {}
    if package == "dify-client":
        node = Node()
        install: list[str | Path] = [*node.npm, "install", "--no-audit", "--no-fund", f"{package}@{VERSIONS[package]}"]
        succeed(install, f"installing {package} from npm, which this test needs,", folder=folder)
        # Modules are looked for beside the program.
        script = Path(shutil.copy(PROGRAMS / "dify_client.mjs", folder))
        command: list[str | Path] = [*node.node, script]
    else:
        pip_install(f"{package}=={VERSIONS[package]}", folder)
        settings["PYTHONPATH"] = str(folder)
        command = [sys.executable, PROGRAMS / f"{package.replace('-', '_')}.py"]

    def run(task: Mapping[str, Any]) -> dict[str, Any]:
        answers: dict[str, Any] = json.loads(
            succeed([*command, json.dumps(task)], f"the program for {package}", folder=folder, **settings)
        )
        return answers

    return run


def test_a_client_of_dify_works_unchanged(program: Program, scene: Scene, request: pytest.FixtureRequest) -> None:
    user = f"user of {request.node.callspec.params['program']}"
    work, held = scene.client("work"), scene.client("held")
    waiting = held.run("async", name=request.node.callspec.params["program"])

    answers = program(
        {
            "url": scene.server.url,
            "key": key_of(work),
            "held_key": key_of(held),
            "user": user,
            "inputs": {"q": "hello!"},
            "text": GREETING,
            "task_id": waiting["task_id"],
        }
    )

    expected = {"said": "HELLO! is loud"}
    blocking = answers["blocking"]
    assert (blocking["data"]["status"], blocking["data"]["outputs"]) == ("succeeded", expected)

    streamed = answers["streaming"]
    assert [message["event"] for message in streamed if message["event"] not in ("ping", "text_chunk")] == [
        "workflow_started",
        *["node_started", "node_finished"] * 5,
        "workflow_finished",
    ]
    assert "".join(message["data"]["text"] for message in streamed if message["event"] == "text_chunk")
    assert streamed[-1]["data"]["outputs"] == expected

    assert answers["version"]["data"]["workflow_id"] == blocking["data"]["workflow_id"]
    assert answers["version"]["data"]["outputs"] == expected

    assert (answers["file"]["name"], answers["file"]["size"]) == ("greeting.txt", len(GREETING.encode()))
    assert work.request("GET", answers["file"]["source_url"]).content == GREETING.encode()

    assert answers["stopped"]["result"] == "success"
    assert held.finished(waiting["workflow_run_id"])["status"] == "stopped"

    assert [next(iter(entry.values()))["variable"] for entry in answers["parameters"]["user_input_form"]] == ["q"]
    assert answers["detail"] == work.detail(blocking["workflow_run_id"])
    assert answers["logs"]["total"] == 3
    assert {entry["created_by_end_user"]["session_id"] for entry in answers["logs"]["data"]} == {user}


def key_of(client: Any) -> str:
    """The API key of a client of the scene."""
    return str(client.headers["Authorization"]).removeprefix("Bearer ")
