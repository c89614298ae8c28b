"""Current activity of a run, by its log."""

from jikko.events import (
    Event,
    NodeFinished,
    NodeStarted,
    RunBegan,
    RunFinished,
    RunPaused,
    RunRecovered,
    RunResumed,
    RunStarted,
)
from jikko.runs.activity import activity


def begun(at: float) -> RunStarted:
    return RunStarted(at=at, inputs={}, system={})


def node(at: float, name: str) -> NodeStarted:
    return NodeStarted(at=at, execution_id=name, node_id=name, node_type="llm", title=name.upper(), index=1)


def over(started: NodeStarted, at: float) -> NodeFinished:
    return NodeFinished(
        at=at,
        execution_id=started.execution_id,
        node_id=started.node_id,
        node_type="llm",
        index=1,
        started_at=started.at,
        elapsed=at - started.at,
        status="succeeded",
    )


def test_a_running_run_tells_how_long_where_and_how_many_steps() -> None:
    first, second = node(100, "a"), node(103, "b")

    at = activity([begun(100), first, over(first, 103), second], 110.5)

    assert (at.elapsed, at.current, at.steps, at.has_begun) == (10.5, ["B"], 2, True)
    assert at.spent == {"b": 7.5}


def test_a_run_that_waits_for_its_turn_has_not_begun() -> None:
    log: list[Event] = [begun(100)]

    assert (activity(log, 150).has_begun, activity(log, 150).elapsed) == (False, 0.0)
    assert activity([*log, RunBegan(at=140)], 150).elapsed == 10


def test_the_time_of_a_pause_does_not_count() -> None:
    log: list[Event] = [begun(100), RunBegan(at=100), RunPaused(at=105, paused_nodes=["h"], elapsed=5.0)]

    assert activity(log, 1000).elapsed == 5
    assert activity([*log, RunResumed(at=2000)], 2003).elapsed == 3 + 5


def test_a_run_that_is_paused_is_at_no_node() -> None:
    log: list[Event] = [begun(100), RunBegan(at=100), node(101, "h")]
    paused = RunPaused(at=105, paused_nodes=["h"], elapsed=5.0)

    assert [activity(events, 1000).current for events in (log, [*log, paused])] == [["H"], []]


def test_nor_does_the_time_without_a_process() -> None:
    log: list[Event] = [begun(100), node(100, "a"), RunRecovered(at=900, epoch=2, elapsed=4.0)]

    assert activity(log, 901).elapsed == 5


def test_a_node_that_was_stopped_has_taken_the_time_until_then() -> None:
    end = RunFinished(at=102, status="stopped", elapsed=2.0)

    at = activity([begun(100), node(100, "a"), end], 5000)

    assert (at.spent, at.current) == ({"a": 2.0}, [])
