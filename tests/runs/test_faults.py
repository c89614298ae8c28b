"""A database that refuses to write, and a clock that jumps. Those of a real server are in tests/acceptance."""

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, ClassVar, Self

import pytest

from jikko.dsl.fields import Fields
from jikko.events import NodeFinished, RunFinished
from jikko.nodes.contract import Context
from jikko.store.sqlite import Database, SqliteRunStore
from tests.acceptance.workflows import end, node, start

from .world import PATIENCE, World, end_of, until

pytestmark = pytest.mark.anyio

HOUR = 3600.0


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A service whose writer waits for a lock only briefly."""
    world = World(SqliteRunStore(Database.open(tmp_path / "jikko.db", busy_timeout=0.01)))
    yield world
    await world.close()


class LevelRecorder(logging.Handler):
    """Counts the writes that were refused."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.levels: list[int] = []

    def emit(self, record: logging.LogRecord) -> None:
        if "trying again" in record.msg:
            self.levels.append(record.levelno)


@pytest.fixture
def recorder() -> Iterator[LevelRecorder]:
    handler, log = LevelRecorder(), logging.getLogger("jikko.runs.run_log")
    before = log.level
    log.setLevel(logging.DEBUG)
    log.addHandler(handler)
    yield handler
    log.removeHandler(handler)
    log.setLevel(before)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the write lock, as another process would."""
    with closing(sqlite3.connect(folder / "jikko.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


async def reached(recorder: LevelRecorder, count: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while len(recorder.levels) < count:  # noqa: ASYNC110 - a handler of logging cannot be awaited
            await asyncio.sleep(0.01)


async def test_a_lock_that_outlasts_every_wait_delays_a_run_and_loses_nothing(
    world: World, tmp_path: Path, recorder: LevelRecorder
) -> None:
    process = world.process()
    app = await world.chain()
    with locked(tmp_path):
        run = await process.start(app, q="x")
        ended = asyncio.create_task(end_of(run))
        await reached(recorder, 3)
        assert not ended.done()
        assert await world.store.record(run.record.identity.run_id) is None

    assert (await ended).status == "succeeded"
    record = await world.ended(run.record.identity.run_id)
    assert record.status == "succeeded"
    # An operator is told once, not at every try.
    assert recorder.levels.count(logging.ERROR) == 1


async def test_what_happens_while_writing_is_refused_adds_no_tries(
    world: World, tmp_path: Path, recorder: LevelRecorder
) -> None:
    process = world.process()
    world.script.held |= {"a", "b", "c"}
    app = await world.chain()
    run = await process.start(app, q="x")
    await run.committed()
    with locked(tmp_path):
        for name in ("a", "b", "c"):
            await until(lambda name=name: world.script.ran[name] == 1)  # type: ignore[misc]
            world.script.release(name)
        await until(lambda: run.record.status == "succeeded")
        await reached(recorder, 2)
        assert len(recorder.levels) == 2

    assert (await end_of(run)).status == "succeeded"
    events = await world.store.events(run.record.identity.run_id)
    assert [event.node_id for event in events if isinstance(event, NodeFinished)] == ["start", "a", "b", "c", "end"]


@pytest.mark.parametrize("jump", [pytest.param(-HOUR, id="back"), pytest.param(24 * HOUR, id="ahead")])
async def test_a_clock_that_jumps_changes_no_result_and_no_duration(world: World, jump: float) -> None:
    process = world.process()
    world.script.held.add("b")
    app = await world.chain()
    run = await process.start(app, q="x")
    await until(lambda: world.script.ran["b"] == 1)
    world.now += jump
    world.script.release("b")

    end = await end_of(run)

    assert (end.status, end.outputs) == ("succeeded", {"out": "c"})
    events = await world.store.events(run.record.identity.run_id)
    assert all(0 <= event.elapsed < PATIENCE for event in events if isinstance(event, NodeFinished))
    assert isinstance(events[-1], RunFinished)
    assert events[-1].elapsed >= 0


@pytest.mark.parametrize("jump", [pytest.param(-HOUR, id="back"), pytest.param(0.5 * HOUR, id="ahead")])
async def test_a_run_goes_on_in_the_next_process_though_the_clock_jumped_between(world: World, jump: float) -> None:
    first = world.process()
    world.script.held.add("b")
    app = await world.chain()
    run = await first.start(app, q="x")
    await until(lambda: world.script.ran["b"] == 1)
    await run.committed()
    await first.die()
    world.now += jump
    world.script.release("b")

    assert (await world.process().runs.control.take_over()).count == 1

    record = await world.ended(run.record.identity.run_id)
    assert (record.status, world.script.ran["a"]) == ("succeeded", 1)
    assert record.elapsed >= 0


async def test_a_node_that_no_engine_can_run_fails_its_run_and_frees_its_slot(world: World) -> None:
    class Broken:
        """Does not even give back a coroutine."""

        type: ClassVar[str] = "template-transform"
        immediate: ClassVar[bool] = True
        branching: ClassVar[bool] = False

        @classmethod
        def from_dsl(cls, data: Fields) -> Self:
            return cls()

        def run(self, ctx: Context) -> Any:
            raise RuntimeError("a secret")

    world.classes["template-transform"] = Broken
    nodes = [start("q"), node("a", "code", value="a"), node("bad", "template-transform"), end(out="bad.output")]
    broken = await world.app("Broken", nodes, "start>a a>bad bad>end")
    at_once = await world.app("Broken at once", [start("q"), *nodes[2:]], "start>bad bad>end")
    process, sound = world.process(at_once=1), await world.chain()

    for app in (broken, at_once):
        run = await process.start(app)
        last = await end_of(run)
        assert (last.status, last.error) == ("failed", "Internal error: RuntimeError")
        assert (await world.ended(run.record.identity.run_id)).status == "failed"
        await until(lambda: process.admission.running == 0)

    assert (await end_of(await process.start(sound))).status == "succeeded"
