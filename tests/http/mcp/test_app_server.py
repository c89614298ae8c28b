"""Apps as MCP servers, beyond the recordings."""

import json
import math
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from jikko.http.app import create_app
from jikko.ports.served_apps import ServedApp, ServedApps
from jikko.tools.directory import ToolsDirectory
from tests.acceptance.workflows import end, form, node, start
from tests.conversations.chats import chat_app
from tests.http.scene import Served, api_of
from tests.runs.world import World

pytestmark = pytest.mark.anyio

CODE = "a-code-of-16-chars"
ADDRESS = f"/mcp/server/{CODE}/mcp"
INITIALIZE = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
WORDS = {"q": "what to say"}


@pytest.fixture
async def client(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """A client without a key, of a server that serves an app that says its input."""
    nodes = [start("q"), node("a", "code", value=1), end(q="start.q")]
    await world.app("Say", nodes, "start>a a>end")
    async with serving(world) as client:
        yield client


def serving(
    world: World, *, app: str = "Say", requests_per_minute: int = 0, served: ServedApps | None = None
) -> httpx.AsyncClient:
    served = served or Served(ServedApp(code=CODE, app=app, description="says it", parameters=WORDS))
    api = api_of(world, world.process(), requests_per_minute, served_apps=served)
    return httpx.AsyncClient(transport=httpx.ASGITransport(create_app(api)), base_url="http://jikko", timeout=20)


async def asked(client: httpx.AsyncClient, method: str, params: Any = None, **more: Any) -> Any:
    """The answer to a request, which must be one of JSON-RPC."""
    message = {"jsonrpc": "2.0", "id": 7, "method": method, "params": params, **more}
    answer = await client.post(ADDRESS, json=message)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["jsonrpc"], body["id"]) == ("2.0", message["id"])
    return body


async def called(client: httpx.AsyncClient, **arguments: Any) -> Any:
    await asked(client, "initialize", INITIALIZE)
    return (await asked(client, "tools/call", {"name": "Say", "arguments": arguments}))["result"]


async def test_what_an_app_says_is_the_result_of_its_tool(client: httpx.AsyncClient) -> None:
    assert await called(client, q="世界") == {"content": [{"type": "text", "text": '{"q": "世界"}'}], "isError": False}


async def test_a_request_whose_id_is_null_is_refused_and_is_no_notification(client: httpx.AsyncClient) -> None:
    answer = await client.post(ADDRESS, json={"jsonrpc": "2.0", "id": None, "method": "ping"})
    notified = await client.post(ADDRESS, json={"jsonrpc": "2.0", "method": "ping"})

    assert (answer.status_code, answer.json()["message"]) == (400, "id: must be a string or a number")
    assert (notified.status_code, notified.content) == (202, b"")


async def test_what_is_no_number_of_json_is_null_in_the_result(world: World) -> None:
    await world.app("Say", [start(), node("a", "code", value=1), end(v="a.value")], "start>a>end")
    world.script.values["a"] = [math.nan, {"日": -math.inf}, 1.5]
    async with serving(world) as client:
        [said] = (await called(client))["content"]

    assert said["text"] == '{"v": [null, {"日": null}, 1.5]}'


async def test_the_app_is_listed_as_a_tool_with_what_its_inputs_mean(client: httpx.AsyncClient) -> None:
    [tool] = (await asked(client, "tools/list"))["result"]["tools"]

    assert (tool["name"], tool["description"]) == ("Say", "says it")
    assert tool["inputSchema"]["properties"] == {"q": {"type": "string", "description": "what to say"}}


async def test_a_run_that_fails_is_an_error_that_a_model_can_read(client: httpx.AsyncClient, world: World) -> None:
    world.script.failing = {"a"}

    assert await called(client, q="x") == {"content": [{"type": "text", "text": "a broke"}], "isError": True}


async def test_its_runs_are_those_of_one_end_user_whose_name_does_not_tell_the_code(
    client: httpx.AsyncClient, world: World
) -> None:
    for _ in range(2):
        await called(client, q="x")

    [app] = await world.apps.all()
    users = {record.identity.user for record in await world.store.scan(app_id=app.id, limit=10)}
    assert len(users) == 1
    assert CODE not in str(users)


@pytest.mark.parametrize("asked_for", ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"])
async def test_a_client_gets_the_version_of_the_protocol_that_it_asks_for(
    asked_for: str, client: httpx.AsyncClient
) -> None:
    answer = await asked(client, "initialize", {**INITIALIZE, "protocolVersion": asked_for})
    assert answer["result"]["protocolVersion"] == asked_for


@pytest.mark.parametrize("method", ["notifications/initialized", "notifications/cancelled", "tools/list", "nonsense"])
async def test_what_has_no_id_is_taken_and_not_answered(method: str, client: httpx.AsyncClient) -> None:
    answer = await client.post(ADDRESS, json={"jsonrpc": "2.0", "method": method})
    assert (answer.status_code, answer.content) == (202, b"")


@pytest.mark.parametrize("method", ["resources/list", "prompts/list", "tools/lists", "x" * 10_000])
async def test_an_unknown_method_is_an_error_of_the_protocol(method: str, client: httpx.AsyncClient) -> None:
    assert (await asked(client, method))["error"] == {"code": -32601, "message": f"Method not found: {method[:100]}"}


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("initialize", None),
        ("initialize", {"protocolVersion": 1}),
        ("initialize", []),
        ("tools/call", None),
        ("tools/call", {"name": 1}),
        ("tools/call", {"name": "Say", "arguments": "q"}),
        ("tools/call", {"name": "Say", "arguments": {"q": {"no": "text"}}}),
        ("ping", "x"),
    ],
)
async def test_wrong_parameters_are_an_error_of_the_protocol(
    method: str, params: Any, client: httpx.AsyncClient
) -> None:
    await asked(client, "initialize", INITIALIZE)
    assert (await asked(client, method, params))["error"]["code"] == -32602


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"null", 400),
        (b"[]", 400),
        (b"[" * 100_000, 400),
        (b"{}", 400),
        (b'{"jsonrpc": 2, "method": "ping", "id": 1}', 400),
        (b'{"jsonrpc": "2.0", "method": "ping", "id": {}}', 400),
        (b'{"jsonrpc": "2.0", "method": "ping", "id": 1e999}', 400),
        (b'{"jsonrpc": "2.0", "method": "ping", "id": true}', 400),
        (b'{"jsonrpc": "2.0", "method": "ping", "id": "' + b"x" * (1 << 20) + b'"}', 413),
    ],
)
async def test_what_is_no_message_is_refused_as_a_request(body: bytes, status: int, client: httpx.AsyncClient) -> None:
    answer = await client.post(ADDRESS, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == status, answer.text
    assert answer.json()["status"] == status


async def test_a_message_of_another_version_is_answered_as_dify_does(client: httpx.AsyncClient) -> None:
    answer = await client.post(ADDRESS, json={"jsonrpc": "1.0", "id": 1, "method": "ping"})
    assert (answer.status_code, answer.json()) == (200, {"jsonrpc": "2.0", "id": 1, "result": {}})


@pytest.mark.parametrize("code", ["another-code-of-16", "x", CODE.upper()])
async def test_another_code_opens_nothing(code: str, client: httpx.AsyncClient) -> None:
    answer = await client.post(f"/mcp/server/{code}/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "ping"})
    assert answer.status_code == 404


async def test_an_app_that_is_not_there_is_said(world: World) -> None:
    async with serving(world, app="Gone") as client:
        answer = await client.post(ADDRESS, json={"jsonrpc": "2.0", "id": 1, "method": "ping"})
    assert (answer.status_code, "No app 'Gone'" in answer.json()["message"]) == (404, True)


async def test_a_code_can_be_used_as_often_as_a_key(world: World) -> None:
    await world.chain()
    async with serving(world, app=(await world.apps.all())[0].name, requests_per_minute=2) as client:
        ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
        assert [(await client.post(ADDRESS, json=ping)).status_code for _ in range(3)] == [200, 200, 429]


async def test_a_chat_app_is_asked_in_a_conversation_of_its_own_each_time(world: World) -> None:
    nodes = [
        start(),
        node("a", "code", value="仕事"),
        node("r", "answer", answer="{{#sys.dialogue_count#}} {{#sys.query#}}"),
    ]
    app = await chat_app(world, nodes, "start>a>r", "Talk")
    async with serving(world, app="Talk") as client:
        [tool] = (await asked(client, "tools/list"))["result"]["tools"]
        answers = [await called(client, query=query) for query in ("東 🗼", "西")]
        world.script.failing = {"a"}
        broken = await called(client, query="x")
        wrong = [
            (await asked(client, "tools/call", {"name": "Talk", "arguments": arguments}))["error"]
            for arguments in ({}, {"query": 7}, {"query": None})
        ]

    assert "query" in tool["inputSchema"]["required"]
    assert answers == [{"content": [{"type": "text", "text": text}], "isError": False} for text in ("1 東 🗼", "1 西")]
    assert broken == {"content": [{"type": "text", "text": "a broke"}], "isError": True}
    assert [error["code"] for error in wrong] == [-32602] * 3
    assert [error["message"] for error in wrong] == [
        "query is required",
        "query must be a string",
        "query is required",
    ]
    turns = {record.identity.run_id for record in await world.store.scan(app_id=app.id, limit=10)}
    assert len(turns) == 3


async def test_an_app_that_waits_for_a_form_is_an_error_that_says_so(world: World) -> None:
    await world.app("Asks", [start("q"), form("ask", "?"), end(said="ask.comment")], "start>ask ask:yes>end")
    async with serving(world, app="Asks") as client:
        result = await called(client, q="x")

    assert result == {
        "content": [{"type": "text", "text": "The workflow waits for a form to be filled in by a human."}],
        "isError": True,
    }


async def test_a_tool_is_called_by_who_has_introduced_itself(client: httpx.AsyncClient, world: World) -> None:
    refused = await asked(client, "tools/call", {"name": "Say", "arguments": {"q": "x"}})

    assert (refused["error"]["code"], refused["error"]["message"]) == (-32602, "End user not found")
    assert await world.store.scan(limit=10) == []


async def test_a_server_that_is_switched_off_answers_as_if_it_were_not_there(world: World, tmp_path: Path) -> None:
    await world.app("Say", [start("q"), end(q="start.q")], "start>end")
    file = tmp_path / "tools.yml"
    file.write_text(json.dumps({"mcp_servers": {CODE: {"app": "Say"}}}), encoding="utf-8")
    async with serving(world, served=ToolsDirectory(file, {}, world.app_store)) as client:
        assert await called(client, q="here")
        file.write_text(json.dumps({"mcp_servers": {CODE: {"app": "Say", "status": "inactive"}}}), encoding="utf-8")
        message = {"jsonrpc": "2.0", "id": 7, "method": "tools/list"}
        off = await client.post(ADDRESS, json=message)
        missing = await client.post("/mcp/server/another-code-of-16/mcp", json=message)

    assert (off.status_code, off.json()) == (missing.status_code, missing.json())
    assert off.status_code == 404
