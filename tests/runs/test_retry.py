"""Repeating a run from a node on."""

import math
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from jikko.errors import Conflict, InvalidParam, NotFound
from jikko.events import (
    Event,
    NodeFinished,
    NodeStarted,
    ReasoningChunk,
    RunBegan,
    RunRecovered,
    RunRetried,
    RunStarted,
    TextChunk,
)
from jikko.record import RunRecord
from jikko.repositories.app_store import App
from tests.acceptance.workflows import end, form, if_contains, iteration, node, start
from tests.runs.world import Process, World, end_of, until
from tests.store.in_memory import RunsInMemory

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["memory", "sqlite"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    world = World() if request.param == "memory" else World.on_disk(tmp_path)
    yield world
    await world.close()


async def failed(world: World, process: Process, app: App, *nodes: str, **inputs: str) -> RunRecord:
    """A run that failed at some nodes, which do not fail any more."""
    world.script.failing = set(nodes)
    run = await process.start(app, **inputs)
    await end_of(run)
    world.script.failing = set()
    return await world.ended(run.record.identity.run_id)


async def test_it_goes_on_at_the_node_that_failed(world: World) -> None:
    app, process = await world.chain(), world.process()
    first = await failed(world, process, app, "b", q="x")
    assert (first.status, dict(world.script.ran)) == ("failed", {"a": 1, "b": 1})

    run = await process.retries.retry(app, first.identity.run_id)

    assert (await end_of(run)).outputs == {"out": "c"}
    assert dict(world.script.ran) == {"a": 1, "b": 2, "c": 1}
    record = await world.ended(run.record.identity.run_id)
    assert (record.status, record.total_steps, record.identity.user) == ("succeeded", 5, "anna")
    assert record.identity.run_id != first.identity.run_id


async def test_both_runs_know_of_each_other(world: World) -> None:
    app, process = await world.chain(), world.process()
    first = await failed(world, process, app, "b")
    run = await process.retries.retry(app, first.identity.run_id)
    await end_of(run)
    record = await world.ended(run.record.identity.run_id)

    of_first, of_second = await process.retries.lineage(first), await process.retries.lineage(record)

    assert (of_first.retry_of, [entry.run_id for entry in of_first.retries]) == (
        None,
        [record.identity.run_id],
    )
    assert (of_second.retry_of, of_second.from_nodes, of_second.retries) == (first.identity.run_id, ["b"], [])
    executions = await process.runs.records.node_executions(record)
    assert of_second.taken_over == [entry.id for entry in executions if entry.node_id in ("start", "a")]

    assert await world.store.remove(first.identity.run_id)
    assert await process.retries.lineage(record) == msgspec.structs.replace(of_second, retry_of=None)


async def test_the_log_is_whole_and_its_executions_are_new(world: World) -> None:
    app, process = await world.chain(), world.process()
    first = await failed(world, process, app, "b", q="x")
    world.now += 100
    run = await process.retries.retry(app, first.identity.run_id)
    await end_of(run)

    old, log = await world.store.events(first.identity.run_id), list(run.events)

    began = log[0]
    assert isinstance(began, RunStarted)
    assert (began.inputs, began.system["workflow_run_id"], began.at) == (
        {"q": "x"},
        run.record.identity.run_id,
        world.now,
    )
    starts = [event for event in log if isinstance(event, NodeStarted)]
    assert [(event.node_id, event.index) for event in starts] == [
        ("start", 1),
        ("a", 2),
        ("b", 3),
        ("c", 4),
        ("end", 5),
    ]
    assert not {event.execution_id for event in starts} & {
        event.execution_id for event in old if isinstance(event, NodeStarted)
    }
    ends = [event for event in log if isinstance(event, NodeFinished)]
    assert {(event.at, event.started_at) for event in ends} == {(world.now, world.now)}
    kinds = [type(event) for event in log if not isinstance(event, TextChunk)]
    assert kinds[:7] == [RunStarted, NodeStarted, NodeFinished, NodeStarted, NodeFinished, RunRetried, RunBegan]


async def test_the_moment_that_nodes_see_is_that_of_the_new_run(world: World) -> None:
    nodes = [start("q"), node("a", "code", value="a"), end(at="sys.timestamp")]
    app, process = await world.app("時刻", nodes, "start>a a>end"), world.process()
    first = await failed(world, process, app, "a")
    world.now += 100

    run = await process.retries.retry(app, first.identity.run_id)

    assert (await end_of(run)).outputs == {"at": int(world.now)}


async def test_the_reasoning_of_nodes_that_are_taken_over_is_shown_and_that_of_others_only_once_they_run_again(
    world: World,
) -> None:
    nodes = [start("q"), *(node(name, "code", value=name) for name in "ab"), end(a="a.text", b="b.text")]
    app, process = await world.app("Thinks", nodes, "start>a a>b b>end"), world.process()
    world.script.thinks = {"a": "うーん 🤔", "b": "wrong"}
    first = await failed(world, process, app, "b")
    world.script.thinks = {"a": "not asked again", "b": "right"}

    run = await process.retries.retry(app, first.identity.run_id)

    await end_of(run)
    thoughts = [(event.node_id, event.text) for event in run.events if isinstance(event, ReasoningChunk)]
    assert thoughts == [("a", "うーん 🤔"), ("b", "right")]


async def test_a_named_node_runs_again_with_everything_behind_it_and_nothing_else(world: World) -> None:
    nodes = [start("q"), *(node(name, "code", value=name) for name in ("a", "b", "c", "beside")), end(out="c.times")]
    app = await world.app("Diamond", nodes, "start>a a>b b>c start>beside beside>c c>end")
    process = world.process()
    run = await process.start(app)
    await end_of(run)
    await world.ended(run.record.identity.run_id)

    again = await process.retries.retry(app, run.record.identity.run_id, from_node="b")

    assert (await end_of(again)).outputs == {"out": 2}
    assert dict(world.script.ran) == {"a": 1, "b": 2, "c": 2, "beside": 1}


async def test_a_branch_that_was_not_taken_stays_so(world: World) -> None:
    nodes = [
        start("q"),
        if_contains("if", "start.q", "x"),
        *(node(name, "code", value=name) for name in ("yes", "no", "after")),
        end(out="after.value"),
    ]
    app = await world.app("Branch", nodes, "start>if if:true>yes if:false>no yes>after no>after after>end")
    process = world.process()
    first = await failed(world, process, app, "after", q="x")

    run = await process.retries.retry(app, first.identity.run_id)

    assert (await end_of(run)).outputs == {"out": "after"}
    assert dict(world.script.ran) == {"yes": 1, "after": 2}
    with pytest.raises(InvalidParam, match="'no' did not run"):
        await process.retries.retry(app, first.identity.run_id, from_node="no")


async def test_a_container_that_finished_is_taken_over_with_its_rounds(world: World) -> None:
    app, process = await world.app(*_containers()), world.process()
    first = await failed(world, process, app, "after")
    rounds = world.script.ran["inner"]
    assert rounds == 2

    run = await process.retries.retry(app, first.identity.run_id)

    assert (await end_of(run)).outputs == {"out": ["inner", "inner"]}
    assert world.script.ran["inner"] == rounds
    executions = await process.runs.records.node_executions(await world.ended(run.record.identity.run_id))
    assert [(entry.node_id, entry.iteration_id) for entry in executions if entry.node_id == "inner"] == [
        ("inner", "each"),
        ("inner", "each"),
    ]


async def test_a_node_inside_a_container_stands_for_the_container(world: World) -> None:
    app, process = await world.app(*_containers()), world.process()
    run = await process.start(app)
    await end_of(run)
    await world.ended(run.record.identity.run_id)

    again = await process.retries.retry(app, run.record.identity.run_id, from_node="inner")

    assert (await end_of(again)).outputs == {"out": ["inner", "inner"]}
    assert (world.script.ran["list"], world.script.ran["inner"], world.script.ran["after"]) == (1, 4, 2)


async def test_a_container_that_failed_runs_again_as_a_whole(world: World) -> None:
    app, process = await world.app(*_containers()), world.process()
    first = await failed(world, process, app, "inner")
    assert first.status == "failed"
    before = world.script.ran["inner"]

    run = await process.retries.retry(app, first.identity.run_id)

    assert (await end_of(run)).status == "succeeded"
    assert world.script.ran["inner"] == before + 2
    assert world.script.ran["list"] == 1


async def test_a_run_that_was_stopped_goes_on_where_it_was(world: World) -> None:
    app, process = await world.chain(), world.process()
    run = await process.start_until(app, "b")
    await process.runs.control.stop(app.id, run.record.identity.run_id, "anna")
    stopped = await world.ended(run.record.identity.run_id)
    world.script.release("b")

    again = await process.retries.retry(app, stopped.identity.run_id)

    assert (await end_of(again)).status == "succeeded"
    assert dict(world.script.ran) == {"a": 1, "b": 2, "c": 1}
    assert (await process.retries.lineage(again.record)).from_nodes == ["b"]


async def test_a_retry_can_be_retried(world: World) -> None:
    app, process = await world.chain(), world.process()
    first = await failed(world, process, app, "b")
    world.script.failing = {"c"}
    second = await process.retries.retry(app, first.identity.run_id)
    assert (await end_of(second)).status == "failed"
    await world.ended(second.record.identity.run_id)
    world.script.failing = set()

    third = await process.retries.retry(app, second.record.identity.run_id)

    assert (await end_of(third)).status == "succeeded"
    assert dict(world.script.ran) == {"a": 1, "b": 2, "c": 2}


async def test_after_a_crash_a_retry_is_recovered_as_any_run(world: World) -> None:
    app, process = await world.chain(), world.process()
    first = await failed(world, process, app, "b")
    world.script.held = {"c"}
    run = await process.retries.retry(app, first.identity.run_id)
    await until(lambda: world.script.ran["c"] == 1)
    await run.committed()
    await process.die()

    new_holder = world.process()
    await new_holder.runs.control.take_over()
    world.script.release("c")

    assert (await world.ended(run.record.identity.run_id)).status == "succeeded"
    assert dict(world.script.ran) == {"a": 1, "b": 2, "c": 2}


async def test_a_retry_waits_for_its_turn_and_survives_a_crash_while_it_waits(world: World) -> None:
    app, process = await world.chain(), world.process(at_once=1)
    first = await failed(world, process, app, "b")
    await until(lambda: process.admission.running == 0)
    world.script.held = {"a"}
    await process.start(app)
    run = await process.retries.retry(app, first.identity.run_id)
    await process.die()

    new_holder = world.process(at_once=1)
    await new_holder.runs.control.take_over()
    assert new_holder.admission.queued() == 1
    world.script.release("a")

    assert (await world.ended(run.record.identity.run_id)).status == "succeeded"
    events = await world.store.events(run.record.identity.run_id)
    assert [type(event) for event in events if isinstance(event, (RunRetried, RunRecovered, RunBegan))] == [
        RunRetried,
        RunRecovered,
        RunBegan,
    ]


@pytest.mark.parametrize("strategy", ["fail-branch", "default-value"])
async def test_a_failure_that_was_handled_is_taken_over_as_it_is(world: World, strategy: str) -> None:
    defaults = [{"key": "value", "type": "string", "value": "代わり"}]
    nodes = [
        start("q"),
        node("shaky", "code", value="never", error_strategy=strategy, default_value=defaults),
        *(node(name, "code", value=name) for name in ("normal", "handler", "after")),
        end(error="shaky.error_message", value="shaky.value", handled="handler.value", normal="normal.value"),
    ]
    taken = "shaky:fail-branch>handler" if strategy == "fail-branch" else "shaky>handler"
    other = "shaky>normal" if strategy == "fail-branch" else "start>normal"
    app = await world.app("Handled", nodes, f"start>shaky {taken} {other} handler>after normal>after after>end")
    process = world.process()
    first = await failed(world, process, app, "shaky", "after")
    assert first.status == "failed"
    before = dict(world.script.ran)

    run = await process.retries.retry(app, first.identity.run_id)

    last = await end_of(run)
    assert (last.status, last.exceptions_count) == ("partial-succeeded", 1)
    assert dict(world.script.ran) == {**before, "after": 2}
    assert last.outputs == {
        "error": "shaky broke",
        "value": "代わり" if strategy == "default-value" else None,
        "handled": "handler",
        "normal": "normal" if strategy == "default-value" else None,
    }
    shaky = [event for event in run.events if isinstance(event, NodeFinished) and event.node_id == "shaky"]
    assert [(event.status, event.strategy, event.error) for event in shaky] == [("exception", strategy, "shaky broke")]


async def test_of_a_run_in_which_failures_were_handled_these_run_again_unless_a_node_is_named(world: World) -> None:
    nodes = [
        start("q"),
        node("shaky", "code", value="fine", error_strategy="default-value"),
        *(node(name, "code", value=name) for name in ("beside", "after")),
        end(value="shaky.value"),
    ]
    app = await world.app("Partly", nodes, "start>shaky start>beside shaky>after beside>after after>end")
    process = world.process()
    first = await failed(world, process, app, "shaky")
    assert first.status == "partial-succeeded"

    by_itself = await process.retries.retry(app, first.identity.run_id)
    last = await end_of(by_itself)
    assert (last.status, last.outputs) == ("succeeded", {"value": "fine"})
    assert dict(world.script.ran) == {"shaky": 2, "beside": 1, "after": 2}

    named = await process.retries.retry(app, first.identity.run_id, from_node="after")
    assert (await end_of(named)).status == "partial-succeeded"
    assert dict(world.script.ran) == {"shaky": 2, "beside": 1, "after": 3}


async def test_what_ran_again_after_a_crash_has_one_start_in_the_retry(world: World) -> None:
    app, process = await world.chain(), world.process()
    world.script.held, world.script.failing = {"b"}, {"c"}
    run = await process.start(app, q="x")
    for times in (1, 2):
        await until(lambda times=times: world.script.ran["b"] == times)  # type: ignore[misc]
        await run.committed()
        await process.die()
        process = world.process()
        await process.runs.control.take_over()
    world.script.release("b")
    first = await world.ended(run.record.identity.run_id)
    assert (first.status, world.script.ran["b"]) == ("failed", 3)
    world.script.failing = set()

    again = await process.retries.retry(app, first.identity.run_id)

    assert (await end_of(again)).status == "succeeded"
    assert dict(world.script.ran) == {"a": 1, "b": 3, "c": 2}
    starts = [event for event in again.events if isinstance(event, NodeStarted)]
    assert [(event.node_id, event.index) for event in starts] == [
        ("start", 1),
        ("a", 2),
        ("b", 3),
        ("c", 4),
        ("end", 5),
    ]
    assert not [event for event in again.events if isinstance(event, RunRecovered)]
    record = await world.ended(again.record.identity.run_id)
    executions = await process.runs.records.node_executions(record)
    assert [entry.node_id for entry in executions] == ["start", "a", "b", "c", "end"]
    assert [entry.attempts for entry in executions] == [[]] * 5


async def test_a_run_that_goes_on_cannot_be_retried(world: World) -> None:
    app, process = await world.chain(), world.process()
    run = await process.start_until(app, "a")
    await run.committed()

    with pytest.raises(Conflict, match="has not ended"):
        await process.retries.retry(app, run.record.identity.run_id)

    asks = await world.app("Asks", [start("q"), form("ask", "?"), end(said="ask.comment")], "start>ask ask:yes>end")
    paused = await process.start(asks)
    await paused.ended()
    with pytest.raises(Conflict, match="has not ended"):
        await process.retries.retry(asks, paused.record.identity.run_id, from_node="ask")


async def test_a_run_without_a_failure_needs_a_named_node(world: World) -> None:
    app, process = await world.chain(), world.process()
    run = await process.start(app)
    await end_of(run)
    await world.ended(run.record.identity.run_id)

    with pytest.raises(InvalidParam, match="no node of the run failed"):
        await process.retries.retry(app, run.record.identity.run_id)
    with pytest.raises(InvalidParam, match="'nowhere' did not run"):
        await process.retries.retry(app, run.record.identity.run_id, from_node="nowhere")


async def test_a_run_of_another_app_does_not_exist(world: World) -> None:
    app, other, process = await world.chain("One"), await world.chain("Other"), world.process()
    first = await failed(world, process, app, "b")

    with pytest.raises(NotFound):
        await process.retries.retry(other, first.identity.run_id)


async def test_it_counts_the_steps_that_it_took_over(world: World) -> None:
    app, process = await world.chain(), world.process()
    first = await failed(world, process, app, "c")
    run = await process.retries.retry(app, first.identity.run_id)
    await end_of(run)

    record = await world.ended(run.record.identity.run_id)

    assert record.total_steps == len(await process.runs.records.node_executions(record))
    assert record.elapsed >= 0


def _containers() -> tuple[str, list[dict[str, Any]], str]:
    nodes = [
        start("q"),
        node("list", "code", value=["1", "2"]),
        *iteration("each", "list.value", "inner.value", node("inner", "code", value="inner")),
        node("after", "code", value="after"),
        end(out="each.output"),
    ]
    return "Container", nodes, "start>list list>each each-start>inner each>after after>end"


async def test_a_run_that_is_pruned_meanwhile_is_not_found() -> None:
    class Pruning(RunsInMemory):
        """Removes a run just before its log is read."""

        async def events(self, run_id: str, *, after: int = -1, most: int = 0) -> list[Event]:
            await self.prune(math.inf)
            return await super().events(run_id, after=after, most=most)

    world = World(Pruning())
    app, process = await world.chain(), world.process()
    first = await failed(world, process, app, "b")

    with pytest.raises(NotFound, match="Workflow run not found"):
        await process.retries.retry(app, first.identity.run_id)
    await world.close()
