"""Clients' view of runs parked by a stopping server."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from jikko.repositories.app_store import App
from tests.http.scene import RUN, body, client_of
from tests.runs.world import PATIENCE, Process, World

pytestmark = pytest.mark.anyio

PARKED = {
    "code": "service_unavailable",
    "message": "The server is shutting down; the run continues when it is back.",
    "status": 503,
}


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    world.script.held = {"b"}
    yield world
    world.script.release("b")
    await world.close()


@pytest.fixture
def process(world: World) -> Process:
    return world.process()


@pytest.fixture
async def client(world: World, app: App, process: Process) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(world, app, process) as client:
        yield client


async def at_b(world: World) -> str:
    """Wait until a run is at ``b``. Returns its id."""
    async with asyncio.timeout(PATIENCE):
        while "b" not in world.script.order:
            await world.script.move()
    [record] = await world.store.scan()
    return record.identity.run_id


async def asked(world: World, process: Process, request: Any) -> tuple[str, httpx.Response]:
    """A run and the answer to its client, when the server stops in the middle."""
    async with asyncio.TaskGroup() as group:
        answer = group.create_task(request)
        run = await at_b(world)
        await process.runs.close(0)
    return run, answer.result()


def last_message(answer: httpx.Response) -> Any:
    return json.loads(answer.text.rstrip("\n").rpartition("data: ")[2])


async def test_a_blocking_start_names_the_run_that_was_accepted(
    client: httpx.AsyncClient, world: World, process: Process
) -> None:
    run, answer = await asked(world, process, client.post(RUN, json=body(q="x")))

    record = await world.store.record(run)
    assert record is not None
    assert answer.status_code == 503
    assert answer.json() == PARKED | {"workflow_run_id": run, "task_id": record.identity.task_id}
    assert answer.headers["location"] == f"{RUN}/{run}"
    assert "retry-after" not in answer.headers


async def test_a_stream_ends_with_an_error(client: httpx.AsyncClient, world: World, process: Process) -> None:
    run, answer = await asked(world, process, client.post(RUN, json=body("streaming", q="x")))

    assert last_message(answer) == {"event": "error", "workflow_run_id": run, **PARKED}


async def test_so_does_the_stream_of_who_attached(client: httpx.AsyncClient, world: World, process: Process) -> None:
    run = (await client.post(RUN, json=body("async", q="x"))).json()["workflow_run_id"]
    _, answer = await asked(world, process, client.get(f"/v1/workflow/{run}/events?user=anna"))

    assert last_message(answer) == {"event": "error", "workflow_run_id": run, **PARKED}


async def test_the_log_just_ends_behind_what_is_durable(
    client: httpx.AsyncClient, world: World, process: Process
) -> None:
    headers = {"Accept": "text/event-stream"}
    run = (await client.post(RUN, json=body("async", q="x"))).json()["workflow_run_id"]
    _, answer = await asked(world, process, client.get(f"{RUN}/{run}/events", headers=headers))

    seen = [int(line[4:]) for line in answer.text.split("\n") if line.startswith("id: ")]
    assert seen == list(range(len(await world.store.events(run))))


async def test_what_comes_when_the_server_stops_is_refused_with_a_time_to_try_again(
    client: httpx.AsyncClient, process: Process
) -> None:
    await process.runs.close(0)

    answer = await client.post(RUN, json=body("blocking"))

    assert (answer.status_code, answer.json()["code"]) == (503, "service_unavailable")
    assert "shutting down and accepted nothing" in answer.json()["message"]
    assert int(answer.headers["retry-after"]) > 0
