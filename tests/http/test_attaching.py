"""Listening to a run that somebody else started, as clients see it."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from jikko.record import RunRecord
from tests.http.scene import RUN, body
from tests.runs.world import PATIENCE, World

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
        world.script.let_go("b")
        await world.ended(run_id)
        return record

    monkeypatch.setattr(world.store, "record", read_too_early)

    told = messages(await client.get(f"/v1/workflow/{run}/events?user=anna{way}"))

    assert told[-1]["event"] == "workflow_finished"
    assert told[-1]["data"]["outputs"] == {"out": "c"}
