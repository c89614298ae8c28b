"""Forms in the rounds of iterations and loops. Source: docs/dify-behaviour.md, “Human input”."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from jikko.dsl.document import NodeEntry
from jikko.engine.event_factory import recovered
from jikko.engine.state import RunState
from jikko.events import (
    Event,
    FormClosed,
    FormRequested,
    NodeFinished,
    NodeStarted,
    RoundStarted,
    RunFinished,
    RunPaused,
    RunResumed,
    RunStarted,
)
from jikko.graph.compiled import CompiledGraph
from tests.effort import PATIENCE
from tests.engine.graphs import Log, edges, graph, iterating, node, runner
from tests.engine.test_forms import Scene, closed, of

pytestmark = pytest.mark.anyio

Answer = Callable[[list[FormRequested]], list[FormRequested]]
"""Of the forms that are open those that are submitted now."""


def ask(container: str | None = "each", node_id: str = "ask") -> NodeEntry:
    return node(
        node_id,
        "human-input",
        container=container,
        form_content="{{#each.item#}}?",
        inputs=[{"type": "paragraph", "output_variable_name": "note"}],
        user_actions=[{"id": "yes", "title": "Yes"}],
        timeout=1,
        timeout_unit="hour",
        delivery_methods=[],
    )


def end(**selectors: list[str]) -> NodeEntry:
    return node("end", "end", outputs=[{"variable": name, "value_selector": at} for name, at in selectors.items()])


def each(**data: Any) -> CompiledGraph:
    """An iteration over three elements: work, a form, and work behind it."""
    return graph(
        [
            node("items", value=["一", "二", "三"]),
            *iterating("each", ["ask", "note"], **data),
            node("before", container="each", pauses=2),
            ask(),
            node("behind", container="each", pauses=2),
            end(notes=["each", "output"]),
        ],
        edges(
            "start --> items",
            "items --> each",
            "each-start --> before",
            "before --> ask",
            "ask --yes--> behind",
            "each --> end",
        ),
    )


def everything(forms: list[FormRequested]) -> list[FormRequested]:
    return forms


def the_last(forms: list[FormRequested]) -> list[FormRequested]:
    return forms[-1:]


def still_open(events: Iterable[Event]) -> list[FormRequested]:
    found: dict[str, FormRequested] = {}
    for event in events:
        if isinstance(event, FormRequested):
            found[event.form_id] = event
        elif isinstance(event, FormClosed):
            found.pop(event.form_id)
    return list(found.values())


def note(form: FormRequested) -> FormClosed:
    answer = closed(form, "")
    answer.data = {"note": f"{form.form['form_content']} はい 🖊"}
    return answer


async def to_pause_or_end(compiled: CompiledGraph, before: list[Event], *submitted: FormRequested) -> list[Event]:
    """The log once the run has paused or ended again; each part by another process."""
    log, state = Log(), RunState(compiled)
    log.events = list(before)
    state.replay(before)
    first: Event = RunStarted(at=1.0, inputs={}, system={})
    if before:
        paused = isinstance(before[-1], RunPaused)
        first = RunResumed(at=1.0) if paused else recovered(state, 2, 1.0, before[-1].at)
    async with asyncio.timeout(PATIENCE):
        await runner(state, log).run([first], [note(form) for form in submitted])
    return log.events


async def to_end(compiled: CompiledGraph, answer: Answer, events: list[Event] | None = None) -> list[Event]:
    """Go on, submitting forms at each pause, until the run has ended."""
    events = await to_pause_or_end(compiled, events or [])
    while isinstance(events[-1], RunPaused):
        events = await to_pause_or_end(compiled, events, *answer(still_open(events)))
    return events


def pauses(events: list[Event]) -> list[int]:
    """How many forms were open at each pause."""
    return [len(event.paused_nodes) for event in events if isinstance(event, RunPaused)]


def outcome(events: list[Event]) -> Any:
    last = events[-1]
    assert isinstance(last, RunFinished)
    return last.status if last.error is None else last.error, last.outputs


NOTES = ("succeeded", {"notes": [f"{item}? はい 🖊" for item in "一二三"]})


async def test_rounds_in_sequence_pause_one_after_the_other() -> None:
    events = await to_end(each(), everything)

    assert pauses(events) == [1, 1, 1]
    assert outcome(events) == NOTES


@pytest.mark.parametrize(("answer", "expected"), [(everything, [3]), (the_last, [3, 2, 1])])
async def test_parallel_rounds_pause_together(answer: Answer, expected: list[int]) -> None:
    events = await to_end(each(is_parallel=True, parallel_nums=10), answer)

    assert pauses(events) == expected
    assert outcome(events) == NOTES
    rounds = [event.round for event in events if isinstance(event, RoundStarted)]
    assert rounds == [0, 1, 2]  # none is announced again by a part that goes on


async def test_as_many_rounds_pause_together_as_may_run_at_once() -> None:
    events = await to_end(each(is_parallel=True, parallel_nums=2), everything)

    assert pauses(events) == [2, 1]
    assert outcome(events) == NOTES


async def test_a_form_starts_again_with_its_answer_and_what_is_behind_it_runs_once() -> None:
    events = await to_end(each(), everything)

    assert len(of(events, NodeStarted, "ask")) == 6
    assert len({event.execution_id for event in of(events, NodeStarted, "ask")}) == 3
    assert len(of(events, NodeStarted, "before")) == len(of(events, NodeStarted, "behind")) == 3


@pytest.mark.parametrize("data", [{}, {"is_parallel": True, "parallel_nums": 2}])
async def test_wherever_its_process_dies_the_run_comes_to_the_same(data: dict[str, Any]) -> None:
    compiled = each(**data)
    whole = await to_end(compiled, everything)
    for length in range(1, len(whole)):
        before = whole[:length]
        if isinstance(before[-1], RunPaused):
            continue  # nobody executes it
        assert outcome(await to_end(compiled, everything, before)) == NOTES, before[-1]


async def test_a_form_in_a_loop_asks_in_each_round() -> None:
    compiled = graph(
        [
            node(
                "each",
                "loop",
                start_node_id="each-start",
                loop_count=3,
                break_conditions=[],
                logical_operator="and",
                loop_variables=[{"label": "item", "var_type": "string", "value_type": "constant", "value": "x"}],
            ),
            node("each-start", "loop-start", container="each"),
            ask(),
            node(
                "set",
                "assigner",
                container="each",
                version="2",
                items=[
                    {
                        "variable_selector": ["each", "item"],
                        "operation": "over-write",
                        "input_type": "variable",
                        "value": ["ask", "note"],
                    }
                ],
            ),
            end(item=["each", "item"]),
        ],
        edges("start --> each", "each-start --> ask", "ask --yes--> set", "each --> end"),
    )

    events = await to_end(compiled, everything)

    assert pauses(events) == [1, 1, 1]
    assert outcome(events) == ("succeeded", {"item": "x" + "? はい 🖊" * 3})


async def test_forms_of_containers_in_containers_pause_together() -> None:
    nested: dict[str, Any] = {"iterator_selector": ["items", "value"], "is_parallel": True, "parallel_nums": 10}
    compiled = graph(
        [
            node("items", value=["一", "二"]),
            node("outer", "iteration", start_node_id="o", output_selector=["each", "output"], **nested),
            node("o", "iteration-start", container="outer"),
            node("each", "iteration", container="outer", start_node_id="s", output_selector=["ask", "note"], **nested),
            node("s", "iteration-start", container="each"),
            ask(),
            end(notes=["outer", "output"]),
        ],
        edges("start --> items", "items --> outer", "o --> each", "s --> ask", "outer --> end"),
    )

    events = await to_end(compiled, everything)

    assert pauses(events) == [4]
    assert outcome(events) == ("succeeded", {"notes": ["一? はい 🖊", "二? はい 🖊"] * 2})


def asking(items: list[str], beside: list[NodeEntry], *more: str, **data: Any) -> CompiledGraph:
    """An iteration that asks for each element, other nodes, and the edges to these."""
    at: dict[str, Any] = {"iterator_selector": ["items", "value"], "output_selector": ["ask", "note"]}
    nodes = [
        node("items", value=items),
        node("each", "iteration", start_node_id="s", **at, **data),
        node("s", "iteration-start", container="each"),
        ask(),
        *beside,
        end(notes=["each", "output"]),
    ]
    return graph(nodes, edges("start --> items", "items --> each", "s --> ask", "each --> end", *more))


async def test_the_run_pauses_once_what_is_beside_the_container_is_done() -> None:
    compiled = asking(["一"], [node("slow", pauses=50), node("slower")], "items --> slow", "slow --> slower")

    events = await to_end(compiled, everything)

    at = next(place for place, event in enumerate(events) if isinstance(event, RunPaused))
    started = [event.node_id for event in events[:at] if isinstance(event, NodeStarted)]
    assert "slow" in started
    assert "slower" not in started  # no new node starts in a pause
    assert outcome(events) == ("succeeded", {"notes": ["一? はい 🖊"]})


async def test_a_form_in_a_round_is_taken_while_the_run_goes_on_beside_it() -> None:
    compiled = asking(["一"], [node("beside", pauses=200)], "items --> beside")
    scene = Scene(compiled)
    [requested] = await scene.forms()

    assert scene.runner.submit(note(requested))

    log = await scene.ended()
    assert pauses(log.events) == []
    assert outcome(log.events) == ("succeeded", {"notes": ["一? はい 🖊"]})


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ({}, ("broken broke", {})),
        (
            {
                "error_strategy": "default-value",
                "default_value": [{"key": "output", "type": "array[string]", "value": "[]"}],
            },
            ("partial-succeeded", {"notes": []}),
        ),
    ],
)
async def test_forms_of_rounds_that_end_with_their_container_are_closed(
    strategy: dict[str, Any], expected: tuple[str, Any]
) -> None:
    broken = node("broken", container="each", pauses=20, fails=-1)
    compiled = asking(["一", "二"], [broken], "s --> broken", is_parallel=True, parallel_nums=2, **strategy)

    events = await to_end(compiled, everything)

    assert len([event for event in events if isinstance(event, FormRequested)]) == 2
    assert still_open(events) == []
    assert outcome(events) == expected


async def test_forms_of_other_rounds_are_closed_once_a_parallel_round_has_failed() -> None:
    behind = node("behind", container="each", fails=-1)
    compiled = asking(["一", "二", "三"], [behind], "ask --yes--> behind", is_parallel=True, parallel_nums=3)

    whole = await to_end(compiled, the_last)

    assert pauses(whole) == [3]
    assert still_open(whole) == []
    assert outcome(whole) == ("behind broke", {})
    for before in (whole[:length] for length in range(1, len(whole))):
        if not isinstance(before[-1], RunPaused):  # wherever its process dies
            assert outcome(await to_end(compiled, the_last, before)) == ("behind broke", {}), before[-1]


async def test_forms_of_other_rounds_are_closed_while_the_run_still_goes_on_beside_a_failed_iteration() -> None:
    behind, beside = node("behind", container="each", fails=-1), node("beside", pauses=500)
    edge = ("ask --yes--> behind", "items --> beside")
    scene = Scene(asking(["一", "二", "三"], [behind, beside], *edge, is_parallel=True, parallel_nums=3))
    first, *_ = await scene.forms(3)

    assert scene.runner.submit(note(first))

    events = (await scene.ended()).events
    assert still_open(events) == []
    assert of(events, NodeFinished, "beside") == []  # the run has failed by then
    assert outcome(events) == ("behind broke", {})


async def test_a_round_asks_nobody_once_a_parallel_round_beside_it_has_failed() -> None:
    fails = {"variable_selector": ["each", "item"], "comparison_operator": "is", "value": "一"}
    which = node("which", "if-else", container="each", cases=[{"case_id": "yes", "conditions": [fails]}])
    broken, later = node("broken", container="each", fails=-1), node("later", container="each", pauses=20)
    compiled = graph(
        [
            node("items", value=["一", "二"]),
            *iterating("each", ["ask", "note"], start="s", is_parallel=True),
            which,
            broken,
            later,
            ask(),
            end(notes=["each", "output"]),
        ],
        edges(
            "start --> items",
            "items --> each",
            "s --> which",
            "which --yes--> broken",
            "which --false--> later",
            "later --> ask",
            "each --> end",
        ),
    )

    events = await to_end(compiled, everything)

    assert len(of(events, NodeFinished, "later")) == 1
    assert [event for event in events if isinstance(event, FormRequested)] == []
    assert outcome(events) == ("broken broke", {})
