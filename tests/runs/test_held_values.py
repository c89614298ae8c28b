"""What the state of a run holds, by its events and their sizes."""

from typing import Any, TypeAlias

import msgspec

from jikko.events import (
    ContainerStarted,
    Event,
    NodeFinished,
    NodeStarted,
    Round,
    RoundFinished,
    Rounds,
    RoundStarted,
    StepRecorded,
    TextChunk,
    TextReplaced,
    Update,
)
from jikko.runs.memory.held_values import HeldValues
from tests.contract.runs import started

Sized: TypeAlias = tuple[Event, int]
"""An event, and its bytes."""


def about(execution_id: str, rounds: Rounds = ()) -> dict[str, Any]:
    return {
        "at": 1.0,
        "execution_id": execution_id,
        "node_id": execution_id,
        "node_type": "x",
        "index": 1,
        "rounds": rounds,
    }


def ended(execution_id: str, rounds: Rounds = (), *updates: Update, status: Any = "succeeded") -> NodeFinished:
    return NodeFinished(
        **about(execution_id, rounds), started_at=1.0, elapsed=0.0, status=status, updates=tuple(updates)
    )


def path(execution_id: str, number: int) -> Round:
    return Round(execution_id, execution_id, "iteration", number)


def held(*events: Sized) -> int:
    values = HeldValues()
    values.add([event for event, _ in events], [size for _, size in events])
    return values.total


def test_a_round_that_is_over_holds_what_its_container_keeps_of_it() -> None:
    begun: list[Sized] = [
        (started(), 1),
        (ContainerStarted(**about("each"), length=2), 10),
        (RoundStarted(**about("each"), round=0), 5),
    ]
    inner: list[Sized] = [(ended("inner", (path("each", 0),)), 1000)]
    over: list[Sized] = [(RoundFinished(**about("each"), round=0, elapsed=0.0), 100)]

    assert held(*begun, *inner) == 1016
    assert held(*begun, *inner, *over) == 111
    assert held(*begun, *inner, *over, (ended("each"), 300)) == 301


def test_what_is_within_a_round_goes_with_it() -> None:
    outer = (path("each", 0),)
    events: list[Sized] = [
        (ContainerStarted(**about("each"), length=1), 1),
        (RoundStarted(**about("each"), round=0), 2),
        (ContainerStarted(**about("inner", outer), length=2), 10),
        (RoundStarted(**about("inner", outer), round=0), 20),
        (RoundFinished(**about("inner", outer), round=0, elapsed=0.0), 40),
        (RoundStarted(**about("inner", outer), round=1), 80),
    ]

    assert held(*events) == 1 + 2 + 10 + 40 + 80
    # The second round of the inner one was under way when the outer one failed.
    assert held(*events, (RoundFinished(**about("each"), round=0, elapsed=0.0, error="x"), 500)) == 501
    late = ended("late", (*outer, path("inner", 1)))
    assert held(*events, (RoundFinished(**about("each"), round=0, elapsed=0.0, error="x"), 500), (late, 7)) == 501


def test_answers_to_an_agent_that_is_cut_off_go_with_the_round_that_it_was_in() -> None:
    agent = NodeStarted(**{**about("agent", (path("each", 0),)), "node_type": "agent"})
    step = StepRecorded(at=1.0, execution_id="agent", kind="tool", request="", answer="…")
    events: list[Sized] = [
        (ContainerStarted(**about("each"), length=2), 1),
        (RoundStarted(**about("each"), round=0), 2),
        (agent, 4),
        (step, 50),
    ]

    assert held(*events) == 53
    # Another node of the round has failed.
    assert held(*events, (RoundFinished(**about("each"), round=0, elapsed=0.0, error="x"), 500)) == 501


def test_a_variable_that_is_assigned_again_counts_once() -> None:
    events: list[Sized] = [(ContainerStarted(**about("each"), length=3), 0)]
    for number in range(3):
        update = Update(("conversation", "text"), "…")
        events += [
            (RoundStarted(**about("each"), round=number), 0),
            (ended("assigner", (path("each", number),), update), 100 + number),
            (RoundFinished(**about("each"), round=number, elapsed=0.0), 0),
        ]

    assert held(*events) == 102


def test_answers_to_an_agent_go_with_its_end_and_a_text_that_is_replaced_too() -> None:
    step = StepRecorded(at=1.0, execution_id="agent", kind="tool", request="", answer="…")
    assert held((step, 50), (step, 50)) == 100
    assert held((step, 50), (step, 50), (ended("agent"), 7)) == 7
    chunk = TextChunk(at=1.0, text="…", selector=("a", "b"))
    assert held((chunk, 5), (chunk, 5), (TextReplaced(at=1.0, text=""), 3)) == 3


def test_of_a_node_that_failed_nothing_is_kept_whatever_it_held() -> None:
    step = StepRecorded(at=1.0, execution_id="agent", kind="tool", request="", answer="…")
    assert held((step, 50), (ended("agent", status="failed"), 7)) == 0
    rounds: list[Sized] = [
        (ContainerStarted(**about("each"), length=2), 10),
        (RoundStarted(**about("each"), round=0), 5),
        (RoundFinished(**about("each"), round=0, elapsed=0.0), 100),
    ]
    assert held(*rounds, (ended("each", status="failed"), 300)) == 0
    assert held((ended("a", status="failed"), 1000)) == 0
    assert held((msgspec.structs.replace(ended("a"), status="exception"), 1000)) == 1000
