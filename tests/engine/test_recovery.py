"""Recovery of a run from its log: completed and remaining work."""

from collections import Counter
from typing import Any

import pytest

from jikko.dsl.document import NodeEntry
from jikko.engine.event_factory import recovered
from jikko.engine.limits import RunLimits
from jikko.engine.state import RunState
from jikko.events import Event, NodeAttempted, NodeFinished, NodeStarted, RoundFinished, RoundStarted, RunParked
from jikko.graph.compiled import CompiledGraph
from tests.engine.graphs import Log, edges, graph, iterating, node, resume, run, work

pytestmark = pytest.mark.anyio

RETRY = {"retry_enabled": True, "max_retries": 3}


def behind(events: list[Event], kind: type[Any], count: int = 1, **fields: object) -> list[Event]:
    """A log up to its n-th event of a kind with these fields."""
    for place, event in enumerate(events):
        if isinstance(event, kind) and all(getattr(event, name) == value for name, value in fields.items()):
            count -= 1
            if not count:
                return events[: place + 1]
    raise AssertionError(f"there are fewer {kind.__name__} than that")


def died(compiled: CompiledGraph, log: list[Event], epoch: int) -> list[Event]:
    """The log once a process has died, and the next has taken the run over."""
    state = RunState(compiled)
    state.replay(log)
    return [*log, recovered(state, epoch, 1.0, 1.0)]


def attempts(log: Log) -> list[int]:
    return [event.attempt for event in log.events if isinstance(event, NodeAttempted)]


@pytest.mark.parametrize("kind", ["code", "http-request"])
@pytest.mark.parametrize("failed", [1, 2, 3])
async def test_attempts_before_a_crash_count(kind: str, failed: int) -> None:
    compiled = graph([node("shaky", kind, fails=-1, retry_config=RETRY)], edges("start --> shaky"))
    whole = await run(compiled)
    assert attempts(whole) == [1, 2, 3]
    calls = work(compiled, "shaky").calls
    calls.clear()

    log = await resume(compiled, behind(whole.events, NodeAttempted, attempt=failed))

    assert (log.end.status, attempts(log), len(calls)) == ("failed", [1, 2, 3], 4 - failed)
    assert (log.end.exceptions_count, log.end.total_steps) == (whole.end.exceptions_count, whole.end.total_steps)


async def test_attempts_inside_a_round_count_after_a_crash_too_and_those_of_other_rounds_do_not() -> None:
    compiled = graph(
        [
            *iteration(
                node("inner", fails=-1, container="each", retry_config=RETRY), error_handle_mode="continue-on-error"
            )
        ],
        ITERATION_EDGES,
    )
    whole = await run(compiled)
    assert attempts(whole) == [1, 2, 3] * 3
    calls = work(compiled, "inner").calls
    calls.clear()

    log = await resume(compiled, behind(whole.events, NodeAttempted, count=5))

    assert (log.end.status, attempts(log)) == ("succeeded", [1, 2, 3] * 3)
    assert len(calls) == 2 + 4


async def test_a_crash_between_attempts_takes_the_branch_of_the_failure_as_before() -> None:
    compiled = graph(
        [
            node("shaky", fails=-1, retry_config=RETRY, error_strategy="fail-branch"),
            node("normal"),
            node("handler", value=1),
        ],
        edges("start --> shaky", "shaky --> normal", "shaky --fail-branch--> handler"),
    )
    whole = await run(compiled)

    log = await resume(compiled, behind(whole.events, NodeAttempted, attempt=2))

    assert (log.end.status, log.end.exceptions_count) == ("partial-succeeded", 4)
    assert log.finished() == whole.finished() == ["start", "shaky", "handler"]


async def test_attempts_that_failed_are_no_deaths_at_the_node() -> None:
    compiled = graph([node("shaky", fails=-1, retry_config=RETRY)], edges("start --> shaky"))
    whole = await run(compiled)
    events: list[Event] = []
    epoch = 1
    for event in whole.events[:-2]:
        events.append(event)
        if isinstance(event, NodeAttempted):
            epoch += 1
            events = died(compiled, events, epoch)

    log = await resume(compiled, events)

    assert log.end.error == "shaky broke"


async def test_a_run_that_was_left_in_good_order_has_not_died_however_often() -> None:
    """As at each restart of a server: the node that was under way each time is none that kills processes."""
    compiled = graph([node("slow")], edges("start --> slow"))
    whole = await run(compiled)
    events = behind(whole.events, NodeStarted, node_id="slow")
    for epoch in range(2, 8):
        events = died(compiled, [*events, RunParked(at=float(epoch), elapsed=1.0)], epoch)

    assert (await resume(compiled, events)).end.status == "succeeded"


@pytest.mark.parametrize("used", [60.0, 61.0, 10_000.0])
async def test_a_run_that_has_used_up_its_time_before_a_restart_gets_no_more(used: float) -> None:
    compiled = graph([node("endless", pauses=10**9)], edges("start --> endless"))
    whole = await run(compiled, limits=RunLimits(max_seconds=0.01))
    events = [*behind(whole.events, NodeStarted, node_id="endless"), RunParked(at=1.0, elapsed=used)]

    log = await resume(compiled, events, limits=RunLimits(max_seconds=60.0))

    assert log.end.status == "stopped"
    assert f"Maximum execution time exceeded: {used:.1f}s > 60s" in (log.end.error or "")


def iteration(*body: NodeEntry, **data: Any) -> list[NodeEntry]:
    """An iteration over three elements."""
    return [
        node("items", value=["x", "y", "z"]),
        *iterating("each", [body[-1].id, "value"], **data),
        *body,
    ]


ITERATION_EDGES = edges("start --> items", "items --> each", "each-start --> inner")


async def test_a_round_whose_nodes_get_on_between_deaths_is_not_given_up() -> None:
    chain = ["inner", "b", "c", "d", "e"]
    compiled = graph(
        iteration(*(node(name, container="each", value=name) for name in chain)),
        [*ITERATION_EDGES, *edges("inner --> b", "b --> c", "c --> d", "d --> e")],
    )
    whole = await run(compiled)
    events: list[Event] = []
    epoch = 1
    for event in behind(whole.events, NodeStarted, node_id="e"):
        events.append(event)
        if isinstance(event, NodeStarted) and event.rounds:
            epoch += 1
            events = died(compiled, events, epoch)
    assert epoch == 6

    log = await resume(compiled, events)

    each = next(event for event in log.events if isinstance(event, NodeFinished) and event.node_id == "each")
    assert (log.end.status, each.outputs) == ("succeeded", {"output": ["e", "e", "e"]})


async def test_rounds_of_an_inner_container_that_end_are_progress_of_the_outer_one() -> None:
    compiled = graph(
        iteration(
            node(
                "inner",
                "iteration",
                container="each",
                start_node_id="inner-start",
                iterator_selector=["items", "value"],
                output_selector=["leaf", "value"],
            ),
            node("inner-start", "iteration-start", container="inner"),
            node("leaf", container="inner", value=1),
        ),
        [*ITERATION_EDGES, *edges("inner-start --> leaf")],
    )
    whole = await run(compiled)
    events: list[Event] = []
    epoch = 1
    for event in behind(whole.events, RoundFinished, node_id="each"):
        events.append(event)
        if isinstance(event, RoundStarted) and event.node_id == "inner":
            epoch += 1
            events = died(compiled, events, epoch)
    assert epoch == 4

    assert (await resume(compiled, events)).end.status == "succeeded"


async def test_rounds_that_end_are_progress_though_their_nodes_had_ended_before() -> None:
    """Of rounds side by side: their nodes have all ended when the process dies behind the end of each."""
    compiled = graph(iteration(node("inner", container="each", value=1), is_parallel=True), ITERATION_EDGES)
    whole = await run(compiled)
    last = max(place for place, event in enumerate(whole.events) if isinstance(event, RoundFinished))
    all_events = whole.events[: last + 1]
    ends = [event for event in all_events if isinstance(event, RoundFinished)]
    assert len(ends) == 3
    events: list[Event] = [event for event in all_events if not isinstance(event, RoundFinished)]
    for epoch, end in enumerate(ends, 2):
        events = died(compiled, [*events, end], epoch)

    assert (await resume(compiled, events)).end.status == "succeeded"


async def test_a_container_in_which_nothing_gets_on_is_given_up_after_three_deaths() -> None:
    compiled = graph(iteration(node("inner", container="each", pauses=10**9)), ITERATION_EDGES)
    whole = await run(compiled, limits=RunLimits(max_seconds=0.05))
    events = behind(whole.events, NodeStarted, node_id="inner")
    for epoch in (2, 3):
        events = died(compiled, events, epoch)

    log = await resume(compiled, events)

    assert log.end.status == "failed"
    assert "died 3 times while node" in (log.end.error or "")


@pytest.mark.parametrize("parallel", [False, True])
async def test_wherever_a_crash_comes_each_round_is_told_once_and_in_full(parallel: bool) -> None:
    compiled = graph(
        iteration(node("inner", container="each", pauses=2, value=1), is_parallel=parallel, parallel_nums=2),
        ITERATION_EDGES,
    )
    whole = await run(compiled)

    for border in range(1, len(whole.events)):
        log = await resume(compiled, whole.events[:border])

        starts = [event for event in log.events if isinstance(event, RoundStarted)]
        assert sorted(event.round for event in starts) == [0, 1, 2]
        assert sorted(event.variables["item"] for event in starts) == ["x", "y", "z"]
        assert sorted(event.round for event in log.events if isinstance(event, RoundFinished)) == [0, 1, 2]


async def test_a_round_that_had_failed_is_neither_announced_nor_run_again() -> None:
    compiled = graph(
        iteration(
            node("inner", container="each", fails=-1),
            is_parallel=True,
            parallel_nums=1,
            error_handle_mode="continue-on-error",
        ),
        ITERATION_EDGES,
    )
    whole = await run(compiled)
    work(compiled, "inner").calls.clear()

    log = await resume(compiled, behind(whole.events, RoundFinished, round=1))

    assert log.end.status == "succeeded"
    assert [event.round for event in log.events if isinstance(event, RoundStarted)] == [0, 1, 2]
    assert len(work(compiled, "inner").calls) == 1


async def test_each_round_has_a_key_towards_others_of_its_own_in_all_attempts_and_after_a_crash() -> None:
    inner = node(
        "inner",
        "iteration",
        container="each",
        start_node_id="inner-start",
        iterator_selector=["items", "value"],
        output_selector=["leaf", "value"],
    )
    leaf = node("leaf", "http-request", container="inner", fails=-1, retry_config=RETRY, error_strategy="default-value")
    compiled = graph(
        iteration(inner, node("inner-start", "iteration-start", container="inner"), leaf),
        [*ITERATION_EDGES, *edges("inner-start --> leaf")],
    )
    whole = await run(compiled)
    keys = list(work(compiled, "leaf").keys)
    assert Counter(Counter(keys).values()) == {4: 9}, "nine rounds, four attempts each"
    work(compiled, "leaf").keys.clear()

    log = await resume(compiled, behind(whole.events, NodeStarted, node_id="leaf", count=5))

    assert log.end.status == "succeeded"
    assert work(compiled, "leaf").keys == keys[16:]
