"""Remaining work of a runner once its run has ended, was parked or lost."""

import asyncio
import gc
import weakref
from collections.abc import Callable

import pytest

from jikko.engine.limits import RunLimits
from jikko.engine.runner import Runner
from jikko.engine.state import RunState
from jikko.events import Event, NodeFinished, NodeStarted, RunFinished, RunParked, RunRecovered, RunStarted
from jikko.graph.compiled import CompiledGraph
from tests.effort import PATIENCE
from tests.engine.graphs import Log, edges, graph, node, run, runner, work

pytestmark = pytest.mark.anyio


def side_by_side(count: int, pauses: int = 5) -> CompiledGraph:
    names = [f"n{number}" for number in range(count)]
    nodes = [*(node(name, pauses=pauses) for name in names), node("join")]
    return graph(nodes, edges(*(f"start --> {name}" for name in names), *(f"{name} --> join" for name in names)))


@pytest.mark.parametrize("places", [1, 2, 3, 6])
async def test_as_many_nodes_are_under_way_as_may_be_and_no_more(places: int) -> None:
    log = await run(side_by_side(6), limits=RunLimits(max_parallel_nodes=places))

    under_way = most = 0
    for event in log.events:
        under_way += isinstance(event, NodeStarted) - isinstance(event, NodeFinished)
        most = max(most, under_way)
    assert (log.end.status, most) == ("succeeded", places)


async def test_a_run_of_as_many_nodes_as_may_start_is_not_stopped() -> None:
    compiled = side_by_side(3)

    assert (await run(compiled, limits=RunLimits(max_steps=5))).end.status == "succeeded"
    assert (await run(compiled, limits=RunLimits(max_steps=4))).end.status == "stopped"


@pytest.mark.parametrize("first", [RunStarted(at=1.0, inputs={}, system={}), RunRecovered(at=1.0, epoch=2)])
async def test_one_that_is_parked_before_it_begins_writes_nothing(first: Event) -> None:
    compiled, log = side_by_side(2), Log()
    state = RunState(compiled)
    if isinstance(first, RunRecovered):
        state.replay([RunStarted(at=1.0, inputs={}, system={})])

    runner(state, log).park()

    assert log.events == []


def park(runs: Runner) -> None:
    runs.park()


def lose(runs: Runner) -> None:
    runs.lost()


def stop(runs: Runner) -> None:
    assert runs.stop("stopped")


@pytest.mark.parametrize(("ended", "last"), [(park, RunParked), (lose, NodeStarted), (stop, RunFinished)])
async def test_nothing_that_was_under_way_acts_or_is_told_any_more(
    ended: Callable[[Runner], None], last: type[Event]
) -> None:
    compiled, log = side_by_side(3, pauses=50), Log()
    runs = runner(RunState(compiled), log, RunLimits(max_parallel_nodes=2))
    running = asyncio.ensure_future(runs.run([RunStarted(at=1.0, inputs={}, system={})]))
    async with asyncio.timeout(PATIENCE):
        while not work(compiled, "n1").calls:  # noqa: ASYNC110 - a node has no event of its own
            await asyncio.sleep(0)
        ended(runs)
        await running
    for _ in range(200):
        await asyncio.sleep(0)

    assert runs.has_ended
    assert not runs.stop("again")
    runs.park()
    runs.lost()
    assert isinstance(log.events[-1], last)
    assert [len(work(compiled, name).acted) for name in ("n0", "n1", "n2")] == [0, 0, 0]
    assert work(compiled, "n2").calls == []


@pytest.mark.parametrize(("ended", "last"), [(park, RunParked), (lose, NodeStarted), (stop, RunFinished)])
@pytest.mark.parametrize("fails", [0, -1])
async def test_a_call_that_ends_later_for_it_could_not_be_cancelled_adds_nothing(
    ended: Callable[[Runner], None], last: type[Event], fails: int
) -> None:
    compiled = graph(
        [
            node("call", "llm", pauses=20, fails=fails, says=["too late"], value="too late"),
            node("behind"),
            node("end", "end", outputs=[{"variable": "x", "value_selector": ["call", "value"]}]),
        ],
        edges("start --> call", "call --> behind", "behind --> end"),
    )
    log = Log()
    runs = runner(RunState(compiled), log)
    running = asyncio.ensure_future(runs.run([RunStarted(at=1.0, inputs={}, system={})]))
    async with asyncio.timeout(PATIENCE):
        while not work(compiled, "call").calls:  # noqa: ASYNC110 - a node has no event of its own
            await asyncio.sleep(0)
        ended(runs)
        await running
        while not work(compiled, "call").acted:  # noqa: ASYNC110
            await asyncio.sleep(0)
    for _ in range(20):
        await asyncio.sleep(0)

    assert isinstance(log.events[-1], last)
    assert sum(isinstance(event, RunFinished) for event in log.events) == (last is RunFinished)
    assert work(compiled, "behind").calls == []


@pytest.mark.parametrize("how", ["succeeds", "is stopped"])
async def test_nothing_keeps_one_that_has_ended_in_memory(how: str) -> None:
    compiled = side_by_side(2)
    runs = runner(RunState(compiled), Log())
    running = asyncio.ensure_future(runs.run([RunStarted(at=1.0, inputs={}, system={})]))
    if how == "is stopped":
        await asyncio.sleep(0)
        runs.stop("stopped")
    async with asyncio.timeout(PATIENCE):
        await running
    left = weakref.ref(runs)

    del runs, running
    async with asyncio.timeout(PATIENCE):
        while left() is not None:
            await asyncio.sleep(0)
            gc.collect()


@pytest.mark.parametrize("under_way", [1, 2, 3])
async def test_one_that_is_drained_lets_nodes_end_and_starts_none_and_none_runs_again(under_way: int) -> None:
    names = [f"n{number}" for number in range(3)]
    nodes = [*(node(name, pauses=20 + number) for number, name in enumerate(names)), node("join"), node("more")]
    drawn = edges(*(f"start --> {name}" for name in names), *(f"{name} --> join" for name in names), "join --> more")
    compiled, log = graph(nodes, drawn), Log()
    runs = runner(RunState(compiled), log, RunLimits(max_parallel_nodes=under_way))
    running = asyncio.ensure_future(runs.run([RunStarted(at=1.0, inputs={}, system={})]))
    async with asyncio.timeout(PATIENCE):
        while not work(compiled, names[under_way - 1]).calls:  # noqa: ASYNC110 - a node has no event of its own
            await asyncio.sleep(0)
        runs.drain()
        await running
    ended = [event for event in log.events if isinstance(event, NodeFinished)]
    assert isinstance(log.events[-1], RunParked)
    assert len(ended) == under_way + 1, "and the start node"

    state = RunState(compiled)
    state.replay(log.events)
    again = runner(state, log)
    await again.run([RunRecovered(at=2.0, epoch=2)])

    assert isinstance(log.events[-1], RunFinished)
    assert [len(work(compiled, name).calls) for name in (*names, "join", "more")] == [1] * 5


async def test_one_that_is_drained_while_its_last_node_is_under_way_ends() -> None:
    compiled, log = graph([node("only", pauses=20)], edges("start --> only")), Log()
    runs = runner(RunState(compiled), log)
    running = asyncio.ensure_future(runs.run([RunStarted(at=1.0, inputs={}, system={})]))
    async with asyncio.timeout(PATIENCE):
        while not work(compiled, "only").calls:  # noqa: ASYNC110
            await asyncio.sleep(0)
        runs.drain()
        await running

    assert isinstance(log.events[-1], RunFinished)
