"""``callback_url`` on starts, as clients see it."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.http.scene import RUN, body
from tests.runs.world import World
from tests.store.in_memory import CallbacksInMemory, RunsInMemory

pytestmark = pytest.mark.anyio

URL = "https://example.com/hook"


@pytest.fixture
def store() -> RunsInMemory:
    return RunsInMemory()


@pytest.fixture
async def world(store: RunsInMemory) -> AsyncIterator[World]:
    world = World(store)
    yield world
    await world.close()


async def addresses(store: RunsInMemory) -> list[str]:
    """Those that are to be called for runs."""
    callbacks = CallbacksInMemory(store)
    found = [await callbacks.find(record.identity.run_id) for record in await store.scan()]
    return [each.url for each in found if each is not None]


@pytest.mark.parametrize("mode", ["async", "blocking", "streaming"])
async def test_a_start_may_name_an_address(client: httpx.AsyncClient, store: RunsInMemory, mode: str) -> None:
    answer = await client.post(RUN, json={**body(mode), "callback_url": URL})

    assert answer.status_code in (200, 202)
    assert await addresses(store) == [URL]


@pytest.mark.parametrize("url", ["", "nowhere", "file:///etc/passwd", 7, {}])
async def test_an_address_that_is_none_is_refused(client: httpx.AsyncClient, store: RunsInMemory, url: object) -> None:
    answer = await client.post(RUN, json={**body("async"), "callback_url": url})

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_param")
    assert await addresses(store) == []


async def test_null_stands_for_none(client: httpx.AsyncClient, store: RunsInMemory) -> None:
    answer = await client.post(RUN, json={**body("async"), "callback_url": None})

    assert answer.status_code == 202
    assert await addresses(store) == []
