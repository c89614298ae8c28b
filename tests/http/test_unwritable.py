"""Runs with unwritable logs, as seen by clients."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.http.scene import RUN, body
from tests.runs.picky_store import PickyStore, is_no_result
from tests.runs.world import World

pytestmark = pytest.mark.anyio

WHY = "The log of the run cannot be written: ZeroDivisionError. See the log of the server."


@pytest.fixture
def store() -> PickyStore:
    return PickyStore(is_no_result, at_once=False)


@pytest.fixture
async def world(store: PickyStore) -> AsyncIterator[World]:
    world = World(store)
    yield world
    await world.close()


def last_message(answer: httpx.Response) -> Any:
    return [json.loads(line[6:]) for line in answer.text.split("\n") if line.startswith("data: ")][-1]


async def test_a_client_that_waits_is_told_that_the_run_failed(client: httpx.AsyncClient) -> None:
    blocking = (await client.post(RUN, json=body("blocking"))).json()
    streaming = last_message(await client.post(RUN, json=body("streaming")))

    assert streaming["event"] == "workflow_finished"
    for last in (blocking, streaming):
        assert (last["data"]["status"], last["data"]["error"]) == ("failed", WHY)
        detail = (await client.get(f"{RUN}/{last['workflow_run_id']}")).json()
        assert (detail["status"], detail["error"]) == ("failed", WHY)


async def test_so_is_he_if_nothing_of_it_can_be_written(store: PickyStore, client: httpx.AsyncClient) -> None:
    store.takes = lambda event: False
    blocking = await client.post(RUN, json=body("blocking"))
    streaming = last_message(await client.post(RUN, json=body("streaming")))

    assert (blocking.status_code, blocking.json()["message"]) == (500, WHY)
    assert (streaming["event"], streaming["status"], streaming["message"]) == ("error", 500, WHY)
