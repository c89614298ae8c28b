"""Batching of events while a run waits for its turn, within a short time."""

import asyncio
from collections.abc import Callable
from itertools import count, pairwise

import pytest

from jikko.concurrency import scheduler
from jikko.concurrency.scheduler import SLICE, Scheduler
from jikko.engine import event_buffer
from jikko.engine.event_buffer import MAX_PUT_OFF_EVENTS
from jikko.engine.event_factory import recovered
from jikko.engine.runner import Runner
from jikko.engine.state import RunState
from jikko.events import NodeFinished, RoundFinished, RunFinished, RunParked, RunStarted
from jikko.graph.compiled import CompiledGraph
from tests.effort import PATIENCE
from tests.engine.graphs import Log, edges, graph, node, runner
from tests.engine.test_giving_way import LOOKS, ROUNDS, container, iteration, loop

pytestmark = pytest.mark.anyio

BEGAN = RunStarted(at=1.0, inputs={}, system={})


class Withheld(Scheduler):
    """A share in which it is nobody's turn until that is wanted, and in which a slice has room for some looks."""

    def __init__(self, looks: int = LOOKS) -> None:
        readings = count()
        super().__init__(lambda: next(readings) * SLICE / looks)
        self.waiting: list[Callable[[], object]] = []

    def later(self, key: str, work: Callable[[], object], *, first: bool = False) -> None:
        self.waiting.append(work)

    def cancel(self, key: str, work: Callable[[], object]) -> None:
        if work in self.waiting:
            self.waiting.remove(work)


def never(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the time in which events leave not come."""
    monkeypatch.setattr(scheduler, "IN_TIME", 3600.0)


async def put_off(running: Runner, share: Withheld) -> None:
    """Have a run begin, until it waits for its turn."""
    running.begin([BEGAN])
    async with asyncio.timeout(PATIENCE):
        while not share.waiting:  # noqa: ASYNC110 - a share has no event of its own
            await asyncio.sleep(0)
        await asyncio.sleep(0)


@pytest.mark.parametrize("compiled", [iteration(), loop()], ids=["iteration", "loop"])
async def test_slices_of_a_run_leave_together_and_not_too_many_of_them(
    compiled: CompiledGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    never(monkeypatch)
    readings, log = count(), Log()
    share = Scheduler(lambda: next(readings) * SLICE / LOOKS)

    await runner(RunState(compiled), log, share=share).run([BEGAN])

    assert sum(isinstance(event, RoundFinished) for event in log.events) == ROUNDS
    assert len(log.borders) <= len(log.events) / MAX_PUT_OFF_EVENTS + 2
    # Looked at once a slice, which has room for some twenty rounds.
    assert max(end - begin for begin, end in pairwise([0, *log.borders])) <= MAX_PUT_OFF_EVENTS + 4 * (LOOKS + 2) + 8


async def test_events_of_a_run_whose_turn_does_not_come_leave_in_time() -> None:
    share, log = Withheld(), Log()
    running = runner(RunState(iteration()), log, share=share)

    await put_off(running, share)
    async with asyncio.timeout(PATIENCE):
        while not any(isinstance(event, RoundFinished) for event in log.events):  # noqa: ASYNC110
            await asyncio.sleep(0)

    assert share.waiting
    running.stop("enough")
    assert isinstance(log.events[-1], RunFinished)


@pytest.mark.parametrize("last", [RunFinished, RunParked])
async def test_a_run_that_is_ended_while_it_waits_for_its_turn_loses_nothing(
    last: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    never(monkeypatch)
    share, log = Withheld(), Log()
    running = runner(RunState(iteration()), log, share=share)
    await put_off(running, share)
    assert not any(isinstance(event, RoundFinished) for event in log.events)

    if last is RunFinished:
        running.stop("enough")
    else:
        running.park()

    assert isinstance(log.events[-1], last)
    assert sum(isinstance(event, RoundFinished) for event in log.events) >= LOOKS - 1


async def test_streamed_text_leaves_at_once_beside_rounds_that_wait_for_their_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    never(monkeypatch)
    end = node("end", "end", outputs=[{"variable": "x", "value_selector": ["talks", "value"]}])
    nodes = container("iteration", iterator_selector=["items", "value"], output_selector=["inner", "value"])
    share, log = Withheld(), Log()
    compiled = graph(
        [*nodes[:-1], node("talks", says=["東", "京"], value="東京", pauses=5), end],
        edges("start --> items", "items --> each", "each-start --> inner", "start --> talks", "talks --> end"),
    )
    running = runner(RunState(compiled), log, share=share)
    running.begin([BEGAN])

    async with asyncio.timeout(PATIENCE):
        while log.text != "東京":  # noqa: ASYNC110
            await asyncio.sleep(0)

    assert share.waiting  # for the turn of the rounds, which are in the log before the text
    place = next(at for at, event in enumerate(log.events) if type(event).__name__ == "TextChunk")
    assert any(isinstance(event, RoundFinished) for event in log.events[:place])
    running.stop("enough")


async def test_what_a_node_did_outside_does_not_wait_for_the_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    never(monkeypatch)
    many = [node(f"n{number}", "template-transform") for number in range(200)]
    share, log = Withheld(looks=1), Log()
    compiled = graph(
        [node("acts", "http-request"), *many],
        edges("start --> acts", *(f"acts --> n{number}" for number in range(200))),
    )
    running = runner(RunState(compiled), log, share=share)

    await put_off(running, share)

    assert "acts" in log.finished()
    assert log.finished()[-1] != "n199"
    running.stop("enough")


async def test_wherever_a_crash_comes_between_slices_every_result_is_shown_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(event_buffer, "MAX_PUT_OFF_EVENTS", 1)
    names = [f"n{number}" for number in range(400)]
    outputs = [{"variable": name, "value_selector": [name, "value"]} for name in names]
    compiled = graph(
        [*(node(name, "template-transform", value=name) for name in names), node("end", "end", outputs=outputs)],
        edges(*(f"{one} --> {other}" for one, other in pairwise(["start", *names, "end"]))),
    )
    readings, whole = count(), Log()
    share = Scheduler(lambda: next(readings) * 2 * SLICE)
    await runner(RunState(compiled), whole, share=share).run([BEGAN])
    assert whole.text == "\n".join(names)

    assert len(whole.borders) >= 400 // 64
    for border in whole.borders[:-1]:
        log, state = Log(), RunState(compiled)
        log.events = whole.events[:border]
        state.replay(log.events)
        await runner(state, log).run([recovered(state, 2, 1.0, 1.0)])
        assert log.text == whole.text
        assert sum(isinstance(event, NodeFinished) for event in log.events) == 402
