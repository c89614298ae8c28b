"""A round that failed: nothing that was under way in it acts any more."""

import asyncio
from typing import Any

import pytest

from jikko.dsl.document import NodeEntry
from jikko.engine.limits import RunLimits
from jikko.engine.state import RunState
from jikko.events import NodeFinished, NodeStarted, RoundFinished, RunStarted
from jikko.graph.compiled import CompiledGraph
from tests.effort import PATIENCE
from tests.engine.graphs import Log, edges, graph, iterating, node, run, runner, work

pytestmark = pytest.mark.anyio


def container(kind: str, inside: list[NodeEntry], **data: Any) -> list[NodeEntry]:
    own: dict[str, Any] = (
        {
            "iterator_selector": ["items", "value"],
            "output_selector": ["bad", "value"],
            "error_handle_mode": "continue-on-error",
        }
        if kind == "iteration"
        else {"loop_count": 1, "break_conditions": [], "logical_operator": "and"}
    )
    return [
        node("items", value=["x", "y"]),
        node("outer", kind, start_node_id="outer-start", error_strategy="fail-branch", **own, **data),
        node("outer-start", f"{kind}-start", container="outer"),
        node("bad", container="outer", fails=-1, pauses=3),
        *inside,
        # So that the run goes on for long enough to see what does not come.
        node("after", pauses=200),
    ]


OUTER = ["start --> items", "items --> outer", "outer-start --> bad", "outer --> after", "outer --fail-branch--> after"]


def after_failure(log: Log) -> list[str]:
    """Nodes inside of containers that started, or ended, behind the end of the round that they are in."""
    over: set[tuple[str, int]] = set()
    found: list[str] = []
    for event in log.events:
        if isinstance(event, RoundFinished):
            over.add((event.execution_id, event.round))
        elif isinstance(event, (NodeStarted, NodeFinished)):
            rounds = {(entry.execution_id, entry.index) for entry in event.rounds}
            found += [event.node_id] * bool(rounds & over)
    return found


@pytest.mark.parametrize("kind", ["iteration", "loop"])
@pytest.mark.parametrize("parallel", [False, True])
async def test_what_stood_beside_the_failure_is_cancelled(kind: str, parallel: bool) -> None:
    data = {"is_parallel": parallel, "parallel_nums": 2}
    compiled = graph(
        container(kind, [node("slow", "http-request", container="outer", pauses=50)], **data),
        edges(*OUTER, "outer-start --> slow"),
    )

    log = await run(compiled)

    assert log.finished()[-1] == "after"
    assert len(work(compiled, "slow").calls) == (2 if kind == "iteration" else 1)
    assert work(compiled, "slow").acted == []
    assert after_failure(log) == []


async def test_the_place_of_a_node_that_is_cancelled_is_for_the_next_that_waits() -> None:
    compiled = graph(
        [
            node("items", value=["x"]),
            *iterating("outer", ["bad", "value"], error_handle_mode="continue-on-error"),
            # It needs no place to begin with, and fails while the other has the only one.
            node("bad", "document-extractor", container="outer", fails=-1),
            node("slow", "http-request", container="outer", pauses=100),
            node("after"),
        ],
        edges("start --> items", "items --> outer", "outer --> after", "outer-start --> slow", "outer-start --> bad"),
    )

    log = await run(compiled, limits=RunLimits(max_parallel_nodes=1))

    assert work(compiled, "slow").acted == []
    assert log.finished()[-2:] == ["outer", "after"]
    assert log.end.status == "succeeded"


def nested(kind: str, inner: str, *, leaf: NodeEntry, behind: NodeEntry) -> CompiledGraph:
    own: dict[str, Any] = (
        {"iterator_selector": ["items", "value"], "output_selector": ["leaf", "value"]}
        if inner == "iteration"
        else {"loop_count": 2, "break_conditions": [], "logical_operator": "and"}
    )
    inside = [
        node("inner", inner, container="outer", start_node_id="inner-start", **own),
        node("inner-start", f"{inner}-start", container="inner"),
        leaf,
        behind,
    ]
    return graph(
        container(kind, inside), edges(*OUTER, "outer-start --> inner", "inner-start --> leaf", "leaf --> behind")
    )


@pytest.mark.parametrize("kind", ["iteration", "loop"])
@pytest.mark.parametrize("inner", ["iteration", "loop"])
async def test_so_is_what_is_in_containers_inside_of_it(kind: str, inner: str) -> None:
    compiled = nested(
        kind,
        inner,
        leaf=node("leaf", "http-request", container="inner", pauses=50),
        behind=node("behind", container="inner"),
    )

    log = await run(compiled)

    assert log.finished()[-1] == "after"
    assert len(work(compiled, "leaf").calls) == (2 if kind == "iteration" else 1)
    assert (work(compiled, "leaf").acted, work(compiled, "behind").calls) == ([], [])
    assert after_failure(log) == []


@pytest.mark.parametrize("inner", ["iteration", "loop"])
async def test_the_end_of_a_call_that_cannot_be_cancelled_leads_to_nothing(inner: str) -> None:
    compiled = nested(
        "iteration",
        inner,
        leaf=node("leaf", "llm", container="inner", pauses=20),
        behind=node("behind", container="inner"),
    )

    log = await run(compiled)

    # As a thread, or a request that has left already: it comes to its end.
    assert len(work(compiled, "leaf").acted) == 2
    assert (log.finished()[-1], work(compiled, "behind").calls) == ("after", [])
    assert after_failure(log) == []


async def test_of_a_run_that_is_stopped_in_a_container_nothing_acts_any_more() -> None:
    compiled = nested(
        "iteration",
        "loop",
        leaf=node("leaf", "http-request", container="inner", pauses=50),
        behind=node("behind", container="inner"),
    )
    log = Log()
    runs = runner(RunState(compiled), log)
    running = asyncio.ensure_future(runs.run([RunStarted(at=1.0, inputs={}, system={})]))
    async with asyncio.timeout(PATIENCE):
        while not work(compiled, "leaf").calls:  # noqa: ASYNC110 - a node has no event of its own
            await asyncio.sleep(0)
        assert runs.stop("stopped by 田中")
        await running
        for _ in range(200):
            await asyncio.sleep(0)

    assert (log.end.status, log.end.error, work(compiled, "leaf").acted) == ("stopped", "stopped by 田中", [])


@pytest.mark.parametrize("parallel", [False, True])
async def test_of_a_round_that_failed_nothing_is_kept_whatever_its_nodes_had_put_out(parallel: bool) -> None:
    compiled = graph(
        [
            node("items", value=["x", "y"]),
            *iterating(
                "each", ["good", "value"], error_handle_mode="continue-on-error", is_parallel=parallel, parallel_nums=2
            ),
            node("good", container="each", value="良い"),
            node("bad", container="each", fails=-1),
        ],
        edges("start --> items", "items --> each", "each-start --> good", "good --> bad"),
    )

    log = await run(compiled)

    [each] = [event for event in log.events if isinstance(event, NodeFinished) and event.node_id == "each"]
    assert each.outputs == {"output": [None, None]}
    assert [event.outputs for event in log.events if isinstance(event, RoundFinished)] == [{}, {}]
