"""Agents with tools of plugins, servers and the tools file, and agents with a plugin's strategy."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from jikko.events import StepRecorded
from tests.outbound.clients import LOOPBACK
from tests.outbound.server import answer, serving
from tests.plugins.world import installed
from tests.providers.workflows import begun, finished, workflow
from tests.strategies.agents import MODEL, agent, calls, constant, cut_off, gone_on, holding, says, tool
from tests.strategies.test_agents import OUTPUTS, world
from tests.tools.scene import api

pytestmark = pytest.mark.anyio
MCP_SERVER = Path(__file__).parents[1] / "tools" / "mcp_server.py"
STAND_IN = "tester/stand_in/stand_in"


async def test_tools_of_plugins_of_mcp_servers_and_of_apis_are_called_alike(tmp_path: Path) -> None:
    await installed(tmp_path / "home")

    async def price(writer: asyncio.StreamWriter, request: Any) -> None:
        writer.write(answer(b'{"price": 3}', Content_Type="application/json"))
        await writer.drain()

    async with serving({"/price": price}) as server:
        file = tmp_path / "tools.yml"
        program = {"type": "mcp", "command": sys.executable, "args": [str(MCP_SERVER), "fine"]}
        file.write_text(json.dumps({"tools": {"local": program, "shop": api(server.url(""), "price")}}))
        tools = (
            tool("say", provider="local", kind="mcp", provider_id="local"),
            tool("price", provider="shop", kind="api", provider_id="shop"),
            tool("echo", provider=STAND_IN),
        )
        wanted = calls(("say", {"text": "世界"}), ("price", {"q": "tea"}), ("echo", {"words": "代役"}))
        async with world(tmp_path, wanted, says("done"), tools=file, http_allow=LOOPBACK) as (model, assembly):
            outcome = await finished(await begun(assembly, workflow(agent(*tools), OUTPUTS)))

    assert outcome.end.status == "succeeded", outcome.end.error
    offered = [one["function"]["name"] for one in model.bodies[0]["tools"]]
    assert offered == ["say", "price", "echo"]
    received = [one["content"] for one in model.bodies[1]["messages"] if one["role"] == "tool"]
    # An API says its answer twice, as JSON and as text.
    assert received == ["世界", 'tool response: {"price": 3}.{"price": 3}', "代役"]


async def test_a_strategy_of_a_plugin_goes_on_where_it_was_and_asks_nothing_twice(tmp_path: Path) -> None:
    await installed(tmp_path / "home")
    day = {"year": 2024, "month": 2, "day": 29}
    weekday = ["tool", {"tool_type": "builtin", "provider": "time", "tool": "weekday", "tool_parameters": day}]

    def question(words: str) -> list[Any]:
        named = {name: MODEL[name] for name in ("provider", "model", "mode")}
        return ["llm", {**named, "prompt_messages": [{"role": "user", "content": words}]}]

    # The same question twice is two questions.
    asked = [question("a"), weekday, question("a"), question("b")]
    data = {
        **agent(strategy="each", asked=constant(asked), tools=None, query=None, instruction=None),
        "agent_strategy_provider_name": "tester/stand_in/agent",
    }
    async with world(tmp_path, says("one"), says("two"), says("x"), in_memory=False) as (model, assembly):
        held = holding(model, 2)
        run = await cut_off(assembly, await begun(assembly, workflow(data, OUTPUTS)), held)
        assert len(model.bodies) == 3
    async with world(tmp_path, says("three"), in_memory=False) as (model, assembly):
        outcome = await gone_on(assembly, run)
        assert [body["messages"][-1]["content"] for body in model.bodies] == ["b"]

    assert outcome.end.status == "succeeded", outcome.end.error
    received = [json.loads(line)[0] for line in outcome.end.outputs["text"].splitlines()]
    assert [received[n]["delta"]["message"]["content"] for n in (0, 2, 3)] == ["one", "two", "three"]
    assert received[1]["message"] == {"text": "February 29, 2024 is Thursday."}
    kinds = [event.kind for event in outcome.events if isinstance(event, StepRecorded)]
    assert kinds == ["model", "tool", "model", "model"]


async def test_what_a_tool_made_is_handed_on_by_a_strategy_of_a_plugin_without_being_fetched(tmp_path: Path) -> None:
    await installed(tmp_path / "home")
    pieces = [["a", 0, 5, 5, True]]
    made = {"tool_type": "builtin", "provider": STAND_IN, "tool": "blob", "tool_parameters": {"pieces": pieces}}
    link = {"type": "image_link", "message": {"text": "http://127.0.0.1:9/x"}, "meta": {"tool_file_id": "another's"}}
    asked = constant([["tool", made], ["say", link]])
    data = {
        **agent(strategy="each", asked=asked, tools=None, query=None, instruction=None),
        "agent_strategy_provider_name": "tester/stand_in/agent",
    }
    async with world(tmp_path, says("x")) as (_, assembly):
        outcome = await finished(await begun(assembly, workflow(data, OUTPUTS)))
    assert outcome.end.status == "succeeded", outcome.end.error
    [file] = outcome.end.outputs["files"]
    assert (file["type"], file["mime_type"], file["size"]) == ("image", "image/png", 5)
    # The address that nothing vouches for goes the way of all addresses.
    assert "Failed to download image: The address 127.0.0.1 may not be reached" in outcome.end.outputs["text"]
