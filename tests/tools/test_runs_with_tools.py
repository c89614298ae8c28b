"""Runs with tool nodes: arguments of calls, and records."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from jikko.events import NodeFinished, NodeStarted, RunFinished
from tests.acceptance.workflows import app, end, iteration, python, start, with_environment
from tests.effort import PATIENCE
from tests.outbound.server import Received, answer, serving
from tests.tools.running import Waiting, begun, installation, outer, publish, ran, tool
from tests.tools.scene import api

pytestmark = pytest.mark.anyio

HELLO = answer(b"hello", Content_Type="text/plain")
CALL = tool(kind="api", provider="a", name="x", given={"q": "start.q"})


async def test_stopping_a_run_ends_the_call_at_once(tmp_path: Path) -> None:
    waiting = Waiting()
    async with (
        serving({"/x": waiting.act}) as server,
        installation(tmp_path, {"a": api(server.url(""), "x")}) as assembly,
        asyncio.timeout(PATIENCE),
    ):
        await publish(assembly, outer(CALL))
        live = await begun(assembly, "Outer", q="a")
        await waiting.asked.wait()
        owner = live.record.identity
        assert await assembly.runs.control.stop(owner.app_id, owner.run_id, "ada")
        await server.lost.wait()


async def test_the_deadline_of_a_run_ends_the_call(tmp_path: Path) -> None:
    waiting = Waiting()
    async with (
        serving({"/x": waiting.act}) as server,
        installation(tmp_path, {"a": api(server.url(""), "x")}, max_seconds=0.3) as assembly,
        asyncio.timeout(PATIENCE),
    ):
        await publish(assembly, outer(CALL))
        end_ = await ran(assembly, "Outer", q="a")
        while not waiting.asked.is_set():  # on a busy machine the time may be over before the call
            end_ = await ran(assembly, "Outer", q="a")
        await server.lost.wait()

    assert "Maximum execution time exceeded" in (end_.error or "")


async def test_the_start_of_a_tool_node_tells_the_icon_of_its_provider(tmp_path: Path) -> None:
    icon = {"content": "🌦", "background": "#000"}
    async with (
        serving({"/x": HELLO}) as server,
        installation(tmp_path, {"a": api(server.url(""), "x", icon=icon)}) as assembly,
    ):
        await publish(assembly, outer(CALL))
        live = await begun(assembly, "Outer", q="a")
        await live.ended()

        icons = {event.node_id: event.icon for event in live.events if isinstance(event, NodeStarted)}
    assert icons == {"start": None, "tool": icon, "end": None}


async def test_a_secret_that_a_node_hands_to_a_tool_is_recorded_as_its_mask(tmp_path: Path) -> None:
    secret = "sk-0123456789-of-the-author"
    call = tool(kind="api", provider="a", name="x", given={"q": "env.KEY"})
    text = with_environment(outer(call), KEY=("secret", secret))
    busy = answer(b"", "503 Busy")
    async with (
        serving({"/x": busy}) as server,
        installation(tmp_path, {"a": api(server.url(""), "x")}) as assembly,
    ):
        await publish(assembly, text)
        live = await begun(assembly, "Outer", q="a")
        await live.ended()

        log = repr(live.events)
    assert secret in server.requests[0].target
    assert secret not in log
    assert "sk-012************or" in log


async def test_a_call_begins_once_what_led_to_it_is_durable(tmp_path: Path) -> None:
    durable: list[list[str]] = []
    first, second = (tool(name, kind="api", provider="a", name="x", given={"q": "start.q"}) for name in ("one", "two"))
    live: Any = None

    async def act(writer: asyncio.StreamWriter, request: Received) -> None:
        record = await assembly.store.events(live.record.identity.run_id)
        durable.append([event.node_id for event in record if isinstance(event, NodeFinished)])
        writer.write(HELLO)
        await writer.drain()

    async with (
        serving({"/x": act}) as server,
        installation(tmp_path, {"a": api(server.url(""), "x")}, in_memory=False) as assembly,
    ):
        await publish(assembly, app("Outer", [start("q"), first, second, end()], "start>one one>two two>end"))
        live = await begun(assembly, "Outer", q="a")
        await live.ended()

    # The end of the start node has no effects, and may be on the way still.
    assert "one" in durable[1]


async def test_tools_of_an_iteration_are_called_once_a_round(tmp_path: Path) -> None:
    listed = python("list", "def main(q): return {'r': ['a', 'b', 'c']}", {"r": "array[string]"}, q="start.q")
    call = tool("call", kind="api", provider="a", name="x", given={"q": "each.item"})
    nodes = [start("q"), listed, *iteration("each", "list.r", "call.text", call), end(r="each.output")]
    async with (
        serving({"/x": HELLO}) as server,
        installation(tmp_path, {"a": api(server.url(""), "x")}) as assembly,
    ):
        await publish(assembly, app("Outer", nodes, "start>list list>each each-start>call each>end"))
        end_ = await ran(assembly, "Outer", q="a")

    assert (end_.status, end_.outputs) == ("succeeded", {"r": ["hello"] * 3})
    assert [request.target for request in server.requests] == ["/x?q=a", "/x?q=b", "/x?q=c"]


async def test_runs_of_many_apps_share_one_server_of_tools(tmp_path: Path) -> None:
    async with (
        serving({"/x": HELLO}) as server,
        installation(tmp_path, {"a": api(server.url(""), "x")}, http_connections=2) as assembly,
        asyncio.timeout(PATIENCE),
    ):
        for name in ("A", "B", "C"):
            await publish(assembly, outer(CALL, name=name))
        ends: list[RunFinished] = await asyncio.gather(*(ran(assembly, "ABC"[n % 3], q=str(n)) for n in range(30)))

    assert {one.status for one in ends} == {"succeeded"}
    assert len(server.requests) == 30
