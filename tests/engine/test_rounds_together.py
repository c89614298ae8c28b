"""Batching of rounds that do not wait: one batch per turn of the event loop, not per round."""

import pytest

from jikko.concurrency.scheduler import Scheduler
from jikko.engine.state import RunState
from jikko.events import RoundFinished, RunFinished, RunStarted
from jikko.graph.compiled import CompiledGraph
from tests.engine.graphs import Log, runner
from tests.engine.test_giving_way import ROUNDS, iteration, loop

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("compiled", [iteration(), loop()], ids=["iteration", "loop"])
async def test_rounds_of_one_turn_are_handed_over_together(compiled: CompiledGraph) -> None:
    log = Log()
    # Time stands still: the run gives way to nothing, and all its rounds are in one turn.
    share = Scheduler(lambda: 0.0)

    await runner(RunState(compiled), log, share=share).run([RunStarted(at=1.0, inputs={}, system={})])

    assert sum(isinstance(event, RoundFinished) for event in log.events) == ROUNDS
    # What a code node in front of them needs is one hand-over, and the container begins with its first rounds.
    assert len(log.borders) == 2


async def test_nothing_follows_the_end_of_a_run_that_is_stopped_within_its_rounds() -> None:
    log = Log()
    running = runner(RunState(iteration()), log, share=Scheduler(lambda: 0.0))
    running.begin([RunStarted(at=1.0, inputs={}, system={})])

    assert running.stop("enough")
    running.events.emit(RunStarted(at=2.0, inputs={}, system={}))
    running.events.flush_soon()
    await running.wait()
    running.events.flush()

    assert isinstance(log.events[-1], RunFinished)
    assert log.end.status == "stopped"
