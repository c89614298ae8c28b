"""Apps as MCP servers: the official client calls them, at a real server of two workers, and so does a workflow."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.client import Client
from tests.acceptance.processes import Command, Server
from tests.acceptance.workflows import ECHO, app, start
from tests.tools.running import outer, tool

ECHO_CODE, CHAT_CODE = "the-code-of-the-echo", "the-code-of-the-chat"
CHAT = app(
    "Chat",
    [start("name"), {"id": "answer", "data": {"type": "answer", "answer": "{{#start.name#}}: {{#sys.query#}}"}}],
    "start>answer",
    mode="advanced-chat",
)


@pytest.fixture
def served(jikko: Command, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The address of a server, and a key of an app that calls another as a tool of an MCP server."""
    file = tmp_path / "tools.yml"
    codes = {ECHO_CODE: {"app": "Echo", "description": "says it again"}, CHAT_CODE: {"app": "Chat"}}
    file.write_text(json.dumps({"mcp_servers": codes}))
    caller = outer(tool(kind="mcp", provider="echo", name="Echo", given={"q": "start.q"}))
    keys = jikko.imported(tmp_path, {"echo": ECHO, "chat": CHAT, "caller": caller})
    server = Server(jikko.home, settings={"JIKKO_TOOLS": str(file), "JIKKO_WORKERS": "2"})
    # Read again while it serves: the address of the server is known only now.
    tools = {"echo": {"type": "mcp", "url": f"{server.url}/mcp/server/{ECHO_CODE}/mcp"}}
    file.write_text(json.dumps({"mcp_servers": codes, "tools": tools}))
    yield server.url, keys["caller"]
    server.close()


async def results(url: str, code: str, calls: int = 1, **arguments: Any) -> list[str]:
    """What an app says to the official client."""
    # They take half a second, which every process of tests would spend.
    from mcp.client.session import ClientSession
    from mcp.client.streamable_http import streamable_http_client

    async with streamable_http_client(f"{url}/mcp/server/{code}/mcp") as streams, ClientSession(*streams) as session:
        await session.initialize()
        [one] = (await session.list_tools()).tools
        found = [await session.call_tool(one.name, arguments) for _ in range(calls)]
        return [result.content[0].text for result in found]  # type: ignore[union-attr]


def test_the_official_client_calls_apps_of_all_workers_and_workflows_call_them_too(served: tuple[str, str]) -> None:
    url, key = served

    assert asyncio.run(results(url, ECHO_CODE, calls=8, q="世界")) == ['{"q": "世界"}'] * 8
    assert asyncio.run(results(url, CHAT_CODE, query="何?", name="Ann")) == ["Ann: 何?"]
    client = Client(url, key)
    # What is JSON becomes that output.
    assert client.run(q="again")["data"]["status"] == "succeeded"
    client.close()
