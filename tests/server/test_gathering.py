"""The numbers of several processes: asked for, added up, and kept when a process is gone."""

import asyncio
from typing import Any

import pytest

from jikko.cluster.cluster_messages import Measure
from jikko.observing.metrics.metrics_table import Snapshot
from jikko.server import supervisor
from jikko.server.supervisor import Gathering
from tests.effort import PATIENCE

pytestmark = pytest.mark.anyio


class Worker:
    """One that answers at once, or not at all."""

    def __init__(self, gathered: Gathering, name: str, *, runs: float, answers: bool = True) -> None:
        self._gathered = gathered
        self._name = name
        self.runs = runs
        self.answers = answers

    def send(self, message: Any) -> None:
        assert isinstance(message, Measure)
        if self.answers:
            measured: Snapshot = [("jikko_lost_total", (), [self.runs]), ("jikko_streams", (), [1.0])]
            asyncio.get_running_loop().call_soon(self._gathered.answered, self._name, measured)


@pytest.fixture
def gathered(monkeypatch: pytest.MonkeyPatch) -> Gathering:
    monkeypatch.setattr(supervisor, "_TIMEOUT_SECONDS", PATIENCE)
    return Gathering()


async def numbers(gathered: Gathering, **workers: Any) -> dict[str, float]:
    found = await gathered.gather(workers)
    return {name: values[0] for name, _, values in found if name.startswith("jikko_")}


async def test_what_workers_say_is_added_up(gathered: Gathering) -> None:
    one, two = Worker(gathered, "one", runs=3), Worker(gathered, "two", runs=4)
    assert await numbers(gathered, one=one, two=two) == {"jikko_lost_total": 7, "jikko_streams": 2}


async def test_the_process_that_asks_counts_too(gathered: Gathering) -> None:
    assert "process_cpu_seconds_total" in {name for name, _, _ in await gathered.gather({})}


async def test_of_one_that_does_not_answer_the_last_numbers_stand(
    gathered: Gathering, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = Worker(gathered, "one", runs=3), Worker(gathered, "two", runs=4)
    await numbers(gathered, one=one, two=two)
    one.answers, one.runs, two.runs = False, 100, 5
    monkeypatch.setattr(supervisor, "_TIMEOUT_SECONDS", 0.05)
    assert await numbers(gathered, one=one, two=two) == {"jikko_lost_total": 8, "jikko_streams": 2}


async def test_what_a_dead_one_did_stays_counted(gathered: Gathering) -> None:
    one, two = Worker(gathered, "one", runs=3), Worker(gathered, "two", runs=4)
    await numbers(gathered, one=one, two=two)
    gathered.died("one")
    gathered.died("never seen")
    assert await numbers(gathered, two=two) == {"jikko_lost_total": 7, "jikko_streams": 1}


async def test_one_that_dies_while_it_is_asked_is_not_waited_for(
    gathered: Gathering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "_TIMEOUT_SECONDS", 3600.0)
    asking = asyncio.ensure_future(numbers(gathered, one=Worker(gathered, "one", runs=3, answers=False)))
    asyncio.get_running_loop().call_later(0.01, gathered.died, "one")
    assert await asking == {}
