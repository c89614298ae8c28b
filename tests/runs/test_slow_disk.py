"""Visible and counted data while a write is in progress."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from jikko.events import (
    Event,
    FormClosed,
    FormRequested,
    NodeFinished,
    NodeStarted,
    RunFinished,
    RunPaused,
    RunStarted,
    TextChunk,
)
from jikko.ports.cluster import StopRun
from jikko.ports.stores.run_store import Append, StartOptions
from jikko.record import RunRecord, folded
from jikko.repositories.app_store import App
from jikko.runs.run_log import RunLog
from jikko.runs.runs import StartRequest
from tests.acceptance.workflows import end, form, node, start
from tests.contract.runs import Draft, finished, started
from tests.contract.runs import node as executed
from tests.runs.held_store import HeldStore
from tests.runs.world import PATIENCE, Process, World, end_of, until

pytestmark = pytest.mark.anyio


@pytest.fixture
def store() -> HeldStore:
    return HeldStore()


@pytest.fixture
async def world(store: HeldStore) -> AsyncIterator[World]:
    world = World(store)
    yield world
    store.release()
    world.script.release(*world.script.held)
    await world.close()


class Follower:
    """Follows a run, and notes what it sees."""

    def __init__(self, live: RunLog, after: int = -1, *, durable: bool) -> None:
        self.seen: list[tuple[int, Event]] = []
        self._task = asyncio.ensure_future(self._follow(live, after, durable))

    async def _follow(self, live: RunLog, after: int, durable: bool) -> None:
        async for batch in live.follow(after, durable=durable):
            self.seen += batch

    @property
    def kinds(self) -> list[type]:
        return [type(event) for _, event in self.seen]

    async def ends(self) -> list[tuple[int, Event]]:
        async with asyncio.timeout(PATIENCE):
            await self._task
        return self.seen


def deep() -> Any:
    """A list that is nested deeper than anything can walk through."""
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    return value


async def some_turns() -> None:
    """Let everything that can go on do so."""
    for _ in range(50):
        await asyncio.sleep(0)


async def test_a_durable_stream_shows_nothing_before_it_is_written_and_the_other_no_result(store: HeldStore) -> None:
    live = RunLog(store, Draft().record)
    live.append([started()])
    durable, quick = Follower(live, durable=True), Follower(live, durable=False)
    await some_turns()
    store.hold()
    begun, ended = executed()
    live.append([begun, TextChunk(at=1.0, text="文字 🙂", selector=("a", "b"))])
    live.append([ended, TextChunk(at=1.0, text="behind it", selector=("a", "b"))])
    await some_turns()

    assert durable.kinds == [RunStarted]
    assert quick.kinds == [RunStarted, NodeStarted, TextChunk]

    store.release()
    live.append([finished()])
    whole = list(enumerate(live.events))
    assert (await durable.ends(), await quick.ends()) == (whole, whole)
    assert [type(event) for event in live.events[1:]] == [NodeStarted, TextChunk, NodeFinished, TextChunk, RunFinished]


async def test_a_position_that_a_durable_stream_told_is_good_in_the_next_process(
    world: World, store: HeldStore
) -> None:
    process, app = world.process(), await world.chain()
    run = await process.start_until(app, "b")
    await run.committed()
    store.hold()
    follower = Follower(run, durable=True)
    world.script.release("b")
    await until(lambda: run.record.status == "succeeded")
    await some_turns()
    last = follower.seen[-1][0]

    # What is held is lost: the process dies.
    assert await store.events(run.record.identity.run_id) == [event for _, event in follower.seen]
    assert last == len(follower.seen) - 1


async def test_a_run_is_not_over_before_its_end_is_written(world: World, store: HeldStore) -> None:
    process, app = world.process(at_once=1), await world.chain()
    store.hold()
    run = await process.start(app)
    ended = asyncio.ensure_future(end_of(run))
    await until(lambda: run.record.status == "succeeded")
    await some_turns()
    assert not ended.done()

    store.release()

    assert (await ended).outputs == {"out": "c"}


async def test_what_cannot_be_taken_in_during_a_write_leaves_memory_and_log_the_same(store: HeldStore) -> None:
    live = RunLog(store, Draft().record)
    live.append([started()])
    await live.committed()
    follower = Follower(live, durable=False)
    store.hold()
    live.append([*executed()])
    assert store.held == 1
    live.append([finished(out=deep())])
    store.release()

    assert (await end_of(live)).status == "failed"
    log = await store.events(live.record.identity.run_id)
    assert [type(event) for event in log] == [RunStarted, NodeStarted, NodeFinished, RunFinished]
    assert list(live.events) == log == [event for _, event in await follower.ends()]
    assert live.record == await store.record(live.record.identity.run_id) == folded(live.record.identity, log)


async def test_what_was_shown_during_a_write_stays_though_the_log_is_cut_short(store: HeldStore) -> None:
    live = RunLog(store, Draft().record)
    live.append([started()])
    await live.committed()
    follower = Follower(live, durable=False)
    store.hold()
    live.append(executed()[:1])
    live.append([TextChunk(at=1.0, text="東京", selector=("a", "b"))])
    await some_turns()
    shown = [RunStarted, NodeStarted, TextChunk]
    assert (store.held, follower.kinds) == (1, shown)

    live.append([finished(out=deep())])
    store.release()

    assert (await end_of(live)).status == "failed"
    log = await store.events(live.record.identity.run_id)
    assert [type(event) for event in log] == [*shown, RunFinished]
    assert await follower.ends() == list(enumerate(log))


async def test_a_run_that_is_stopped_before_it_is_accepted_never_begins(world: World, store: HeldStore) -> None:
    process, app = world.process(at_once=1), await world.chain()
    accepted: list[RunRecord] = []
    store.given = lambda batch: accepted.append(batch.record)
    store.hold()
    request = StartRequest(inputs={}, user="anna")
    starting = asyncio.ensure_future(process.runs.start(app, request, StartOptions()))
    await until(lambda: len(accepted) == 1)
    await some_turns()

    stop = asyncio.ensure_future(process.runs.control.stop(app.id, accepted[0].identity.task_id, "anna"))
    await some_turns()
    store.release()

    assert await stop
    assert (await end_of(await starting)).status == "stopped"
    await until(lambda: process.admission.running == 0)
    assert world.script.ran == {}
    log = await store.events(accepted[0].identity.run_id)
    assert [type(event) for event in log] == [RunStarted, RunFinished]


async def asks(world: World) -> App:
    """An app that waits for a form, with a node behind it."""
    nodes = [start("q"), form("ask", "?"), node("b", "code", value="b"), end(said="ask.comment", out="b.value")]
    return await world.app("Asks", nodes, "start>ask ask:yes>b b>end")


async def paused(process: Process, app: App) -> RunLog:
    """A run of ``asks`` that the process has left, since it waits."""
    run = await process.start(app)
    await run.ended()
    await until(lambda: process.log(run.record.identity.run_id) is None)
    return run


def filled(run: RunLog, comment: str = "はい") -> FormClosed:
    [requested] = [event for event in run.events if isinstance(event, FormRequested)]
    return FormClosed(
        at=1.0,
        execution_id=requested.execution_id,
        node_id=requested.node_id,
        title=requested.title,
        form_id=requested.form_id,
        action_id="yes",
        data={"comment": comment},
    )


async def test_a_form_that_is_handed_in_while_the_pause_is_being_written_counts(world: World, store: HeldStore) -> None:
    process, app = world.process(), await asks(world)
    store.hold()
    run = await process.start(app)
    await until(lambda: isinstance([None, *run.events][-1], RunPaused))
    await some_turns()

    answer = asyncio.ensure_future(process.runs.control.submit(run.record.identity.run_id, filled(run)))
    await some_turns()
    assert not answer.done()
    store.release()

    assert await answer
    record = await world.ended(run.record.identity.run_id)
    assert (record.status, world.script.ran["b"]) == ("succeeded", 1)


async def test_a_run_that_goes_on_in_the_very_turn_of_its_pause_is_found_as_any_other(
    world: World, store: HeldStore
) -> None:
    nodes = [
        start("q"),
        node("a", "code", value="a"),
        form("ask", "?"),
        node("b", "code", value="b"),
        end(said="ask.comment"),
    ]
    process, app = world.process(), await world.app("In turn", nodes, "start>a a>ask ask:yes>b b>end")
    world.script.held = {"a", "b"}
    run = await process.start(app)
    await until(lambda: world.script.ran["a"] == 1)
    await run.committed()
    answers: list[asyncio.Future[bool]] = []

    def given(batch: Append) -> None:
        if isinstance(batch.events[-1], RunPaused):
            answers.append(asyncio.ensure_future(process.runs.control.submit(run.record.identity.run_id, filled(run))))

    store.hold()
    store.given = given
    world.script.release("a")
    await until(lambda: len(answers) == 1)
    await some_turns()
    store.release()
    assert await answers[0]
    await until(lambda: world.script.ran["b"] == 1)
    await some_turns()

    live = process.log(run.record.identity.run_id)
    assert live is not None
    assert await process.runs.control.stop(app.id, run.record.identity.task_id, "anna")
    assert (await end_of(live)).status == "stopped"


async def test_of_two_answers_that_are_handed_in_while_the_log_is_read_one_lets_the_run_go_on(
    world: World, store: HeldStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    process, app = world.process(), await asks(world)
    run = await paused(process, app)
    read = store.events

    async def slowly(run_id: str, *, after: int = -1) -> list[Event]:
        await some_turns()
        return list(await read(run_id, after=after))

    monkeypatch.setattr(store, "events", slowly)
    answers = [
        process.runs.control.submit(run.record.identity.run_id, filled(run, comment)) for comment in ("one", "two")
    ]

    async with asyncio.timeout(PATIENCE):
        assert sorted(await asyncio.gather(*answers)) == [False, True]
    await world.ended(run.record.identity.run_id)
    assert world.script.ran["b"] == 1
    await until(lambda: process.admission.running == 0)


async def test_a_form_that_was_closed_is_not_taken_again_while_the_run_waits_for_another(world: World) -> None:
    nodes = [start("q"), form("one", "?"), form("two", "?"), end(one="one.comment", two="two.comment")]
    process = world.process()
    app = await world.app("Two", nodes, "start>one one:yes>two two:yes>end")
    run = await paused(process, app)
    first = filled(run)
    assert await process.runs.control.submit(run.record.identity.run_id, first)
    record = await world.until(run.record.identity.run_id, lambda record: record.status == "paused")
    await until(lambda: process.log(record.identity.run_id) is None)
    log = await world.store.events(record.identity.run_id)

    assert not await process.runs.control.submit(record.identity.run_id, first)

    assert await world.store.events(record.identity.run_id) == log


async def test_a_form_of_an_app_that_is_gone_is_not_taken_and_the_run_ends(world: World) -> None:
    process, app = world.process(), await asks(world)
    run = await paused(process, app)
    await world.apps.delete(app)

    assert not await process.runs.control.submit(run.record.identity.run_id, filled(run))

    record = await world.ended(run.record.identity.run_id)
    assert (record.status, record.error) == ("failed", "The run could not continue: The app of the run was deleted.")


async def test_that_a_form_was_handed_in_is_not_told_before_it_is_written(world: World, store: HeldStore) -> None:
    process, app = world.process(), await asks(world)
    run = await paused(process, app)
    store.hold()

    answer = asyncio.ensure_future(process.runs.control.submit(run.record.identity.run_id, filled(run)))
    await until(lambda: store.held == 1)
    await some_turns()
    assert not answer.done()
    store.release()

    assert await answer
    assert (await world.ended(run.record.identity.run_id)).status == "succeeded"


async def test_nor_is_it_if_the_run_goes_on_beside_the_form(world: World, store: HeldStore) -> None:
    nodes = [start("q"), form("ask", "?"), node("b", "code", value="b"), end(said="ask.comment", out="b.value")]
    app = await world.app("Beside", nodes, "start>ask start>b ask:yes>end b>end")
    process = world.process()
    world.script.held = {"b"}
    run = await process.start(app)
    await until(lambda: any(isinstance(event, FormRequested) for event in run.events))
    await run.committed()
    store.hold()

    answer = asyncio.ensure_future(process.runs.control.submit(run.record.identity.run_id, filled(run)))
    await until(lambda: store.held == 1)
    await some_turns()
    assert not answer.done()
    store.release()

    assert await answer
    world.script.release("b")
    assert (await end_of(run)).outputs == {"said": "はい", "out": "b"}


@pytest.mark.parametrize("by", ["task_id", "run_id"])
@pytest.mark.parametrize("begun", [True, False], ids=["its beginning is written", "nothing of it is written"])
async def test_a_run_that_is_stopped_while_its_pause_is_being_written_is_stopped(
    world: World, store: HeldStore, by: str, begun: bool
) -> None:
    nodes = [start("q"), node("a", "code", value="a"), form("ask", "?"), end(said="ask.comment")]
    process, app = world.process(), await world.app("Asks later", nodes, "start>a a>ask ask:yes>end")
    world.script.held = {"a"}
    run = await process.start(app)
    if begun:
        await until(lambda: world.script.ran["a"] == 1)
        await run.committed()
    store.hold()
    world.script.release("a")
    await until(lambda: isinstance([None, *run.events][-1], RunPaused))

    stop = asyncio.ensure_future(process.runs.control.stop(app.id, getattr(run.record.identity, by), "anna"))
    await some_turns()
    store.release()

    assert await stop
    record = await world.ended(run.record.identity.run_id)
    assert (record.status, record.error) == ("stopped", "Workflow run was stopped by user anna.")


async def test_a_worker_that_is_asked_to_stop_such_a_run_says_that_it_is_to_be_looked_for_again(
    world: World, store: HeldStore
) -> None:
    process, app = world.process(), await asks(world)
    run_id = (run := await process.start(app)).record.identity.run_id
    store.hold()
    await until(lambda: isinstance([None, *run.events][-1], RunPaused))
    assert await process.runs.control.handle_command(StopRun(run_id=run_id, error="stop")) is None
    store.release()
    await run.ended()
    await process.runs.control.submit(run.record.identity.run_id, filled(run))
    assert (await world.ended(run_id)).status == "succeeded"

    ended = await process.start(await world.chain())
    store.hold()
    await until(lambda: ended.record.status == "succeeded")

    assert await process.runs.control.handle_command(StopRun(run_id=ended.record.identity.run_id, error="stop")) is None


@pytest.mark.parametrize("by", ["task_id", "run_id"])
async def test_a_run_that_is_resumed_while_it_is_looked_for_to_stop_it_is_stopped_where_it_runs(
    world: World, store: HeldStore, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    process, app = world.process(), await asks(world)
    run = await paused(process, app)
    world.script.held = {"b"}
    found, go_on = asyncio.Event(), asyncio.Event()

    find_task = store.find_task

    async def slow_task(app_id: str, task_id: str) -> RunRecord | None:
        there = await find_task(app_id, task_id)
        found.set()
        await go_on.wait()
        return there

    monkeypatch.setattr(store, "find_task", slow_task)
    stop = asyncio.ensure_future(process.runs.control.stop(app.id, getattr(run.record.identity, by), "anna"))
    await found.wait()
    assert await process.runs.control.submit(run.record.identity.run_id, filled(run))
    await until(lambda: world.script.ran["b"] == 1)
    resumed = process.log(run.record.identity.run_id)
    assert resumed is not None
    go_on.set()

    assert await stop
    end_ = await end_of(resumed)
    assert (end_.status, end_.error) == ("stopped", "Workflow run was stopped by user anna.")
    assert (await world.ended(run.record.identity.run_id)).status == "stopped"
    await until(lambda: process.admission.running == 0)
