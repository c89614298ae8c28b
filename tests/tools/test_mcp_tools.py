"""Tools of MCP servers, over real sockets: beyond the recordings, and with misbehaving servers."""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from jikko.ports.agents import AgentTool
from jikko.ports.tools import ToolFailure, ToolNotFound
from jikko.strategies.function_calling import functions
from tests.effort import PATIENCE
from tests.outbound.server import Act, RawServer, Received, answer, serving
from tests.tools.running import Waiting
from tests.tools.scene import scene

pytestmark = pytest.mark.anyio

INITIALIZED = {
    "protocolVersion": "2025-06-18",
    "capabilities": {"tools": {}},
    "serverInfo": {"name": "", "version": ""},
}
SAY = {"name": "say", "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}}}
TOKEN = "token-that-is-secret"

Answers = Callable[[dict[str, Any]], Any]
"""The result of a request, by method."""


def mcp(answers: dict[str, Any], *, stream: bool = False) -> Act:
    """A server: results by method. An ``Act`` answers by itself."""

    async def act(writer: asyncio.StreamWriter, request: Received) -> None:
        message = json.loads(request.body) if request.body else {}
        if request.method != "POST" or "id" not in message:
            writer.write(answer(b"", "202 Accepted"))
            await writer.drain()
            return
        result = {"initialize": INITIALIZED, "tools/list": {"tools": [SAY]}, **answers}[message["method"]]
        if callable(result):
            await result(writer, request)
            return
        reply = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}).encode()
        if not stream:
            writer.write(answer(reply, Content_Type="application/json"))
            await writer.drain()
            return
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        progress = b'data: {"jsonrpc": "2.0", "method": "notifications/progress", "params": {}}\n\n'
        for event in (b": hello\n\n", progress, b"event: message\r\ndata: " + reply + b"\r\n\r\n"):
            writer.write(f"{len(event):x}\r\n".encode() + event + b"\r\n")
        await writer.drain()
        # The stream stays open, as those of some servers do.
        await asyncio.sleep(PATIENCE)

    return act


def text(content: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": content}]}


def entry(server: RawServer, **more: Any) -> dict[str, Any]:
    return {"m": {"type": "mcp", "url": server.url("/mcp"), "headers": {"X-Token": TOKEN}, **more}}


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_may_be_json_or_a_stream_that_stays_open(stream: bool, tmp_path: Path) -> None:
    async with (
        serving({"/mcp": mcp({"tools/call": text("世界")}, stream=stream)}) as server,
        scene(tmp_path, entry(server)) as tools,
    ):
        assert (await tools.call("mcp", "m", "say", text="a")).text == "世界"

    assert all(request.headers["x-token"] == TOKEN for request in server.requests)


async def test_an_answer_in_a_stream_may_be_as_large_as_any(tmp_path: Path) -> None:
    async with (
        serving({"/mcp": mcp({"tools/call": text("x" * (3 << 20))}, stream=True)}) as server,
        scene(tmp_path, entry(server)) as tools,
    ):
        assert len((await tools.call("mcp", "m", "say")).text) == 3 << 20


WIDE: dict[str, Any] = {
    "of parts": {"content": [{"type": "text", "text": "界"}] * 100_000},
    "in a text": text(json.dumps([0] * 200_001)),
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("where", WIDE)
async def test_an_answer_of_very_many_elements_fails_the_call(where: str, stream: bool, tmp_path: Path) -> None:
    async with (
        serving({"/mcp": mcp({"tools/call": WIDE[where]}, stream=stream)}) as server,
        scene(tmp_path, entry(server)) as tools,
    ):
        with pytest.raises(ToolFailure, match="more than 200000 elements of arrays and objects"):
            await tools.call("mcp", "m", "say")


async def test_a_server_that_asks_before_it_answers_is_not_left_waiting(tmp_path: Path) -> None:
    replies: dict[str, Any] = {}
    replied = asyncio.Event()

    async def ask(writer: asyncio.StreamWriter, request: Received) -> None:
        message = json.loads(request.body)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
        for method in ("ping", "sampling/createMessage"):
            asked: dict[str, Any] = {"jsonrpc": "2.0", "id": method, "method": method, "params": {}}
            writer.write(b"data: " + json.dumps(asked).encode() + b"\n\n")
        await writer.drain()
        await replied.wait()
        reply = {"jsonrpc": "2.0", "id": message["id"], "result": text("done")}
        writer.write(b"data: " + json.dumps(reply).encode() + b"\n\n")
        await writer.drain()

    inner = mcp({"tools/call": ask})

    async def act(writer: asyncio.StreamWriter, request: Received) -> None:
        message = json.loads(request.body) if request.body else {}
        if "id" in message and "method" not in message:
            replies[message["id"]] = message, request.headers["x-token"], request.headers["mcp-protocol-version"]
            writer.write(answer(b"", "202 Accepted"))
            await writer.drain()
            if len(replies) == 2:
                replied.set()
            return
        await inner(writer, request)

    # Nor where the call has the only place that there is for requests.
    async with (
        serving({"/mcp": act}) as server,
        scene(tmp_path, entry(server, known_tools=[SAY]), http_connections=1) as tools,
        asyncio.timeout(PATIENCE),
    ):
        assert (await tools.call("mcp", "m", "say")).text == "done"

    ping, sampling = replies["ping"], replies["sampling/createMessage"]
    assert ping == ({"jsonrpc": "2.0", "id": "ping", "result": {}}, TOKEN, "2025-06-18")
    assert sampling[0]["error"]["code"] == -32601
    assert sampling[1:] == ping[1:]


async def test_a_server_is_asked_once_for_its_tools(tmp_path: Path) -> None:
    async with (
        serving({"/mcp": mcp({"tools/call": text("a")})}) as server,
        scene(tmp_path, entry(server)) as tools,
    ):
        for _ in range(3):
            await tools.call("mcp", "m", "say")
        with pytest.raises(ToolNotFound, match="Tool with name shout not found; m has say"):
            await tools.find("mcp", "m", "shout")

    methods = [json.loads(one.body)["method"] for one in server.requests if one.body]
    assert methods.count("tools/list") == 1
    assert methods.count("initialize") == 4, "one connection for the list, and one for each call"


async def test_tools_that_the_file_knows_are_not_asked_for(tmp_path: Path) -> None:
    async with (
        serving({"/mcp": mcp({"tools/call": text("a")})}) as server,
        scene(tmp_path, entry(server, known_tools=[SAY])) as tools,
    ):
        with pytest.raises(ToolNotFound):
            await tools.find("mcp", "m", "shout")
        assert server.requests == []
        assert (await tools.call("mcp", "m", "say")).text == "a"


async def test_each_app_shows_its_own_token(tmp_path: Path) -> None:
    own = {"one": {"headers": {"X-Token": "of one"}}}
    async with serving({"/mcp": mcp({"tools/call": text("a")})}) as server:
        entries = entry(server, apps=own)
        del entries["m"]["headers"]
        async with scene(tmp_path, entries, apps=("one", "two")) as tools:
            await tools.call("mcp", "m", "say", app_id="id-one")
            asked = len(server.requests)
            with pytest.raises(ToolNotFound, match="only for the apps"):
                await tools.call("mcp", "m", "say", app_id="id-two")

    assert {request.headers["x-token"] for request in server.requests} == {"of one"}
    assert len(server.requests) == asked


async def _hang(writer: asyncio.StreamWriter, request: Received) -> None:
    await asyncio.sleep(PATIENCE)


async def _close(writer: asyncio.StreamWriter, request: Received) -> None:
    """Says nothing, and closes."""


def _says(raw: bytes) -> Callable[[asyncio.StreamWriter, Received], Awaitable[None]]:
    async def act(writer: asyncio.StreamWriter, request: Received) -> None:
        writer.write(raw)
        await writer.drain()

    return act


EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"


@pytest.mark.parametrize("method", ["initialize", "tools/list", "tools/call"])
@pytest.mark.parametrize(
    "act",
    [
        pytest.param(_hang, id="never answers"),
        pytest.param(_close, id="closes"),
        pytest.param(_says(b"no HTTP"), id="no HTTP"),
        pytest.param(_says(answer(b"{", Content_Type="application/json")), id="no JSON"),
        pytest.param(_says(answer(b"[]", Content_Type="application/json")), id="no message"),
        pytest.param(_says(answer(b"<html>", Content_Type="text/html")), id="a page"),
        pytest.param(_says(answer(TOKEN.encode(), "500 Oops")), id="a fault that tells the token"),
        pytest.param(_says(EVENTS + b"data: {\n\n"), id="no JSON in the stream"),
        pytest.param(_says(EVENTS + b"data: " + b"x" * (2 << 20) + b"\n\n"), id="a long event"),
        pytest.param(_says(answer(b"", "302 Found", Location="http://10.0.0.1/mcp")), id="redirects elsewhere"),
        pytest.param(_says(answer(b"", "307 Again", Location="/mcp")), id="redirects for ever"),
    ],
)
async def test_a_server_that_misbehaves_fails_the_call_and_tells_no_token(
    act: Act, method: str, tmp_path: Path
) -> None:
    async with (
        serving({"/mcp": mcp({"tools/call": text("a"), method: act})}) as server,
        scene(tmp_path, entry(server, sse_read_timeout=0.3, timeout=0.3), tool_seconds=5.0) as tools,
    ):
        with pytest.raises((ToolFailure, ToolNotFound)) as failure:
            await tools.call("mcp", "m", "say")

    assert str(failure.value)
    assert TOKEN not in str(failure.value)


async def test_an_answer_that_comes_while_the_session_is_given_up_hides_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Half a second, which every process of tests would spend.
    from mcp.client.streamable_http import streamable_http_client

    @asynccontextmanager
    async def given_up(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        try:
            async with streamable_http_client(*args, **kwargs) as streams:
                yield streams
        except BaseException as error:
            raise BaseExceptionGroup("side by side", [anyio.ClosedResourceError(), error]) from None

    monkeypatch.setattr("jikko.tools.mcp.mcp_connection.streamable_http_client", given_up)
    async with (
        serving({"/mcp": mcp({"initialize": _hang})}) as server,
        scene(tmp_path, entry(server, sse_read_timeout=0.3, timeout=0.3), tool_seconds=5.0) as tools,
    ):
        with pytest.raises(ToolNotFound, match=r"Failed to connect to MCP server: .*timed out"):
            await tools.call("mcp", "m", "say")


def _message(message: Any) -> Act:
    return _says(answer(json.dumps(message).encode(), Content_Type="application/json"))


@pytest.mark.parametrize("method", ["initialize", "tools/list", "tools/call"])
async def test_a_server_that_answers_another_question_meets_the_deadline(method: str, tmp_path: Path) -> None:
    stray = _message({"jsonrpc": "2.0", "id": 999, "result": {}})
    async with (
        serving({"/mcp": mcp({"tools/call": text("a"), method: stray})}) as server,
        scene(tmp_path, entry(server), tool_seconds=0.5) as tools,
    ):
        with pytest.raises((ToolFailure, ToolNotFound), match=r"within 0\.5 s .*JIKKO_TOOL_SECONDS"):
            await tools.call("mcp", "m", "say")


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (None, "its answer is not a message of the protocol"),
        ({"jsonrpc": "2.0", "id": 2, "error": "no"}, "its answer is not a message of the protocol"),
        ({"jsonrpc": "2.0", "id": 2, "error": {"code": -1, "message": "悪" * 100_000}}, "悪" * 2000),
        (
            {"jsonrpc": "2.0", "id": 2, "result": {"content": "hello"}},
            "its answer does not follow the protocol: content: Input should be a valid list",
        ),
    ],
)
async def test_what_a_server_says_that_is_no_answer_is_told_in_a_line(
    message: Any, expected: str, tmp_path: Path
) -> None:
    async with (
        serving({"/mcp": mcp({"tools/call": _message(message)})}) as server,
        scene(tmp_path, entry(server, known_tools=[{**SAY, "outputSchema": {}}])) as tools,
    ):
        with pytest.raises(ToolFailure) as failure:
            await tools.call("mcp", "m", "say")
    assert str(failure.value) == f"Failed to connect to MCP server: {expected}"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (r"\ud83dx", "\ufffdx"),
        (r"x\uDDD3", "x\ufffd"),
        (r"\ud83d\ud83d\uddd3", "\ufffd🗓"),
        (r"\\ud83d", r"\ud83d"),
        (r"\\\ud83d\\", "\\\ufffd\\"),
        (r"\uD83D\udDD3 \u65e5", "🗓 日"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_half_of_an_emoji_does_not_take_the_rest_of_a_text_away(
    written: str, expected: str, stream: bool, tmp_path: Path
) -> None:
    async def act(writer: asyncio.StreamWriter, request: Received) -> None:
        id_ = json.loads(request.body)["id"]
        text = f'{{"jsonrpc":"2.0","id":{id_},"result":{{"content":[{{"type":"text","text":"{written}"}}]}}}}'
        kind = "text/event-stream" if stream else "application/json"
        writer.write(answer(f"data: {text}\n\n".encode() if stream else text.encode(), Content_Type=kind))
        await writer.drain()

    async with (
        serving({"/mcp": mcp({"tools/call": act})}) as server,
        scene(tmp_path, entry(server, known_tools=[SAY])) as tools,
    ):
        assert (await tools.call("mcp", "m", "say")).text == expected


async def test_a_kind_of_content_that_nobody_knows_is_left_out(tmp_path: Path) -> None:
    weird = [{"type": "hologram", "data": [1]}, {"type": "text"}, {"type": "text", "text": 5}, None, "x"]
    content = [*weird, {"type": "text", "text": "世界"}, *weird]
    async with (
        serving({"/mcp": mcp({"tools/call": {"content": content}})}) as server,
        scene(tmp_path, entry(server)) as tools,
    ):
        assert (await tools.call("mcp", "m", "say", text="a")).text == "世界"


async def test_a_tool_that_is_described_wrongly_does_not_take_the_others_away(tmp_path: Path) -> None:
    nearly = {"name": "nearly", "inputSchema": {"type": "object", "properties": {"a": None, "b": True}}}
    wrong = [{"inputSchema": {}}, {"name": "x", "inputSchema": []}, {"name": "y"}, 5]
    async with (
        serving({"/mcp": mcp({"tools/list": {"tools": [*wrong, nearly, SAY]}, "tools/call": text("a")})}) as server,
        scene(tmp_path, entry(server)) as tools,
    ):
        assert (await tools.call("mcp", "m", "say", text="a")).text == "a"
        with pytest.raises(ToolNotFound, match="Tool with name x not found; m has nearly, say"):
            await tools.find("mcp", "m", "x")
        found = await tools.find("mcp", "m", "nearly")
    assert [(one.name, one.type) for one in found.parameters] == [("a", "string"), ("b", "string")]


async def test_what_a_parameter_is_made_of_is_known_unless_that_stands_elsewhere(tmp_path: Path) -> None:
    whole = {"type": "array", "items": {"type": "object", "properties": {"日": {"type": "string"}}}}
    elsewhere = {"type": "array", "items": {"$ref": "#/$defs/Day"}}
    bare = {"type": "array"}
    schema = {"type": "object", "properties": {"a": whole, "b": elsewhere, "c": {"type": "string"}, "d": bare}}
    tool = {"name": "say", "inputSchema": {**schema, "$defs": {"Day": {"type": "string"}}}}
    async with (
        serving({"/mcp": mcp({"tools/list": {"tools": [tool]}})}) as server,
        scene(tmp_path, entry(server)) as tools,
    ):
        found = await tools.find("mcp", "m", "say")
    assert [(one.name, one.type, one.schema) for one in found.parameters] == [
        ("a", "array", whole), ("b", "array", None), ("c", "string", None), ("d", "array", bare),
    ]  # fmt: skip
    [function] = functions([AgentTool(tool=found)])
    properties: Any = function.parameters["properties"]
    assert properties["a"] == whole
    assert properties["b"]["type"] == "array"
    assert properties["d"] == {"type": "array", "items": {}}


@pytest.mark.parametrize("location", ["http://10.0.0.1/mcp", "http://169.254.169.254/latest", "http://[::1]:1/mcp"])
async def test_a_redirect_to_a_private_address_is_not_followed(location: str, tmp_path: Path) -> None:
    moved = _says(answer(b"", "307 Moved", Location=location))
    async with (
        serving({"/mcp": mcp({"initialize": moved})}) as server,
        scene(tmp_path, entry(server, known_tools=[SAY])) as tools,
    ):
        with pytest.raises(ToolFailure):
            await tools.call("mcp", "m", "say")


async def test_a_server_at_a_private_address_is_refused(tmp_path: Path) -> None:
    async with serving({"/mcp": mcp({})}) as server, scene(tmp_path, entry(server), allow=()) as tools:
        with pytest.raises(ToolNotFound, match="may not be reached: it is loopback"):
            await tools.call("mcp", "m", "say")
    assert server.requests == []


async def test_ten_thousand_tools_are_too_many_and_hold_nobody_up(tmp_path: Path) -> None:
    many = {"tools": [{**SAY, "name": f"tool-{n}"} for n in range(10_000)]}
    async with (
        serving({"/mcp": mcp({"tools/list": many})}) as server,
        scene(tmp_path, entry(server)) as tools,
    ):
        longest, last = 0.0, time.thread_time()

        async def watch() -> None:
            nonlocal longest, last
            while True:
                await asyncio.sleep(0)
                longest, last = max(longest, time.thread_time() - last), time.thread_time()

        watching = asyncio.create_task(watch())
        with pytest.raises(ToolNotFound, match="more than 2000 tools; name the needed ones under known_tools"):
            await tools.call("mcp", "m", "say")
        watching.cancel()

    assert longest < 5


async def test_pages_of_tools_that_never_end_are_given_up(tmp_path: Path) -> None:
    page = {"tools": [SAY], "nextCursor": "again"}
    async with (
        serving({"/mcp": mcp({"tools/list": page})}) as server,
        scene(tmp_path, entry(server)) as tools,
    ):
        with pytest.raises(ToolNotFound, match="more than 2000 tools"):
            await tools.call("mcp", "m", "say")


async def test_a_gigabyte_is_not_read(tmp_path: Path) -> None:
    async def flood(writer: asyncio.StreamWriter, request: Received) -> None:
        writer.write(EVENTS)
        await server.pour(writer, b"data: " + b"x" * 1_000_000 + b"\n", 1024)

    async with serving({"/mcp": mcp({"tools/call": flood})}) as server:
        async with scene(tmp_path, entry(server, known_tools=[SAY]), http_max_file=1 << 20) as tools:
            with pytest.raises(ToolFailure, match="larger than"):
                await tools.call("mcp", "m", "say")
        assert server.sent < 64 << 20


@pytest.mark.parametrize("data", ["!", "a", None])
async def test_a_file_that_is_not_encoded_fails(data: Any, tmp_path: Path) -> None:
    broken = {"content": [{"type": "resource", "resource": {"uri": "a:b", "blob": data or "===="}}]}
    async with (
        serving({"/mcp": mcp({"tools/call": broken})}) as server,
        scene(tmp_path, entry(server, known_tools=[SAY])) as tools,
    ):
        with pytest.raises(ToolFailure, match="not encoded as it should be"):
            await tools.call("mcp", "m", "say")


async def test_a_call_that_is_cancelled_leaves_the_server_at_once(tmp_path: Path) -> None:
    waiting = Waiting()
    async with (
        serving({"/mcp": mcp({"tools/call": waiting.act})}) as server,
        scene(tmp_path, entry(server, known_tools=[SAY])) as tools,
        asyncio.timeout(PATIENCE),
    ):
        call = asyncio.create_task(tools.call("mcp", "m", "say"))
        await waiting.asked.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await server.lost.wait()


def test_nothing_of_the_library_is_loaded_before_it_is_needed() -> None:
    loaded = "[name for name in sys.modules if name.startswith(('mcp', 'httpx2'))]"
    code = f"import sys, jikko.assemble.build_tools; print({loaded})"
    import subprocess

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert done.stdout.strip() == "[]"
