"""Memory of a run's state, by its events and their sizes."""

from typing import Any, TypeAlias

from jikko.events import (
    ContainerStarted,
    Event,
    NodeFinished,
    NodeStarted,
    Round,
    RoundFinished,
    RoundPath,
    RoundStarted,
    StepRecorded,
    Update,
)
from jikko.runs.run_memory import RetainedBytes
from tests.contract.runs import started

Sized: TypeAlias = tuple[Event, int]
"""An event, and its bytes."""


def about(execution_id: str, rounds: RoundPath = ()) -> dict[str, Any]:
    return {
        "at": 1.0,
        "execution_id": execution_id,
        "node_id": execution_id,
        "node_type": "x",
        "index": 1,
        "rounds": rounds,
    }


def ended(execution_id: str, rounds: RoundPath = (), *updates: Update) -> NodeFinished:
    about_it = about(execution_id, rounds)
    return NodeFinished(**about_it, started_at=1.0, elapsed=0.0, status="succeeded", updates=updates)


def path(execution_id: str, number: int) -> Round:
    return Round(execution_id, execution_id, "iteration", number)


def held(*events: Sized) -> int:
    values = RetainedBytes()
    values.add([event for event, _ in events], [size for _, size in events])
    return values.total


def begun(execution_id: str, rounds: RoundPath = (), size: int = 0) -> Sized:
    return ContainerStarted(**about(execution_id, rounds), length=9), size


def agent(rounds: RoundPath = ()) -> list[Sized]:
    """One that was given two answers, of 50 bytes each."""
    step = StepRecorded(at=1.0, execution_id="agent", kind="tool", request="", answer="…")
    return [(NodeStarted(**{**about("agent", rounds), "node_type": "agent"}), 4), (step, 50), (step, 50)]


def opened(execution_id: str, number: int, rounds: RoundPath = (), size: int = 0) -> Sized:
    return RoundStarted(**about(execution_id, rounds), round=number), size


def closed(execution_id: str, number: int, rounds: RoundPath = (), size: int = 0, error: str | None = None) -> Sized:
    return RoundFinished(**about(execution_id, rounds), round=number, elapsed=0.0, error=error), size


def test_a_round_that_is_over_holds_what_its_container_keeps_of_it() -> None:
    events = [(started(), 1), begun("each", size=10), opened("each", 0, size=5)]
    events.append((ended("inner", (path("each", 0),)), 1000))

    assert held(*events) == 1016
    events.append(closed("each", 0, size=100))
    assert held(*events) == 111
    assert held(*events, (ended("each"), 300)) == 301


def test_what_is_within_a_round_goes_with_it() -> None:
    outer = (path("each", 0),)
    events = [begun("each", size=1), opened("each", 0, size=2), begun("inner", outer, 10)]
    events += [opened("inner", 0, outer, 20), closed("inner", 0, outer, 40), opened("inner", 1, outer, 80)]

    assert held(*events) == 1 + 2 + 10 + 40 + 80
    # The second round of the inner one was under way when the outer one failed.
    events.append(closed("each", 0, size=500, error="x"))
    assert held(*events) == 501
    assert held(*events, (ended("late", (*outer, path("inner", 1))), 7)) == 501


def test_answers_to_an_agent_go_with_its_end_or_with_the_round_in_which_it_was_cut_off() -> None:
    assert held(*agent()) == 100
    assert held(*agent(), (ended("agent"), 7)) == 7
    events = [begun("each"), opened("each", 0), *agent((path("each", 0),))]
    assert held(*events) == 100
    assert held(*events, closed("each", 0, size=3, error="x")) == 3


def test_an_agent_that_runs_again_after_a_crash_keeps_its_answers_and_they_go_with_its_end() -> None:
    again = agent()[0]
    assert held(*agent(), again) == 100
    assert held(*agent(), again, (ended("agent"), 7)) == 7


def test_a_variable_that_rounds_assign_counts_once_and_outlives_them() -> None:
    events = [begun("each")]
    for number in range(3):
        assigned = ended("assigner", (path("each", number),), Update(("conversation", "text"), "…"))
        events += [opened("each", number), (assigned, 100 + number), closed("each", number)]

    assert held(*events) == 102
    assert held(*events, (ended("each"), 0)) == 102
