"""Leaked tasks: none of a run waits forever until Python destroys it with a warning."""

import asyncio
from typing import Any

import pytest

from jikko.engine.limits import RunLimits
from jikko.engine.state import RunState
from jikko.events import RunFinished, RunParked, RunStarted
from jikko.graph.compiled import CompiledGraph
from tests.effort import PATIENCE
from tests.engine.graphs import Log, edges, graph, node, runner, work

pytestmark = pytest.mark.anyio

BEGAN = RunStarted(at=1.0, inputs={}, system={})


def rounds(kind: str, inner: str, **data: Any) -> CompiledGraph:
    """An iteration over five items, whose rounds are two nodes one behind the other."""
    container = node(
        "each",
        "iteration",
        start_node_id="each-start",
        iterator_selector=["items", "value"],
        output_selector=["second", "value"],
        is_parallel=kind == "parallel",
        **data,
    )
    inside = [node(name, inner, container="each", pauses=2) for name in ("first", "second")]
    return graph(
        [
            node("items", value=[1, 2, 3, 4, 5]),
            container,
            node("each-start", "iteration-start", container="each"),
            *inside,
            node("end", "end", outputs=[]),
        ],
        edges("start --> items", "items --> each", "each-start --> first", "first --> second", "each --> end"),
    )


def of_runs() -> set[asyncio.Task[Any]]:
    """The tasks that are no test's."""
    return {task for task in asyncio.all_tasks() if "/src/jikko/" in task.get_coro().cr_code.co_filename}  # type: ignore[union-attr]


async def left() -> set[asyncio.Task[Any]]:
    """The tasks that are there once all that were cancelled had their time."""
    for _ in range(50):
        await asyncio.sleep(0)
    return of_runs()


@pytest.mark.parametrize("kind", ["one after the other", "parallel"])
async def test_rounds_that_are_too_many_steps(kind: str) -> None:
    log = Log()
    running = runner(RunState(rounds(kind, "template-transform", parallel_nums=2)), log, RunLimits(max_steps=5))

    await running.run([BEGAN])

    assert log.end.status == "stopped"
    assert await left() == set()


@pytest.mark.parametrize("kind", ["one after the other", "parallel"])
async def test_rounds_of_a_run_that_parks_since_nothing_may_start_any_more(kind: str) -> None:
    compiled, log = rounds(kind, "code", parallel_nums=2), Log()
    running = runner(RunState(compiled), log)
    under_way = asyncio.ensure_future(running.run([BEGAN]))
    async with asyncio.timeout(PATIENCE):
        while not work(compiled, "second").calls:  # noqa: ASYNC110 - a node has no event of its own
            await asyncio.sleep(0)

    running.drain()
    await under_way

    assert isinstance(log.events[-1], RunParked)
    assert await left() == set()


async def test_nodes_that_wait_for_a_place_in_a_run_for_which_nobody_waits_any_more() -> None:
    names, log = ["a", "b", "c"], Log()
    compiled = graph([node(name, pauses=2) for name in names], edges(*(f"start --> {name}" for name in names)))
    running = runner(RunState(compiled), log, RunLimits(max_parallel_nodes=1))
    under_way = asyncio.ensure_future(running.run([BEGAN]))
    async with asyncio.timeout(PATIENCE):
        while not work(compiled, "a").calls:  # noqa: ASYNC110 - a node has no event of its own
            await asyncio.sleep(0)

    # As the event loop does with all tasks when it ends: what begins then would be left.
    for task in of_runs():
        task.cancel()
    await asyncio.wait([under_way])

    assert await left() == set()
    assert [work(compiled, name).calls for name in names[1:]] == [[], []]
    assert not isinstance(log.events[-1], RunFinished)


@pytest.mark.parametrize("kind", ["one after the other", "parallel"])
async def test_rounds_of_a_run_that_is_stopped(kind: str) -> None:
    compiled, log = rounds(kind, "code", parallel_nums=2), Log()
    running = runner(RunState(compiled), log)
    under_way = asyncio.ensure_future(running.run([BEGAN]))
    async with asyncio.timeout(PATIENCE):
        while not work(compiled, "first").calls:  # noqa: ASYNC110 - a node has no event of its own
            await asyncio.sleep(0)

    assert running.stop("enough")
    await under_way

    assert await left() == set()
