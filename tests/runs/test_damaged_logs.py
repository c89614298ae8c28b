"""Runs with logs corrupted on disk: they end, and can be listed, read, retried and removed."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from jikko.assemble import Assembly, assemble
from jikko.errors import InvalidParam, LogDamaged
from jikko.events import FormRequested, RunPaused, RunRetried, RunStarted
from jikko.ports.stores.run_store import LogQuery, StartOptions
from jikko.record import RunRecord
from jikko.repositories.app_store import App
from jikko.runs.runs import StartRequest
from jikko.settings import Settings
from tests.runs.damage import WAYS, Damage, damage
from tests.runs.workflows import dsl, end, form, start
from tests.runs.world import PATIENCE, Process, World, end_of, until

pytestmark = pytest.mark.anyio

TEXT = "日本語🙂\ue000" * 200


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    world = World.on_disk(tmp_path)
    yield world
    await world.close()


@pytest.fixture(params=list(WAYS.values()), ids=list(WAYS))
def way(request: pytest.FixtureRequest) -> Damage:
    found: Damage = request.param
    return found


async def left(world: World, app: App, node_id: str) -> str:
    """A run that was at a node when its process died."""
    process = world.process()
    world.script.held = {node_id}
    run_id = (await process.start(app, q=TEXT)).record.identity.run_id
    await until(lambda: node_id in world.script.order)
    await process.die()
    world.script.held = set()
    return run_id


async def queued(world: World, app: App) -> str:
    """A run that waited for its turn when its process died."""
    process = world.process(at_once=1)
    world.script.held = {"a"}
    await process.start(app)
    waiting = await process.runs.start(app, StartRequest(inputs={"q": TEXT}, user="anna"), StartOptions())
    run_id = waiting.record.identity.run_id
    await process.die()
    world.script.held = set()
    return run_id


async def can_be_repeated(world: World, process: Process, app: App, record: RunRecord) -> None:
    """A damaged run is listed and read, repeated from its inputs, and pruned."""
    run_id = record.identity.run_id
    assert record.finished_at is not None
    listed = await world.store.list_runs(LogQuery(app_id=app.id, limit=100))
    assert record in listed.records
    with pytest.raises(LogDamaged) as damaged:
        await process.runs.records.events(record)
    assert damaged.value.readable == [] or isinstance(damaged.value.readable[0], RunStarted)

    with pytest.raises(InvalidParam, match=r"from_node_id: the log of the run is damaged: .* leave from_node_id out"):
        await process.retries.retry(app, run_id, from_node="a")
    again = await process.retries.retry(app, run_id)

    assert (await end_of(again)).outputs == {"out": "c"}
    log = await world.store.events((await world.ended(again.record.identity.run_id)).identity.run_id)
    assert isinstance(log[0], RunStarted)
    assert log[0].inputs == {"q": TEXT}
    assert next(event for event in log if isinstance(event, RunRetried)).from_nodes == []
    assert (await process.retries.lineage(record)).retries[0].run_id == again.record.identity.run_id
    await world.store.prune(world.now + 1)
    assert await world.store.record(run_id) is None


@pytest.mark.parametrize("leave", [queued, lambda world, app: left(world, app, "b")], ids=["queued", "under way"])
async def test_an_open_run_fails_at_the_next_start(
    world: World, tmp_path: Path, way: Damage, leave: Callable[[World, App], Awaitable[str]]
) -> None:
    app = await world.chain()
    run_id = await leave(world, app)
    sound = await left(world, app, "c")
    damage(tmp_path, run_id, way)
    process = world.process()

    await process.runs.control.take_over()

    record = await world.store.record(run_id)
    assert record is not None
    assert record.status == "failed"
    assert str(record.error).startswith("The run could not continue: its log is damaged: ")
    assert str(record.error).endswith("Retry the run from its inputs.")
    assert (await world.ended(sound)).status == "succeeded"
    await can_be_repeated(world, process, app, record)


async def test_an_open_run_whose_events_do_not_follow_from_one_another_fails_at_the_next_start(
    world: World, tmp_path: Path
) -> None:
    app = await world.chain()
    run_id = await left(world, app, "b")
    damage(tmp_path, run_id, lambda log: log.replace(b'"node_id":"', b'"node_id":"no'))

    await world.process().runs.control.take_over()

    record = await world.store.record(run_id)
    assert record is not None
    assert (record.status, "do not follow from one another" in str(record.error)) == ("failed", True)


@pytest.mark.usefixtures("soon_out_of_reach")
async def test_an_open_run_that_no_process_has_can_be_stopped(world: World, tmp_path: Path, way: Damage) -> None:
    app = await world.chain()
    run_id = await left(world, app, "b")
    damage(tmp_path, run_id, way)
    process = world.process()

    assert await process.runs.control.stop(app.id, run_id, "anna")

    record = await world.store.record(run_id)
    assert record is not None
    assert (record.status, record.error) == ("stopped", "Workflow run was stopped by user anna.")
    assert not await process.runs.control.stop(app.id, run_id, "anna")
    await can_be_repeated(world, process, app, record)


async def test_a_run_that_has_ended_stays_what_it_is(world: World, tmp_path: Path, way: Damage) -> None:
    app, process = await world.chain(), world.process()
    run = await process.start(app, q=TEXT)
    await end_of(run)
    record = await world.ended(run.record.identity.run_id)
    damage(tmp_path, record.identity.run_id, way)

    await process.runs.control.take_over()

    assert await world.store.record(record.identity.run_id) == record
    assert record.status == "succeeded"
    await can_be_repeated(world, process, app, record)


async def test_a_run_that_goes_on_here_is_not_concerned(world: World, tmp_path: Path, way: Damage) -> None:
    app, process = await world.chain(), world.process()
    world.script.held = {"b"}
    run = await process.start(app)
    await until(lambda: "b" in world.script.order)
    await run.committed()
    damage(tmp_path, run.record.identity.run_id, way)
    following = asyncio.create_task(_events(process, run.record))

    world.script.release("b")

    assert (await end_of(run)).status == "succeeded"
    assert (await following)[-1] == "RunFinished"


async def _events(process: Process, record: RunRecord) -> list[str]:
    async with asyncio.timeout(PATIENCE):
        return [
            type(event).__name__ async for batch in process.runs.control.reader(record).follow() for _, event in batch
        ]


# --- Runs that wait for humans ---


@pytest.fixture
async def assembly(tmp_path: Path) -> AsyncIterator[Assembly]:
    async with assemble(Settings(home=tmp_path)) as made:
        yield made


async def paused(assembly: Assembly, folder: Path, way: Damage) -> tuple[App, RunRecord, str]:
    """A damaged run that waits for a form: app, record, and the token of the form."""
    file = dsl([start("q"), form(), end(comment=["ask", "comment"])], ["start --> ask", "ask --yes--> end"])
    published = await assembly.apps.publish(file, source="test")
    live = await assembly.runs.start(published.app, StartRequest(inputs={"q": TEXT}, user="u"))
    assert isinstance(await live.ended(), RunPaused)
    (requested,) = [event for event in live.events if isinstance(event, FormRequested)]
    record = live.record
    await until(lambda: not assembly.runs.executor.executes(record.identity.run_id))
    damage(folder, record.identity.run_id, way)
    return published.app, await assembly.runs.records.any_record(record.identity.run_id), requested.form["form_token"]


async def _ended(assembly: Assembly, record: RunRecord) -> RunRecord:
    found = await assembly.runs.records.any_record(record.identity.run_id)
    assert (found.finished_at is not None, found.wake_at) == (True, None)
    return found


async def test_a_paused_run_fails_when_its_form_is_handed_in(assembly: Assembly, tmp_path: Path, way: Damage) -> None:
    app, record, token = await paused(assembly, tmp_path, way)

    with pytest.raises(LogDamaged, match=f"The log of run {record.identity.run_id} is damaged: .* retry the run"):
        await assembly.runs.forms.submit(app.id, token, "yes", {"comment": "fine"}, "")

    assert (await _ended(assembly, record)).status == "failed"


async def test_a_paused_run_fails_when_the_time_of_its_form_is_up(tmp_path: Path, way: Damage) -> None:
    now = [1_700_000_000.0]
    async with assemble(Settings(home=tmp_path), clock=lambda: now[0]) as assembly:
        _, record, _ = await paused(assembly, tmp_path, way)
        now[0] += 7200

        assert await assembly.runs.forms.close_expired() == 0

        assert (await _ended(assembly, record)).status == "failed"
        assert await assembly.store.due_runs(now[0]) == []


async def test_a_paused_run_can_be_stopped(assembly: Assembly, tmp_path: Path, way: Damage) -> None:
    app, record, _ = await paused(assembly, tmp_path, way)

    assert await assembly.runs.control.stop(app.id, record.identity.run_id, "u")

    assert (await _ended(assembly, record)).status == "stopped"


async def test_a_paused_run_fails_when_somebody_follows_it(assembly: Assembly, tmp_path: Path, way: Damage) -> None:
    _, record, _ = await paused(assembly, tmp_path, way)
    seen: list[int] = []

    async def follow() -> None:
        async for batch in assembly.runs.control.reader(record).follow(through_pauses=True):
            seen.extend(position for position, _ in batch)

    with pytest.raises(LogDamaged):
        await follow()

    assert seen == list(range(len(seen)))
    assert (await _ended(assembly, record)).status == "failed"
