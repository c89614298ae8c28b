"""How late events are seen where a run is followed that another process executes; in virtual time."""

import asyncio
from random import Random

import pytest

from jikko.events import RunFinished
from jikko.runs.following.log_pieces import CommitTimes
from tests.acceptance.workflows import end, node, start
from tests.cluster.fake import Faults
from tests.runs.processes import Case
from tests.virtual_time import run

DELAY = 0.2
"""Seconds that a message takes."""


class Longest(Random):
    """Everything takes as long as it may."""

    def uniform(self, a: float, b: float) -> float:
        return b


@pytest.mark.parametrize(("loss", "least", "most"), [(0.0, DELAY, DELAY + 0.1), (1.0, 1.0, 31.0)])
def test_events_of_a_run_elsewhere_are_seen_as_late_as_messages_are_or_the_looks_that_make_up_for_them(
    loss: float, least: float, most: float
) -> None:
    async def scenario() -> None:
        case = Case(3, Faults(delay=DELAY, loss=loss), slowest_node=60.0)
        case.random = case.network.random = Longest(3)
        try:
            here, there = await case.start(), await case.start()
            nodes = [start("q"), node("a", "code", value="x"), node("b", "code", value="y"), end(out="b.value")]
            run_id = await there.begin(await case.publish("Slow", nodes, "start>a a>b b>end"), q="1")
            record = await here.runs.records.any_record(run_id)
            seen = [entry async for batch in here.runs.control.reader(record).follow(durable=True) for entry in batch]

            assert isinstance(seen[-1][1], RunFinished)
            lags = here.runs.executor.measures.lags.values[()]
            assert sum(lags[:-1]) >= 2
            assert least <= lags[-1] / sum(lags[:-1]) + 1e-6 <= most
            assert sum(there.runs.executor.measures.lags.values[()]) == 0
        finally:
            await case.close()

    run(asyncio.wait_for(scenario(), 3600))


def test_each_event_has_the_time_of_its_commit_and_those_before_none() -> None:
    moments = iter([1.0, 2.0])
    times = CommitTimes(lambda: next(moments), 3)
    for count in (4, 7):
        times.note(count)

    assert [times.of(position) for position in range(8)] == [0, 0, 0, 1, 2, 2, 2, 0]
