"""``callback_url`` on starts, as clients see it."""

from collections.abc import AsyncIterator

import httpx
import pytest

from jikko.store.memory import MemoryRunStore
from tests.http.scene import RUN, body
from tests.runs.world import World

pytestmark = pytest.mark.anyio

URL = "https://example.com/hook"


@pytest.fixture
def store() -> MemoryRunStore:
    return MemoryRunStore()


@pytest.fixture
async def world(store: MemoryRunStore) -> AsyncIterator[World]:
    world = World(store)
    yield world
    await world.close()


@pytest.mark.parametrize("mode", ["async", "blocking", "streaming"])
async def test_a_start_may_name_an_address(client: httpx.AsyncClient, store: MemoryRunStore, mode: str) -> None:
    answer = await client.post(RUN, json={**body(mode), "callback_url": URL})

    assert answer.status_code in (200, 202)
    assert [entry.url for entry in store.callbacks.values()] == [URL]


@pytest.mark.parametrize("url", ["", "nowhere", "file:///etc/passwd", 7, {}])
async def test_an_address_that_is_none_is_refused(
    client: httpx.AsyncClient, store: MemoryRunStore, url: object
) -> None:
    answer = await client.post(RUN, json={**body("async"), "callback_url": url})

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_param")
    assert not store.callbacks


async def test_null_stands_for_none(client: httpx.AsyncClient, store: MemoryRunStore) -> None:
    answer = await client.post(RUN, json={**body("async"), "callback_url": None})

    assert answer.status_code == 202
    assert not store.callbacks
