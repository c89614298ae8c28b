"""State of a run, event by event: counts, open executions, and discarded data."""

from typing import Any, Literal

from jikko.engine.state import RunState, added
from jikko.events import (
    Event,
    FormClosed,
    FormRequested,
    NodeAttempted,
    NodeFinished,
    NodeStarted,
    RunBegan,
    RunParked,
    RunPaused,
    RunRecovered,
    RunResumed,
    RunStarted,
    StepRecorded,
    TextChunk,
    TextReplaced,
    Turn,
    Usage,
)
from tests.engine.graphs import edges, graph, node

BEGAN = RunStarted(at=10.0, inputs={}, system={})


def state_of(*events: Event, began: RunStarted = BEGAN) -> RunState:
    """Of a run with two nodes in a row."""
    nodes = [node("a"), node("b"), node("end", "end", outputs=[])]
    state = RunState(graph(nodes, edges("start-->a", "a-->b", "b-->end")))
    state.replay([began, *events])
    return state


def begun(node_id: str = "a", index: int = 1, **more: Any) -> NodeStarted:
    return NodeStarted(at=11.0, execution_id=f"x-{node_id}", node_id=node_id, node_type="code", index=index, **more)


def ended(
    node_id: str = "a",
    status: Literal["succeeded", "failed", "exception"] = "succeeded",
    usage: Usage | None = None,
    outputs: dict[str, Any] | None = None,
) -> NodeFinished:
    return NodeFinished(
        at=12.0,
        execution_id=f"x-{node_id}",
        node_id=node_id,
        node_type="code",
        index=1,
        started_at=11.0,
        elapsed=1.0,
        status=status,
        error="broke" if status == "failed" else "",
        outputs=outputs or {},
        usage=usage,
    )


def attempted(attempt: int, usage: Usage | None = None) -> NodeAttempted:
    return NodeAttempted(
        at=12.0,
        execution_id="x-a",
        node_id="a",
        node_type="code",
        index=1,
        started_at=11.0,
        elapsed=1.0,
        attempt=attempt,
        error="broke",
        usage=usage,
    )


def step(kind: Literal["model", "tool"], usage: Usage | None = None) -> StepRecorded:
    return StepRecorded(at=11.5, execution_id="x-a", kind=kind, request="digest", answer="yes", usage=usage)


ASKED = FormRequested(at=11.0, execution_id="x-a", node_id="a", title="A", form_id="f", form={})
CLOSED = FormClosed(at=12.0, execution_id="x-a", node_id="a", title="A", form_id="f", action_id="ok")


def test_a_run_that_has_just_begun_has_done_nothing() -> None:
    state = state_of()

    assert (state.index, state.total_steps, state.exceptions, state.depth, state.elapsed) == (0, 0, 0, 0, 0.0)
    assert (state.started_at, state.running_since) == (10.0, 10.0)
    assert (state.usage, state.turn, state.outputs, state.text) == (None, None, {}, [])
    assert (state.agents.model_calls, state.agents.tool_calls, state.agents.usage) == (0, 0, None)
    assert RunState(state.graph).started_at == 0.0
    assert RunState(state.graph).running_since == 0.0
    assert not RunState(state.graph).depth


def test_a_run_within_others_knows_how_deep_it_is() -> None:
    assert state_of(began=RunStarted(at=10.0, inputs={}, system={}, depth=3)).depth == 3


def test_what_agents_asked_for_is_counted_by_kind() -> None:
    state = state_of(begun(), step("model", Usage(total_tokens=5)), step("tool"), step("model", Usage(total_tokens=2)))

    assert (state.agents.model_calls, state.agents.tool_calls) == (2, 1)
    assert state.agents.usage is not None
    assert state.agents.usage.total_tokens == 7
    assert [each.kind for each in state.steps["x-a"]] == ["model", "tool", "model"]

    state.apply(ended())
    assert state.steps == {}
    assert state.agents.model_calls == 2


def test_nodes_are_steps_and_those_under_way_are_known() -> None:
    state = state_of(begun())
    assert (state.index, state.total_steps, list(state.starts), state.top.open) == (1, 1, ["x-a"], {"x-a": 1})
    assert not state.top.is_over

    state.apply(ended(usage=Usage(total_tokens=5), outputs={"value": 3}))
    assert (state.starts, state.top.open) == ({}, {})
    assert state.top.due[-1] == (state.graph.nodes["b"].position, "a")
    assert state.top.scope.get(("a", "value")) == 3
    state.apply(begun("b", 2))
    state.apply(ended("b", usage=Usage(total_tokens=2)))

    assert (state.index, state.total_steps, state.exceptions) == (2, 2, 0)
    assert state.usage is not None
    assert state.usage.total_tokens == 7


def test_one_that_failed_is_an_exception_and_ends_its_frame_with_the_first_error() -> None:
    state = state_of(begun(), ended(status="failed"))
    assert (state.exceptions, state.top.failure, state.top.is_over) == (1, "broke", True)

    state = state_of(begun(), ended(status="exception"))
    assert (state.exceptions, state.top.failure, state.top.is_over) == (1, None, False)


def test_attempts_that_failed_are_steps_too_and_count_what_they_used() -> None:
    state = state_of(begun(), attempted(1, Usage(total_tokens=5)), attempted(2, Usage(total_tokens=2)))
    assert (state.total_steps, state.exceptions, state.attempts, state.failures.tries) == (3, 2, {"x-a": 2}, 2)
    assert state.usage is not None
    assert state.usage.total_tokens == 7

    state.apply(ended())
    assert state.attempts == {}


def test_a_form_is_known_until_its_node_has_ended() -> None:
    state = state_of(begun(), ASKED)
    assert (list(state.forms.open), list(state.forms.requested), list(state.forms.closed)) == (["x-a"], ["x-a"], [])
    assert state.total_steps == 1

    state.apply(begun())
    assert state.total_steps == 2
    state.apply(CLOSED)
    assert (list(state.forms.open), list(state.forms.requested), list(state.forms.closed)) == ([], ["x-a"], ["x-a"])
    state.apply(begun())
    assert state.total_steps == 2

    state.apply(ended())
    assert (state.forms.open, state.forms.requested, state.forms.closed) == ({}, {}, {})


def test_only_the_time_in_which_a_run_was_running_counts() -> None:
    state = state_of()
    assert (state.active_seconds(13.0), state.active_seconds(5.0)) == (3.0, 0.0)

    state.apply(RunPaused(at=13.0, paused_nodes=["a"], elapsed=3.0))
    state.apply(RunResumed(at=100.0))
    assert (state.active_seconds(101.0), state.active_seconds(99.0)) == (4.0, 3.0)
    state.apply(RunParked(at=102.0, elapsed=5.0))
    state.apply(RunRecovered(at=200.0, epoch=2, elapsed=1.0))
    assert state.active_seconds(201.0) == 6.0
    state.apply(RunRecovered(at=300.0, epoch=3, elapsed=9.0))
    assert state.active_seconds(301.0) == 10.0
    assert state_of(RunBegan(at=50.0)).active_seconds(51.0) == 1.0


def test_how_often_a_process_died_is_counted_until_there_is_progress() -> None:
    died = RunRecovered(at=20.0, epoch=2, in_flight=["x-a"])
    assert state_of(begun(), died).interrupted == {"x-a": 1}
    assert state_of(begun(), died, died).interrupted == {"x-a": 2}
    parked = RunParked(at=15.0, elapsed=1.0)
    assert state_of(begun(), parked, died).interrupted == {"x-a": 0}
    assert state_of(begun(), parked, died, died).interrupted == {"x-a": 1}
    for progress in (step("tool"), attempted(1), ended()):
        assert state_of(begun(), died, progress).interrupted == {}


def test_the_text_that_was_shown_is_kept_until_it_is_replaced() -> None:
    chunks = [TextChunk(at=11.0, text=text, selector=("a", "text")) for text in ("one ", "two")]
    state = state_of(*chunks)
    assert state.text == ["one ", "two"]

    state.apply(TextReplaced(at=12.0, text="three"))
    assert state.text == ["three"]


def test_what_is_known_of_the_run_is_there_for_nodes() -> None:
    turn = Turn("c-1", "m-1", {"mood": "good"})
    state = state_of(began=RunStarted(at=10.0, inputs={"q": "?"}, system={"user_id": "anna", "files": None}, turn=turn))
    scope = state.top.scope

    assert state.turn == turn
    assert scope.get(("sys", "user_id")) == "anna"
    assert scope.get(("sys", "conversation_id")) == "c-1"
    assert scope.get(("conversation", "mood")) == "good"
    assert scope.get(("start", "q")) == "?"


def test_usages_are_added_as_far_as_there_are_any() -> None:
    one, two = Usage(total_tokens=5), Usage(total_tokens=2)

    assert (added(None, None), added(one, None), added(None, two)) == (None, one, two)
    both = added(one, two)
    assert both is not None
    assert both.total_tokens == 7
