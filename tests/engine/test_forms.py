"""Forms of a run that continues beside them, or is about to."""

import asyncio
from typing import Any

import pytest

from jikko.dsl.document import NodeEntry
from jikko.engine.event_factory import recovered
from jikko.engine.limits import RunLimits
from jikko.engine.runner import Runner
from jikko.engine.state import RunState
from jikko.events import Event, FormClosed, FormRequested, NodeFinished, RunPaused, RunResumed, RunStarted
from jikko.graph.compiled import CompiledGraph
from tests.effort import PATIENCE
from tests.engine.graphs import Log, edges, graph, iterating, node, resume, runner, work

pytestmark = pytest.mark.anyio


def form(node_id: str, hours: int = 1) -> NodeEntry:
    return node(
        node_id,
        "human-input",
        form_content="?",
        inputs=[{"type": "paragraph", "output_variable_name": "comment"}],
        user_actions=[{"id": "yes", "title": "Yes"}],
        timeout=hours,
        timeout_unit="hour",
        delivery_methods=[],
    )


def comment_end(*sources: str) -> NodeEntry:
    return node("end", "end", outputs=[{"variable": each, "value_selector": [each, "comment"]} for each in sources])


def closed(requested: FormRequested, comment: str) -> FormClosed:
    return FormClosed(
        at=1.0,
        execution_id=requested.execution_id,
        node_id=requested.node_id,
        title=requested.title,
        form_id=requested.form_id,
        action_id="yes",
        data={"comment": comment},
    )


class Scene:
    """A run whose forms are asked for while a branch beside them goes on."""

    def __init__(self, compiled: CompiledGraph, limits: RunLimits | None = None) -> None:
        self.log = Log()
        self.runner = runner(RunState(compiled), self.log, limits)
        self.running = asyncio.ensure_future(self.runner.run([RunStarted(at=1.0, inputs={}, system={})]))

    async def forms(self, count: int = 1) -> list[FormRequested]:
        """The forms, once there are N of them."""
        async with asyncio.timeout(PATIENCE):
            while len(found := [e for e in self.log.events if isinstance(e, FormRequested)]) < count:  # noqa: ASYNC110
                await asyncio.sleep(0)
        return found

    async def ended(self) -> Log:
        async with asyncio.timeout(PATIENCE):
            await self.running
        return self.log


def of(events: list[Event], kind: type[Any], node_id: str) -> list[Any]:
    return [event for event in events if isinstance(event, kind) and event.node_id == node_id]


@pytest.mark.parametrize("places", [1, 256])
async def test_a_form_that_is_handed_in_twice_beside_a_running_branch_counts_once(places: int) -> None:
    compiled = graph(
        [form("ask"), node("first", pauses=30), node("beside", pauses=30), node("more", pauses=30), comment_end("ask")],
        edges("start --> ask", "start --> first", "start --> beside", "start --> more", "ask --yes--> end"),
    )
    scene = Scene(compiled, RunLimits(max_parallel_nodes=places))
    [requested] = await scene.forms()

    taken = [scene.runner.submit(closed(requested, comment)) for comment in ("一つ目", "二つ目")]

    log = await scene.ended()
    assert (taken, log.end.status, log.end.outputs) == ([True, False], "succeeded", {"ask": "一つ目"})
    assert len(of(log.events, FormClosed, "ask")) == len(of(log.events, NodeFinished, "ask")) == 1


@pytest.mark.parametrize("places", [1, 2, 256])
async def test_what_waits_for_a_place_when_a_form_is_handed_in_runs_once(places: int) -> None:
    names = [f"n{number}" for number in range(5)]
    compiled = graph(
        [form("ask"), *(node(name, pauses=10) for name in names), node("behind"), comment_end("ask")],
        edges(
            "start --> ask",
            *(f"start --> {name}" for name in names),
            *(f"{name} --> behind" for name in names),
            "behind --> end",
            "ask --yes--> end",
        ),
    )
    scene = Scene(compiled, RunLimits(max_parallel_nodes=places))
    [requested] = await scene.forms()

    assert scene.runner.submit(closed(requested, "yes"))

    log = await scene.ended()
    assert (log.end.status, log.end.outputs, log.end.total_steps) == ("succeeded", {"ask": "yes"}, 10)
    assert [len(work(compiled, name).calls) for name in (*names, "behind")] == [1] * 6


async def resumed(answers: list[str]) -> tuple[list[bool], Log]:
    """A run that paused and is about to go on, while its form is handed in."""
    compiled = graph([form("ask"), comment_end("ask")], edges("start --> ask", "ask --yes--> end"))
    before = Scene(compiled)
    [requested] = await before.forms()
    await before.ended()
    assert isinstance(before.log.events[-1], RunPaused)
    state, log = RunState(compiled), Log()
    state.replay(before.log.events)
    runs = runner(state, log)

    taken = [runs.submit(closed(requested, comment)) for comment in answers]
    async with asyncio.timeout(PATIENCE):
        await runs.run([RunResumed(at=2.0)])
    return taken, log


async def test_of_two_answers_before_the_run_goes_on_the_first_counts() -> None:
    taken, log = await resumed(["one", "two"])

    assert (taken, log.end.outputs) == ([True, False], {"ask": "one"})
    assert len(of(log.events, FormClosed, "ask")) == 1


async def test_a_run_that_is_resumed_without_an_answer_pauses_again() -> None:
    taken, log = await resumed([])

    assert (taken, type(log.events[-1])) == ([], RunPaused)
    assert of(log.events, FormRequested, "ask") == []


async def test_a_form_of_a_run_that_has_ended_or_paused_is_not_taken() -> None:
    compiled = graph([form("ask"), node("beside", pauses=5)], edges("start --> ask", "start --> beside"))
    stopped, paused = Scene(compiled), Scene(compiled)
    [[one], [other]] = [await scene.forms() for scene in (stopped, paused)]
    assert stopped.runner.stop("stopped")
    await stopped.ended()
    await paused.ended()

    runners: list[Runner] = [stopped.runner, paused.runner]
    assert [runs.submit(closed(each, "x")) for runs, each in zip(runners, (one, other), strict=True)] == [False, False]


@pytest.mark.parametrize("kind", ["code", "template-transform"])
@pytest.mark.parametrize("parallel", [False, True])
async def test_a_container_beside_a_form_comes_to_its_end_before_the_run_pauses(kind: str, parallel: bool) -> None:
    compiled = graph(
        [
            form("ask"),
            node("items", "template-transform", value=["x", "y", "z"]),
            *iterating("each", ["second", "value"], is_parallel=parallel, parallel_nums=2),
            node("first", kind, container="each", pauses=2),
            node("second", kind, container="each", pauses=2, value="二"),
            node("behind", value="behind"),
            comment_end("ask"),
        ],
        edges(
            "start --> items",  # first, so that the iteration is under way by then
            "start --> ask",
            "items --> each",
            "each-start --> first",
            "first --> second",
            "each --> behind",
            "ask --yes--> end",
        ),
    )
    scene = Scene(compiled)
    [requested] = await scene.forms()
    async with asyncio.timeout(PATIENCE):
        await scene.running

    [each] = of(scene.log.events, NodeFinished, "each")
    assert each.outputs == {"output": ["二"] * 3}
    assert isinstance(scene.log.events[-1], RunPaused)
    assert work(compiled, "behind").calls == []

    state, log = RunState(compiled), Log()
    state.replay(scene.log.events)
    async with asyncio.timeout(PATIENCE):
        await runner(state, log).run([RunResumed(at=2.0)], [closed(requested, "x")])
    assert (log.end.status, log.end.outputs) == ("succeeded", {"ask": "x"})
    assert len(work(compiled, "behind").calls) == 1


async def test_nothing_new_starts_until_the_last_of_two_forms_is_handed_in() -> None:
    compiled = graph(
        [form("a"), form("b"), node("slow", pauses=20), node("behind"), comment_end("a", "b")],
        edges("start --> a", "start --> b", "start --> slow", "slow --> behind", "a --yes--> end", "b --yes--> end"),
    )
    scene = Scene(compiled)
    first, second = await scene.forms(2)

    assert scene.runner.submit(closed(first, "1"))
    await asyncio.sleep(0)
    assert of(scene.log.events, NodeFinished, "a") != []
    assert of(scene.log.events, NodeFinished, "end") == []
    assert scene.runner.submit(closed(second, "2"))

    log = await scene.ended()
    assert (log.end.status, log.end.outputs) == ("succeeded", {"a": "1", "b": "2"})
    assert len(work(compiled, "behind").calls) == 1


@pytest.mark.parametrize("hours", [(1, 5, 3), (5, 3, 1), (5, 1, 3)])
async def test_a_paused_run_goes_on_when_the_first_of_its_forms_runs_out_of_time(hours: tuple[int, ...]) -> None:
    names = ["a", "b", "c"]
    compiled = graph(
        [*map(form, names, hours), comment_end(*names)],
        edges(*(f"start --> {name}" for name in names), *(f"{name} --yes--> end" for name in names)),
    )
    scene = Scene(compiled)
    log = await scene.ended()

    last = log.events[-1]
    assert isinstance(last, RunPaused)
    assert (last.paused_nodes, last.wake_at) == (names, 1.0 + 3600)


async def test_a_form_that_is_open_is_not_what_kills_processes() -> None:
    chain = [f"n{number}" for number in range(6)]
    compiled = graph(
        [form("ask"), *(node(name, pauses=3) for name in chain), comment_end("ask")],
        edges("start --> n0", "start --> ask", *(f"n{n} --> n{n + 1}" for n in range(5)), "ask --yes--> end"),
    )
    state, first = RunState(compiled), Log()
    began = RunStarted(at=1.0, inputs={}, system={})
    running = asyncio.ensure_future(runner(state, first).run([began]))
    async with asyncio.timeout(PATIENCE):
        await running
    # Nothing starts beside an open form, but for what had: so the deaths are at the form alone.
    requested = next(place for place, event in enumerate(first.events) if isinstance(event, FormRequested))
    events: list[Event] = [event for event in first.events if not isinstance(event, RunPaused)]
    assert requested < len(events) - 1
    for epoch in (2, 3, 4, 5):
        state = RunState(compiled)
        state.replay(events)
        events = [*events, recovered(state, epoch, 1.0, 1.0)]

    log = await resume(compiled, events)

    assert isinstance(log.events[-1], RunPaused)
    assert log.events[-1].paused_nodes == ["ask"]
