"""MCP servers: the official client calls apps, at a real server of two workers, and so does a workflow; and it manages
a server over both transports."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.client import Client
from tests.acceptance.processes import Command, Server
from tests.acceptance.workflows import ECHO, app, start
from tests.page_blocks import blocks
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


@pytest.fixture
def managed(jikko: Command) -> Iterator[tuple[str, str]]:
    """The address of a server, and a token of an agent that may publish and run."""
    scopes = ("--scope", "apps:write", "--scope", "runs:write")
    [made] = jikko.json("console", "tokens", "new", "agent", *scopes, "--expires", "1d")
    server = Server(jikko.home)
    yield server.url, made["token"]
    server.close()


@asynccontextmanager
async def session(transport: str, url: str, token: str) -> AsyncIterator[Any]:
    """The official client at the server of management, initialized."""
    from mcp.client.session import ClientSession
    from mcp.client.stdio import StdioServerParameters, stdio_client
    from mcp.client.streamable_http import streamable_http_client

    if transport == "stdio":
        # As the page has clients configured.
        [block] = blocks("docs/api-management.md", "json")
        entry = json.loads(block.text)["mcpServers"]["jikko"]
        assert (entry["command"], {*entry["env"]}) == ("jikko", {"JIKKO_URL", "JIKKO_TOKEN"})
        words, environment = ["-m", "jikko", *entry["args"]], {"JIKKO_URL": url, "JIKKO_TOKEN": token}
        # By default it takes what stood for standard error when it was imported, maybe in a test of commands.
        assert sys.__stderr__ is not None
        server = StdioServerParameters(command=sys.executable, args=words, env=environment)
        program = stdio_client(server, errlog=sys.__stderr__)
        async with program as streams, ClientSession(*streams) as client:
            await client.initialize()
            yield client
    else:
        import httpx2  # of the client

        async with (
            httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=60) as http,
            streamable_http_client(f"{url}/mcp/manage", http_client=http) as streams,
            ClientSession(*streams) as client,
        ):
            await client.initialize()
            yield client


@pytest.mark.parametrize("transport", ["http", "stdio"])
def test_the_official_client_manages_a_server(managed: tuple[str, str], transport: str) -> None:
    async def go() -> None:
        async with session(transport, *managed) as client:

            async def called(tool: str, **arguments: Any) -> Any:
                result = await client.call_tool(tool, arguments)
                assert not result.is_error, result
                return json.loads(result.content[0].text)

            names = {tool.name for tool in (await client.list_tools()).tools}
            assert {"list_apps", "check_app", "publish_app", "start_run", "read_run", "compare_runs"} <= names
            file = "\n".join(ECHO.splitlines())
            assert (await called("check_app", name="Echo 🗣", file=file))["outcome"] == "new"
            app = (await called("publish_app", name="Echo 🗣", file=file))["app_id"]
            first, second = [
                (await called("start_run", app_id=app, inputs={"q": said}))["run_id"] for said in ("一\u2028二", "三")
            ]
            for run in (first, second):
                while (await called("read_run", run_id=run))["finished_at"] is None:
                    pass
            assert (await called("read_run", run_id=first))["outputs"] == {"q": "一\u2028二"}
            [_, output] = (await called("compare_runs", run_id=second, to=first))["fields"]
            assert (output["before"], output["after"]) == ("一\u2028二", "三")
            refused = await client.call_tool("read_run", {"run_id": "nothing"})
            assert (refused.is_error, refused.content[0].text[:11]) == (True, "not_found: ")

    asyncio.run(go())


def test_over_stdin_what_is_no_message_or_has_no_server_is_answered_as_an_error(
    jikko: Command, managed: tuple[str, str]
) -> None:
    url, token = managed
    lines = ["nonsense", "[1]", "", '{"jsonrpc": "2.0", "method": "notifications/initialized"}', "[" * 100_000]
    lines.append('{"jsonrpc": "2.0", "id": 7, "method": "ping"}')

    def answers(**environment: str) -> list[Any]:
        done = jikko("mcp", "manage", given="\n".join(lines), **environment)
        assert done.code == 0, done.err
        return [json.loads(line) for line in done.out.splitlines()]

    told = answers(JIKKO_URL=url, JIKKO_TOKEN=token)
    assert [(each["id"], each.get("error", {}).get("code")) for each in told] == [
        *((None, -32700), (None, -32603), (None, -32700)),
        (7, None),
    ]
    assert [each["error"]["message"][:4] for each in answers(JIKKO_URL=url, JIKKO_TOKEN="jko_guess")][-1] == "401:"
    nobody = answers(JIKKO_URL="http://127.0.0.1:9", JIKKO_TOKEN=token)[-1]
    assert (nobody["id"], "no server answers" in nobody["error"]["message"]) == (7, True)
    assert jikko("mcp", "manage").code == 2
