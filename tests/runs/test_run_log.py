"""Run with an unwritable log: it fails with an error, and no caller waits in vain."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from jikko.errors import LogUnwritable
from jikko.events import Event, NodeFinished, NodeStarted, RunFinished, RunStarted
from jikko.ports.stores.run_store import StartOptions
from jikko.record import folded
from jikko.runs.run_log import RunLog
from jikko.runs.runs import StartRequest
from tests.contract.runs import Draft, finished, node, started
from tests.runs.picky_store import PickyStore, is_no_result
from tests.runs.world import PATIENCE, World, end_of, until

pytestmark = pytest.mark.anyio


def deep() -> Any:
    """A list that is nested deeper than anything can walk through."""
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    return value


async def seen(live: RunLog, *, durable: bool = False) -> list[Event]:
    async with asyncio.timeout(PATIENCE):
        return [event async for batch in live.follow(durable=durable) for _, event in batch]


@pytest.fixture(params=[True, False], ids=["raises", "future raises"])
def picky(request: pytest.FixtureRequest) -> PickyStore:
    return PickyStore(is_no_result, at_once=request.param)


async def test_it_fails_and_says_that_its_log_cannot_be_written(picky: PickyStore) -> None:
    live = RunLog(picky, Draft().record)
    live.append([started()])
    live.append([*node()])

    end = await end_of(live)

    assert (end.status, end.error) == (
        "failed",
        "The log of the run cannot be written: ZeroDivisionError. See the log of the server.",
    )
    log = await picky.events(live.record.identity.run_id)
    assert [type(event) for event in log] == [RunStarted, NodeStarted, RunFinished]
    assert live.record == await picky.record(live.record.identity.run_id) == folded(live.record.identity, log)


async def test_why_is_told_as_the_store_says_it() -> None:
    store = PickyStore(is_no_result, at_once=False, error=LogUnwritable("A number is too large."))
    live = RunLog(store, Draft().record)
    live.append([started(), *node()])

    end = await end_of(live)

    assert (end.status, end.error) == ("failed", "A number is too large.")


@pytest.mark.parametrize("durable", [False, True])
async def test_those_who_follow_it_see_its_end(picky: PickyStore, durable: bool) -> None:
    live = RunLog(picky, Draft().record)
    live.append([started()])
    following = asyncio.create_task(seen(live, durable=durable))
    await live.committed()
    started_node, finished_node = node()
    live.append([started_node])
    live.append([finished_node])

    assert [type(event) for event in await following] == [RunStarted, NodeStarted, RunFinished]


async def test_nothing_that_happens_later_is_added(picky: PickyStore) -> None:
    lost: list[None] = []
    live = RunLog(picky, Draft().record)
    live.on_lost = lambda: lost.append(None)
    live.append([started(), *node()])
    end = await end_of(live)

    live.append([finished()])

    assert (lost, live.events[-1], live.is_durable) == ([None], end, True)


async def test_who_waits_for_what_is_not_to_be_is_told(picky: PickyStore) -> None:
    live = RunLog(picky, Draft().record)
    live.append([started(), *node(), *node()])

    async with asyncio.timeout(PATIENCE):
        with pytest.raises(LogUnwritable):
            await live.committed(5)
        assert not await live.wait_for(lambda event: isinstance(event, NodeFinished))


@pytest.mark.parametrize("at_once", [True, False])
async def test_if_not_even_its_end_can_be_written_everybody_is_told(at_once: bool) -> None:
    live = RunLog(PickyStore(lambda event: isinstance(event, RunStarted), at_once=at_once), Draft().record)
    live.append([started()])
    async with asyncio.timeout(PATIENCE):
        await live.committed()
    live.append([*node()])

    async with asyncio.timeout(PATIENCE):
        with pytest.raises(LogUnwritable):
            await live.ended()
        with pytest.raises(LogUnwritable):
            await live.committed()
        with pytest.raises(LogUnwritable):
            await seen(live)


async def test_values_that_are_nested_too_deep_fail_it(tmp_path: Path) -> None:
    store = World.on_disk(tmp_path).store
    live = RunLog(store, Draft().record)
    live.append([started()])

    live.append([*node(value=deep())])

    assert (await end_of(live)).error == "The log of the run cannot be written: a value in it is nested too deep."
    await store.close()


async def test_a_run_whose_very_beginning_is_nested_too_deep_is_refused(tmp_path: Path) -> None:
    store = World.on_disk(tmp_path).store
    live = RunLog(store, Draft().record)
    live.append([started(q=deep())])

    async with asyncio.timeout(PATIENCE):
        with pytest.raises(LogUnwritable, match="nested too deep"):
            await live.committed()
    assert await store.scan() == []
    await store.close()


@pytest.fixture(params=["in memory", "on disk"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    world = World() if request.param == "in memory" else World.on_disk(tmp_path)
    yield world
    await world.close()


async def test_its_slot_goes_to_the_next_run(world: World) -> None:
    process, app = world.process(at_once=1), await world.chain()
    world.script.values["c"] = deep()

    broken = await process.start(app, q="x")
    assert (await end_of(broken)).status == "failed"
    world.script.values.clear()

    assert (await end_of(await process.start(app, q="x"))).status == "succeeded"
    await until(lambda: process.admission.running == 0)


@pytest.mark.parametrize("at_once", [True, False])
async def test_nor_does_it_keep_a_slot_if_it_could_not_be_accepted(at_once: bool) -> None:
    store = PickyStore(lambda event: False, at_once=at_once)
    world = World(store)
    process, app = world.process(at_once=1), await world.chain()
    with pytest.raises(LogUnwritable):
        async with asyncio.timeout(PATIENCE):
            await process.runs.start(app, StartRequest(inputs={}, user="anna"), StartOptions())
    store.takes = lambda event: True

    assert (await end_of(await process.start(app, q="x"))).status == "succeeded"
    await until(lambda: process.admission.running == 0)
    await world.close()
