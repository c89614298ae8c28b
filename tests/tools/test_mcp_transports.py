"""MCP servers of the older transport, where answers come on a stream of events, and servers that want OAuth."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from jikko.outbound.outbound_client import AiohttpClient
from jikko.ports.tools import ToolFailure, ToolNotFound
from jikko.tools.mcp.mcp_requests import TokenCache
from jikko.tools.tools_file import OAuthClient
from tests.effort import PATIENCE
from tests.outbound.clients import LOOPBACK
from tests.outbound.server import RawServer, Received, answer, serving
from tests.tools.scene import scene
from tests.tools.test_mcp_tools import EVENTS, INITIALIZED, SAY, mcp, text

pytestmark = pytest.mark.anyio

SECRET = "the-secret-of-the-client"


class OldServer:
    """A server that answers on its stream, which stays open."""

    def __init__(self, results: dict[str, Any], *, endpoint: str = "/messages?session=1") -> None:
        self._results = {"initialize": INITIALIZED, "tools/list": {"tools": [SAY]}, **results}
        self._endpoint = endpoint
        self._stream: asyncio.StreamWriter | None = None

    async def listen(self, writer: asyncio.StreamWriter, request: Received) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n: hello\n\n")
        writer.write(f"event: endpoint\r\ndata: {self._endpoint}\r\n\r\n".encode())
        await writer.drain()
        self._stream = writer
        await asyncio.sleep(PATIENCE)

    async def say(self, writer: asyncio.StreamWriter, request: Received) -> None:
        writer.write(answer(b"Accepted", "202 Accepted"))
        await writer.drain()
        message = json.loads(request.body)
        if "id" not in message or self._stream is None:
            return
        result = self._results[message["method"]]
        if result is None:  # it goes away without an answer
            self._stream.close()
            return
        event = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}, ensure_ascii=False)
        self._stream.write(f"event: message\ndata: {event}\n\n".encode())
        await self._stream.drain()


@asynccontextmanager
async def old_server(**how: Any) -> AsyncIterator[RawServer]:
    old = OldServer(**how)
    async with serving({"/sse": old.listen, "/messages": old.say}) as server:
        yield server


def entry(server: RawServer, path: str = "/sse", **more: Any) -> dict[str, Any]:
    return {"m": {"type": "mcp", "url": server.url(path), **more}}


async def test_a_server_whose_address_ends_in_sse_answers_on_its_stream(tmp_path: Path) -> None:
    async with (
        old_server(results={"tools/call": text("世界")}) as server,
        scene(tmp_path, entry(server, headers={"X-Token": "t"})) as tools,
    ):
        assert (await tools.call("mcp", "m", "say", text="a")).text == "世界"

    assert all(request.headers["x-token"] == "t" for request in server.requests)
    assert {request.target for request in server.requests} == {"/sse", "/messages?session=1"}


async def test_calls_of_several_streams_go_on_side_by_side(tmp_path: Path) -> None:
    results = {"tools/call": text("a")}
    async with old_server(results=results) as one, old_server(results=results) as other:
        entries = {"one": entry(one)["m"], "other": {**entry(other)["m"], "transport": "sse"}}
        async with scene(tmp_path, entries) as tools:
            outcomes = await asyncio.gather(*(tools.call("mcp", name, "say") for name in entries))
    assert [each.text for each in outcomes] == ["a", "a"]


@pytest.mark.parametrize(
    ("how", "expected_error"),
    [
        ({"results": {"tools/call": None}}, "the server ended its stream"),
        ({"results": {"initialize": None}}, "the server ended its stream"),
        ({"results": {}, "endpoint": "http://10.0.0.1/messages"}, "messages to go to another server"),
        ({"results": {}, "endpoint": "//10.0.0.1/messages"}, "messages to go to another server"),
        ({"results": {}, "endpoint": "http://[/"}, "messages to go to another server"),
        ({"results": {}, "endpoint": ""}, "did not name its message endpoint within 0.5 s"),
    ],
)
async def test_a_stream_that_breaks_off_or_leads_elsewhere_fails_the_call(
    how: dict[str, Any], expected_error: str, tmp_path: Path
) -> None:
    waits = 0.5 if "0.5 s" in expected_error else PATIENCE
    async with old_server(**how) as server, scene(tmp_path, entry(server, known_tools=[SAY], timeout=waits)) as tools:
        with pytest.raises(ToolFailure, match=expected_error):
            await tools.call("mcp", "m", "say")


async def test_a_server_without_such_a_stream_is_told_by_its_status(tmp_path: Path) -> None:
    async with (
        serving({"/sse": answer(b"no such thing", "404 Not Found")}) as server,
        scene(tmp_path, entry(server)) as tools,
    ):
        with pytest.raises(ToolNotFound, match="the server answered with status 404: no such thing"):
            await tools.call("mcp", "m", "say")


async def test_messages_that_are_refused_fail_their_call(tmp_path: Path) -> None:
    old = OldServer({})
    refused = answer(b"who are you?", "403 Forbidden")
    async with (
        serving({"/sse": old.listen, "/messages": refused}) as server,
        scene(tmp_path, entry(server, known_tools=[SAY])) as tools,
    ):
        with pytest.raises(ToolFailure, match=r"status 403: who are you\?"):
            await tools.call("mcp", "m", "say")


async def test_a_gigabyte_of_events_is_not_read(tmp_path: Path) -> None:
    async def flood(writer: asyncio.StreamWriter, request: Received) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nevent: endpoint\ndata: /messages\n\n")
        await server.pour(writer, b": " + b"x" * 1_000_000 + b"\n", 1024)

    async with (
        serving({"/sse": flood, "/messages": answer(b"", "202 Accepted")}) as server,
        scene(tmp_path, entry(server, known_tools=[SAY]), http_max_file=1 << 20) as tools,
    ):
        with pytest.raises(ToolFailure, match="larger than"):
            await tools.call("mcp", "m", "say")
        assert server.sent < 64 << 20


async def test_a_server_that_asks_without_end_gets_a_hundred_replies(tmp_path: Path) -> None:
    replied: list[int] = []
    enough = asyncio.Event()

    async def ask(writer: asyncio.StreamWriter, request: Received) -> None:
        writer.write(EVENTS)
        for number in range(150):
            ping = {"jsonrpc": "2.0", "id": number, "method": "ping"}
            writer.write(b"data: " + json.dumps(ping).encode() + b"\n\n")
        await writer.drain()
        await enough.wait()
        reply = {"jsonrpc": "2.0", "id": json.loads(request.body)["id"], "result": text("done")}
        writer.write(b"data: " + json.dumps(reply).encode() + b"\n\n")
        await writer.drain()

    inner = mcp({"tools/call": ask})

    async def act(writer: asyncio.StreamWriter, request: Received) -> None:
        message = json.loads(request.body)
        if "result" not in message:
            return await inner(writer, request)
        writer.write(answer(b"", "202 Accepted"))
        await writer.drain()
        replied.append(message["id"])
        if len(replied) == 100:
            enough.set()

    async with (
        serving({"/mcp": act}) as server,
        scene(tmp_path, entry(server, "/mcp", known_tools=[SAY])) as tools,
        asyncio.timeout(PATIENCE),
    ):
        assert (await tools.call("mcp", "m", "say")).text == "done"
    assert replied == [*range(100)]


# OAuth.


class Authorization:
    """An authorization server, whose tokens are ``token-1``, ``token-2``, …, and an MCP server that wants one."""

    def __init__(self, **fields: Any) -> None:
        self.given = 0
        self.taken: set[str] = set()
        """Tokens that the MCP server takes; by default any."""
        self._fields = fields
        self._mcp = mcp({"tools/call": text("a")})

    async def token(self, writer: asyncio.StreamWriter, request: Received) -> None:
        self.given += 1
        token = {"access_token": f"token-{self.given}", "token_type": "Bearer", "expires_in": 3600, **self._fields}
        writer.write(answer(json.dumps(token).encode(), Content_Type="application/json"))
        await writer.drain()

    async def serve(self, writer: asyncio.StreamWriter, request: Received) -> None:
        shown = request.headers.get("authorization", "").removeprefix("Bearer ")
        if self.taken and shown not in self.taken:
            writer.write(answer(f"I do not know {shown}".encode(), "401 Unauthorized"))
            await writer.drain()
            return
        await self._mcp(writer, request)


def oauth(server: RawServer, **more: Any) -> dict[str, Any]:
    client = {"token_url": server.url("/token"), "client_id": "me:you", "client_secret": "${SECRET}", "scope": "a b"}
    return entry(server, "/mcp", oauth={**client, **more}, known_tools=[SAY])


@asynccontextmanager
async def authorizing(folder: Path, here: Authorization, **more: Any) -> AsyncIterator[tuple[RawServer, Any]]:
    async with (
        serving({"/token": here.token, "/mcp": here.serve}) as server,
        scene(folder, oauth(server, **more), environment={"SECRET": SECRET}) as tools,
    ):
        yield server, tools


async def test_a_token_is_asked_for_once_and_shown_with_each_request(tmp_path: Path) -> None:
    here = Authorization()
    async with authorizing(tmp_path, here) as (server, tools):
        for _ in range(3):
            assert (await tools.call("mcp", "m", "say")).text == "a"

    assert here.given == 1
    asked, *others = server.requests
    form = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
    assert form == {"grant_type": "client_credentials", "scope": "a b", "resource": server.url("/mcp")}
    # Both are encoded first, so that a colon in them is none.
    assert base64.b64decode(asked.headers["authorization"].removeprefix("Basic ")).decode() == f"me%3Ayou:{SECRET}"
    assert {one.headers["authorization"] for one in others} == {"Bearer token-1"}


async def test_id_and_secret_may_go_in_the_body_with_fields_that_a_server_wants(tmp_path: Path) -> None:
    params = {"audience": "x", "resource": ""}
    async with authorizing(tmp_path, Authorization(), secret_in="body", params=params) as (server, tools):
        await tools.call("mcp", "m", "say")

    form = {name: values[0] for name, values in parse_qs(server.requests[0].body.decode()).items()}
    assert (form["client_id"], form["client_secret"], form["audience"]) == ("me:you", SECRET, "x")
    assert "resource" not in form
    assert "authorization" not in server.requests[0].headers


async def test_a_token_that_the_server_does_not_take_any_more_is_asked_for_anew_once(tmp_path: Path) -> None:
    here = Authorization()
    async with authorizing(tmp_path, here) as (_, tools):
        await tools.call("mcp", "m", "say")
        here.taken = {"token-2"}
        assert (await tools.call("mcp", "m", "say")).text == "a"
        assert here.given == 2
        here.taken = {"none"}
        with pytest.raises(ToolFailure, match="status 401") as failure:
            await tools.call("mcp", "m", "say")
    assert "token-3" not in str(failure.value), "a token is told to nobody"


async def test_a_token_that_has_ended_is_asked_for_anew(tmp_path: Path) -> None:
    here = Authorization(expires_in=0)
    async with authorizing(tmp_path, here) as (_, tools):
        await tools.call("mcp", "m", "say")
        asked = here.given
        await tools.call("mcp", "m", "say")
    assert here.given > asked


@pytest.mark.parametrize(
    ("expires_in", "lasts"), [(3600, 3570), (31.5, 1.5), (30, 0), (-1, 0), (None, 270), ("60", 270), (True, 270)]
)
async def test_a_token_is_replaced_half_a_minute_before_it_ends(expires_in: Any, lasts: float) -> None:
    # The clock is read when a token is given, and at each later use.
    times = iter((1000.0, 1000 + lasts, 1000.25 + lasts, 1000.25 + lasts))
    async with serving({"/token": Authorization(expires_in=expires_in).token}) as server:
        http = AiohttpClient(allow=LOOPBACK, app_share=1, max_connections=1)
        tokens = TokenCache(http, lambda: next(times))
        client = OAuthClient(token_url=server.url("/token"), id="i", secret=SECRET)
        shown = [await tokens.header(client, "https://a.test/mcp", "") for _ in range(3)]
        await http.close()
    assert [token for _, token in shown] == ["Bearer token-1", "Bearer token-1", "Bearer token-2"]


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"access_token": 1}', b'{"access_token": "a\\r\\nb"}', b"[" * 100_000]
)
async def test_what_is_no_token_is_said(body: bytes, tmp_path: Path) -> None:
    here = Authorization()
    refused = answer(json.dumps({"error": "invalid_client", "error_description": SECRET}).encode(), "401 Unauthorized")
    for reply, expected_error in ((answer(body), "gives no token: status 200"), (refused, "status 401 invalid_client")):
        async with (
            serving({"/token": reply, "/mcp": here.serve}) as server,
            scene(tmp_path, oauth(server), environment={"SECRET": SECRET}) as tools,
        ):
            with pytest.raises(ToolFailure, match=expected_error) as failure:
                await tools.call("mcp", "m", "say")
        assert SECRET not in str(failure.value)
