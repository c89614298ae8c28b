"""Clients that go away while a stream is open to them."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from jikko.http.app import create_app
from jikko.http.responses import EventStream
from jikko.repositories.app_store import App
from tests.effort import PATIENCE
from tests.http.scene import RUN, Listener, api_of, body
from tests.runs.world import World, until

pytestmark = pytest.mark.anyio


async def test_nothing_is_kept_of_a_client_that_left_and_its_run_goes_on(world: World, app: App) -> None:
    process = world.process()
    api = api_of(world, process)
    application, key = create_app(api), await api.app_keys.issue(app.id)
    world.script.held = {"b"}
    starter = Listener(application, key, "POST", RUN, json.dumps(body("streaming")).encode())
    await until(lambda: b"workflow_run_id" in starter.received)
    run = json.loads(starter.received.partition(b"data: ")[2].partition(b"\n")[0])["workflow_run_id"]
    paths = [f"/v1/workflow/{run}/events?user=anna", f"{RUN}/{run}/events"]
    others = [Listener(application, key, "GET", path) for path in paths]
    await until(lambda: all(listener.received for listener in others))

    for listener in (starter, *others):
        await listener.leave()

    world.script.release("b")
    assert (await world.ended(run)).status == "succeeded"


async def test_a_request_of_which_the_end_never_came_starts_nothing(world: World, app: App) -> None:
    """Also if what came could be read."""
    api = api_of(world, world.process())
    application, key = create_app(api), await api.app_keys.issue(app.id)
    client = Listener(application, key, "POST", RUN, json.dumps(body()).encode(), has_more=True)

    await client.leave()

    assert json.loads(client.received)["code"] == "bad_request"
    assert not await world.store.scan()


async def test_the_pieces_of_a_stream_are_given_up_as_soon_as_its_client_left() -> None:
    """Also while none comes: nobody would notice that there is nobody to send it to."""
    given_up = asyncio.Event()
    sent: list[Any] = []

    async def pieces() -> AsyncIterator[bytes]:
        try:
            yield b"first"
            await asyncio.Event().wait()
        finally:
            given_up.set()

    async def receive() -> Any:
        await until(lambda: len(sent) == 2)
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    async with asyncio.timeout(PATIENCE):
        await EventStream(pieces())(receive, send)

    assert given_up.is_set()
    assert [message.get("body") for message in sent] == [None, b"first"]
