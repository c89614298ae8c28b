"""Callbacks are attempted when due, without polling."""

import asyncio

import pytest

from jikko.maintenance.callbacks import Callbacks
from jikko.ports.http import HttpResponse, OutgoingRequest
from jikko.ports.stores.run_store import StartOptions
from jikko.record import RunRecord
from jikko.repositories.callback_store import Callback
from jikko.runs.runs import StartRequest
from tests.maintenance.test_callbacks import URL, Receiver
from tests.runs.world import World, end_of
from tests.store.in_memory import CallbacksInMemory, RunsInMemory
from tests.virtual_time import run


class CountedCallbacks(CallbacksInMemory):
    """Counts how often it is asked what is due."""

    looks = 0

    async def due(self, now: float, *, each: int = 100, limit: int = 100) -> list[Callback]:
        self.looks += 1
        return await super().due(now, each=each, limit=limit)


class Clocked(Receiver):
    """Knows when it was called."""

    def __init__(self) -> None:
        super().__init__()
        self.at: list[float] = []

    async def send(self, request: OutgoingRequest) -> HttpResponse:
        self.at.append(now())
        return await super().send(request)


def now() -> float:
    return 1_800_000_000.0 + asyncio.get_running_loop().time()


def render(record: RunRecord) -> bytes:
    return record.identity.run_id.encode()


def test_a_callback_is_tried_when_its_run_ends_and_again_at_the_moment_that_was_set() -> None:
    async def play() -> None:
        runs, receiver = RunsInMemory(), Clocked()
        world, store = World(runs), CountedCallbacks(runs)
        callbacks = Callbacks(store, runs, receiver, now)
        watching = asyncio.ensure_future(callbacks.watch(render))
        receiver.status = 503
        app, process = await world.chain(), world.process()
        await asyncio.sleep(25)
        assert store.looks <= 1 + 25 / 10

        # What the leader is told when a run ends.
        options = StartOptions(callback_url=URL)
        started = await process.runs.start(app, StartRequest(inputs={}, user="anna"), options)
        await end_of(started)
        await started.committed()
        callbacks.alarm.set(now())
        await asyncio.sleep(0.001)
        assert receiver.at == pytest.approx([now()], abs=0.01)

        for attempt in range(2, 8):
            looks = store.looks
            [entry] = [entry async for entry in callbacks.undelivered()]
            waits = entry.next_at - now()
            assert waits > 1
            await asyncio.sleep(waits - 0.01)
            # Once in a while there is a look though nothing is due, and one that follows what was tried.
            assert len(receiver.at) == attempt - 1
            assert store.looks - looks <= 1 + waits / 10
            await asyncio.sleep(0.02)
            assert len(receiver.at) == attempt
            assert receiver.at[-1] == pytest.approx(entry.next_at, abs=0.01)

        watching.cancel()
        await world.close()

    run(play())
