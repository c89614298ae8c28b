"""Plugins of a server with two workers: separate processes, shared storage."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.acceptance.client import Client
from tests.acceptance.several import SeveralWorkers
from tests.acceptance.workflows import app, end, node, start
from tests.plugins.packages import files, parameter, tool
from tests.plugins.waiting import until
from tests.plugins.world import installed

PID = "import os; result = os.getpid()"


def package() -> dict[str, bytes]:
    """The stand-in, two of whose tools say what they take."""
    changed = {
        "run": tool("run", parameter("code")),
        "ask": tool("ask", parameter("type"), parameter("request", "object")),
    }
    return {**files(), **{f"tools/{name}.yaml": yaml.safe_dump(each).encode() for name, each in changed.items()}}


def calling(name: str, tool_name: str, **given: Any) -> str:
    """An app that calls a tool of the stand-in with these values, or with ``q`` of the start node."""
    parameters = {
        key: {"type": "variable", "value": ["start", "q"]} if value is None else {"type": "constant", "value": value}
        for key, value in given.items()
    }
    ask = node(
        "ask",
        "tool",
        provider_type="builtin",
        provider_id="tester/stand_in/stand_in",
        provider_name="stand_in",
        tool_name=tool_name,
        tool_parameters=parameters,
        tool_configurations={},
        tool_node_version="2",
    )
    return app(name, [start("q"), ask, end(text="ask.text", json="ask.json")], "start>ask ask>end")


@pytest.fixture
def several(tmp_path: Path) -> Iterator[SeveralWorkers]:
    """Two workers, which serve before the plugin is installed."""
    apps = {"run": calling("Run", "run", code=None), "storage": calling("Storage", "ask", type="storage", request=None)}
    made = SeveralWorkers(tmp_path, apps)
    yield made
    made.close()


def ran(client: Client, q: str) -> Any:
    data = client.run(q=q)["data"]
    assert data["status"] == "succeeded", data["error"]
    return data["outputs"]


def test_each_worker_has_its_own_processes_and_one_storage(several: SeveralWorkers) -> None:
    asyncio.run(installed(several.home, package()))
    one, other = several.pair("run")

    pids = [[ran(client, PID)["json"][0] for _ in range(2)] for client in (one, other)]
    assert all(first == second for first, second in pids), "a process serves many calls"
    assert pids[0] != pids[1]

    writing, reading = several.pair("storage")
    ran(writing, '{"opt": "set", "key": "k", "value": "e382ad"}')
    assert "e382ad" in ran(reading, '{"opt": "get", "key": "k"}')["text"]


def test_a_worker_that_is_killed_takes_its_plugins_along_and_no_others(several: SeveralWorkers) -> None:
    asyncio.run(installed(several.home, package()))
    one, other = several.pair("run")
    [[killed], [kept]] = [ran(client, PID)["json"] for client in (one, other)]

    os.kill(one.process, signal.SIGKILL)

    asyncio.run(until(lambda: not Path(f"/proc/{killed}").exists()))
    assert ran(other, PID)["json"] == [kept]
