"""Decisions on a stale view of a run, and log lines of a run wherever it begins."""

from typing import Any

import pytest

from jikko.errors import LogConflict
from jikko.events import Event, RunResumed, RunStarted
from jikko.log_context import LogContext, log_context
from jikko.nodes.contract import Context, Result
from jikko.record import RunRecord
from tests.contract.runs import Draft, node, paused, started
from tests.runs.world import Script, World, until
from tests.store.in_memory import RunsInMemory

pytestmark = pytest.mark.anyio

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


class Watched(Script):
    """What lines of the log would be about, if nodes wrote any."""

    def __init__(self) -> None:
        super().__init__()
        self.contexts: list[LogContext] = []

    async def run(self, ctx: Context, value: Any) -> Result:
        self.contexts.append(log_context.get())
        return await super().run(ctx, value)


@pytest.fixture
def watched(world: World) -> Watched:
    watched = Watched()
    world.script = watched
    world.classes["code"] = watched.node_class()
    return watched


@pytest.fixture
def request_of_a_trace() -> LogContext:
    headers = [(b"traceparent", f"00-{TRACE}-00f067aa0ba902b7-01".encode())]
    return LogContext(request_id=b"request-1", headers=headers, app="another")


async def test_lines_of_a_run_are_about_it_and_not_about_the_request_that_started_it(
    world: World, watched: Watched, request_of_a_trace: LogContext
) -> None:
    app, process = await world.chain(), world.process()
    before = log_context.set(request_of_a_trace)
    try:
        run = await process.start(app)
        assert log_context.get() is request_of_a_trace
    finally:
        log_context.reset(before)
    run_id = run.record.identity.run_id
    await world.ended(run_id)

    begun = run.events[0]
    assert isinstance(begun, RunStarted)
    assert TRACE in begun.trace
    assert watched.contexts == [LogContext(run=run_id, app=app.id, came=begun.trace)] * 3
    assert watched.contexts[0].trace_id == TRACE


async def test_so_are_those_of_one_that_waited_for_another_or_whose_process_died(
    world: World, watched: Watched, request_of_a_trace: LogContext
) -> None:
    app, process = await world.chain("One", "b"), world.process(at_once=1)
    watched.held = {"b"}
    first = await process.start(app)
    before = log_context.set(request_of_a_trace)
    try:
        second = await process.start(app)
    finally:
        log_context.reset(before)
    await until(lambda: watched.ran["b"] == 1)
    watched.release("b")
    ids = [run.record.identity.run_id for run in (first, second)]
    for run_id in ids:
        await world.ended(run_id)
    assert [(seen.run, bool(seen.came)) for seen in watched.contexts] == [(ids[0], False), (ids[1], True)]

    watched.held = {"b"}
    third = await process.start(app)
    await until(lambda: watched.ran["b"] == 3)
    await world.process().runs.control.take_over()
    await until(lambda: watched.ran["b"] == 4)
    watched.release("b")
    await world.ended(third.record.identity.run_id)
    assert watched.contexts[2:] == [LogContext(run=third.record.identity.run_id, app=app.id)] * 2


async def test_how_long_runs_have_waited_is_measured_from_their_creation(world: World) -> None:
    app, process = await world.chain("One", "b"), world.process(at_once=1)
    waits = process.runs.executor.measures.waits
    world.script.held = {"b"}
    await process.start(app)
    second = await process.start(app)
    await until(lambda: world.script.ran["b"] == 1)
    world.now += 7
    world.script.release("b")
    await world.ended(second.record.identity.run_id)

    [parts] = waits.values.values()
    assert (sum(parts[:-1]), parts[-1]) == (2, 7.0)


class Stale(RunsInMemory):
    """Tells of a run what a test says."""

    current: RunRecord | None = None
    log: list[Event] = []  # noqa: RUF012  # replaced, never changed

    async def record(self, run_id: str, app_id: str | None = None) -> RunRecord | None:
        return self.current

    async def events(self, run_id: str, *, after: int = -1, most: int = 0) -> list[Event]:
        return self.log


def was_removed(draft: Draft, store: Stale) -> None:
    store.current = None


def goes_on_by_its_record(draft: Draft, store: Stale) -> None:
    draft.record.apply(RunResumed(at=2.0))


def goes_on_by_its_log(draft: Draft, store: Stale) -> None:
    store.log = [*store.log, RunResumed(at=2.0)]


def has_no_log(draft: Draft, store: Stale) -> None:
    store.log = []


@pytest.mark.parametrize("happened", [was_removed, goes_on_by_its_record, goes_on_by_its_log, has_no_log])
async def test_a_run_that_is_not_paused_any_more_is_not_taken_for_one_that_is(happened: Any) -> None:
    store, draft = Stale(), Draft()
    draft.step(started(), *node(), paused())
    store.current, store.log = draft.record, list(draft.events)
    world = World(store)
    control = world.process().runs.control
    log = await control._paused._log(draft.record)
    assert (list(log.events), log.record) == (draft.events, draft.record)

    happened(draft, store)
    with pytest.raises(LogConflict, match=f"Run {draft.id} is not paused any more"):
        await control._paused._log(draft.record)
    await world.close()
