"""Runs with corrupt logs, as seen by clients."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from jikko.repositories.app_store import App
from tests.http.scene import RUN, body, client_of
from tests.runs.damage import WAYS, Damage, damage
from tests.runs.world import World, until

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("world", ["disk"], indirect=True)]

STREAM = {"Accept": "text/event-stream"}


@pytest.fixture(params=list(WAYS.values()), ids=list(WAYS))
def way(request: pytest.FixtureRequest) -> Damage:
    found: Damage = request.param
    return found


def last(answer: httpx.Response) -> dict[str, Any]:
    """The last message of a stream that ended in good order."""
    frames = [frame for frame in answer.text.split("\n\n") if "data: " in frame]
    found: dict[str, Any] = json.loads(frames[-1].partition("data: ")[2])
    return found


async def forgotten(world: World, run_id: str) -> None:
    """Wait until a run has ended, and nothing of it is in memory any more."""
    await world.ended(run_id)
    await until(lambda: all(process.log(run_id) is None for process in world.processes))


async def ended(world: World, client: httpx.AsyncClient, folder: Path, way: Damage) -> str:
    """A damaged run that has succeeded."""
    run_id: str = (await client.post(RUN, json=body(q="日本🙂"))).json()["workflow_run_id"]
    await forgotten(world, run_id)
    damage(folder, run_id, way)
    return run_id


async def test_its_detail_is_read_and_its_log_as_far_as_it_can_be(
    world: World, client: httpx.AsyncClient, tmp_path: Path, way: Damage
) -> None:
    run_id = await ended(world, client, tmp_path, way)

    detail = await client.get(f"{RUN}/{run_id}")
    log = await client.get(f"{RUN}/{run_id}/events")
    nodes = await client.get(f"{RUN}/{run_id}/node-executions")

    assert (detail.status_code, detail.json()["status"]) == (200, "succeeded")
    for answer in (log, nodes):
        assert (answer.status_code, answer.json()["code"]) == (503, "service_unavailable")
        assert "is damaged" in answer.json()["message"]
        assert "retry the run" in answer.json()["message"]
        assert str(tmp_path) not in answer.text, "where the database is concerns no client"
    assert [event["id"] for event in log.json()["data"]] == list(range(len(log.json()["data"])))
    if log.json()["data"]:
        assert log.json()["data"][0]["inputs"] == {"q": "日本🙂"}
    for execution in nodes.json()["data"]:
        answer = await client.get(f"{RUN}/{run_id}/node-executions/{execution['id']}")
        assert answer.json() == execution


async def test_streams_of_it_end_with_an_error(
    world: World, client: httpx.AsyncClient, tmp_path: Path, way: Damage
) -> None:
    run_id = await ended(world, client, tmp_path, way)

    answer = await client.get(f"{RUN}/{run_id}/events", headers=STREAM)

    assert answer.status_code == 200
    assert (last(answer)["event"], last(answer)["code"], last(answer)["status"]) == (
        "error",
        "service_unavailable",
        503,
    )
    assert "is damaged" in last(answer)["message"]
    assert str(tmp_path) not in answer.text
    attached = await client.get(f"/v1/workflow/{run_id}/events?user=anna")
    assert (last(attached)["event"], last(attached)["data"]["status"]) == ("workflow_finished", "succeeded")


@pytest.mark.usefixtures("soon_out_of_reach")
@pytest.mark.parametrize("snapshot", ["", "&include_state_snapshot=true"])
async def test_streams_of_one_that_no_process_has_end_with_an_error(
    world: World, app: App, tmp_path: Path, way: Damage, snapshot: str
) -> None:
    process = world.process()
    world.script.held = {"b"}
    run_id = (await process.start(app)).record.identity.run_id
    await until(lambda: "b" in world.script.order)
    await process.die()
    world.script.held = set()
    damage(tmp_path, run_id, way)
    async with client_of(world, app) as client:
        for address in (f"{RUN}/{run_id}/events?", f"/v1/workflow/{run_id}/events?user=anna{snapshot}"):
            answer = await client.get(address, headers=STREAM)
            assert (answer.status_code, last(answer)["event"]) == (200, "error")
        stopped = await client.post(f"{RUN}/{run_id}/stop", json={"user": "anna"})
        assert stopped.json() == {"result": "success", "stopped": True}
        retried = await client.post(f"{RUN}/{run_id}/retry", json={"user": "anna"})
        assert retried.status_code == 200


@pytest.mark.parametrize("mode", ["blocking", "streaming", "async"])
async def test_a_repeated_start_is_answered_from_its_record(
    client: httpx.AsyncClient, world: World, tmp_path: Path, way: Damage, mode: str
) -> None:
    key = {"Idempotency-Key": "鍵".encode().hex()}
    first = await client.post(RUN, json=body(mode), headers=key)
    run_id = (last(first) if mode == "streaming" else first.json())["workflow_run_id"]
    await forgotten(world, run_id)
    damage(tmp_path, run_id, way)

    again = await client.post(RUN, json=body(mode), headers=key)

    if mode == "streaming":
        assert (again.status_code, last(again)["event"]) == (200, "error")
    else:
        assert again.status_code == first.status_code
        assert again.json()["workflow_run_id"] == run_id
