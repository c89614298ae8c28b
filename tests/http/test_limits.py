"""Limits, as clients see them."""

import asyncio
import json
import re

import pytest

from jikko.http.operation import Operation
from jikko.http.reference.openapi import OPERATIONS
from tests.http.scene import RUN, body, client_of
from tests.runs.world import World, until

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("mode", ["async", "streaming", "blocking"])
async def test_a_full_queue_is_429_with_the_time_to_come_again(world: World, mode: str) -> None:
    app, process = await world.chain(), world.process(at_once=1, queued_per_app=1)
    world.script.held = {"a"}
    async with client_of(world, app, process) as client:
        for _ in range(2):
            assert (await client.post(RUN, json=body("async"))).status_code == 202

        answer = await client.post(RUN, json=body(mode))

    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_requests")
    assert int(answer.headers["retry-after"]) >= 1


async def test_a_run_that_waits_is_told_as_running_and_can_be_stopped(world: World) -> None:
    app, process = await world.chain(), world.process(at_once=1)
    world.script.held = {"a"}
    async with client_of(world, app, process) as client:
        await client.post(RUN, json=body("async"))
        waiting = (await client.post(RUN, json=body("async"))).json()

        detail = (await client.get(f"{RUN}/{waiting['workflow_run_id']}")).json()
        stopped = await client.post(f"{RUN}/{waiting['workflow_run_id']}/stop", json={"user": "anna"})
        record = await world.ended(waiting["workflow_run_id"])

    assert (detail["status"], detail["total_steps"]) == ("running", 0)
    assert stopped.json() == {"result": "success", "stopped": True}
    assert record.status == "stopped"


async def test_a_blocking_start_that_waits_answers_with_its_end(world: World) -> None:
    app, process = await world.chain(), world.process(at_once=1)
    world.script.held = {"a"}
    async with client_of(world, app, process) as client:
        await client.post(RUN, json=body("async"))
        await until(lambda: world.script.ran["a"] == 1)
        world.script.release("a")

        answer = await client.post(RUN, json=body())

    assert answer.json()["data"]["status"] == "succeeded"


async def test_a_stream_that_waited_tells_when_its_run_was_created(world: World) -> None:
    app, process = await world.chain(), world.process(at_once=1)
    world.script.held = {"a"}
    created_at = int(world.now)
    async with client_of(world, app, process) as client, asyncio.TaskGroup() as group:
        await client.post(RUN, json=body("async"))
        waiting = group.create_task(client.post(RUN, json=body("streaming")))
        await until(lambda: len(process.runs.executor._held) == 2)
        world.now += 3600
        world.script.release("a")

    end = json.loads(waiting.result().text.rstrip("\n").rpartition("data: ")[2])
    assert end["event"] == "workflow_finished"
    assert (end["data"]["created_at"], end["data"]["finished_at"]) == (created_at, created_at + 3600)


async def test_a_request_that_finds_nothing_counts_once(world: World) -> None:
    app = await world.chain()
    async with client_of(world, app, requests_per_minute=2) as client:
        answers = [await client.get(f"{RUN}/0199a1b2-0000-7000-8000-000000000000") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [404, 404, 429]


async def test_more_requests_a_minute_than_a_key_may_make_are_429(world: World) -> None:
    app = await world.chain()
    async with client_of(world, app, requests_per_minute=3) as client:
        answers = [await client.get("/v1/info") for _ in range(4)]
        open_to_all = await client.get("/health")

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[3].json()["code"] == "too_many_requests"
    assert 1 <= int(answers[3].headers["retry-after"]) <= 60
    assert open_to_all.status_code == 200


@pytest.mark.parametrize(
    "operation",
    [operation for operation in OPERATIONS if not operation.open and operation.key == "app"],
    ids=lambda operation: f"{operation.method} {operation.path}",
)
async def test_the_limit_counts_every_operation_that_needs_a_key(world: World, operation: Operation) -> None:
    app, process = await world.chain(), world.process()
    run = (await process.start(app)).record.identity.run_id
    await world.ended(run)
    path = re.sub(r"{\w+}", run, operation.path)
    async with client_of(world, app, process, requests_per_minute=1) as client:
        first, second = [await client.request(operation.method, path, json=body()) for _ in range(2)]

    assert first.status_code != 429
    assert second.status_code == 429
