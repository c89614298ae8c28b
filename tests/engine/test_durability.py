"""A node that acts on the world outside waits until the ends of such nodes before it are durable."""

import asyncio
from itertools import pairwise
from typing import Any

import pytest

from jikko.engine.runner import Runner
from jikko.engine.state import RunState
from jikko.errors import LogConflict
from jikko.events import NodeAttempted, RunRecovered, RunStarted
from jikko.graph.compiled import CompiledGraph
from tests.effort import PATIENCE
from tests.engine.graphs import Act, Log, edges, graph, node, runner

pytestmark = pytest.mark.anyio


class SlowLog(Log):
    """A journal whose disk is as quick as the test lets it be."""

    def __init__(self, *, has_start: bool = True) -> None:
        """Args:
        has_start: Whether the start is durable once a node waits for it.
        """
        super().__init__()
        self._has_start = has_start
        self.waits = asyncio.Event()
        self.durable = asyncio.Event()
        self.conflict: LogConflict | None = None

    @property
    def has_backpressure(self) -> bool:
        return False

    async def durability_barrier(self) -> None:
        if self._has_start:
            self._has_start = False
            return
        self.waits.set()
        await self.durable.wait()
        if self.conflict is not None:
            raise self.conflict

    async def release(self, running: Runner, *, is_lost: bool) -> None:
        """Once a node waits, say that what was written is durable, or another process's."""
        async with asyncio.timeout(PATIENCE):
            await self.waits.wait()
        before = len(self.events)
        for _ in range(10):
            await asyncio.sleep(0)
        assert len(self.events) == before, "it waits"
        self.conflict = LogConflict("taken over") if is_lost else None
        self.durable.set()
        if is_lost:
            for _ in range(10):
                await asyncio.sleep(0)
            running.lost()


def acting(compiled: CompiledGraph, node_id: str) -> Act:
    found: Any = compiled.nodes[node_id].node
    assert isinstance(found, Act)
    return found


async def test_the_first_such_node_waits_until_the_start_is_durable() -> None:
    """Until then the start may be refused."""
    compiled = graph([node("first", "http-request")], edges("start --> first"))
    log = SlowLog(has_start=False)
    run = asyncio.ensure_future(runner(RunState(compiled), log).run([RunStarted(at=1.0, inputs={}, system={})]))

    async with asyncio.timeout(PATIENCE):
        await log.waits.wait()
        assert acting(compiled, "first").calls == []
        log.durable.set()
        await run

    assert len(acting(compiled, "first").calls) == 1


async def test_the_second_of_two_such_nodes_waits_for_the_disk() -> None:
    compiled = graph(
        [node("first", "http-request"), node("second", "http-request")], edges("start --> first", "first --> second")
    )
    log = SlowLog()
    run = asyncio.ensure_future(runner(RunState(compiled), log).run([RunStarted(at=1.0, inputs={}, system={})]))

    async with asyncio.timeout(PATIENCE):
        await log.waits.wait()
        assert len(acting(compiled, "first").calls) == 1
        assert acting(compiled, "second").calls == []
        log.durable.set()
        await run

    assert len(acting(compiled, "second").calls) == 1


async def test_each_further_node_waits_for_the_one_before_it() -> None:
    names = [f"act{number}" for number in range(4)]
    chain = [f"{one} --> {other}" for one, other in pairwise(["start", *names])]
    compiled = graph([node(name, "http-request") for name in names], edges(*chain))
    log = SlowLog()
    run = asyncio.ensure_future(runner(RunState(compiled), log).run([RunStarted(at=1.0, inputs={}, system={})]))

    async with asyncio.timeout(PATIENCE):
        for before, after in pairwise(names):
            await log.waits.wait()
            assert [len(acting(compiled, each).calls) for each in (before, after)] == [1, 0]
            log.waits.clear()
            log.durable.set()
            log.durable = asyncio.Event()
        await run

    assert log.end.status == "succeeded"


async def test_such_nodes_side_by_side_all_wait_for_the_disk() -> None:
    compiled = graph(
        [node("first", "http-request"), node("left", "http-request"), node("right", "http-request")],
        edges("start --> first", "first --> left", "first --> right"),
    )
    log = SlowLog()
    run = asyncio.ensure_future(runner(RunState(compiled), log).run([RunStarted(at=1.0, inputs={}, system={})]))

    async with asyncio.timeout(PATIENCE):
        await log.waits.wait()
        for _ in range(10):
            await asyncio.sleep(0)
        assert [acting(compiled, each).calls for each in ("left", "right")] == [[], []]
        log.durable.set()
        await run

    assert [len(acting(compiled, each).calls) for each in ("left", "right")] == [1, 1]


async def test_such_a_node_of_a_run_that_goes_on_waits_until_it_is_known_whose_run_it_is() -> None:
    compiled = graph([node("first", "http-request")], edges("start --> first"))
    state = RunState(compiled)
    state.replay([RunStarted(at=1.0, inputs={}, system={})])
    log = SlowLog(has_start=False)
    run = asyncio.ensure_future(runner(state, log).run([RunRecovered(at=2.0, epoch=2)]))

    async with asyncio.timeout(PATIENCE):
        await log.waits.wait()
        assert acting(compiled, "first").calls == []
        log.durable.set()
        await run

    assert len(acting(compiled, "first").calls) == 1


@pytest.mark.parametrize("is_lost", [False, True])
async def test_each_further_try_waits_until_it_is_known_whose_run_it_is(is_lost: bool) -> None:
    """A process may be taken for dead while a node waits for its next try."""
    retry = {"retry_enabled": True, "max_retries": 1, "retry_interval": 1}
    compiled = graph([node("first", "http-request", fails=1, retry_config=retry)], edges("start --> first"))
    log = SlowLog()
    running = runner(RunState(compiled), log)
    run = asyncio.ensure_future(running.run([RunStarted(at=1.0, inputs={}, system={})]))

    await log.release(running, is_lost=is_lost)
    await run

    assert len(acting(compiled, "first").calls) == (1 if is_lost else 2)
    assert any(isinstance(event, NodeAttempted) for event in log.events)


@pytest.mark.parametrize(("seconds", "waits"), [(0.5, False), (60.0, True), (-3600.0, True)])
@pytest.mark.parametrize("is_lost", [False, True])
async def test_such_a_node_waits_behind_a_while_in_which_nothing_was_durable(
    seconds: float, waits: bool, is_lost: bool
) -> None:
    """A process that stood still meanwhile may have been taken for dead: what it writes is refused. A clock that was
    set back does not tell that it did not."""
    compiled = graph([node("think"), node("act", "http-request")], edges("start --> think", "think --> act"))
    log, now = SlowLog(has_start=not waits), [1.0]
    running = runner(RunState(compiled), log, clock=lambda: now[0])
    run = asyncio.ensure_future(running.run([RunStarted(at=1.0, inputs={}, system={})]))
    now[0] += seconds

    if waits:
        await log.release(running, is_lost=is_lost)
    await run

    assert log.waits.is_set() == waits
    assert len(acting(compiled, "act").calls) == (0 if waits and is_lost else 1)


async def test_nodes_that_do_nothing_outside_wait_for_nothing() -> None:
    compiled = graph([node("first"), node("second")], edges("start --> first", "first --> second"))
    log = SlowLog()

    async with asyncio.timeout(PATIENCE):
        await runner(RunState(compiled), log).run([RunStarted(at=1.0, inputs={}, system={})])

    assert log.end.status == "succeeded"
    assert not log.waits.is_set()
