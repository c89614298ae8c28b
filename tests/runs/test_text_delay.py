"""Runs with streamed text waiting to be written: stopped, parked, lost, and followed from elsewhere."""

import asyncio
from typing import Any

import pytest

from jikko.errors import LogConflict
from jikko.events import Event, RunFinished, TextChunk, TextReplaced
from jikko.runs.run_log import RunLog
from tests.runs.world import PATIENCE, Process, World, until

pytestmark = pytest.mark.anyio

LONG = 3600.0
"""Seconds that no test waits."""


async def speaking(world: World, process: Process, *pieces: str) -> RunLog:
    """A run whose last node has said that much, and goes on."""
    world.script.says = {"c": list(pieces)}
    run = await process.start(await world.chain())
    await until(lambda: text_of(run.events) == "".join(pieces))
    return run


def text_of(events: Any) -> str:
    text = ""
    for event in events:
        if isinstance(event, TextReplaced):
            text = event.text
        elif isinstance(event, TextChunk):
            text += event.text
    return text


async def test_a_stop_in_the_middle_of_text_keeps_it(world: World) -> None:
    process = world.process(text_seconds=LONG)
    run = await speaking(world, process, "日本", "語")
    assert not run.is_durable

    assert await process.runs.control.stop(run.record.identity.app_id, run.record.identity.run_id, "anna")

    log = await world.store.events(run.record.identity.run_id)
    assert text_of(log) == "日本語"
    assert isinstance(log[-1], RunFinished)
    assert log[-1].status == "stopped"


async def test_a_server_that_ends_in_good_order_keeps_it_and_the_next_shows_only_what_is_new(world: World) -> None:
    process = world.process(text_seconds=LONG)
    run_id = (await speaking(world, process, "日本", "語")).record.identity.run_id
    await process.runs.close(0)
    assert text_of(await world.store.events(run_id)) == "日本語"

    world.script.says, world.script.values = {}, {"c": "日本語🔑"}
    await world.process(text_seconds=LONG).runs.control.take_over()
    await world.ended(run_id)

    log = await world.store.events(run_id)
    assert text_of(log) == "日本語🔑"
    assert not any(isinstance(event, TextReplaced) for event in log)


async def test_text_that_a_crash_lost_is_not_missed_and_what_was_kept_is_replaced_once(world: World) -> None:
    process = world.process(text_seconds=LONG)
    run = await speaking(world, process, "日本")
    await run.committed()
    lost = await speaking(world, process, "gone")

    run_id, lost_id = run.record.identity.run_id, lost.record.identity.run_id
    await process.die(losing_text=True)
    world.script.says, world.script.values = {}, {"c": "別"}
    await world.process(text_seconds=LONG).runs.control.take_over()
    for each in (run_id, lost_id):
        await world.ended(each)

    for each, replaced in ((run_id, 1), (lost_id, 0)):
        log = await world.store.events(each)
        assert text_of(log) == "別"
        assert sum(isinstance(event, TextReplaced) for event in log) == replaced


async def test_who_follows_it_elsewhere_sees_it_in_time(world: World) -> None:
    process = world.process(text_seconds=0.01)
    run = await speaking(world, process, "日本", "語")

    seen: list[Event] = []
    async with asyncio.timeout(PATIENCE):
        async for batch in world.process().runs.control.reader(run.record).follow():
            seen += [event for _, event in batch]
            if text_of(seen) == "日本語":
                break


async def test_who_follows_a_run_that_another_process_takes_has_the_text_of_the_record_in_the_end(world: World) -> None:
    process = world.process(text_seconds=LONG)
    run = await speaking(world, process, "日本")
    await run.committed()
    run_id, shown = run.record.identity.run_id, asyncio.Event()

    async def follow() -> list[Event]:
        seen: list[Event] = []
        async for batch in process.runs.control.reader(run.record).follow():
            seen += [event for _, event in batch]
            if text_of(seen) == "日本 never kept":
                shown.set()
        return seen

    following = asyncio.create_task(follow())
    run.append([TextChunk(at=world.now, text=" never kept", selector=("c", "value"))])
    async with asyncio.timeout(PATIENCE):
        await shown.wait()
    world.script.says, world.script.values = {}, {"c": "日本語"}
    await world.process().runs.control.take_over()
    with pytest.raises(LogConflict):
        await run.committed()

    async with asyncio.timeout(PATIENCE):
        seen = await following
    log = await world.store.events(run_id)
    assert (text_of(seen), seen[-1]) == (text_of(log), log[-1]) == ("日本語", log[-1])
    assert sum(isinstance(event, TextReplaced) for event in seen) == 1
