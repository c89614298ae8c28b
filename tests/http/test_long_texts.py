"""Texts of megabytes, unchanged in every response, without blocking the event loop."""

import json
from typing import Any

import httpx
import pytest

from jikko.http.responses import list_response
from tests.effort import longest_turn
from tests.http.scene import RUN, body
from tests.runs.world import World

pytestmark = pytest.mark.anyio

TEXTS = {name: f'{name} "\u2028"\n界😀' * 200_000 for name in "abc"}


def told(stream: str) -> list[dict[str, Any]]:
    lines = [line.removeprefix("data: ") for line in stream.split("\n") if line.startswith("data: ")]
    return [json.loads(line) for line in lines]


async def ran(client: httpx.AsyncClient, mode: str) -> httpx.Response:
    answer = await client.post(RUN, json={**body(), "response_mode": mode})
    assert answer.status_code == 200, answer.text
    return answer


async def test_long_texts_are_told_as_they_are(client: httpx.AsyncClient, world: World) -> None:
    world.script.values.update(TEXTS)

    blocking = (await ran(client, "blocking")).json()
    streamed = told((await ran(client, "streaming")).text)
    path = f"{RUN}/{blocking['workflow_run_id']}"
    executions = (await client.get(f"{path}/node-executions")).json()["data"]
    log = (await client.get(f"{path}/events")).json()["data"]
    followed = told((await client.get(f"{path}/events", headers={"Accept": "text/event-stream"})).text)

    assert streamed[-1]["data"]["outputs"] == blocking["data"]["outputs"] == (await client.get(path)).json()["outputs"]
    assert list(blocking["data"]["outputs"].values()) == [TEXTS["c"]]
    ended = [each["data"] for each in streamed if each["event"] == "node_finished"]
    for nodes in (ended, executions, log, followed):
        found = {each["node_id"]: each["outputs"]["value"] for each in nodes if "value" in (each.get("outputs") or {})}
        assert found == TEXTS


@pytest.mark.serial
async def test_others_have_the_event_loop_while_a_list_of_them_is_made() -> None:
    entries = [{"outputs": {"value": f"{number}" + "\n" * 3_000_000}} for number in range(4)]

    longest, whole = min([await longest_turn(list_response(entries, lambda _, entry: entry)) for _ in range(3)])

    assert longest < whole / 3
