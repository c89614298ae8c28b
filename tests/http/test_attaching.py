"""Listening to a run that somebody else started, as clients see it."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from jikko.assemble import assemble
from jikko.http.app import create_app
from jikko.record import RunRecord
from jikko.settings import Settings
from tests.acceptance.workflows import end, form, node, start
from tests.http.scene import RUN, Listener, api_of, body, client_of
from tests.runs.held_store import HeldStore
from tests.runs.world import PATIENCE, World, until

pytestmark = pytest.mark.anyio

WAYS = ["", "&include_state_snapshot=true", "&include_state_snapshot=true&continue_on_pause=true"]


def messages(answer: httpx.Response) -> list[dict[str, Any]]:
    return [json.loads(line[6:]) for line in answer.text.split("\n") if line.startswith("data: ")]


async def held(client: httpx.AsyncClient, world: World) -> str:
    """A run that waits at ``b``."""
    world.script.held = {"b"}
    run: str = (await client.post(RUN, json=body("async", q="x"))).json()["workflow_run_id"]
    async with asyncio.timeout(PATIENCE):
        while "b" not in world.script.order:
            await world.script.move()
    return run


@pytest.mark.parametrize("way", WAYS)
async def test_a_run_that_ends_while_a_client_attaches_is_told_to_its_end(
    client: httpx.AsyncClient, world: World, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    run = await held(client, world)
    read = world.store.record

    async def read_too_early(run_id: str, app_id: str) -> RunRecord | None:
        record = await read(run_id, app_id)
        monkeypatch.undo()
        world.script.release("b")
        await world.ended(run_id)
        return record

    monkeypatch.setattr(world.store, "record", read_too_early)

    seen = messages(await client.get(f"/v1/workflow/{run}/events?user=anna{way}"))

    assert seen[-1]["event"] == "workflow_finished"
    assert seen[-1]["data"]["outputs"] == {"out": "c"}


class FromHeaders(Listener):
    """A client that lets the run go on once it has the headers."""

    world: World

    async def _send(self, message: Any) -> None:
        await super()._send(message)
        if message["type"] == "http.response.start":
            self.world.script.release("b")
            await until(lambda: self.world.script.ran["c"] == 1)


@pytest.mark.parametrize("way", WAYS)
async def test_what_a_run_does_once_a_client_has_the_headers_is_told(way: str) -> None:
    world = World()
    app = await world.chain()
    process = world.process()
    api = api_of(world, process)
    application, key = create_app(api), await api.app_keys.issue(app.id)
    world.script.held = {"b"}
    run = await process.start(app)
    run_id = run.record.identity.run_id
    await until(lambda: world.script.ran["b"] == 1)
    await run.committed()

    client = FromHeaders(application, key, "GET", f"/v1/workflow/{run_id}/events?user=anna{way}")
    client.world = world
    await client.served

    told = [
        json.loads(line[6:])["data"]["node_id"]
        for line in client.received.decode().splitlines()
        if '"event":"node_finished"' in line
    ]
    assert told[-3:] == ["b", "c", "end"]
    await world.close()


async def test_a_client_is_told_the_end_of_a_run_whose_new_log_is_shorter_than_what_it_was_shown() -> None:
    store = HeldStore()
    world = World(store)
    app = await world.chain()
    process = world.process()
    api = api_of(world, process)
    application, key = create_app(api), await api.app_keys.issue(app.id)
    run = await process.start(app)
    run_id = run.record.identity.run_id
    world.script.held = {"c"}
    await until(lambda: world.script.ran["c"] == 1)
    await run.committed()
    client = Listener(application, key, "GET", f"/v1/workflow/{run_id}/events?user=anna")
    await until(lambda: b"ping" in client.received)
    # What is shown now is text: it tells no result, and need not be on the disk.
    store.hold()
    world.script.says = {"c": [f"piece {number} " for number in range(50)]}
    world.script.release("c")
    await until(lambda: b"piece 49" in client.received)

    world.script.says, world.script.failing = {}, {"c"}
    taking_over = asyncio.ensure_future(world.process().runs.control.take_over())
    await until(lambda: store.held == 2)
    store.release(newest_first=True)
    await taking_over
    ended = await world.ended(run_id)
    async with asyncio.timeout(PATIENCE):
        await client.served

    assert len(await store.events(run_id)) < len(run.events)
    last = json.loads(client.received.strip().split(b"\n\n")[-1].removeprefix(b"data: "))
    assert (last["event"], last["data"]["status"]) == ("workflow_finished", ended.status)
    assert client.received.count(b'"workflow_finished"') == 1
    await world.close()


async def submit_from(client: httpx.AsyncClient, reason: dict[str, Any]) -> None:
    filled = {"inputs": {"comment": "良い"}, "action": "yes", "user": "anna"}
    assert (await client.post(f"/v1/form/human_input/{reason['form_token']}", json=filled)).status_code == 200


@pytest.fixture
async def waiting() -> AsyncIterator[tuple[World, httpx.AsyncClient, str]]:
    """A client, and a run that has asked for a form while its node ``b`` still goes on."""
    world = World()
    nodes = [start("q"), form("ask", "?"), node("b", "code", value="b"), end(said="ask.comment")]
    app = await world.app("Asks", nodes, "start>ask start>b ask:yes>end")
    world.script.held = {"b"}
    async with client_of(world, app) as client:
        run = (await client.post(RUN, json=body("async"))).json()["workflow_run_id"]
        await until(lambda: world.script.ran["b"] == 1)
        yield world, client, run
    await world.close()


async def test_one_that_comes_without_a_snapshot_is_told_at_a_pause_what_the_run_waits_for(
    waiting: tuple[World, httpx.AsyncClient, str],
) -> None:
    world, client, run = waiting
    attached = asyncio.ensure_future(client.get(f"/v1/workflow/{run}/events?user=anna"))
    await asyncio.sleep(0)
    world.script.release("b")

    seen = messages(await attached)

    assert seen[-1]["event"] == "workflow_paused"
    assert [reason["node_id"] for reason in seen[-1]["data"]["reasons"]] == ["ask"]
    assert "workflow_finished" not in [message["event"] for message in seen]


async def test_one_that_wants_to_stay_is_told_all_behind_the_pause_too(
    waiting: tuple[World, httpx.AsyncClient, str],
) -> None:
    world, client, run = waiting
    world.script.release("b")
    await world.until(run, lambda record: record.status == "paused")
    [snapshot] = [
        message["data"]
        for message in messages(await client.get(f"/v1/workflow/{run}/events?user=anna&include_state_snapshot=true"))
        if message["event"] == "workflow_paused"
    ]

    stays = asyncio.ensure_future(client.get(f"/v1/workflow/{run}/events?user=anna&continue_on_pause=true"))
    await asyncio.sleep(0)
    await submit_from(client, snapshot["reasons"][0])
    async with asyncio.timeout(PATIENCE):
        seen = messages(await stays)

    events = [message["event"] for message in seen]
    assert events[-1] == "workflow_finished"
    assert "human_input_form_filled" in events
    assert seen[-1]["data"]["outputs"] == {"said": "良い"}


@pytest.mark.parametrize("path", ["/v1/workflows/run/{}/events", "/v1/workflow/{}/events?user=anna" + WAYS[2]])
async def test_behind_a_pause_each_event_is_told_when_it_happens(tmp_path: Path, path: str) -> None:
    world = World.on_disk(tmp_path)
    nodes = [start("q"), form("ask", "?"), node("one", "code"), node("two", "code"), end(out="two.value")]
    app = await world.app("Asks", nodes, "start>ask ask:yes>one one>two two>end")
    process = world.process()
    run = await process.start(app)
    await run.ended()
    run_id = run.record.identity.run_id
    api = api_of(world, process)
    client = Listener(create_app(api), await api.app_keys.issue(app.id), "GET", path.format(run_id))
    await until(lambda: b"ping" in client.received and process.log(run_id) is None)
    # It has seen all that there is, and waits.
    await until(lambda: any(tail._waiting for tail, _ in process.runs.control._tails.followed.values()))
    world.script.held, before = {"two"}, len(client.received)

    await process.submit(run, "yes")

    await until(lambda: client.received[before:].count(b'"node_id":"two"') > 0)
    assert b"_finished" not in client.received[before:].split(b'"node_id":"two"')[-1]
    world.script.release("two")
    await client.served
    await world.close()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("mode", "more", "expected"),
    [
        ("chat", {}, ["message_replace", "message_end"]),
        ("completion", {}, ["message_replace", "message_end"]),
        ("agent-chat", {}, ["message_replace", "message_end"]),
        ("agent-chat", {"agent_mode": {"enabled": True}}, ["error"]),  # it names no strategy
    ],
)
async def test_a_client_that_comes_when_an_app_without_a_workflow_has_answered_gets_the_messages_of_such_apps(
    tmp_path: Path, mode: str, more: dict[str, Any], expected: list[str], way: str
) -> None:
    model = {"provider": "openai", "name": "gpt-4o", "mode": "chat", "completion_params": {}}
    config = {"model": model, "pre_prompt": "木曜日", **more}
    source = json.dumps({"app": {"name": "あ", "mode": mode}, "model_config": config}).encode()
    async with assemble(Settings(home=tmp_path, fake_models=True), in_memory=True, environment={}) as assembly:
        published = await assembly.apps.publish(source, source="test")
        key = await assembly.app_keys.issue(published.app.id)
        transport = httpx.ASGITransport(create_app(assembly))
        headers = {"Authorization": f"Bearer {key}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://jikko", headers=headers) as client:
            path = "/v1/completion-messages" if mode == "completion" else "/v1/chat-messages"
            question = {"query": "何曜日?", "inputs": {}, "user": "anna", "response_mode": "streaming"}
            seen = messages(await client.post(path, json=question))
            [record] = await assembly.store.scan(app_id=published.app.id)
            late = messages(await client.get(f"/v1/workflow/{record.identity.run_id}/events?user=anna{way}"))

    assert [event["event"] for event in late] == expected
    assert late[-1] == seen[-1]
    said = "".join(event["answer"] for event in seen if event["event"] in ("message", "agent_message"))
    assert [event["answer"] for event in late[:-1]] == [said for _ in late[:-1]]
