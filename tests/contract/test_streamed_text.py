"""Streamed text is shown at once and written in time, in every ``RunStore``; all else is written without delay."""

import asyncio
import os
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from jikko.errors import LogConflict
from jikko.events import AgentLogged, Event, ReasoningChunk, TextChunk, TextReplaced
from jikko.ports.stores.run_store import RunStore
from jikko.record import folded
from jikko.runs.run_log import RunLog
from tests.contract.run_stores import RUN_STORES, opened
from tests.contract.runs import Draft, finished, node, paused, started
from tests.effort import PATIENCE
from tests.runs.world import end_of, until

pytestmark = pytest.mark.anyio

LONG = 3600.0
"""Seconds that no test waits: what is written meanwhile was not waited for."""


@pytest.fixture(params=RUN_STORES)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[RunStore]:
    async with opened(request, tmp_path) as found:
        yield found


def text(piece: str = "日本語🔑") -> TextChunk:
    return TextChunk(at=1000.0, text=piece, selector=("node 1", "text"))


def said(piece: str) -> ReasoningChunk:
    return ReasoningChunk(at=1.0, node_id="", text="", execution_id="e", said=piece)


def thought(piece: str = "hm") -> ReasoningChunk:
    return ReasoningChunk(at=1000.0, text=piece, node_id="node 1")


async def begun(store: RunStore, seconds: float) -> RunLog:
    live = RunLog(store, Draft().record, text_seconds=seconds)
    live.append([started(), node()[0]])
    await live.committed()
    return live


async def seen(live: RunLog, *, durable: bool = False) -> list[Event]:
    async with asyncio.timeout(PATIENCE):
        return [event async for batch in live.follow(durable=durable) for _, event in batch]


async def test_it_is_shown_before_it_is_written(store: RunStore) -> None:
    live = await begun(store, LONG)

    live.append([text()])
    live.append([thought()])

    assert (live.visible_count, live.is_durable) == (4, False)
    assert len(await store.events(live.record.identity.run_id)) == 2


async def test_it_is_written_within_its_time(store: RunStore) -> None:
    live = await begun(store, 0.01)
    for _ in range(3):
        live.append([text()])
        live.append([thought()])
        await until(lambda: live.is_durable)

    assert await store.events(live.record.identity.run_id) == live.events


async def test_without_a_time_it_is_written_at_once(store: RunStore) -> None:
    live = await begun(store, 0)
    live.append([text()])

    await until(lambda: live.is_durable)


@pytest.mark.parametrize(
    "last",
    [
        *([event] for event in node()),
        [TextReplaced(at=1000.0, text="別", reason="")],
        [AgentLogged(at=1000.0, node_id="node 1", execution_id="e", entry_id="1", label="l")],
        [paused()],
        [finished()],
        [text(), finished(status="stopped")],
    ],
    ids=lambda events: type(events[-1]).__name__,
)
async def test_with_any_other_event_it_is_written_at_once(store: RunStore, last: list[Event]) -> None:
    live = await begun(store, LONG)
    live.append([text()])
    live.append(last)

    await until(lambda: live.is_durable)
    assert await store.events(live.record.identity.run_id) == live.events


async def test_whoever_waits_until_it_is_durable_has_it_written_at_once(store: RunStore) -> None:
    live = await begun(store, LONG)
    for wait in (live.committed, live.durability_barrier):
        live.append([text()])
        async with asyncio.timeout(PATIENCE):
            await wait()

        assert await store.events(live.record.identity.run_id) == live.events


async def test_a_node_that_waits_to_act_goes_on_before_clients_are_told(store: RunStore) -> None:
    live = RunLog(store, Draft().record)
    order: list[str] = []

    async def wait(who: str) -> None:
        if who == "client":
            async for _ in live.follow(durable=True):
                break
        else:
            await (live.committed(1) if who == "request" else live.durability_barrier())
        order.append(who)

    live.append([started()])
    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
        for who in ("request", "client", "node"):
            group.create_task(wait(who))

    assert order == ["node", "request", "client"]


async def test_whoever_waits_for_what_was_before_it_does_not_wait_for_it(store: RunStore) -> None:
    live = await begun(store, LONG)
    live.append([node()[0]])
    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
        group.create_task(live.durability_barrier())
        await asyncio.sleep(0)  # it waits
        live.append([text()])

    assert (live.durable_count, live.visible_count) == (3, 4)


@pytest.mark.parametrize(
    "pieces", [[text("文" * 65_537)], [said("文" * 65_537)], [text("a")] * 300], ids=["characters", "aside", "pieces"]
)
async def test_much_of_it_is_written_at_once(store: RunStore, pieces: list[Event]) -> None:
    live = await begun(store, LONG)
    for piece in pieces:
        live.append([piece])

    await until(lambda: live.durable_count > 2)


async def test_what_comes_during_a_write_waits_for_its_own_time(store: RunStore) -> None:
    live = await begun(store, 0.01)
    live.append([*node()])
    live.append([text()])  # the write of the node is under way

    await until(lambda: live.is_durable)
    assert await store.events(live.record.identity.run_id) == live.events


async def test_text_of_a_run_that_another_process_has_taken_is_not_written(store: RunStore) -> None:
    live = await begun(store, LONG)
    live.append([text("mine")])
    other = RunLog(store, folded(live.record.identity, live.events[:2]), list(live.events[:2]))
    other.append([text("other's")])
    await other.committed()

    with pytest.raises(LogConflict):
        await live.committed()
    assert await store.events(live.record.identity.run_id) == other.events


async def test_log_record_and_streams_are_the_same_whether_it_waits_or_not(store: RunStore) -> None:
    seed = int(os.environ.get("TEST_SEED") or random.randrange(1 << 30))
    print(f"TEST_SEED={seed}")
    for number in range(20):
        script = random_script(random.Random(seed + number))
        events = [event for step in script for event in step]
        for seconds in (0, 0.001, LONG):
            dice = random.Random(seed + number)
            live = RunLog(store, Draft().record, text_seconds=seconds)
            following = [asyncio.create_task(seen(live, durable=durable)) for durable in (False, True)]
            for step in script:
                live.append(step)
                match dice.randrange(6):
                    case 0:
                        await live.committed()
                    case 1:
                        await asyncio.sleep(0.001)
                    case 2:
                        await asyncio.sleep(0)
            await end_of(live)

            assert await asyncio.gather(*following) == [events, events]
            assert await store.events(live.record.identity.run_id) == events
            assert await store.record(live.record.identity.run_id) == folded(live.record.identity, events)


def random_script(dice: random.Random) -> list[list[Event]]:
    """Appends of a run, from its start to its end."""
    steps: list[list[Event]] = [[started()]]
    for kind in dice.choices(range(6), weights=(9, 3, 3, 1, 1, 1), k=dice.randrange(1, 40)):
        several: list[list[Event]] = [
            [text(dice.choice(("a", "日本語", "\ue000", "🔑" * 9)))],
            [thought()],
            [text(), text(), thought()],
            [*node()],
            [text(), *node(), text()],
            [TextReplaced(at=1000.0, text="別", reason="")],
        ]
        steps.append(several[kind])
    return [*steps, [finished()]]
