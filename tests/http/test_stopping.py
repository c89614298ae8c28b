"""Stopping a run, by its task id and by its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from benchmarks.hot_paths import calls

from jikko.ports.app_store import App
from tests.http.scene import RUN, body, client_of
from tests.runs.world import World, until

pytestmark = pytest.mark.anyio

TASK = "/v1/workflows/tasks"
NOTHING = "0199a1b2-0000-4000-8000-000000000000"
ASKER = {"user": "anna"}


@pytest.fixture
async def client(world: World, app: App) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a process that runs one run at once."""
    async with client_of(world, app, world.process(at_once=1)) as client:
        yield client


async def test_by_task_id_the_answer_says_that_a_run_was_stopped(client: httpx.AsyncClient, world: World) -> None:
    world.script.held = {"a"}
    running, waiting = [(await client.post(RUN, json=body("async"))).json() for _ in range(2)]
    await until(lambda: world.script.ran["a"] == 1)

    answers = [await client.post(f"{TASK}/{run['task_id']}/stop", json=ASKER) for run in (waiting, running)]

    assert [answer.json() for answer in answers] == [{"result": "success", "stopped": True}] * 2
    assert {(await world.ended(run["workflow_run_id"])).status for run in (running, waiting)} == {"stopped"}


async def test_by_task_id_the_answer_is_that_of_dify_if_nothing_was_stopped(client: httpx.AsyncClient) -> None:
    ended = (await client.post(RUN, json=body())).json()["task_id"]

    answers = [await client.post(f"{TASK}/{task}/stop", json=ASKER) for task in (ended, NOTHING, "no id")]

    assert [answer.json() for answer in answers] == [{"result": "success"}] * 3


async def test_by_run_id_the_answer_says_whether_the_run_was_stopped(client: httpx.AsyncClient, world: World) -> None:
    ended = (await client.post(RUN, json=body())).json()["workflow_run_id"]
    world.script.held = {"a"}
    running = (await client.post(RUN, json=body("async"))).json()["workflow_run_id"]

    answers = [await client.post(f"{RUN}/{run}/stop", json=ASKER) for run in (running, ended)]

    assert [answer.json()["stopped"] for answer in answers] == [True, False]


async def test_what_it_costs_to_find_a_run_does_not_grow_with_the_runs_of_the_process(tmp_path: Path) -> None:
    world = World.on_disk(tmp_path)
    app, process = await world.chain(), world.process(at_once=1)
    world.script.held = {"a"}

    async def stop_nothing() -> bytes:
        assert not await process.runs.control.stop(app.id, NOTHING, "anna")
        return b""

    await process.start(app)
    before = await calls(stop_nothing, 1)
    for _ in range(500):
        await process.start(app)

    assert await calls(stop_nothing, 1) == before
    await world.close()
