"""Memory limits of runs, each and in total; unneeded data is not held."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from jikko.errors import TooManyRequests
from jikko.events import Event, NodeStarted
from jikko.repositories.app_store import App
from jikko.runs import run_memory
from jikko.runs.following.log_follower import READ_BYTES
from jikko.runs.process_memory import MemoryLimits
from jikko.runs.run_log import RunLog
from jikko.store.event_codec import MAX_PACKED_BYTES, encode_events, pack_events
from tests.acceptance.workflows import end, iteration, node, start
from tests.runs.held_store import HeldStore
from tests.runs.world import PATIENCE, World, end_of, until

pytestmark = pytest.mark.anyio

MB = 1 << 20
KB = 1 << 10
MAX_UNWRITTEN_BYTES = MB
KEPT_BYTES = 256 * KB
LARGE = "x" * 128 * KB


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Little is much."""
    monkeypatch.setattr(run_memory, "MAX_UNWRITTEN_BYTES", MAX_UNWRITTEN_BYTES)
    monkeypatch.setattr(run_memory, "KEPT_BYTES", KEPT_BYTES)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World.on_disk(tmp_path)
    yield world
    await world.close()


async def rounds(world: World, count: int, *, collects: str = "inner.value", parallel: int = 1) -> App:
    """An app with a round for each of some numbers, whose node ``inner`` puts out a value."""
    nodes = [
        start("q"),
        node("list", "code", value=list(range(count))),
        *iteration("each", "list.value", collects, node("inner", "code", value=LARGE), parallel=parallel),
        end(),
    ]
    return await world.app("Rounds", nodes, "start>list>each>end each-start>inner")


@pytest.mark.parametrize("parallel", [1, 4])
async def test_a_run_that_would_hold_too_much_is_stopped(world: World, parallel: int) -> None:
    process = world.process(memory=MemoryLimits(of_one=MB))
    app = await rounds(world, 60, parallel=parallel)

    last = await end_of(await process.start(app))

    assert last.status == "stopped"
    assert last.error is not None
    assert last.error.startswith("Maximum memory of a run exceeded: ")
    assert f" > {MB} bytes of values; the largest is of node 'inner' (inner)" in last.error
    assert last.error.endswith("(the limit is set by JIKKO_RUN_MEMORY).")
    # What was not given to the store by then is not counted: it may be twice as much.
    assert world.script.ran["inner"] < 30
    await until(lambda: process.memory.held == 0)


async def test_one_that_keeps_nothing_of_its_rounds_goes_on(world: World) -> None:
    process = world.process(memory=MemoryLimits(of_one=4 * MB))
    app = await rounds(world, 60, collects="each.index")

    live = await process.start(app)

    assert (await end_of(live)).status == "succeeded"
    assert world.script.ran["inner"] == 60
    assert live.first > 0
    assert in_memory(live) <= KEPT_BYTES + 2 * MAX_PACKED_BYTES


def in_memory(live: RunLog) -> int:
    """Bytes of the log that are in memory."""
    return len(encode_events(live.events))


async def test_a_run_that_is_taken_over_holds_what_it_held(world: World) -> None:
    first = world.process()
    world.script.held = {"after"}
    nodes = [start("q"), *(node(each, "code", value=LARGE) for each in "abcd"), node("after", "code"), end()]
    app = await world.app("Chain", nodes, "start>a>b>c>d>after>end")
    run_id = (await first.start(app)).record.identity.run_id
    await until(lambda: world.script.ran["after"] == 1)
    await first.die()

    second = world.process(memory=MemoryLimits(of_one=3 * len(LARGE)))
    await second.runs.control.take_over()

    record = await world.ended(run_id)
    assert record.status == "stopped"
    assert "JIKKO_RUN_MEMORY" in (record.error or "")


async def holding(world: World, name: str, size: int) -> App:
    """An app whose runs hold a value of so many times 100 KB, and wait then."""
    nodes = [start("q"), node(f"{name}1", "code", value="x" * (size * 100 * KB)), node(name, "code", value="y"), end()]
    world.script.held |= {name}
    return await world.app(name, nodes, f"start>{name}1>{name}>end")


async def test_of_an_app_that_holds_much_further_runs_wait_and_others_begin(world: World) -> None:
    process = world.process(memory=MemoryLimits(of_all=1000 * KB, share=0.5))
    heavy, light = await holding(world, "heavy", 3), await holding(world, "light", 0)
    runs = [await process.start(heavy), await process.start(heavy)]
    await until(lambda: process.memory.held > 600 * KB)

    runs += [await process.start(heavy), await process.start(light)]

    await until(lambda: world.script.ran["light"] == 1)
    assert (process.admission.queued(), world.script.ran["heavy"]) == (1, 2)
    world.script.release("heavy", "light")
    for live in runs:
        assert (await end_of(live)).status == "succeeded"
    await until(lambda: process.memory.held == process.memory.waiting == 0)


async def test_if_all_hold_too_much_the_one_that_holds_most_is_stopped(world: World) -> None:
    process = world.process(memory=MemoryLimits(of_all=1000 * KB, share=1.0))
    small, large = await holding(world, "small", 3), await holding(world, "large", 5)
    runs = [await process.start(small), await process.start(large)]
    await until(lambda: process.memory.held > 800 * KB)

    runs.append(await process.start(small))

    last = await end_of(runs[1])
    assert last.status == "stopped"
    assert last.error is not None
    assert "of which this run held" in last.error
    assert last.error.endswith("(the limit is set by JIKKO_RUNS_MEMORY).")
    world.script.release("small")
    assert [(await end_of(runs[at])).status for at in (0, 2)] == ["succeeded", "succeeded"]


async def test_runs_that_wait_may_hold_no_more_either(world: World) -> None:
    process = world.process(memory=MemoryLimits(of_all=1600 * KB), at_once=1)
    app = await holding(world, "some", 0)
    await process.start(app)
    runs = [await process.start(app, q="x" * 390_000) for _ in range(5)]

    with pytest.raises(TooManyRequests, match="JIKKO_RUNS_MEMORY"):
        await process.start(app)

    world.script.release("some")
    for live in runs:
        assert (await end_of(live)).status == "succeeded"


@pytest.mark.parametrize("durable", [True, False])
async def test_who_does_not_read_holds_a_piece_and_gets_all_the_same(world: World, durable: bool) -> None:
    process, app = world.process(), await rounds(world, 12, collects="each.index")
    world.script.held = {"inner"}
    live = await process.start(app)
    follower = live.follow(durable=durable)
    seen = list(await anext(follower))
    world.script.release("inner")

    await end_of(live)
    await until(lambda: not process.runs.executor.executes(live.record.identity.run_id))

    assert live.first > seen[-1][0]
    assert in_memory(live) <= KEPT_BYTES + 2 * MAX_PACKED_BYTES
    async with asyncio.timeout(PATIENCE):
        seen += [entry async for batch in follower for entry in batch]
    assert [position for position, _ in seen] == list(range(len(seen)))
    assert [event for _, event in seen] == await world.store.events(live.record.identity.run_id)


async def test_of_a_run_that_has_ended_who_follows_it_holds_a_part(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    process, app = world.process(), await rounds(world, 25, collects="each.index")
    last = await end_of(live := await process.start(app))
    run_id = live.record.identity.run_id
    await until(lambda: not process.runs.executor.executes(run_id))
    log = await world.store.events(run_id)
    read, sizes = world.store.events, list[int]()

    async def measured(run_id: str, **how: int) -> list[Event]:
        found = await read(run_id, **how)
        sizes.append(len(encode_events(found)))
        return found

    monkeypatch.setattr(world.store, "events", measured)
    for after in (-1, 3, len(log) - 2, len(log) - 1, len(log) + 7):
        reader = process.runs.control.reader(live.record)
        seen = [entry async for batch in reader.follow(after) for entry in batch]
        assert [position for position, _ in seen] == list(range(after + 1, len(log)))
        assert [event for _, event in seen] == log[after + 1 :]

    assert log[-1] == last
    assert len(encode_events(log)) > 3 * MB
    assert max(sizes) <= READ_BYTES + 2 * len(LARGE)


async def test_who_looks_for_an_event_finds_it_though_it_is_not_in_memory_any_more(world: World) -> None:
    process, app = world.process(), await rounds(world, 12, collects="each.index")
    world.script.held = {"inner"}
    live = await process.start(app)
    wanted: Any = lambda event: isinstance(event, NodeStarted) and event.index == 7  # noqa: E731
    looking = asyncio.ensure_future(live.wait_for(wanted))
    await asyncio.sleep(0)
    world.script.release("inner")

    async with asyncio.timeout(PATIENCE):
        assert await looking
    await end_of(live)


async def test_a_part_of_a_log_is_read_from_any_position_on_while_it_is_open_and_closed(world: World) -> None:
    process, app = world.process(), await rounds(world, 6, collects="each.index")
    nodes: list[Any] = []

    async def parts(run_id: str, after: int) -> list[Event]:
        found: list[Event] = []
        while some := await world.store.events(run_id, after=after + len(found), most=len(LARGE)):
            nodes.append(len(some))
            found += some
        return found

    live = await process.start(app)
    await end_of(live)
    run_id = live.record.identity.run_id
    whole = await world.store.events(run_id)
    for after in (-1, 0, 5, len(whole) - 2, len(whole) - 1):
        assert await parts(run_id, after) == whole[after + 1 :]
    assert max(nodes) < len(whole) / 2


async def test_rounds_wait_while_the_disk_does_not_keep_up(monkeypatch: pytest.MonkeyPatch) -> None:
    store = HeldStore()
    monkeypatch.setattr(store, "pack", pack_events)
    world = World(store)
    process, app = world.process(), await rounds(world, 60)
    store.hold()

    live = await process.start(app)
    await until(lambda: live.has_backpressure)
    for _ in range(1000):
        await asyncio.sleep(0)
    ran = world.script.ran["inner"]
    store.release()

    assert ran * len(LARGE) <= 2 * MAX_UNWRITTEN_BYTES
    assert (await end_of(live)).status == "succeeded"
    assert world.script.ran["inner"] == 60
    await world.close()
