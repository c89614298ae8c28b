"""An observer of runs sees each of them, however it came to its process and however it ended."""

from collections.abc import Sequence

import pytest

from jikko.errors import TooManyRequests
from jikko.events import Event, NodeFinished, RunFinished, RunStarted
from jikko.ports.stores.run_store import StartOptions
from jikko.record import RunIdentity
from jikko.runs.observer import RunObserver
from jikko.runs.runs import StartRequest
from tests.acceptance.workflows import end, form, node, start
from tests.runs.world import World, end_of, until

pytestmark = pytest.mark.anyio


class Recorder(RunObserver):
    """Takes note of all that it sees."""

    def __init__(self) -> None:
        self.logs: dict[str, list[Event]] = {}
        self.calls: dict[str, list[Event]] = {}

    def started(self, run: RunIdentity, event: RunStarted) -> None:
        self.calls.setdefault(run.run_id, []).append(event)

    def node_ended(self, run: RunIdentity, event: NodeFinished) -> None:
        self.calls.setdefault(run.run_id, []).append(event)

    def ended(self, run: RunIdentity, event: RunFinished) -> None:
        self.calls.setdefault(run.run_id, []).append(event)

    def appended(self, run: RunIdentity, at: int, events: Sequence[Event]) -> None:
        log = self.logs.setdefault(run.run_id, [])
        assert at == len(log), "each event is seen once, and in order"
        log += events


async def check(world: World, observer: Recorder, run_id: str) -> None:
    """The run has ended, and was seen as it is in the store."""
    await world.ended(run_id)
    log = await world.store.events(run_id)
    await until(lambda: observer.logs[run_id] == log)
    kinds = (RunStarted, NodeFinished, RunFinished)
    assert observer.calls[run_id] == [event for event in log if isinstance(event, kinds)]


@pytest.mark.parametrize("options", [None, StartOptions()], ids=["at once", "accepted first"])
async def test_a_run_that_is_started(world: World, options: StartOptions | None) -> None:
    observer = Recorder()
    process, app = world.process(observer), await world.chain()

    run = await process.runs.start(app, StartRequest(inputs={"q": "x"}, user="anna"), options)

    await check(world, observer, run.record.identity.run_id)


async def test_a_run_that_queues_and_one_that_is_stopped_in_the_queue(world: World) -> None:
    observer = Recorder()
    process, app = world.process(observer, at_once=1), await world.chain()
    world.script.held = {"b"}
    ids = [(await process.start(app)).record.identity.run_id for _ in range(3)]
    assert await process.runs.control.stop(app.id, ids[2], "anna")
    world.script.release("b")

    for run_id in ids:
        await check(world, observer, run_id)


async def test_a_run_that_fails_and_the_one_that_repeats_it(world: World) -> None:
    observer = Recorder()
    process, app = world.process(observer), await world.chain()
    world.script.failing = {"b"}
    failed = await process.start(app)
    await end_of(failed)
    world.script.failing.clear()

    again = await process.retries.retry(app, failed.record.identity.run_id)

    for run in (failed, again):
        await check(world, observer, run.record.identity.run_id)


async def test_a_run_that_is_parked_and_goes_on_in_another_process(world: World) -> None:
    observer, app = Recorder(), await world.chain()
    before = world.process(observer)
    run_id = (await before.start_until(app, "b")).record.identity.run_id
    await before.runs.close(0)
    after = world.process(observer)
    await after.runs.control.take_over()
    world.script.release("b")

    await check(world, observer, run_id)


async def test_of_a_zombie_nothing_is_seen(world: World) -> None:
    zombie, observer, app = Recorder(), Recorder(), await world.chain()
    slow = world.process(zombie)
    run_id = (await slow.start_until(app, "b")).record.identity.run_id
    other = world.process(observer)
    seen_before = await world.store.events(run_id)
    observer.logs[run_id] = list(seen_before)
    await other.runs.control.take_over()
    await until(lambda: world.script.ran["b"] == 2)
    world.script.release("b")

    await world.ended(run_id)
    log = await world.store.events(run_id)
    await until(lambda: observer.logs[run_id] == log)
    await until(lambda: not slow.runs.executor.executes(run_id))
    assert zombie.logs[run_id] == seen_before


@pytest.mark.parametrize("way", ["form", "stop"])
async def test_a_run_that_pauses_and_goes_on_or_is_stopped(world: World, way: str) -> None:
    observer = Recorder()
    nodes = [start("q"), node("a", "code", value="x"), form("ask", "?"), end(said="ask.comment")]
    app, process = await world.app("Asks", nodes, "start>a a>ask ask:yes>end"), world.process(observer)
    run = await process.start(app)
    await run.ended()
    run_id = run.record.identity.run_id
    await until(lambda: not process.runs.executor.executes(run_id))

    if way == "stop":
        assert await process.runs.control.stop(app.id, run_id, "anna")
    else:
        await process.submit(run, "yes")

    await check(world, observer, run_id)


async def test_one_that_is_refused_is_not_seen(world: World) -> None:
    observer = Recorder()
    process, app = world.process(observer, at_once=1, queued_per_app=0), await world.chain()
    world.script.held = {"a"}
    await process.start(app)

    with pytest.raises(TooManyRequests):
        await process.start(app)

    world.script.release("a")
    await until(lambda: [len(calls) for calls in observer.calls.values()] == [7])


class Broken(RunObserver):
    def appended(self, run: RunIdentity, at: int, events: Sequence[Event]) -> None:
        raise RuntimeError("broken")


async def test_one_that_fails_concerns_no_run(world: World) -> None:
    process, app = world.process(Broken()), await world.chain()

    run = await process.start(app)

    assert (await end_of(run)).status == "succeeded"
