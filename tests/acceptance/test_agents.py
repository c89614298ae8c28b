"""Agents and plugins of a server killed mid-run: runs resume, and child processes end with the server."""

import asyncio
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.client import Client
from tests.acceptance.echo import EchoServer
from tests.acceptance.faults import until
from tests.acceptance.processes import Command, Server
from tests.plugins.packages import files
from tests.plugins.waiting import until as waited_until
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
                if f"\nPPid:\t{pid}\n" in Path(f"/proc/{name}/status").read_text(errors="replace"):
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
    asyncio.run(waited_until(lambda: not Path(f"/proc/{plugin}").exists()))


def test_an_agent_app_whose_server_is_killed_in_a_turn_goes_on_behind_its_steps_and_calls_no_tool_twice(
    tmp_path: Path, jikko: Command, model: Model, echo: EchoServer
) -> None:
    steps = [calls(("look", {"what": f"turn-{step}"}), text=f"{step}歩目") for step in ("one", "two")]
    scripted, held = script([*steps, says("着きました 🗻")]), threading.Event()

    async def answer(exchange: Exchange) -> None:
        if len(model.model.bodies) != 3:
            await scripted(exchange)
        else:
            held.set()
            await exchange.gone.wait()

    model.model.answer = answer
    key = imported_app(jikko, tmp_path)
    set_up = {**settings(tmp_path, model), "JIKKO_TOOLS": str(tools_file(tmp_path, echo))}
    server = Server(jikko.home, settings=set_up)
    client = Client(server.url, key)
    body = {"query": "山へ?", "inputs": {}, "user": "花子", "response_mode": "streaming", "auto_generate_name": False}
    with client.messages("POST", "/v1/chat-messages", json=body) as events:
        conversation = next(events)["conversation_id"]
        assert held.wait(60)
        server.kill()
    client.close()
    server = Server(jikko.home, settings=set_up)
    client = Client(server.url, key)
    try:
        path = f"/v1/messages?user=花子&conversation_id={conversation}"
        until(lambda: client.get(path)["data"][0]["answer"] != "", "the turn has its answer")
        [message] = client.get(path)["data"]
    finally:
        client.close()
        server.close()
    assert (message["status"], message["answer"]) == ("normal", "one歩目\ntwo歩目\n着きました 🗻")
    thoughts = [(each["position"], each["thought"], each["tool"]) for each in message["agent_thoughts"]]
    assert thoughts == [(1, "one歩目", "look"), (2, "two歩目", "look"), (3, "着きました 🗻", "")]
    assert [len(echo.calls(f"/look/turn-{step}")) for step in ("one", "two")] == [1, 1]
    # Two answers, the question that the kill broke off, and that question again.
    assert [len(body["messages"]) for body in model.model.bodies] == [1, 3, 5, 5]


def imported_app(jikko: Command, folder: Path) -> str:
    """An app without a workflow whose agent has the tool ``look``."""
    look = {"enabled": True, "provider_type": "api", "provider_id": "echo", "tool_name": "look", "tool_parameters": {}}
    config = {
        "model": {"provider": "openai", "name": "gpt-4o", "mode": "chat", "completion_params": {}},
        "agent_mode": {"enabled": True, "strategy": "function_call", "tools": [{**look, "provider_name": "echo"}]},
    }
    file = folder / "app.yml"
    file.write_text(json.dumps({"app": {"name": "案内", "mode": "agent-chat"}, "model_config": config}))
    [entry] = jikko.json("apps", "import", file)
    return str(entry["api_key"])


def tools_file(folder: Path, echo: EchoServer) -> Path:
    """The tool ``look``, which calls the echo server."""
    what = [{"name": "what", "in": "path", "required": True, "schema": {"type": "string"}}]
    paths = {"/look/{what}": {"get": {"operationId": "look", "parameters": what}}}
    schema = json.dumps({"openapi": "3.0.3", "servers": [{"url": echo.url}], "paths": paths})
    file = folder / "tools.yml"
    file.write_text(json.dumps({"tools": {"echo": {"type": "api", "name": "echo", "schema": schema}}}))
    return file
