"""``Idempotency-Key`` on starts, as clients see it."""

import asyncio
from functools import partial

import httpx
import pytest

from jikko.repositories.app_store import App
from tests.http.scene import DESCRIPTION, RUN, body
from tests.runs.world import World

pytestmark = pytest.mark.anyio

KEY = {"Idempotency-Key": "order 17"}


async def test_a_blocking_start_that_is_repeated_has_the_same_answer(client: httpx.AsyncClient, world: World) -> None:
    first = await client.post(RUN, json=body(q="x"), headers=KEY)
    second = await client.post(RUN, json=body(q="x"), headers=KEY)

    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json() == second.json()
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert world.script.ran["a"] == 1


async def test_two_starts_at_once_are_one_run(client: httpx.AsyncClient, world: World) -> None:
    answers = await asyncio.gather(*[client.post(RUN, json=body(q="x"), headers=KEY) for _ in range(10)])

    assert len({answer.json()["workflow_run_id"] for answer in answers}) == 1
    assert {answer.json()["data"]["status"] for answer in answers} == {"succeeded"}
    assert world.script.ran["a"] == 1


async def test_a_stream_that_is_repeated_shows_the_run_from_its_beginning(client: httpx.AsyncClient) -> None:
    first = await client.post(RUN, json=body("streaming", q="x"), headers=KEY)
    second = await client.post(RUN, json=body("streaming", q="x"), headers=KEY)

    assert '"event":"workflow_started"' in first.text
    assert first.text == second.text


async def test_an_async_start_that_is_repeated_tells_the_same_run(client: httpx.AsyncClient) -> None:
    first = await client.post(RUN, json=body("async", q="x"), headers=KEY)
    second = await client.post(RUN, json=body("async", q="x"), headers=KEY)

    assert (first.status_code, second.status_code) == (202, 202)
    assert first.headers["location"] == second.headers["location"]


@pytest.mark.parametrize("other", [body(q="y"), body("streaming", q="x"), {**body(q="x"), "user": "ben"}])
async def test_another_body_with_the_key_is_a_conflict(client: httpx.AsyncClient, other: dict[str, object]) -> None:
    await client.post(RUN, json=body(q="x"), headers=KEY)

    answer = await client.post(RUN, json=other, headers=KEY)

    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")


async def test_another_version_with_the_key_is_a_conflict(client: httpx.AsyncClient, app: App) -> None:
    first = await client.post(RUN, json=body(q="x"), headers=KEY)
    assert first.status_code == 200

    answer = await client.post(f"/v1/workflows/{app.workflow_id}/run", json=body(q="x"), headers=KEY)

    assert answer.status_code == 409


async def test_a_retry_that_is_repeated_is_one_run(client: httpx.AsyncClient, world: World) -> None:
    world.script.failing = {"b"}
    run = (await client.post(RUN, json=body(q="x"))).json()["workflow_run_id"]
    world.script.failing = set()

    retry = partial(client.post, json={"user": "anna"}, headers=KEY)
    first = await retry(f"{RUN}/{run}/retry")
    again = await retry(f"{RUN}/{run.upper()}/retry")
    await world.store.remove(run)
    after_the_run_is_gone = await retry(f"{RUN}/{run}/retry")

    assert first.json() == again.json() == after_the_run_is_gone.json()
    assert world.script.ran["b"] == 2


@pytest.mark.parametrize("key", ["", "x" * 256])
async def test_a_key_that_is_none_is_refused(client: httpx.AsyncClient, key: str) -> None:
    answer = await client.post(RUN, json=body(q="x"), headers={"Idempotency-Key": key})

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_param")


def test_the_description_says_which_requests_take_a_key() -> None:
    taking = {
        (method, path)
        for path, operations in DESCRIPTION["paths"].items()
        for method, operation in operations.items()
        if any(parameter["name"] == "Idempotency-Key" for parameter in operation.get("parameters", ()))
    }

    assert taking == {
        ("post", "/v1/chat-messages"),
        ("post", "/v1/completion-messages"),
        ("post", "/v1/chat/completions"),
        ("post", "/v1/responses"),
        ("post", "/ag-ui/{app}"),
        ("post", "/v1/workflows/run"),
        ("post", "/v1/workflows/{workflow_id}/run"),
        ("post", "/v1/workflows/run/{workflow_run_id}/retry"),
        ("post", "/triggers/webhook/{address}"),  # the sender's id of the call
    }
