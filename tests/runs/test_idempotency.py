"""Starting a run once, however often the client asks."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from jikko.errors import Conflict, InvalidParam
from jikko.ports.stores.run_store import KeyClaim, LogQuery, StartOptions
from jikko.repositories.app_store import App
from jikko.runs.runs import StartOutcome, StartRequest, checked_key, fingerprint
from tests.runs.world import Process, World, end_of

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["memory", "sqlite"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    world = World() if request.param == "memory" else World.on_disk(tmp_path)
    yield world
    await world.close()


async def start(world: World, process: Process, app: App, key: str, **inputs: str) -> StartOutcome:
    claim = KeyClaim(key=key, fingerprint=fingerprint("run", inputs), at=world.now)
    begin = partial(process.runs.start, app, StartRequest(inputs=inputs, user="anna"))
    return await process.starts.start(app, StartOptions(claim=claim), begin)


async def test_the_same_request_gives_the_same_run(world: World) -> None:
    app, process = await world.chain(), world.process()

    first = await start(world, process, app, "key", q="x")
    second = await start(world, process, app, "key", q="x")

    assert (first.repeated, second.repeated) == (False, True)
    assert first.run.record.identity.run_id == second.run.record.identity.run_id
    assert (await end_of(first.run)).outputs == (await end_of(second.run)).outputs == {"out": "c"}
    assert world.script.ran["a"] == 1


async def test_after_the_end_the_same_request_gives_what_came_of_it(world: World) -> None:
    app, process = await world.chain(), world.process()
    first = await start(world, process, app, "key", q="x")
    await end_of(first.run)
    await world.ended(first.run.record.identity.run_id)

    again = await start(world, process, app, "key", q="x")

    assert (await end_of(again.run)).outputs == {"out": "c"}
    assert again.run.record.status == "succeeded"
    seen = [event async for batch in again.run.follow() for _, event in batch]
    assert seen == await world.store.events(first.run.record.identity.run_id)


async def test_another_request_with_the_key_is_a_conflict_and_starts_nothing(world: World) -> None:
    app, process = await world.chain(), world.process()
    await end_of((await start(world, process, app, "key", q="x")).run)

    with pytest.raises(Conflict, match="'key' was used for another request"):
        await start(world, process, app, "key", q="y")

    assert (await world.store.list_runs(LogQuery(app_id=app.id))).total == 1


async def test_of_many_requests_at_once_to_two_processes_one_starts_the_run(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    app, one, other = await world.chain(), world.process(), world.process()

    starts = await asyncio.gather(*[start(world, process, app, "key") for process in (one, other) * 20])

    assert len({entry.run.record.identity.run_id for entry in starts}) == 1
    assert sum(not entry.repeated for entry in starts) == 1
    for entry in starts:
        assert (await end_of(entry.run)).status == "succeeded"
    assert world.script.ran["a"] == 1
    assert (one.admission.running, other.admission.running) == (0, 0)
    assert (caplog.messages, one.runs.measures.lost.values[()], other.runs.measures.lost.values[()]) == ([], 0, 0)


async def test_after_a_crash_the_same_request_gives_the_run_that_was_accepted(world: World) -> None:
    app, process = await world.chain(), world.process()
    world.script.held = {"a"}
    first = await start(world, process, app, "key")
    await process.die()
    new_holder = world.process()
    await new_holder.runs.control.take_over()

    again = await start(world, new_holder, app, "key")

    assert again.run.record.identity.run_id == first.run.record.identity.run_id
    world.script.release("a")
    assert (await end_of(again.run)).status == "succeeded"


async def test_a_key_lives_for_24_hours(world: World) -> None:
    app, process = await world.chain(), world.process()
    first = await start(world, process, app, "key")
    await world.ended(first.run.record.identity.run_id)

    world.now += 86_399
    assert (await start(world, process, app, "key")).repeated
    world.now += 2
    later = await start(world, process, app, "key", q="another")

    assert not later.repeated


async def test_the_keys_of_each_app_are_its_own(world: World) -> None:
    one, other, process = await world.chain("One"), await world.chain("Other"), world.process()

    await start(world, process, one, "key")

    assert not (await start(world, process, other, "key")).repeated


async def test_a_request_that_was_refused_leaves_its_key_free(world: World) -> None:
    app, process = await world.chain(), world.process()
    claim = KeyClaim(key="key", fingerprint=fingerprint("run", {}), at=world.now)
    begin = partial(process.runs.start, app, StartRequest(inputs={"q": 1}, user="anna"))
    with pytest.raises(InvalidParam):
        await process.starts.start(app, StartOptions(claim=claim), begin)

    assert not (await start(world, process, app, "key", q="x")).repeated


async def test_a_key_whose_run_was_removed_is_free_again(world: World) -> None:
    app, process = await world.chain(), world.process()
    first = await start(world, process, app, "key")
    await world.ended(first.run.record.identity.run_id)
    await world.store.prune(world.now + 1)

    assert not (await start(world, process, app, "key")).repeated


def test_the_order_of_names_does_not_make_another_request() -> None:
    assert fingerprint("run", {"a": 1, "b": {"c": 1, "d": 2}}) == fingerprint("run", {"b": {"d": 2, "c": 1}, "a": 1})
    assert fingerprint("run", {"a": 1}) != fingerprint("run", {"a": 2})
    assert fingerprint("run", {}) != fingerprint("run 0199a1b2", {})


@pytest.mark.parametrize("key", ["", "   ", "x" * 256])
def test_a_key_that_is_none_is_refused(key: str) -> None:
    with pytest.raises(InvalidParam, match="1 to 255"):
        checked_key(key)
