"""Deliveries: which can be discarded."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import AsyncMock

import pytest

from jikko.errors import Conflict, LogTooNew
from jikko.events import Event, NodeStarted
from jikko.ports.stores.trigger_store import Delivery
from jikko.runs.run_log import RunLog
from jikko.triggers.deliveries import Deliveries
from tests.runs.world import PATIENCE, World
from tests.store.in_memory import RunsInMemory

pytestmark = pytest.mark.anyio


class Stored:
    """A delivery and its run, as the stores have them."""

    def __init__(self, status: str) -> None:
        self.run = SimpleNamespace(
            status=status, is_open=status == "paused", created_at=1.0, error=None, identity=SimpleNamespace(run_id="r")
        )

    async def find(self, delivery_id: str) -> Delivery:
        return Delivery(id=delivery_id, app_id="a", trigger_id="t", received_at=1.0, run_id="r")

    async def record(self, run_id: str) -> Any:
        return self.run

    async def retries(self, run_id: str) -> list[Any]:
        return []


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ("paused", "is running and cannot be discarded: stop its run first: `jikko runs stop r`."),
        ("succeeded", "is done and cannot be discarded: it did not fail."),
    ],
)
async def test_who_cannot_discard_a_delivery_is_told_what_to_do(status: str, told: str) -> None:
    stores = cast("Any", Stored(status))
    deliveries = Deliveries(stores, stores, stores, stores)

    with pytest.raises(Conflict) as refused:
        await deliveries.discard("d")
    assert str(refused.value) == f"Delivery d {told}"


class Newer(Stored):
    """A run of a newer version, whose log cannot be read here."""

    async def log_end(self, run_id: str) -> int:
        return 2

    async def events(self, run_id: str, *, after: int = -1, most: int = 0) -> list[Event]:
        raise LogTooNew(run_id)


async def test_a_delivery_whose_run_cannot_be_read_is_shown_as_running() -> None:
    stores = cast("Any", Newer("running"))
    stores.run.is_open = True

    assert (await Deliveries(stores, stores, stores, stores).find("d")).state == "running"


class LargeLogs(RunsInMemory):
    """Runs whose logs are not to be read from their first event on, which may have 10 MiB."""

    async def events(self, run_id: str, *, after: int = -1, most: int = 0) -> list[Event]:
        assert after >= 0, "the whole log was read"
        return await super().events(run_id, after=after, most=most)


async def test_whether_a_run_has_begun_is_told_by_the_end_of_its_log() -> None:
    world = World(LargeLogs())
    names = [f"n{number}" for number in range(40)]
    app, process = await world.chain("長い", *names), world.process(None, None, None, at_once=1, max_per_app=1)
    world.script.held = {"n39"}
    begun, waiting = await process.start(app), await process.start(app)
    for run in (begun, waiting):
        await run.committed()
    async with asyncio.timeout(PATIENCE):
        await begun.wait_for(lambda event: isinstance(event, NodeStarted) and event.node_id == "n39")

    def state(run: RunLog) -> Any:
        delivery = Delivery(id="d", app_id=app.id, trigger_id="t", received_at=1.0, run_id=run.record.identity.run_id)
        store = cast("Any", SimpleNamespace(find=AsyncMock(return_value=delivery)))
        unused = cast("Any", None)
        return Deliveries(store, world.store, unused, unused).find("d")

    assert [(await state(run)).state for run in (begun, waiting)] == ["running", "waiting"]
    world.script.release("n39")
    for run in (begun, waiting):
        await world.ended(run.record.identity.run_id)
    await world.close()
