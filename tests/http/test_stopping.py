"""Stopping a run, by its task id and by its own."""

import gzip
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from benchmarks.hot_paths import calls

from jikko.repositories.app_store import App
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


async def test_by_task_id_the_answer_to_a_stop_tells_nothing_else_whatever_was_stopped(
    client: httpx.AsyncClient, world: World
) -> None:
    ended = (await client.post(RUN, json=body())).json()["task_id"]
    world.script.held = {"a"}
    running, waiting = [(await client.post(RUN, json=body("async"))).json() for _ in range(2)]
    await until(lambda: world.script.ran["a"] == 2)
    open_runs = [running["task_id"], waiting["workflow_run_id"]]
    tasks = [ended, NOTHING, "no id", "日本 🌸", *open_runs, *open_runs]

    answers = [await client.post(f"{TASK}/{task}/stop", json={"user": "somebody else"}) for task in tasks]

    assert {answer.content for answer in answers} == {b'{"result":"success"}'}
    assert {answer.status_code for answer in answers} == {200}
    assert {(await world.ended(run["workflow_run_id"])).status for run in (running, waiting)} == {"stopped"}


REFUSED_STOPS: dict[str, tuple[dict[str, Any], int, str]] = {
    "no user": ({"json": {}}, 400, "invalid_param"),
    "an empty user": ({"json": {"user": ""}}, 400, "invalid_param"),
    "a user that is none": ({"json": {"user": ["x"]}}, 400, "invalid_param"),
    "no body": ({"headers": {"Content-Type": "application/json"}}, 400, "bad_request"),
    "compressed": (
        {
            "content": gzip.compress(b'{"user": "x"}'),
            "headers": {"Content-Type": "application/json", "Content-Encoding": "gzip"},
        },
        *(415, "unsupported_media_type"),
    ),
    "broken, and not compressed": (
        {"content": '{"user": ', "headers": {"Content-Type": "application/json", "Content-Encoding": "utf-8"}},
        *(400, "bad_request"),
    ),
    "no type": ({}, 415, "unsupported_media_type"),
    "no JSON": ({"content": "user=x", "headers": {"Content-Type": "text/plain"}}, 415, "unsupported_media_type"),
}


@pytest.mark.parametrize("case", REFUSED_STOPS)
async def test_a_stop_without_a_user_stops_nothing(client: httpx.AsyncClient, world: World, case: str) -> None:
    given, status, code = REFUSED_STOPS[case]
    world.script.held = {"a"}
    running = (await client.post(RUN, json=body("async"))).json()

    for task in (running["task_id"], NOTHING):
        answer = await client.post(f"{TASK}/{task}/stop", **given)
        assert (answer.status_code, answer.json()["code"]) == (status, code)

    world.script.release("a")
    assert (await world.ended(running["workflow_run_id"])).status == "succeeded"


async def test_a_run_of_another_app_is_not_stopped_and_nobody_learns_of_it(
    world: World, client: httpx.AsyncClient
) -> None:
    world.script.held = {"a"}
    running = (await client.post(RUN, json=body("async"))).json()

    async with client_of(world, await world.chain("Other")) as other:
        answer = await other.post(f"{TASK}/{running['task_id']}/stop", json=ASKER)

    world.script.release("a")
    assert answer.json() == {"result": "success"}
    assert (await world.ended(running["workflow_run_id"])).status == "succeeded"


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

    # The loop may turn once more or less; a look at each run would be 500 calls at the least.
    assert await calls(stop_nothing, 1) < before + 100
    await world.close()


async def test_the_nodes_that_were_under_way_count_as_stopped(client: httpx.AsyncClient, world: World) -> None:
    world.script.held = {"b"}
    run = (await client.post(RUN, json=body("async"))).json()["workflow_run_id"]
    await until(lambda: world.script.ran["b"] == 1)

    await client.post(f"{RUN}/{run}/stop", json=ASKER)
    await world.ended(run)

    executions = (await client.get(f"{RUN}/{run}/node-executions")).json()["data"]
    assert [(each["node_id"], each["status"]) for each in executions] == [
        ("start", "succeeded"),
        ("a", "succeeded"),
        ("b", "stopped"),
    ]
