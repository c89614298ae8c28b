"""Complete runs with tools, in this process."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from jikko.assemble import assemble
from jikko.assemble.assembly import Assembly
from jikko.events import RunFinished
from jikko.runs.run_log import RunLog
from jikko.runs.runs import StartRequest
from jikko.settings import Settings
from tests.acceptance.workflows import Node, app, end, node, start
from tests.outbound.server import Received


class Waiting:
    """Server that begins a response and never ends it."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def act(self, writer: asyncio.StreamWriter, request: Received) -> None:
        self.asked.set()
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:  # a disconnected client is noticed when sending
            writer.write(b"X: y\r\n")
            await writer.drain()
            await asyncio.sleep(0.01)


@asynccontextmanager
async def installation(
    tmp_path: Path, tools: Mapping[str, Any], *, in_memory: bool = True, **settings: Any
) -> AsyncIterator[Assembly]:
    """Installation with these entries under ``tools:``."""
    file = tmp_path / "tools.yml"
    file.write_text(json.dumps({"tools": dict(tools)}, ensure_ascii=False), encoding="utf-8")
    given = Settings(home=tmp_path / "home", tools=file, http_allow=("127.0.0.0/8",), **settings)
    async with assemble(given, in_memory=in_memory, environment={}) as assembly:
        try:
            yield assembly
        finally:
            await assembly.runs.close(0)


async def publish(assembly: Assembly, text: str) -> None:
    await assembly.apps.publish(text.encode(), source="test")


async def begun(assembly: Assembly, name: str, **inputs: Any) -> RunLog:
    found = await assembly.apps.find(name)
    return await assembly.runs.start(found, StartRequest(inputs=inputs, user="ada"))


async def ran(assembly: Assembly, name: str, **inputs: Any) -> RunFinished:
    ended = await (await begun(assembly, name, **inputs)).ended()
    assert isinstance(ended, RunFinished), ended
    return ended


def tool(
    node_id: str = "tool", kind: str = "workflow", provider: str = "inner", name: str = "inner", **data: Any
) -> Node:
    """Return a tool node. ``given``: Its parameters, by name: variables as ``node.name``."""
    given = {key: {"type": "variable", "value": at.split(".")} for key, at in data.pop("given", {}).items()}
    return node(
        node_id,
        "tool",
        provider_type=kind,
        provider_id=provider,
        provider_name=provider,
        tool_name=name,
        tool_parameters=given,
        tool_configurations={},
        tool_node_version="2",
        **data,
    )


def outer(middle: Node, name: str = "Outer", **outputs: str) -> str:
    """Return an app with the input ``q`` and one node in the middle."""
    asked = outputs or {"text": f"{middle['id']}.text"}
    return app(name, [start("q"), middle, end(**asked)], f"start>{middle['id']} {middle['id']}>end")
