"""Yielding of runs to the event loop, counted in work, not time."""

import asyncio
import gc
from typing import Any

import pytest

from jikko.concurrency.scheduler import SLICE, Scheduler
from jikko.dsl.document import NodeEntry
from jikko.engine.state import RunState, Texts
from jikko.events import Event, NodeStarted, RoundStarted, RunStarted
from jikko.graph.compiled import CompiledGraph
from jikko.long_texts import LONG_TEXT
from tests.engine.graphs import Log, edges, graph, node, runner

pytestmark = pytest.mark.anyio

ROUNDS = 3000
LOOKS = 20
"""How often a run looks at the clock in a slice."""

END = node("end", "end", outputs=[{"variable": "o", "value_selector": ["a", "value"]}])


class Turns(RunState):
    """A state that knows how many events happened at most between two turns of the event loop."""

    def __init__(self, compiled: CompiledGraph) -> None:
        super().__init__(compiled)
        self.most = 0
        self._new = 0
        self._goes_on = True
        self._count()

    def apply(self, event: Event) -> Texts | None:
        self._new += 1
        return super().apply(event)

    def _count(self) -> None:
        self.most, self._new = max(self.most, self._new), 0
        if self._goes_on:
            asyncio.get_running_loop().call_soon(self._count)

    def stop(self) -> None:
        self._goes_on = False


def container(kind: str, **data: Any) -> list[NodeEntry]:
    return [
        node("items", value=list(range(ROUNDS))),
        node("each", kind, start_node_id="each-start", **data),
        node("each-start", f"{kind}-start", container="each"),
        node("inner", "template-transform", value=1, container="each"),
        node("end", "end", outputs=[]),
    ]


def iteration(**data: Any) -> CompiledGraph:
    nodes = container("iteration", iterator_selector=["items", "value"], output_selector=["inner", "value"], **data)
    return graph(nodes, edges("start --> items", "items --> each", "each-start --> inner", "each --> end"))


def loop() -> CompiledGraph:
    nodes = container("loop", loop_count=ROUNDS, break_conditions=[], logical_operator="and", loop_variables=[])
    return graph(nodes, edges("start --> items", "items --> each", "each-start --> inner", "each --> end"))


async def turns(compiled: CompiledGraph) -> tuple[Log, Turns]:
    readings = 0.0

    def clock() -> float:
        nonlocal readings
        readings += SLICE / LOOKS
        return readings

    log, state = Log(), Turns(compiled)
    began = RunStarted(at=1.0, inputs={}, system={})
    await runner(state, log, share=Scheduler(clock)).run([began])
    state.stop()
    assert log.end.status == "succeeded"
    return log, state


@pytest.mark.parametrize(
    "compiled",
    [
        iteration(),
        iteration(is_parallel=True, parallel_nums=10),
        iteration(is_parallel=True, parallel_nums=9999),
        loop(),
    ],
    ids=["one after the other", "ten at once", "as many as there may be", "loop"],
)
async def test_rounds_that_never_wait_let_others_have_the_loop(compiled: CompiledGraph) -> None:
    log, state = await turns(compiled)

    assert sum(isinstance(event, NodeStarted) and event.node_id == "inner" for event in log.events) == ROUNDS
    # A round is four events and a look; the last round of a slice, and the ends of both nodes, come on top.
    assert state.most <= 4 * (LOOKS + 2) + 8


async def test_a_parallel_iteration_announces_no_more_than_a_thousand_rounds_ahead() -> None:
    log, _ = await turns(iteration(is_parallel=True, parallel_nums=10))

    first_end = next(at for at, event in enumerate(log.events) if type(event).__name__ == "RoundFinished")
    assert sum(isinstance(event, RoundStarted) for event in log.events[:first_end]) in range(1000, 1011)
    assert [event.round for event in log.events if isinstance(event, RoundStarted)] == list(range(ROUNDS))


@pytest.mark.parametrize("compiled", [iteration(), loop()], ids=["iteration", "loop"])
async def test_the_collector_of_python_has_nothing_to_look_at_in_the_events_of_a_run(compiled: CompiledGraph) -> None:
    log, _ = await turns(compiled)

    assert len(log.events) > 4 * ROUNDS
    # What is tracked is gone through while the event loop stands still: a tenth of a second for a million objects.
    assert not [event for event in log.events if gc.is_tracked(event)]


async def test_long_outputs_end_a_run_in_another_turn_than_that_in_which_they_were_made() -> None:
    """The record of the run encodes them."""
    compiled = graph(
        [node("a", value=["\n" * LONG_TEXT, "界" * 2 * LONG_TEXT]), END], edges("start --> a", "a --> end")
    )
    readings = 0

    def clock() -> float:
        nonlocal readings
        readings += 1
        return float(readings)

    log = Log()
    await runner(RunState(compiled), log, share=Scheduler(clock)).run([RunStarted(at=1.0, inputs={}, system={})])

    assert log.end.status == "succeeded"
    assert log.borders[-2:] == [len(log.events) - 1, len(log.events)]
