"""Starts in all modes while another process holds the database lock: each is answered, and none begins later."""

import asyncio
import dataclasses
import json
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from jikko.http.app import create_app
from jikko.http.reference.openapi import OPERATIONS
from tests.acceptance.workflows import app, end, node, start
from tests.effort import PATIENCE
from tests.http.console.scene import API, Scene, console_on

pytestmark = pytest.mark.anyio

CODE = "a-code-of-16-chars"
SAY = app("Say", [start("q"), end(q="start.q")], "start>end")
HOOK = app("Hook", [node("hook", "trigger-webhook", method="post"), end(q="hook.x")], "hook>end")
CHAT = app("Chat", [start(), node("said", "answer", answer="こんにちは")], "start>said", mode="advanced-chat")
INPUTS: dict[str, Any] = {"inputs": {"q": "値 🙂"}, "user": "anna"}
MCP = f"/mcp/server/{CODE}/mcp"
INITIALIZE = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
SOON = 0.1
"""Seconds that a start may wait."""


def message(method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


@dataclass
class Server:
    """A server with a workflow and a chat, of which a run has ended."""

    folder: Path
    scene: Scene
    starts: dict[str, tuple[str, str, dict[str, Any]]]
    """What is sent to start a run of each kind: key, path and body."""

    async def ask(self, kind: str, **headers: str) -> httpx.Response:
        key, path, body = self.starts[kind]
        headers |= {"Authorization": f"Bearer {key}"} if key else {}
        async with self.scene.client() as client:
            return await client.post(path, json=body, headers=headers, timeout=PATIENCE)

    async def started(self, kind: str, **headers: str) -> httpx.Response:
        """Ask until it is not refused: that starts have just failed may be held against the next ones for a while."""
        async with asyncio.timeout(PATIENCE):
            while (answer := await self.ask(kind, **headers)).status_code == 503:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        return answer

    async def runs(self) -> int:
        return len(await self.scene.assembly.store.scan())

    def waits(self, seconds: float) -> None:
        """How long starts may wait from now on."""
        api = self.scene.assembly
        settings = dataclasses.replace(api.settings, start_seconds=seconds)
        self.scene.application = create_app(replace(api, settings=settings))

    @contextmanager
    def locked(self) -> Iterator[None]:
        with closing(sqlite3.connect(self.folder / "jikko.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
            other.execute("ROLLBACK")


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    tools = tmp_path / "tools.json"
    tools.write_text(json.dumps({"mcp_servers": {CODE: {"app": "Say", "description": "says it"}}}), encoding="utf-8")
    async with console_on(tmp_path / "home", tools=tools) as scene:
        say, chat = await scene.publish(SAY), await scene.publish(CHAT)
        [webhook] = await scene.assembly.triggers.of(await scene.publish(HOOK))
        key, of_chat = [await scene.assembly.app_keys.issue(one.id) for one in (say, chat)]
        _, console = await scene.access.new_token("script", "operator")
        async with scene.client(Authorization=f"Bearer {key}") as client:
            run = (await client.post("/v1/workflows/run", json=INPUTS)).json()["workflow_run_id"]
            assert (await client.post(MCP, json=message("initialize", **INITIALIZE))).status_code == 200
        again, question = {"user": "anna", "from_node_id": "start"}, {**INPUTS, "query": "?"}
        found: dict[str, tuple[str, str, dict[str, Any]]] = {
            "version": (key, f"/v1/workflows/{say.workflow_id}/run", INPUTS),
            "retry": (key, f"/v1/workflows/run/{run}/retry", again),
            "console run": (console, f"{API}/apps/{say.id}/runs", {"inputs": INPUTS["inputs"]}),
            "console retry": (console, f"{API}/runs/{run}/retry", {"from_node_id": "start"}),
            "console chat": (console, f"{API}/apps/{chat.id}/messages", {"query": "?"}),
            "webhook": ("", f"/triggers/webhook/{webhook.address}", {}),
            "mcp": ("", MCP, message("tools/call", name="Say", arguments={"q": "x"})),
        }
        for mode in ("blocking", "streaming", "async"):
            found[mode] = key, "/v1/workflows/run", INPUTS | {"response_mode": mode}
            found[f"{mode} chat"] = of_chat, "/v1/chat-messages", question | {"response_mode": mode}
        yield Server(tmp_path / "home", scene, found)


async def test_all_are_refused_in_time_and_none_begins_later(server: Server) -> None:
    before = await server.runs()
    server.waits(SOON)
    with server.locked():
        async with asyncio.timeout(PATIENCE):
            answers = await asyncio.gather(*(server.ask(kind) for kind in server.starts))
    server.waits(PATIENCE)

    found = {
        kind: (answer.status_code, answer.json()["code"], int(answer.headers["Retry-After"]) > 0)
        for kind, answer in zip(server.starts, answers, strict=True)
    }
    assert found == dict.fromkeys(server.starts, (503, "service_unavailable", True))
    told = {answer.json()["message"] for answer in answers}
    assert (
        "The run was not started: the record of runs takes no writes at the moment. Nothing of the run is kept." in told
    )
    # Those that a busy machine comes to behind three seconds.
    at_once = "The run was not started: the record could not be written within 3 s. Nothing of it is kept."
    assert len(told - {at_once}) == 1
    # What was asked for before is decided when one that was asked for later is.
    for kind in server.starts:
        assert (await server.started(kind)).status_code in (200, 202)
    assert await server.runs() == before + len(server.starts)


@pytest.mark.parametrize("kind", ["blocking", "streaming", "async", "blocking chat", "retry", "console run"])
async def test_one_that_was_refused_runs_once_however_often_it_is_repeated_with_its_key(
    server: Server, kind: str
) -> None:
    before, key = await server.runs(), {"Idempotency-Key": "one"}
    server.waits(SOON)
    with server.locked():
        refused = [await server.ask(kind, **key) for _ in range(2)]
    server.waits(PATIENCE)

    answers = [await server.started(kind, **key) for _ in range(3)]

    assert [answer.status_code for answer in refused] == [503, 503]
    assert [answer.status_code for answer in answers] == [answers[0].status_code] * 3
    assert ["Idempotency-Replayed" in answer.headers for answer in answers] == [False, True, True]
    assert await server.runs() == before + 1


async def test_once_the_record_is_known_to_take_no_writes_starts_are_refused_at_once(server: Server) -> None:
    with server.locked():
        async with asyncio.timeout(PATIENCE):
            while (await server.scene.assembly.upkeep.readiness.checks())["record"] == "ok":  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            # They may wait for longer than this test does.
            server.waits(10 * PATIENCE)
            answers = [await server.ask(kind) for kind in server.starts]
    assert {(answer.status_code, "Retry-After" in answer.headers) for answer in answers} == {(503, True)}
    assert "could not be written within" in answers[0].json()["message"]

    async with asyncio.timeout(PATIENCE):
        while (await server.ask("async")).status_code != 202:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def test_whatever_may_be_refused_as_a_start_goes_the_way_of_starts() -> None:
    # Most messages of MCP start nothing. Those that do go that way by themselves: the kind "mcp" above.
    refused = {operation.path for operation in OPERATIONS if {429, 503} <= {*operation.errors}} - {
        "/mcp/server/{code}/mcp"
    }
    assert {operation.path for operation in OPERATIONS if operation.starts} == refused
