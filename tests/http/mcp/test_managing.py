"""The management API as an MCP server: its tools, the scopes of tokens, and malformed messages."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest
from jsonschema import Draft202012Validator

from jikko.http.app import create_app
from jikko.repositories.console_store import Scope
from tests.http.console.scene import MANAGEMENT, Scene, console_on, decoded
from tests.http.console.test_runs import ECHO
from tests.http.console.test_scopes import holder

pytestmark = pytest.mark.anyio

MANAGE = "/mcp/manage"
NOBODY = "01a21069-21d3-76c6-be60-4605da1417ed"
SAID = "見積もり 🧾 \ue000"


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with console_on(tmp_path / "home") as scene:
        yield scene


@pytest.fixture
async def agent(scene: Scene) -> AsyncIterator[httpx.AsyncClient]:
    """An agent whose token may publish and run."""
    async with await holder(scene, "apps:write", "runs:write") as client:
        yield client


async def asked(client: httpx.AsyncClient, method: str, **params: Any) -> Any:
    """The answer to a request, which must be one of JSON-RPC."""
    answer = await client.post(MANAGE, json={"jsonrpc": "2.0", "id": "一", "method": method, "params": params})
    body = decoded(answer)
    assert (body["jsonrpc"], body["id"]) == ("2.0", "一")
    return body


async def called(client: httpx.AsyncClient, tool: str, *, refused: bool = False, **arguments: Any) -> Any:
    """What a tool answers: its JSON, or the text of what refused it."""
    result = (await asked(client, "tools/call", name=tool, arguments=arguments))["result"]
    assert result["isError"] is refused, result
    [content] = result["content"]
    return content["text"] if refused else json.loads(content["text"])


async def tools_of(client: httpx.AsyncClient) -> dict[str, Any]:
    return {tool["name"]: tool for tool in (await asked(client, "tools/list"))["result"]["tools"]}


async def test_an_agent_checks_publishes_runs_reads_and_compares(agent: httpx.AsyncClient) -> None:
    changed = ECHO.replace('"label": "q"', '"label": "問い"')
    assert (await called(agent, "check_app", name="Echo", file=ECHO))["outcome"] == "new"
    app = (await called(agent, "publish_app", name="Echo", file=ECHO))["app_id"]
    assert [entry["id"] for entry in (await called(agent, "list_apps"))["data"]] == [app]
    runs = [(await called(agent, "start_run", app_id=app, inputs={"q": said}))["run_id"] for said in (SAID, "二")]
    trial = await called(agent, "check_app", name="Echo", file=changed)
    assert (trial["outcome"], len(trial["difference"]["nodes"])) == ("changed", 1)
    published = await called(agent, "publish_app", name="Echo", file=changed, if_match="1")
    assert published["version"]["number"] == 2
    again = (await called(agent, "retry_run", run_id=runs[0], version=2, from_node_id="end"))["run_id"]

    read = await called(agent, "read_run", run_id=runs[0])
    assert (read["status"], read["outputs"]) == ("succeeded", {"q": SAID})
    assert (await called(agent, "list_runs", app=app, limit=1))["data"][0]["id"] == again
    different = await called(agent, "compare_runs", run_id=runs[1], to=runs[0])
    assert [field["path"] for field in different["fields"]] == ["/inputs/q", "/outputs/q"]
    assert (await called(agent, "compare_runs", run_id=again))["fields"] == []
    assert (await called(agent, "read_log", run_id=runs[0], after=5))["closed"] is True
    source = {"app_id": app, "workflow_id": 2}
    [content] = (await asked(agent, "tools/call", name="read_source", arguments=source))["result"]["content"]
    assert content["text"] == changed


async def test_what_an_agent_does_is_in_the_audit_as_over_the_api(scene: Scene, agent: httpx.AsyncClient) -> None:
    await called(agent, "publish_app", name="Echo", file=ECHO)
    async with await scene.script() as operator:
        [entry] = [
            entry
            for entry in decoded(await operator.get(f"{MANAGEMENT}/audit"))["data"]
            if entry["action"] == "put_app"
        ]
    assert (entry["actor"], entry["via"]) == ("鍵 🗝", "api")


@pytest.mark.parametrize("scope", get_args(Scope))
async def test_a_token_sees_the_tools_of_its_scope_and_can_call_no_others(scene: Scene, scope: Scope) -> None:
    noun, _, verb = scope.partition(":")
    own = {scope, f"{noun}:read"} if verb == "write" else {scope}
    async with await scene.script() as operator, await holder(scene, scope) as client:
        every, seen = await tools_of(operator), await tools_of(client)
        # What arguments are of the right kind is asked of the operation, which looks at the scope first.
        samples = {"inputs": {}, "limit": 1, "after": 0}
        for name, tool in every.items():
            needed = tool["description"].rpartition("Scope: ")[2].removesuffix(".")
            assert (name in seen) is (needed in own), name
            arguments = {one: samples.get(one, NOBODY) for one in tool["inputSchema"]["required"]}
            result = (await asked(client, "tools/call", name=name, arguments=arguments))["result"]
            lacking = f"missing_scope: 鍵 🗝 may not do that: it lacks the scope {needed}."
            assert (result["content"][0]["text"] == lacking) is (needed not in own), (name, result)


async def test_the_schema_of_every_tool_is_one_and_names_what_is_required(agent: httpx.AsyncClient) -> None:
    for name, tool in (await tools_of(agent)).items():
        schema = tool["inputSchema"]
        Draft202012Validator.check_schema(schema)
        assert "$ref" not in json.dumps(schema), name  # nothing else of the description is sent along
        assert {*schema["required"]} <= {*schema["properties"]}
        assert tool["description"].strip()


@pytest.mark.parametrize("authorization", ["", "Bearer jko_guess", "Bearer app-guess", "Basic eDp5", "Bearer"])
async def test_without_a_token_of_the_server_nothing_is_answered(scene: Scene, authorization: str) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    async with scene.client(**headers) as client:
        for method in ("initialize", "tools/list", "tools/call", "ping"):
            answer = await client.post(MANAGE, json={"jsonrpc": "2.0", "id": 1, "method": method})
            assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")


async def test_a_key_of_an_app_and_an_expired_token_open_nothing(scene: Scene) -> None:
    echo = await scene.publish(ECHO)
    key = await scene.assembly.app_keys.issue(echo.id)
    async with scene.client(Authorization=f"Bearer {key}") as client:
        assert (await client.post(MANAGE, json={"jsonrpc": "2.0", "id": 1, "method": "ping"})).status_code == 401
    async with await holder(scene, "runs:read", expires_at=scene.clock.now + 60) as client:
        assert await tools_of(client)
        scene.clock.now += 60
        assert (await client.post(MANAGE, json={"jsonrpc": "2.0", "id": 1, "method": "ping"})).status_code == 401


async def test_a_page_of_another_site_reads_nothing_of_it_and_its_cookie_does_nothing(scene: Scene) -> None:
    foreign = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    async with await scene.browser() as browser, await scene.script() as script:
        refused = await browser.post(MANAGE, json=ping, headers={"Origin": "http://evil.example"})
        assert refused.status_code in (401, 403)
        for answer in (refused, await script.options(MANAGE, headers=foreign)):
            assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_runs_and_apps_that_are_not_there_are_told_to_the_model(agent: httpx.AsyncClient) -> None:
    for tool, arguments in (
        ("read_run", {"run_id": NOBODY}),
        ("read_run", {"run_id": "../../tokens"}),
        ("start_run", {"app_id": NOBODY, "inputs": {}}),
        ("read_source", {"app_id": NOBODY, "workflow_id": "1"}),
    ):
        assert (await called(agent, tool, refused=True, **arguments)).startswith("not_found: ")


async def test_an_operation_says_itself_what_is_wrong_with_its_arguments(
    scene: Scene, agent: httpx.AsyncClient
) -> None:
    echo = await scene.publish(ECHO)
    for tool, arguments, told in (
        ("start_run", {"app_id": echo.id, "inputs": "q"}, "inputs: "),
        ("start_run", {"app_id": echo.id}, "inputs: is required"),
        ("list_runs", {"limit": "many"}, "limit: "),
        ("publish_app", {"name": "Echo", "file": ECHO, "if_match": "7"}, "version 1 is the current one"),
        ("publish_app", {"name": "a\nb", "file": ECHO}, "name: "),
        ("publish_app", {"name": "Echo", "file": "nodes: ["}, "1 problem"),
    ):
        assert told in await called(agent, tool, refused=True, **arguments)


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({"name": "delete_everything"}, "unknown tool"),
        ({"name": "put_app"}, "unknown tool"),
        ({"name": 1}, "name is required"),
        ({}, "name is required"),
        ({"name": "read_run", "arguments": [NOBODY]}, "arguments must be an object"),
        ({"name": "read_run", "arguments": {}}, "run_id is required"),
        ({"name": "read_run", "arguments": {"run_id": None}}, "run_id is required"),
        ({"name": "read_run", "arguments": {"run_id": {"$gt": ""}}}, "run_id must be a text"),
        ({"name": "read_run", "arguments": {"run_id": NOBODY, "app_id": NOBODY}}, "unknown argument 'app_id'"),
        ({"name": "check_app", "arguments": {"name": "x", "file": "x", "dry_run": ""}}, "unknown argument 'dry_run'"),
        ({"name": "check_app", "arguments": {"name": "x"}}, "file is required"),
    ],
    ids=str,
)
async def test_wrong_parameters_are_an_error_of_the_protocol(
    agent: httpx.AsyncClient, params: dict[str, Any], told: str
) -> None:
    error = (await asked(agent, "tools/call", **params))["error"]
    assert (error["code"], told in error["message"]) == (-32602, True), error


@pytest.mark.parametrize("method", ["resources/list", "tools/lists", "x" * 10_000])
async def test_an_unknown_method_is_an_error_of_the_protocol(agent: httpx.AsyncClient, method: str) -> None:
    assert (await asked(agent, method))["error"]["code"] == -32601


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[]", 400),
        (b"[" * 100_000, 400),
        (b"{}", 400),
        (b'{"jsonrpc": "2.0", "method": "ping", "id": true}', 400),
        (b'{"jsonrpc": "2.0", "method": "tools/call", "params": {"name": "\\ud800"}, "id": 1}', 400),
        (b'{"jsonrpc": "2.0", "method": "notifications/initialized"}', 202),
    ],
)
async def test_what_is_no_message_is_refused_as_a_request(agent: httpx.AsyncClient, body: bytes, status: int) -> None:
    answer = await agent.post(MANAGE, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == status, answer.text


async def test_ten_megabytes_of_arguments_are_read_and_more_are_refused(agent: httpx.AsyncClient) -> None:
    as_large = ECHO + " " * ((10 << 20) - len(ECHO.encode()))
    assert (await called(agent, "check_app", name="Echo", file=as_large))["outcome"] == "new"
    told = await called(agent, "check_app", name="Echo", file=f"{as_large} ", refused=True)
    assert told.startswith("request_entity_too_large: ")
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "x" * (16 << 20)}}
    assert (await agent.post(MANAGE, json=message)).status_code == 413


async def test_a_start_that_is_sent_again_with_its_key_is_one_run(scene: Scene, agent: httpx.AsyncClient) -> None:
    echo = await scene.publish(ECHO)
    arguments: dict[str, Any] = {"app_id": echo.id, "inputs": {"q": SAID}, "idempotency_key": "one"}
    first, second = [await called(agent, "start_run", **arguments) for _ in range(2)]
    assert first == second


async def test_a_server_whose_console_is_off_has_no_such_address(scene: Scene) -> None:
    application: Any = create_app(scene.assembly, console=[])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://jikko") as client:
        assert (await client.post(MANAGE, json={})).status_code == 404
