"""Streams that wait cost the store nothing, however many there are and however often they are kept alive."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from jikko.events import RunPaused
from jikko.http.app import Front, create_app
from jikko.http.responses import PING
from tests.acceptance.workflows import end, form, start
from tests.http.scene import RUN, Listener, api_of
from tests.runs.world import PATIENCE, World, until
from tests.store.in_memory import RunsInMemory

pytestmark = pytest.mark.anyio

STREAMS, PINGS = 200, 25


class WatchedStore(RunsInMemory):
    """Knows which of its methods were called, whatever they are called."""

    def __init__(self) -> None:
        super().__init__()
        self.called: Counter[str] = Counter()

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if not name.startswith("_") and name != "called" and callable(found):
            self.called[name] += 1
        return found


async def test_200_idle_streams_of_a_paused_run_ask_the_store_nothing() -> None:
    store = WatchedStore()
    world = World(store)
    app = await world.app("Asks", [start("q"), form("ask", "?"), end(said="ask.comment")], "start>ask ask:yes>end")
    process = world.process()
    # What is looked at once in a while, in case a hint was lost, is no part of this: a busy machine may take so long.
    process.runs.control._tails._quiet.seconds = 10 * PATIENCE
    run = await process.start(app)
    async with asyncio.timeout(PATIENCE):
        assert isinstance(await run.ended(), RunPaused)
    api = api_of(world, process)
    application, key = create_app(api, front=Front(ping_seconds=0.005)), await api.app_keys.issue(app.id)
    run_id = run.record.identity.run_id
    ways = (
        f"{RUN}/{run_id}/events",
        f"/v1/workflow/{run_id}/events?user=anna&include_state_snapshot=true&continue_on_pause=true",
    )
    streams = [Listener(application, key, "GET", ways[number % 2]) for number in range(STREAMS)]

    await until(lambda: all(pinged(stream) >= 2 for stream in streams))
    store.called.clear()
    before = [pinged(stream) for stream in streams]
    await until(lambda: all(pinged(stream) >= known + PINGS for stream, known in zip(streams, before, strict=True)))

    assert store.called == {}
    # They were no dead ones: all are told when it goes on.
    await process.submit(run, "yes")
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*(stream.served for stream in streams))
    assert all(b"_finished" in stream.received.split(PING)[-1] for stream in streams)
    # It goes on in this process, which has the news in memory: what is read is for the form.
    assert store.called["record"] + store.called["events"] < 10
    await world.close()


def pinged(stream: Listener) -> int:
    """How often it was kept alive so far."""
    return stream.received.count(PING)
