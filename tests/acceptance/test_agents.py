"""Agents and plugins of a real server: killed in the middle, they go on; what they started is gone with it."""

import asyncio
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.client import Client
from tests.acceptance.processes import Command, Server
from tests.plugins.packages import files
from tests.plugins.waiting import until
from tests.plugins.world import installed
from tests.providers.fake_model import Exchange
from tests.providers.model_thread import Model
from tests.providers.workflows import workflow
from tests.strategies.agents import agent, calls, says, script, tool

pytestmark = pytest.mark.slow
OUTPUTS = {"text": "text"}
WEEKDAY = ("weekday", {"year": 2024, "month": 2, "day": 29})


@pytest.fixture
def model() -> Iterator[Model]:
    made = Model(script([calls(WEEKDAY), says("It is Thursday.")]))
    yield made
    made.close()


def settings(folder: Path, model: Model) -> dict[str, str]:
    file = folder / "providers.yml"
    entry = {"type": "openai", "base_url": model.model.url, "api_key": "key"}
    file.write_text(json.dumps({"providers": {"langgenius/openai/openai": entry}}))
    return {"JIKKO_PROVIDERS": str(file)}


def imported(jikko: Command, folder: Path, data: dict[str, Any]) -> str:
    file = folder / "agent.yml"
    file.write_bytes(workflow(data, OUTPUTS))
    [entry] = jikko.json("apps", "import", file)
    return str(entry["api_key"])


def test_an_agent_whose_server_is_killed_goes_on_and_asks_nothing_twice(
    tmp_path: Path, jikko: Command, model: Model
) -> None:
    key = imported(jikko, tmp_path, agent(tool("weekday")))
    first, held = model.model.answer, threading.Event()

    async def answer(exchange: Exchange) -> None:
        if len(model.model.bodies) != 2:
            await first(exchange)
        else:
            held.set()
            await exchange.gone.wait()

    model.model.answer = answer
    server = Server(jikko.home, settings=settings(tmp_path, model))
    client = Client(server.url, key)
    run_id = client.run("async", s="何曜日?")["workflow_run_id"]
    assert held.wait(60)
    server.kill()
    client.close()
    server = Server(jikko.home, settings=settings(tmp_path, model))
    try:
        client = Client(server.url, key)
        detail = client.finished(run_id)
        client.close()
        assert detail["status"] == "succeeded"
        assert detail["outputs"] == {"text": "\nIt is Thursday."}
        # The first answer, the question that the kill broke off, and that question again.
        asked = [[message["role"] for message in body["messages"]] for body in model.model.bodies]
        assert asked == [
            ["system", "user"],
            ["system", "user", "assistant", "tool"],
            ["system", "user", "assistant", "tool"],
        ]
    finally:
        server.close()


def children(pid: int) -> list[int]:
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                if f"\nPPid:\t{pid}\n" in Path(f"/proc/{name}/status").read_text():
                    found.append(int(name))
            except OSError:
                continue
    return found


def test_nothing_of_a_plugin_is_alive_once_its_server_was_killed(tmp_path: Path, jikko: Command) -> None:
    asyncio.run(installed(jikko.home, files()))
    data = {
        "type": "tool",
        "title": "Tool",
        "provider_type": "builtin",
        "provider_id": "tester/stand_in/stand_in",
        "provider_name": "stand_in",
        "tool_name": "echo",
        "tool_parameters": {"words": {"type": "mixed", "value": "{{#start.s#}}"}},
        "tool_configurations": {},
        "tool_node_version": "2",
    }
    key = imported(jikko, tmp_path, data)
    server = Server(jikko.home)
    try:
        assert children(server.pid) == []
        client = Client(server.url, key)
        assert client.run(s="日本語 🍵")["data"]["outputs"] == {"text": "日本語 🍵"}
        client.close()
        [plugin] = children(server.pid)
    finally:
        server.kill()
    asyncio.run(until(lambda: not Path(f"/proc/{plugin}").exists()))
